"""Topics, seen through the raw client: made, looked at, written to and read from. Batches are kafka-python's."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from chronik.errors import ErrorCode
from chronik.wire.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from chronik.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from chronik.wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from chronik.wire.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponseTopic
from chronik.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from tests.broker_process import wait_until
from tests.kafka_python import kafka
from tests.raw_client import RawClient

LATEST = -1
EARLIEST = -2
SETTLED_TIMEOUT_S = 90.0
RECORD_TIMESTAMP_MS = 1_700_000_000_000

_number = itertools.count(1)


def unique(stem: str = "topic") -> str:
    """A name that nobody had."""
    return f"{stem}-{next(_number)}"


class Made(NamedTuple):
    """A topic that was created."""

    name: str
    topic_id: bytes


def topic_of(
    name: str,
    partitions: int = 1,
    replication_factor: int = 1,
    configs: Mapping[str, str | None] | None = None,
) -> CreatableTopic:
    """An element of a CreateTopics request."""
    return CreatableTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=replication_factor,
        configs=[CreatableTopicConfig(name=key, value=value) for key, value in (configs or {}).items()],
    )


def create_topic(
    client: RawClient, stem: str = "topic", partitions: int = 1, configs: Mapping[str, str | None] | None = None
) -> Made:
    """Create a topic of a new name, and wait until Metadata has it (Kafka's brokers learn of it a little later)."""
    name = unique(stem)
    request = CreateTopicsRequest(topics=[topic_of(name, partitions, configs=configs)])
    (result,) = client.ask(request, 7).topics
    assert result.error_code == 0, result
    wait_until(lambda: metadata_of(client, name).error_code == 0, SETTLED_TIMEOUT_S, f"{name} does not appear")
    return Made(name, result.topic_id)


def metadata_of(client: RawClient, name: str) -> MetadataResponseTopic:
    """What Metadata says of a topic; it does not create it."""
    request = MetadataRequest(topics=[MetadataRequestTopic(name=name)], allow_auto_topic_creation=False)
    (topic,) = client.ask(request, 10).topics
    assert isinstance(topic, MetadataResponseTopic)
    return topic


def node_id(client: RawClient) -> int:
    """The broker's id."""
    (broker,) = client.ask(MetadataRequest(topics=[]), 9).brokers
    assert isinstance(broker.node_id, int)
    return broker.node_id


def batch_of(values: Sequence[bytes], keys: Sequence[bytes] | None = None) -> bytes:
    """One record batch."""
    builder = kafka.record.memory_records.MemoryRecordsBuilder(magic=2, compression_type=0, batch_size=1 << 24)
    for index, value in enumerate(values):
        builder.append(timestamp=RECORD_TIMESTAMP_MS, key=keys[index] if keys else None, value=value)
    builder.close()
    return bytes(builder.buffer())


def try_produce(client: RawClient, topic: str, values: Sequence[bytes], partition: int = 0, **options: Any) -> Any:
    """Write one batch with acks=all; the partition's answer."""
    data = PartitionProduceData(index=partition, records=memoryview(batch_of(values, **options)))
    request = ProduceRequest(
        acks=-1, timeout_ms=10_000, topic_data=[TopicProduceData(name=topic, partition_data=[data])]
    )
    (response,) = client.ask(request, 9).responses[0].partition_responses
    return response


def produce(client: RawClient, topic: str, values: Sequence[bytes], partition: int = 0, **options: Any) -> int:
    """Write one batch with acks=all; its base offset."""
    response = try_produce(client, topic, values, partition, **options)
    assert response.error_code == 0, ErrorCode(response.error_code)
    assert isinstance(response.base_offset, int)
    return response.base_offset


class Fetched(NamedTuple):
    """What a fetch of one partition brought."""

    error_code: int
    log_start_offset: int
    high_watermark: int
    values: dict[int, bytes]
    """By offset, as far as the first fetch went."""


def fetch(client: RawClient, topic: str, offset: int, partition: int = 0) -> Fetched:
    """Read a partition once, without waiting."""
    wanted = FetchPartition(partition=partition, fetch_offset=offset, partition_max_bytes=1 << 24)
    request = FetchRequest(
        max_wait_ms=0, min_bytes=0, max_bytes=1 << 24, topics=[FetchTopic(topic=topic, partitions=[wanted])]
    )
    (got,) = client.ask(request, 11).responses[0].partitions
    values: dict[int, bytes] = {}
    records = kafka.record.memory_records.MemoryRecords(bytes(got.records or b""))
    while records.has_next():
        values |= {record.offset: record.value for record in records.next_batch() if record.offset >= offset}
    return Fetched(got.error_code, got.log_start_offset, got.high_watermark, values)


def offset_at(client: RawClient, topic: str, timestamp: int, partition: int = 0) -> int:
    """The offset that ListOffsets has for a timestamp, or for LATEST and EARLIEST."""
    wanted = ListOffsetsPartition(partition_index=partition, timestamp=timestamp)
    request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=topic, partitions=[wanted])])
    (found,) = client.ask(request, 5).topics[0].partitions
    assert found.error_code == 0, ErrorCode(found.error_code)
    assert isinstance(found.offset, int)
    return found.offset
