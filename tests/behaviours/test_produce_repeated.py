"""Requests that say what an earlier one of their connection said: they are answered like a first one."""

from __future__ import annotations

import random
import struct

import pytest

from chronik.errors import ErrorCode
from chronik.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from chronik.wire.messages.metadata import MetadataRequest
from chronik.wire.messages.produce import PartitionProduceData, PartitionProduceResponse, TopicProduceData
from tests.behaviours.batches import CRC_AT, Producer, batch, changed, values
from tests.behaviours.partition import (
    Partition,
    create_named,
    create_topic,
    delete_topic,
    metadata_of,
    new_partition,
    produce_request,
)
from tests.behaviours.test_idempotence import init_producer_id
from tests.broker_process import BrokerProcess
from tests.conftest import RawFactory
from tests.raw_client import RawClient

VERSIONS = range(3, 14)
TOPIC = 2
SET, DELETE = 0, 1


def produce(
    client: RawClient, topic: str, records: bytes | None, *, number: int = 0, acks: int = -1, version: int = 9
) -> PartitionProduceResponse:
    """Like `Partition.produce`, by the topic's id where the version wants that."""
    client.send(_request(client, topic, records, number, acks, version), version)
    (told,) = client.receive().responses
    (answer,) = told.partition_responses
    assert isinstance(answer, PartitionProduceResponse)
    assert answer.index == number
    return answer


_ids: dict[str, bytes] = {}


def _request(client: RawClient, topic: str, records: bytes | None, number: int, acks: int, version: int) -> object:
    view = None if records is None else memoryview(records)
    data = TopicProduceData(name=topic, partition_data=[PartitionProduceData(index=number, records=view)])
    if version >= 13:
        if topic not in _ids:
            _ids[topic] = metadata_of(client, topic).topic_id
        data.topic_id = _ids[topic]
    return produce_request(data, acks=acks)


def batches_of_all_kinds(producer: Producer) -> list[bytes | None]:
    good = batch(*values(3))
    return [
        good,
        batch(b"one"),
        good,
        batch(b"x" * 100_000),
        changed(good, CRC_AT, b"\x00\x01\x02\x03"),
        batch(b"y" * 130, codec="gzip"),
        batch(b"z" * 130, codec="zstd"),
        good,
        batch(b"x" * 1_100_000),
        good[:-1],
        good + good,
        b"",
        None,
        good,
        batch(b"0", producer=producer, sequence=0),
        batch(b"1", b"2", producer=producer, sequence=1),
        batch(b"1", b"2", producer=producer, sequence=1),
        batch(b"9", producer=producer, sequence=9),
        batch(b"3", producer=producer, sequence=3),
        batch(b"old", producer=producer._replace(epoch=-1), sequence=4),
        good,
    ]


@pytest.mark.parametrize("acks", [-1, 1])
@pytest.mark.parametrize("version", VERSIONS)
def test_every_request_is_answered_as_on_a_fresh_connection(
    client: RawClient, module_broker: BrokerProcess, raw: RawFactory, version: int, acks: int, on_kafka: bool
) -> None:
    topic = create_topic(client, 2)
    identity = init_producer_id(client)
    producer = Producer(identity.producer_id, identity.producer_epoch)
    for records in batches_of_all_kinds(producer):
        if records is None and on_kafka:
            continue  # to this it never answers
        again = produce(client, topic, records, number=0, acks=acks, version=version)
        with raw(module_broker) as fresh:
            first = produce(fresh, topic, records, number=1, acks=acks, version=version)
        first.index = again.index
        assert again == first
    repeated, fresh_ones = Partition(client, topic, 0), Partition(client, topic, 1)
    assert repeated.records() == fresh_ones.records()


def test_the_topic_may_be_deleted_and_made_again(client: RawClient, other: RawClient) -> None:
    partition = new_partition(client)
    assert [partition.append(b"x") for _ in range(3)] == [0, 1, 2]
    delete_topic(other, partition.topic)
    assert partition.produce(batch(b"x")).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    create_named(other, partition.topic)
    assert [partition.append(b"x") for _ in range(3)] == [0, 1, 2]


def alter(client: RawClient, topic: str, name: str, value: str | None) -> None:
    change = AlterableConfig(name=name, config_operation=DELETE if value is None else SET, value=value)
    resource = AlterConfigsResource(resource_type=TOPIC, resource_name=topic, configs=[change])
    (answer,) = client.ask(IncrementalAlterConfigsRequest(resources=[resource]), 1).responses
    assert answer.error_code == 0


def test_changed_configs_count_from_the_next_request_on(client: RawClient, other: RawClient, on_kafka: bool) -> None:
    if on_kafka:
        pytest.skip("Kafka's brokers hear of changed configs a little later")
    partition = new_partition(client)
    assert partition.append(b"x" * 1000) == 0
    alter(other, partition.topic, "max.message.bytes", "500")
    assert partition.produce(batch(b"x" * 1000)).error_code == ErrorCode.MESSAGE_TOO_LARGE
    alter(other, partition.topic, "max.message.bytes", None)
    assert partition.append(b"x" * 1000) == 1
    alter(other, partition.topic, "message.timestamp.type", "LogAppendTime")
    assert partition.produce(batch(b"x")).log_append_time_ms > 0
    alter(other, partition.topic, "message.timestamp.type", "CreateTime")
    assert partition.produce(batch(b"x")).log_append_time_ms == -1
    assert partition.end == 4


def test_one_connection_may_take_turns_among_many_partitions(client: RawClient) -> None:
    count, rounds = 200, 4
    topic = create_topic(client, count)
    for expected in range(rounds):
        for number in range(count):
            assert produce(client, topic, batch(b"x"), number=number, acks=1).base_offset == expected


def test_random_requests_sent_together_are_answered_in_their_order(client: RawClient) -> None:
    chosen = random.Random(5)
    topics = [create_topic(client, 2) for _ in range(2)]
    ends = {(topic, number): 0 for topic in topics for number in range(2)}
    for _ in range(40):
        expected = []
        for _ in range(chosen.randint(1, 12)):
            version, acks = chosen.choice([5, 8, 9, 12]), chosen.choice([1, 1, -1, 0])
            place, count = chosen.choice(sorted(ends)), chosen.randint(1, 3)
            records = batch(*values(count))
            client.send(_request(client, *(place[0], records, place[1], acks, version)), version, answered=acks != 0)
            if acks != 0:
                expected.append((place, ends[place]))
            ends[place] += count
            if chosen.random() < 0.1:
                client.send(MetadataRequest(topics=[]), 9)
                expected.append((("", -1), -1))
        for place, base_offset in expected:
            answer = client.receive()
            if base_offset >= 0:
                (topic,) = answer.responses
                (partition,) = topic.partition_responses
                assert ((topic.name, partition.index), partition.base_offset) == (place, base_offset)
                assert partition.error_code == 0
    assert {place: Partition(client, *place).end for place in ends} == ends


@pytest.mark.parametrize("version", [8, 9])
@pytest.mark.parametrize("step", [1, -1, 1000])
def test_a_wrong_size_of_the_records_appends_nothing(
    client: RawClient, other: RawClient, version: int, step: int
) -> None:
    partition = new_partition(other)
    records = batch(b"x" * 200)
    for _ in range(3):
        assert produce(client, partition.topic, records, version=version).error_code == 0
    frame = bytearray(client.frame(partition_request(partition, records), version))
    if version == 8:
        at = len(frame) - len(records) - 4
        frame[at : at + 4] = struct.pack(">i", len(records) + step)
    else:
        at = len(frame) - len(records) - 3 - 2
        size = len(records) + 1 + step
        frame[at : at + 2] = bytes((size & 0x7F | 0x80, size >> 7))
    client.write(bytes(frame))
    if step == -1:
        # The batch is cut short by one byte, which is left at the end of the request.
        assert client.read_reply() is not None
    else:
        client.assert_closed()
    assert partition.end == 3


def partition_request(partition: Partition, records: bytes) -> object:
    return produce_request(partition.place.produced(records))


def test_a_request_may_end_with_tags_that_nobody_knows(client: RawClient) -> None:
    partition = new_partition(client)
    assert [partition.append(b"x") for _ in range(2)] == [0, 1]
    request = partition_request(partition, batch(b"x"))
    frame = client.frame(request, 9)
    for expected, tags in enumerate((b"\x01\x05\x03\x00\x00\x00", b"\x01\x05\x01\x07", b"\x00"), 2):
        altered = frame[4:-1] + tags
        client.write(struct.pack(">i", len(altered)) + altered)
        (topic,) = client.receive().responses
        assert topic.partition_responses[0].base_offset == expected
        frame = client.frame(request, 9)
    client.write(frame)
    assert client.receive().responses[0].partition_responses[0].base_offset == 5
