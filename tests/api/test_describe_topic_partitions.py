"""DescribeTopicPartitions: topics by name, in pages."""

from __future__ import annotations

from typing import Any

import pytest

from chronik.errors import ErrorCode
from chronik.wire.apis import ApiKey
from chronik.wire.messages.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
    TopicRequest,
)
from tests.api.topics import create_topic, node_id
from tests.raw_client import RawClient

API = ApiKey.DESCRIBE_TOPIC_PARTITIONS

ALL_OPERATIONS = 3576
NOT_ASKED = -(2**31)

Pages = list[tuple[str, list[int]]]
"""(topic, partitions)."""


def describe(
    client: RawClient, names: list[str], limit: int = 2000, cursor: tuple[str, int] | None = None
) -> DescribeTopicPartitionsResponse:
    request = DescribeTopicPartitionsRequest(
        topics=[TopicRequest(name=name) for name in names],
        response_partition_limit=limit,
        cursor=None if cursor is None else Cursor(topic_name=cursor[0], partition_index=cursor[1]),
    )
    response: DescribeTopicPartitionsResponse = client.ask(request, 0)
    assert response.throttle_time_ms == 0
    return response


def page(response: DescribeTopicPartitionsResponse) -> Pages:
    return [
        (topic.name or "", [partition.partition_index for partition in topic.partitions]) for topic in response.topics
    ]


def next_of(response: DescribeTopicPartitionsResponse) -> tuple[str, int] | None:
    cursor = response.next_cursor
    return None if cursor is None else (cursor.topic_name, cursor.partition_index)


@pytest.fixture
def names(client: RawClient) -> list[str]:
    """Three topics of three partitions, in the order of their names."""
    return sorted(create_topic(client, partitions=3).name for _ in range(3))


def test_describes_a_topic(client: RawClient) -> None:
    made = create_topic(client, partitions=2)
    response = describe(client, [made.name])
    (topic,) = response.topics
    assert (topic.error_code, topic.name, topic.topic_id, topic.is_internal) == (0, made.name, made.topic_id, False)
    assert topic.topic_authorized_operations == ALL_OPERATIONS
    assert response.next_cursor is None
    me = node_id(client)
    for index, partition in enumerate(topic.partitions):
        assert (partition.error_code, partition.partition_index) == (0, index)
        assert (partition.leader_id, partition.leader_epoch) == (me, 0)
        assert (partition.replica_nodes, partition.isr_nodes, partition.offline_replicas) == ([me], [me], [])
        assert (partition.eligible_leader_replicas, partition.last_known_elr) == ([], [])


def test_answers_in_the_order_of_names(client: RawClient, names: list[str]) -> None:
    response = describe(client, [*reversed(names), names[0]])
    assert page(response) == [(name, [0, 1, 2]) for name in names]


def test_tells_what_does_not_exist(client: RawClient, names: list[str]) -> None:
    response = describe(client, ["zz-nobody", "a b", names[0]])
    codes = {topic.name: topic.error_code for topic in response.topics}
    assert codes == {
        "zz-nobody": ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        "a b": ErrorCode.INVALID_TOPIC_EXCEPTION,
        names[0]: 0,
    }
    assert all(topic.topic_authorized_operations == ALL_OPERATIONS for topic in response.topics)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 8, 9, 10, 0, -1])
def test_pages_follow_each_other(client: RawClient, names: list[str], limit: int) -> None:
    """Whatever the limit, the pages together are everything, and no page but the last has less than the limit."""
    seen: list[tuple[str, int]] = []
    cursor: tuple[str, int] | None = None
    while True:
        response = describe(client, names, limit, cursor)
        found = [(name, index) for name, partitions in page(response) for index in partitions]
        seen += found
        assert len(found) <= max(limit, 1)
        cursor = next_of(response)
        if cursor is None:
            break
        assert len(found) == max(limit, 1)
    assert seen == [(name, index) for name in names for index in range(3)]


def test_a_page_that_ends_with_a_topic_points_at_the_next(client: RawClient, names: list[str]) -> None:
    assert next_of(describe(client, names, 3)) == (names[1], 0)
    assert next_of(describe(client, names, 4)) == (names[1], 1)
    assert next_of(describe(client, names, 9)) is None


def test_what_does_not_exist_needs_no_room(client: RawClient, names: list[str]) -> None:
    response = describe(client, ["aa-nobody", names[0], "zz-nobody"], 3)
    assert page(response) == [("aa-nobody", []), (names[0], [0, 1, 2])]
    assert next_of(response) == ("zz-nobody", 0)


def test_a_cursor_behind_the_partitions_finds_none(client: RawClient, names: list[str]) -> None:
    response = describe(client, names[:2], 3, (names[0], 99))
    assert page(response) == [(names[0], []), (names[1], [0, 1, 2])]
    assert next_of(response) is None


def test_a_cursor_may_be_at_a_topic_that_is_gone(client: RawClient, names: list[str]) -> None:
    response = describe(client, ["aa-nobody", names[0]], 3, ("aa-nobody", 2))
    assert page(response) == [("aa-nobody", []), (names[0], [0, 1, 2])]


@pytest.mark.parametrize("cursor", [(0, -1), (1, 0)], ids=["negative", "not asked for"])
def test_refuses_cursors(client: RawClient, names: list[str], cursor: tuple[int, int]) -> None:
    asked = [names[0], names[2]]
    response = describe(client, asked, 3, (names[cursor[0]], cursor[1]))
    assert [(topic.name, topic.error_code) for topic in response.topics] == [
        (name, ErrorCode.INVALID_REQUEST) for name in asked
    ]
    assert {topic.topic_authorized_operations for topic in response.topics} == {NOT_ASKED}
    assert response.next_cursor is None


def test_no_names_means_all(client: RawClient, names: list[str]) -> None:
    everything = page(describe(client, []))
    assert everything == sorted(everything)
    assert {(name, (0, 1, 2)) for name in names} <= {(name, tuple(partitions)) for name, partitions in everything}
    response = describe(client, [], 2, (names[1], 1))
    assert page(response) == [(names[1], [1, 2])]
    assert next_of(response) == (names[2], 0)
    # Where no names are given, any cursor will do.
    later = describe(client, [], 3, (names[1] + "-", 7))
    assert page(later) == [(names[2], [0, 1, 2])]


def test_a_page_is_never_larger_than_the_broker_allows(client: RawClient) -> None:
    name = create_topic(client, partitions=2001).name
    response = describe(client, [name], 2**31 - 1)
    assert [len(partitions) for _, partitions in page(response)] == [2000]
    assert next_of(response) == (name, 2000)
    assert page(describe(client, [name], 2**31 - 1, (name, 2000))) == [(name, [2000])]


def test_kio_understands_the_answer(client: RawClient, names: list[str]) -> None:
    from kio.schema.describe_topic_partitions.v0.request import DescribeTopicPartitionsRequest as KioRequest
    from kio.schema.describe_topic_partitions.v0.request import TopicRequest as KioTopic
    from kio.schema.types import TopicName
    from kio.static.primitive import i32

    topics = tuple(KioTopic(name=TopicName(name)) for name in names)
    response = client.ask_kio(KioRequest(topics=topics, response_partition_limit=i32(4)))
    assert [(topic.name, len(topic.partitions)) for topic in response.topics] == [(names[0], 3), (names[1], 1)]
    assert (response.next_cursor.topic_name, response.next_cursor.partition_index) == (names[1], 1)


def test_admin_clients_describe(kafka_python: Any, names: list[str]) -> None:
    described = kafka_python.describe_topic_partitions(names[:2], response_partition_limit=4)
    assert [topic["name"] for topic in described["topics"]] == names[:2]
    assert described["next_cursor"] == {"topic_name": names[1], "partition_index": 1}
