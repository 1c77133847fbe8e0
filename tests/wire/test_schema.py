"""Declarations: what the decorator makes of a class."""

from __future__ import annotations

import dataclasses
from typing import cast

import pytest

from chronik.wire.apis import APIS, ApiKey
from chronik.wire.encoding import encoded_array
from chronik.wire.header import encode_response
from chronik.wire.messages.fetch import (
    FetchableTopicResponse,
    FetchRequest,
    FetchResponse,
    LeaderIdAndEpoch,
    PartitionData,
)
from chronik.wire.messages.metadata import (
    MetadataRequest,
    MetadataResponse,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from chronik.wire.schema import INT32, STRING, Versions, array, fields_of, message
from tests.wire.declared import MESSAGES


@message
class Point:
    """A message of this test."""

    x: int = INT32()
    name: str | None = STRING("2+", null="2+", default=None)
    near: list[int] = array(INT32, "1-3")


def test_versions_are_written_as_kafka_writes_them() -> None:
    assert Versions.parse("0-12") == (0, 12)
    assert Versions.parse("2") == (2, 2)
    assert [Versions.parse("3+").has(version) for version in (2, 3, 99)] == [False, True, True]
    assert not Versions.parse("").has(0)


def test_a_message_is_built_by_position_or_name() -> None:
    assert Point(1, "a", [2]) == Point(near=[2], x=1, name="a")
    assert (Point().x, Point().name, Point().near) == (0, None, [])
    with pytest.raises(TypeError):
        Point(y=1)  # type: ignore[call-arg]  # the error is what is tested


def test_default_lists_are_not_shared() -> None:
    one, other = Point(), Point()
    one.near.append(1)
    assert other.near == []
    decode = MESSAGES["FetchRequest"].decoder
    body = MESSAGES["FetchRequest"].encode(FetchRequest(), 4)
    first, second = decode(4)(body, 0), decode(4)(body, 0)
    first.forgotten_topics_data.append(1)
    assert second.forgotten_topics_data == []


def test_messages_compare_and_show_their_fields() -> None:
    assert Point(1) != Point(2)
    others: list[object] = [(1, None, []), 1, None]
    assert Point(1) not in others
    assert repr(Point(1)) == "Point(x=1, name=None, near=[])"
    with pytest.raises(TypeError):
        hash(Point())


def test_messages_have_slots_and_are_dataclasses() -> None:
    with pytest.raises(AttributeError):
        Point().other = 1  # type: ignore[attr-defined]  # the error is what is tested
    assert [field.name for field in dataclasses.fields(MetadataRequest())] == [
        spec.name for spec in fields_of(MetadataRequest)
    ]
    assert dataclasses.replace(MetadataResponse(controller_id=3), cluster_id="c").controller_id == 3


def test_every_message_is_built_from_its_defaults_in_every_version() -> None:
    """Handlers name only what matters; what they leave out must be encodable."""
    for declared in MESSAGES.values():
        for version in declared.api.versions:
            message = declared.cls()
            assert declared.decoder(version)(declared.encode(message, version), 0) == message


def test_a_tagged_struct_of_defaults_is_left_out() -> None:
    """As every other implementation does, which cannot tell it from none."""
    encode = MESSAGES["FetchResponse"].encode
    with_none = FetchResponse(responses=[_topic(PartitionData())])
    with_defaults = FetchResponse(responses=[_topic(PartitionData(current_leader=LeaderIdAndEpoch()))])
    with_leader = FetchResponse(responses=[_topic(PartitionData(current_leader=LeaderIdAndEpoch(2, 5)))])
    assert encode(with_none, 12) == encode(with_defaults, 12)
    assert len(encode(with_leader, 12)) == len(encode(with_none, 12)) + 2 + 4 + 4 + 1


def _topic(partition: PartitionData) -> FetchableTopicResponse:
    return FetchableTopicResponse(partitions=[partition])


@pytest.mark.parametrize("version", range(14))
def test_an_encoded_array_is_written_as_its_elements_would_be(version: int) -> None:
    partitions = [
        MetadataResponsePartition(partition_index=number, leader_id=1, replica_nodes=[1], isr_nodes=[1])
        for number in range(200)
    ]
    flexible = APIS[ApiKey.METADATA].is_flexible(version)
    encoded = encoded_array(partitions, version, flexible)
    whole, reused = (
        MetadataResponse(topics=[MetadataResponseTopic(name="orders", partitions=given)])
        for given in (partitions, cast("list[MetadataResponsePartition]", encoded))
    )
    assert encode_response(ApiKey.METADATA, version, 7, reused) == encode_response(ApiKey.METADATA, version, 7, whole)
