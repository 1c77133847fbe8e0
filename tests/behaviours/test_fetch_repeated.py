"""A consumer that asks for the same again and again is told what is new as if it had asked for the first time."""

from __future__ import annotations

import random

import pytest

from chronik.errors import ErrorCode
from chronik.wire.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsTopic
from chronik.wire.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from chronik.wire.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData
from tests.behaviours.batches import records_in, values
from tests.behaviours.partition import Partition, create_named, create_topic, delete_topic, fetch_request, new_partition
from tests.raw_client import RawClient

MANY = 40
"""Enough partitions for the broker to remember what it found, also when a request differs from the last one."""


def many(topic: str, offsets: list[int], *, isolation_level: int = 0, max_wait_ms: int = 0) -> FetchRequest:
    partitions = [
        FetchPartition(partition=number, fetch_offset=offset, partition_max_bytes=1 << 20)
        for number, offset in enumerate(offsets)
    ]
    return fetch_request(
        FetchTopic(topic=topic, partitions=partitions),
        isolation_level=isolation_level,
        max_wait_ms=max_wait_ms,
        min_bytes=1 if max_wait_ms else 0,
    )


def told(response: FetchResponse) -> dict[int, PartitionData]:
    return {data.partition_index: data for topic in response.responses for data in topic.partitions}


def test_a_repeated_fetch_sees_what_was_appended(client: RawClient, other: RawClient) -> None:
    reader = new_partition(client)
    writer = reader.over(other)
    for count in range(5):
        assert [record.value for record in reader.records(count)] == []
        assert reader.fetch(count).high_watermark == count
        writer.append(values(1)[0])
        for _ in range(3):
            data = reader.fetch(count)
            assert (data.high_watermark, [record.offset for record in records_in(data.records)]) == (count + 1, [count])


def test_a_repeated_fetch_that_waits_is_woken(client: RawClient, other: RawClient) -> None:
    reader = new_partition(client)
    writer = reader.over(other)
    for count in range(3):
        for _ in range(2):
            assert not reader.fetch(count, max_wait_ms=20, min_bytes=1).records
        client.send(fetch_request(reader.place.fetched(count), max_wait_ms=60_000, min_bytes=1), 11)
        writer.append(values(1)[0])
        (topic,) = client.receive().responses
        assert [record.offset for record in records_in(topic.partitions[0].records)] == [count]


def test_a_repeated_fetch_sees_the_start_of_the_log_move(client: RawClient, other: RawClient) -> None:
    reader = new_partition(client)
    reader.append(*values(10))
    assert reader.fetch(10).log_start_offset == reader.fetch(10).log_start_offset == 0
    wanted = DeleteRecordsTopic(name=reader.topic, partitions=[DeleteRecordsPartition(partition_index=0, offset=4)])
    other.ask(DeleteRecordsRequest(topics=[wanted], timeout_ms=10_000), 2)
    assert reader.fetch(10).log_start_offset == 4


def test_a_repeated_fetch_notices_that_the_topic_was_deleted_and_made_again(
    client: RawClient, other: RawClient
) -> None:
    reader = new_partition(client)
    for _ in range(3):
        assert reader.fetch(0).error_code == ErrorCode.NONE
    delete_topic(other, reader.topic)
    for _ in range(2):
        assert reader.fetch(0).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    create_named(other, reader.topic)
    reader.over(other).append(*values(2))
    assert [record.value for record in records_in(reader.fetch(0).records)] == values(2)


def test_a_repeated_fetch_finds_a_partition_that_was_added(client: RawClient, other: RawClient) -> None:
    topic = create_topic(client)
    second = Partition(client, topic, 1)
    for _ in range(3):
        assert second.fetch(0).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    more = CreatePartitionsTopic(name=topic, count=2, assignments=None)
    other.ask(CreatePartitionsRequest(topics=[more], timeout_ms=10_000, validate_only=False), 1)
    assert second.fetch(0).error_code == ErrorCode.NONE


@pytest.mark.parametrize("version", [4, 7, 11, 12])
def test_the_same_answer_carries_the_id_of_its_request(client: RawClient, version: int) -> None:
    reader = new_partition(client)
    # The raw client fails on a correlation id that is not that of its request.
    answers = [reader.fetch(0, version=version) for _ in range(4)]
    assert all(answer == answers[0] for answer in answers)


def test_random_offsets_of_many_partitions_are_answered_as_on_a_fresh_connection(
    client: RawClient, other: RawClient
) -> None:
    """What is remembered of each partition never changes what is told."""
    topic = create_topic(client, MANY)
    chance = random.Random(5)
    ends = [0] * MANY
    offsets = [0] * MANY
    for _ in range(40):
        for number in chance.sample(range(MANY), chance.choice([0, 0, 1, 3])):
            ends[number] = Partition(other, topic, number).append(*values(2)) + 2
        for number in chance.sample(range(MANY), chance.choice([0, 1, 5])):
            offsets[number] = chance.randint(0, ends[number])
        request = many(topic, offsets)
        remembered = told(client.ask(request, 11))
        assert sorted(remembered) == list(range(MANY))
        for number, data in remembered.items():
            assert data.high_watermark == ends[number]
            found = [record.offset for record in records_in(data.records) if record.offset >= offsets[number]]
            assert found == list(range(offsets[number], ends[number]))


def test_another_isolation_level_is_another_question(client: RawClient) -> None:
    topic = create_topic(client, MANY)
    for level in (0, 1, 0, 1, 1):
        data = told(client.ask(many(topic, [0] * MANY, isolation_level=level), 11))[3]
        assert data.aborted_transactions == ([] if level else None)
