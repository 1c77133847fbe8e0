"""The bit fields of authorized operations in Metadata: without an authorizer everybody may do everything."""

from __future__ import annotations

import pytest

from chronik.errors import ErrorCode
from chronik.wire.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from tests.api.topics import create_topic
from tests.raw_client import RawClient

ALL_OF_TOPICS = 0x0DF8
ALL_OF_THE_CLUSTER = 0x1FA0
NOT_ASKED = -(2**31)


def ask(client: RawClient, topics: list[MetadataRequestTopic] | None, version: int, asked: bool) -> MetadataResponse:
    request = MetadataRequest(
        topics=topics,
        allow_auto_topic_creation=False,
        include_cluster_authorized_operations=asked and version <= 10,
        include_topic_authorized_operations=asked,
    )
    response: MetadataResponse = client.ask(request, version)
    return response


@pytest.mark.parametrize("at", range(8, 14))
@pytest.mark.parametrize("asked", [True, False])
def test_metadata_tells_them_when_asked(client: RawClient, at: int, asked: bool) -> None:
    name = create_topic(client).name
    for topics in ([MetadataRequestTopic(name=name)], None):
        response = ask(client, topics, at, asked)
        expected = ALL_OF_THE_CLUSTER if asked and at <= 10 else NOT_ASKED
        assert response.cluster_authorized_operations == expected
        assert {topic.topic_authorized_operations for topic in response.topics} == {
            ALL_OF_TOPICS if asked else NOT_ASKED
        }


@pytest.mark.parametrize(
    ("name", "error"),
    [("nobody", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION), ("a b", ErrorCode.INVALID_TOPIC_EXCEPTION)],
)
def test_metadata_tells_them_of_topics_that_do_not_exist(client: RawClient, name: str, error: ErrorCode) -> None:
    (topic,) = ask(client, [MetadataRequestTopic(name=name)], 9, True).topics
    assert (topic.error_code, topic.topic_authorized_operations) == (error, ALL_OF_TOPICS)


def test_a_topic_that_is_not_found_by_its_id_has_none(client: RawClient) -> None:
    """Its name, if the request gives one beside the id, counts for nothing."""
    there = create_topic(client).name
    for name in (None, there):
        (topic,) = ask(client, [MetadataRequestTopic(name=name, topic_id=b"0123456789abcdef")], 12, True).topics
        assert (topic.error_code, topic.name) == (ErrorCode.UNKNOWN_TOPIC_ID, None)
        assert topic.topic_authorized_operations == NOT_ASKED


def test_a_name_that_only_collides_does_not_exist(client: RawClient) -> None:
    """It could not be created, but that was not asked."""
    there = create_topic(client, "g.h").name
    (topic,) = ask(client, [MetadataRequestTopic(name=there.replace(".", "_"))], 9, True).topics
    assert topic.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
