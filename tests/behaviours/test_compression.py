"""Codecs: what each client compresses, every other one reads, and the broker keeps as it came."""

from __future__ import annotations

import asyncio
from typing import Any

import cramjam
import pytest
from aiokafka import AIOKafkaConsumer
from confluent_kafka import Consumer, Producer, TopicPartition

from chronik.errors import ErrorCode
from chronik.wire.apis import ApiKey
from chronik.wire.messages.api_versions import ApiVersionsRequest
from tests.behaviours.batches import CODECS, HEADER_BYTES, batch, batches_in, bytes_of, values, with_payload
from tests.behaviours.partition import Partition, create_topic, new_partition
from tests.broker_process import BrokerProcess
from tests.clients.conftest import NamedClient
from tests.kafka_python import kafka
from tests.raw_client import RawClient

COUNT = 30
"""Records of each codec: enough for every codec to make them smaller."""
KINDS = ("none", "gzip", "snappy", "snappy in one block", "lz4", "zstd")
XERIAL = b"\x82SNAPPY\0"


@pytest.fixture
def partition(client: RawClient) -> Partition:
    return new_partition(client)


def compressed(kind: str) -> bytes:
    """A batch of that codec; "snappy in one block" is raw, as librdkafka writes it, "snappy" has Java's framing."""
    texts = values(COUNT, kind + " " + "compress me " * 5)
    if kind != "snappy in one block":
        return batch(*texts, codec=kind)
    plain = batch(*texts)
    return with_payload(plain, "snappy", bytes(cramjam.snappy.compress_raw(plain[HEADER_BYTES:])))


def all_values() -> list[bytes]:
    return [value for kind in KINDS for value in values(COUNT, kind + " " + "compress me " * 5)]


@pytest.fixture(scope="module")
def mixed(module_broker: BrokerProcess) -> str:
    """A topic with a batch of every kind."""
    with RawClient(module_broker.host, module_broker.port) as client:
        partition = new_partition(client)
        for kind in KINDS:
            assert partition.produce(compressed(kind)).error_code == 0
        return partition.topic


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_keeps_its_codec_and_its_bytes(partition: Partition, kind: str) -> None:
    sent = compressed(kind)
    assert partition.produce(sent).error_code == 0
    stored = bytes_of(partition.fetch(0).records)
    assert (stored[8:12], stored[16:]) == (sent[8:12], sent[16:])
    assert stored[22] & 7 == CODECS[kind.partition(" ")[0]]
    if kind == "snappy":
        assert stored[HEADER_BYTES:].startswith(XERIAL)
    assert [record.value for record in partition.records()] == values(COUNT, kind + " " + "compress me " * 5)


@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec != "none"])
def test_librdkafka_compresses_what_it_is_told_to(
    module_broker: BrokerProcess, partition: Partition, codec: str
) -> None:
    """It sends plain records to a broker whose versions of Produce do not begin at 0."""
    listed = {one.api_key: one for one in partition.client.ask(ApiVersionsRequest(), 0).api_keys}
    assert listed[ApiKey.PRODUCE].min_version == 0
    producer = Producer(
        {"bootstrap.servers": module_broker.bootstrap, "compression.codec": codec, "linger.ms": 50, "log_level": 0}
    )
    for value in values(COUNT, "compress me " * 10):
        producer.produce(partition.topic, value)
    assert producer.flush(20) == 0
    found = batches_in(partition.fetch(0).records)
    assert {one.codec for one in found} == {CODECS[codec]}
    assert [record.value for record in partition.records()] == values(COUNT, "compress me " * 10)


def test_librdkafka_reads_every_codec(module_broker: BrokerProcess, mixed: str) -> None:
    config = {"bootstrap.servers": module_broker.bootstrap, "group.id": "unused", "check.crcs": True, "log_level": 0}
    consumer = Consumer(config)
    consumer.assign([TopicPartition(mixed, 0, 0)])
    found: list[bytes | None] = []
    try:
        while len(found) < len(all_values()):
            message = consumer.poll(20)
            assert message is not None, f"only {len(found)} records come"
            assert message.error() is None
            found.append(message.value())
    finally:
        consumer.close()
    assert found == all_values()


def test_kafka_python_reads_every_codec(module_broker: BrokerProcess, mixed: str) -> None:
    there = kafka.TopicPartition(mixed, 0)
    consumer = kafka.KafkaConsumer(
        bootstrap_servers=module_broker.bootstrap, auto_offset_reset="earliest", check_crcs=True
    )
    consumer.assign([there])
    consumer.seek(there, 0)
    try:
        found = [next(consumer).value for _ in all_values()]
    finally:
        consumer.close()
    assert found == all_values()


def test_aiokafka_reads_every_codec(module_broker: BrokerProcess, mixed: str) -> None:
    async def read() -> list[Any]:
        consumer = AIOKafkaConsumer(mixed, bootstrap_servers=module_broker.bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            async with asyncio.timeout(30):
                return [(await consumer.getone()).value for _ in all_values()]
        finally:
            await consumer.stop()

    assert asyncio.run(read()) == all_values()


@pytest.mark.parametrize("name", ["java", "kafka-python-2.0.2", "franz-go"])
def test_a_client_program_reads_every_codec(
    module_broker: BrokerProcess, mixed: str, named_client: NamedClient, name: str
) -> None:
    records = named_client(name).consume(module_broker.bootstrap, mixed, len(all_values()))
    assert [record.value for record in records] == [value.decode() for value in all_values()]


def test_what_java_compresses_is_read_by_others(
    module_broker: BrokerProcess, client: RawClient, named_client: NamedClient
) -> None:
    java, topic = named_client("java"), create_topic(client)
    codecs = [codec for codec in CODECS if codec != "none"]
    for codec in codecs:
        java.produce(module_broker.bootstrap, topic, COUNT, codec, prefix=f"{codec}-")
    partition = Partition(client, topic)
    assert {one.codec for one in batches_in(partition.fetch(0).records)} == {CODECS[codec] for codec in codecs}
    for name in ("confluent-kafka", "kafka-python"):
        records = named_client(name).consume(module_broker.bootstrap, topic, COUNT * len(codecs))
        wanted = [f"{codec}-value-{number}" for codec in codecs for number in range(COUNT)]
        assert [record.value for record in records] == wanted


@pytest.mark.parametrize("version", [3, 5, 6])
def test_zstd_is_refused_in_versions_that_do_not_know_it(partition: Partition, version: int) -> None:
    answer = partition.produce(compressed("zstd"), version=version)
    assert (answer.error_code, answer.base_offset) == (ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, -1)
    assert partition.end == 0
    assert partition.produce(compressed("zstd"), version=7).error_code == 0


@pytest.mark.parametrize("version", [4, 9, 10])
@pytest.mark.parametrize("compression_type", ["producer", "zstd"])
def test_zstd_is_returned_to_readers_of_every_version(client: RawClient, version: int, compression_type: str) -> None:
    """As Kafka 4 does; Kafka 3 answers an error to old versions if the topic's compression.type is zstd."""
    partition = new_partition(client, configs={"compression.type": compression_type})
    partition.produce(compressed("zstd"))
    data = partition.fetch(0, version=version)
    assert data.error_code == 0
    assert [one.codec for one in batches_in(data.records)] == [CODECS["zstd"]]


@pytest.mark.parametrize("codec", CODECS)
def test_a_topic_can_have_a_codec_of_its_own(client: RawClient, codec: str) -> None:
    kind = "uncompressed" if codec == "none" else codec
    partition = new_partition(client, configs={"compression.type": kind})
    for sent in ("none", "gzip", "lz4"):
        partition.produce(compressed(sent))
    assert {one.codec for one in batches_in(partition.fetch(0).records)} == {CODECS[codec]}
    assert len(partition.records()) == 3 * COUNT
