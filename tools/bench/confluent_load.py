"""Load by confluent-kafka (librdkafka): produce and consume one workload against one broker, and measure the broker."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tools.bench.brokers import Broker

LATENCY_SAMPLE = 50
"""Every so many-th record's time from produce() to its ack is kept."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What is produced: `total_bytes` of values of `record_bytes`."""

    record_bytes: int
    acks: str
    partitions: int
    total_bytes: int
    compression: str = "none"
    producers: int = 1
    label: str = "bench"

    @property
    def topic(self) -> str:
        kind = f"{self.record_bytes}-{self.acks}-{self.partitions}-{self.compression}-{self.producers}"
        return f"{self.label}-{kind}"

    @property
    def record_count(self) -> int:
        return max(self.total_bytes // self.record_bytes, 1)


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of a workload."""

    megabytes_per_s: float
    records_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_s_per_gb: float
    broker_resident_mb: float

    def as_row(self) -> dict[str, float]:
        return asdict(self)


def create_topic(broker: Broker, topic: str, partitions: int) -> None:
    admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    admin.create_topics([NewTopic(topic, num_partitions=partitions, replication_factor=1)])[topic].result(30)


def produce(broker: Broker, work: Workload, *, linger_ms: float = 5.0, create: bool = True) -> Measured:
    """Send all records as fast as the client can and wait for the last ack."""
    if create:
        create_topic(broker, work.topic, work.partitions)
    producers = [_producer(broker, work, linger_ms) for _ in range(work.producers)]
    value = bytes(i * 7 % 251 for i in range(work.record_bytes))
    latencies: list[float] = []
    failures = 0

    def delivered(error: object, message: object) -> None:
        nonlocal failures
        if error is not None:
            failures += 1

    before = broker.usage()
    began = time.perf_counter()
    for number in range(work.record_count):
        on_delivery = delivered
        if number % LATENCY_SAMPLE == 0:
            sent = time.perf_counter()

            def on_delivery(error: object, message: object, sent: float = sent) -> None:
                latencies.append(time.perf_counter() - sent)
                delivered(error, message)

        producer = producers[number % work.producers]
        while True:
            try:
                producer.produce(work.topic, value, partition=number % work.partitions, on_delivery=on_delivery)
                break
            except BufferError:
                producer.poll(0.01)
        if number % 64 < work.producers:
            producer.poll(0)
    left = sum(producer.flush(120) for producer in producers)
    seconds = time.perf_counter() - began
    after = broker.usage()
    if left or failures:
        raise SystemExit(f"{failures} records failed and {left} were left over")
    size = work.record_count * work.record_bytes
    latencies.sort()
    return Measured(
        size / 1e6 / seconds,
        work.record_count / seconds,
        latencies[len(latencies) // 2] * 1000,
        latencies[int(len(latencies) * 0.99)] * 1000,
        (after.cpu_s - before.cpu_s) / (size / 1e9),
        after.resident_bytes / 1e6,
    )


def _producer(broker: Broker, work: Workload, linger_ms: float) -> Producer:
    return Producer(
        {
            "bootstrap.servers": broker.bootstrap,
            "acks": work.acks,
            "linger.ms": linger_ms,
            "batch.size": 1_000_000 if work.record_bytes >= 65536 else 65536,
            "message.max.bytes": 2_000_000,
            "queue.buffering.max.kbytes": 65536 // work.producers,
            "queue.buffering.max.messages": 1_000_000,
            "compression.type": work.compression,
            "log_level": 0,
        }
    )


def consume(broker: Broker, work: Workload) -> Measured:
    """Read all records of the workload's topic from the beginning. Latencies are those between full batches of
    records."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": "bench",
            "enable.auto.commit": False,
            "fetch.message.max.bytes": 1_048_576,
            "fetch.wait.max.ms": 100,
            "queued.min.messages": 1_000_000,
            "queued.max.messages.kbytes": 65536,
            "log_level": 0,
        }
    )
    # Connecting and learning of the topic is not what is measured.
    consumer.get_watermark_offsets(TopicPartition(work.topic, 0), timeout=30)
    consumer.assign([TopicPartition(work.topic, number, OFFSET_BEGINNING) for number in range(work.partitions)])
    before = broker.usage()
    began = time.perf_counter()
    count = size = 0
    gaps: list[float] = []
    while count < work.record_count:
        asked = time.perf_counter()
        messages = consumer.consume(min(1000, work.record_count - count), timeout=20)
        gaps.append(time.perf_counter() - asked)
        if not messages:
            raise SystemExit(f"only {count} of {work.record_count} records came")
        for message in messages:
            if (error := message.error()) is not None:
                raise KafkaException(error)
            count += 1
            size += len(message.value() or b"")
    seconds = time.perf_counter() - began
    after = broker.usage()
    consumer.close()
    gaps.sort()
    return Measured(
        size / 1e6 / seconds,
        count / seconds,
        gaps[len(gaps) // 2] * 1000,
        gaps[int(len(gaps) * 0.99)] * 1000,
        (after.cpu_s - before.cpu_s) / (size / 1e9),
        after.resident_bytes / 1e6,
    )
