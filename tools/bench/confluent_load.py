"""Load by confluent-kafka (librdkafka): produce and consume one workload against one broker, and measure the broker."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import asdict, dataclass
from functools import cache

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tools.bench.brokers import Broker
from tools.bench.results import percentile

LATENCY_SAMPLES = 200
"""At least so many records' times from produce() to their ack are kept, of few records all."""

_SAMPLE_EVERY = 50

_DISTINCT_VALUES = 32
_VOCABULARY = 2000
_LARGEST_STEP = 5003
_CAUGHT_UP_S = 60.0


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
    """The topic leads when this returns: what comes next does not begin with an error and a client's rest after it."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    admin.create_topics([NewTopic(topic, num_partitions=partitions, replication_factor=1)])[topic].result(30)
    asking = _consumer(broker)
    _wait_until_led(asking, TopicPartition(topic, partitions - 1))
    asking.close()


def produce(broker: Broker, work: Workload, *, linger_ms: float = 5.0, create: bool = True) -> Measured:
    """Send all records as fast as the client can and wait for the last ack."""
    if create:
        create_topic(broker, work.topic, work.partitions)
    producers = [_producer(broker, work, linger_ms) for _ in range(work.producers)]
    contents = values(work.record_bytes)
    latencies: list[float] = []
    sample_every = max(1, min(_SAMPLE_EVERY, work.record_count // LATENCY_SAMPLES))
    failures: list[object] = []

    def delivered(error: object, message: object) -> None:
        if error is not None:
            failures.append(error)

    before = broker.usage()
    began = time.perf_counter()
    for number in range(work.record_count):
        if failures:
            break
        on_delivery = delivered
        if number % sample_every == 0:
            sent = time.perf_counter()

            def on_delivery(error: object, message: object, sent: float = sent) -> None:
                latencies.append(time.perf_counter() - sent)
                delivered(error, message)

        producer = producers[number % work.producers]
        value = contents[number % _DISTINCT_VALUES]
        while True:
            try:
                producer.produce(work.topic, value, partition=number % work.partitions, on_delivery=on_delivery)
                break
            except BufferError:
                producer.poll(0.01)
        if number % 64 < work.producers:
            producer.poll(0)
    left = sum(producer.flush(120) for producer in producers)
    if left or failures:
        first = f": {failures[0]}" if failures else ""
        raise SystemExit(f"{len(failures)} records failed and {left} were left over{first}")
    if work.acks == "0":
        # Nobody said that they arrived; what counts is what the broker has.
        _wait_for_end_offsets(broker, work)
    seconds = time.perf_counter() - began
    after = broker.usage()
    size = work.record_count * work.record_bytes
    latencies.sort()
    return Measured(
        size / 1e6 / seconds,
        work.record_count / seconds,
        percentile(latencies, 0.5) * 1000,
        percentile(latencies, 0.99) * 1000,
        (after.cpu_s - before.cpu_s) / (size / 1e9),
        after.resident_bytes / 1e6,
    )


@cache
def values(record_bytes: int) -> list[bytes]:
    """Some values that differ: words of a vocabulary, which codecs make about three times smaller. The same in each
    run."""
    source = random.Random(7)
    words = [source.randbytes(source.randint(2, 5)).hex() for _ in range(_VOCABULARY)]
    step = min(record_bytes, _LARGEST_STEP)
    text = " ".join(source.choices(words, k=(record_bytes + step * _DISTINCT_VALUES) // 5 + 100)).encode()
    return [text[at : at + record_bytes] for at in range(0, step * _DISTINCT_VALUES, step)]


def _wait_for_end_offsets(broker: Broker, work: Workload) -> None:
    asking = _consumer(broker)
    deadline = time.monotonic() + _CAUGHT_UP_S
    parts = [TopicPartition(work.topic, number) for number in range(work.partitions)]
    while True:
        found = sum(asking.get_watermark_offsets(part, timeout=30)[1] for part in parts)
        if found == work.record_count:
            break
        if time.monotonic() > deadline:
            raise SystemExit(f"only {found} of {work.record_count} records arrived")
        time.sleep(0.005)
    asking.close()


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


def _consumer(broker: Broker) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": broker.bootstrap,
            "group.id": "bench",
            "enable.auto.commit": False,
            "fetch.message.max.bytes": 1_048_576,
            "fetch.wait.max.ms": 100,
            "queued.min.messages": 1_000_000,
            "queued.max.messages.kbytes": 65536,
            # By default the client rests for a second once its queue is full: the faster the broker, the more it loses.
            "fetch.queue.backoff.ms": 5,
            "log_level": 0,
        }
    )


def consume(broker: Broker, work: Workload) -> Measured:
    """Read all records of the workload's topic from the beginning. Latencies are those between full batches of
    records."""
    consumer = _assigned(broker, work)
    before = broker.usage()
    began = time.perf_counter()
    gaps = _read_all(consumer, work)
    return _read_measured(broker, work, gaps, time.perf_counter() - began, before.cpu_s)


def follow(broker: Broker, work: Workload) -> Measured:
    """Read the records from the tail while they are produced at full speed: from the first produce to the last record
    read. The CPU is that of both."""
    create_topic(broker, work.topic, work.partitions)
    consumer = _assigned(broker, work)
    # The reader is at the tail once a poll came back: nothing is there yet.
    consumer.consume(1, timeout=1)
    problems: list[BaseException] = []

    def write() -> None:
        try:
            produce(broker, work, create=False)
        except (SystemExit, KafkaException) as problem:
            problems.append(problem)

    before = broker.usage()
    began = time.perf_counter()
    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    gaps = _read_all(consumer, work)
    seconds = time.perf_counter() - began
    writer.join(120)
    if problems:
        raise SystemExit(f"the producer failed: {problems[0]}")
    return _read_measured(broker, work, gaps, seconds, before.cpu_s)


def _assigned(broker: Broker, work: Workload) -> Consumer:
    """Connecting and learning of the topic is not what is measured."""
    consumer = _consumer(broker)
    _wait_until_led(consumer, TopicPartition(work.topic, 0))
    consumer.assign([TopicPartition(work.topic, number, OFFSET_BEGINNING) for number in range(work.partitions)])
    return consumer


def _wait_until_led(asking: Consumer, partition: TopicPartition) -> None:
    """Kafka names a new topic's leader before it leads."""
    deadline = time.monotonic() + _CAUGHT_UP_S
    while True:
        try:
            asking.get_watermark_offsets(partition, timeout=30)
            return
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _read_all(consumer: Consumer, work: Workload) -> list[float]:
    """How long each poll took; the consumer is closed."""
    count = 0
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
            if len(message.value() or b"") != work.record_bytes:
                raise SystemExit("a record came back with another size")
            count += 1
    consumer.close()
    return gaps


def _read_measured(broker: Broker, work: Workload, gaps: list[float], seconds: float, cpu_before: float) -> Measured:
    after = broker.usage()
    size = work.record_count * work.record_bytes
    gaps.sort()
    return Measured(
        size / 1e6 / seconds,
        work.record_count / seconds,
        percentile(gaps, 0.5) * 1000,
        percentile(gaps, 0.99) * 1000,
        (after.cpu_s - cpu_before) / (size / 1e9),
        after.resident_bytes / 1e6,
    )
