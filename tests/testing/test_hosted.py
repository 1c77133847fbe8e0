"""`Broker.in_thread()`: restart, crash and reset, and clients that were connected all the time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer

from chronik import Broker
from chronik.batch.records import Record, build_batch
from chronik.errors import ErrorCode
from chronik.log.access import AppendTerms
from chronik.log.validate import check_batch
from chronik.server.hosted import HostedBroker
from chronik.store.rocks.reader_directory import verify
from chronik.store.sql.image import read_image
from chronik.terms import Durability
from chronik.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from chronik.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from chronik.wire.messages.metadata import MetadataRequest, MetadataRequestTopic
from tests.broker_process import wait_until
from tests.kafka_python import kafka
from tests.raw_client import RawClient

TIMEOUT_S = 30.0

# kafka-python leaves sockets to the garbage collector with which it tried to connect in vain.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def broker() -> Iterator[HostedBroker]:
    with Broker(topics={"t": 1}).in_thread() as hosted:
        yield hosted


def values_of(broker: HostedBroker, topic: str, **options: Any) -> list[bytes | None]:
    return [record.value for record in broker.records(topic, **options)]


class Confluent:
    """A producer of confluent-kafka; `send` returns when the value was delivered."""

    def __init__(self, broker: HostedBroker, **options: Any) -> None:
        settings = {"bootstrap.servers": broker.bootstrap_servers, "linger.ms": 0, "reconnect.backoff.ms": 20}
        self._producer = Producer({**settings, "log_level": 0, **options})

    def send(self, topic: str, value: bytes) -> None:
        errors: list[Any] = []
        self._producer.produce(topic, value, on_delivery=lambda error, message: errors.append(error))
        assert self._producer.flush(TIMEOUT_S) == 0
        assert errors == [None]

    def close(self) -> None:
        pass


class ConfluentIdempotent(Confluent):
    def __init__(self, broker: HostedBroker) -> None:
        super().__init__(broker, **{"enable.idempotence": True})


class KafkaPython:
    """A producer of kafka-python, which is idempotent by default."""

    def __init__(self, broker: HostedBroker) -> None:
        self._producer = kafka.KafkaProducer(bootstrap_servers=broker.bootstrap_servers, reconnect_backoff_ms=20)

    def send(self, topic: str, value: bytes) -> None:
        self._producer.send(topic, value).get(TIMEOUT_S)

    def close(self) -> None:
        self._producer.close(1)


Connect = Callable[[HostedBroker], Any]


@pytest.mark.parametrize("connect", [Confluent, ConfluentIdempotent, KafkaPython])
@pytest.mark.parametrize("end", ["restart", "crash", "reset"])
def test_producer_that_stays_connected_goes_on(broker: HostedBroker, connect: Connect, end: str) -> None:
    client = connect(broker)
    client.send("t", b"before")
    getattr(broker, end)()
    client.send("t", b"after")
    client.close()
    assert values_of(broker, "t") == [b"after"] if end == "reset" else [b"before", b"after"]


@pytest.mark.parametrize("end", ["restart", "crash", "reset"])
def test_consumer_that_stays_connected_goes_on(broker: HostedBroker, end: str) -> None:
    producer = Confluent(broker)
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "group.id": "readers",
            "auto.offset.reset": "earliest",
            "reconnect.backoff.ms": 20,
            "log_level": 0,
        }
    )
    consumer.subscribe(["t"])
    seen: list[bytes | None] = []

    def has_seen(value: bytes) -> bool:
        message = consumer.poll(0.05)
        if message is not None and message.error() is None:
            seen.append(message.value())
        return value in seen

    try:
        producer.send("t", b"before")
        wait_until(lambda: has_seen(b"before"), TIMEOUT_S, lambda: f"the first record is read: {seen}")
        getattr(broker, end)()
        producer.send("t", b"after")
        wait_until(lambda: has_seen(b"after"), TIMEOUT_S, lambda: f"the second record is read: {seen}")
    finally:
        consumer.close()


def test_reset_forgets_everything(broker: HostedBroker) -> None:
    producer = Confluent(broker)
    for number in range(3):
        producer.send("t", b"%d" % number)
    consumer = Consumer(
        {"bootstrap.servers": broker.bootstrap_servers, "group.id": "g", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe(["t"])
    assert len(consumer.consume(3, TIMEOUT_S)) == 3
    consumer.commit(asynchronous=False)
    consumer.close()
    broker.create_topics({"other": 5})
    assert broker.committed("g") == {("t", 0): 3}
    broker.reset({"new": 2})
    assert broker.topics == {"new": 2, "t": 1}
    assert broker.records("t") == []
    assert broker.committed("g") == {}
    broker.restart()
    assert broker.topics == {"new": 2, "t": 1}
    assert broker.committed("g") == {}


def test_reset_forgets_transactions_and_dynamic_configs(broker: HostedBroker) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "transactional.id": "tx", "log_level": 0})
    producer.init_transactions(TIMEOUT_S)
    producer.begin_transaction()
    producer.produce("t", b"open")
    producer.flush(TIMEOUT_S)
    assert values_of(broker, "t", committed=False) == [b"open"]
    broker.reset()
    assert values_of(broker, "t", committed=False) == []
    again = Producer({"bootstrap.servers": broker.bootstrap_servers, "transactional.id": "tx", "log_level": 0})
    again.init_transactions(TIMEOUT_S)
    again.begin_transaction()
    again.produce("t", b"committed")
    again.commit_transaction(TIMEOUT_S)
    assert values_of(broker, "t") == [b"committed"]


def test_reset_lets_idle_connections_stay(broker: HostedBroker) -> None:
    host, _, port = broker.bootstrap_servers.rpartition(":")
    with (
        RawClient(host, int(port)) as idle,
        RawClient(host, int(port)) as waiting,
        RawClient(host, int(port)) as joined,
    ):
        assert idle.ask(MetadataRequest(topics=[MetadataRequestTopic(name="t")]), 9).topics[0].error_code == 0
        fetched = FetchTopic(topic="t", partitions=[FetchPartition(partition=0, partition_max_bytes=100)])
        waiting.send(FetchRequest(max_wait_ms=60_000, min_bytes=1, topics=[fetched]), 12)
        join_and_wait(joined)
        broker.reset({"new": 1})
        answered = waiting.receive()
        assert answered.responses[0].partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        joined.assert_closed()
        for client in (idle, waiting):
            answered = client.ask(MetadataRequest(topics=None), 9)
            assert [topic.name for topic in answered.topics] == ["new", "t"]


def join_and_wait(client: RawClient) -> None:
    """Join a group as a follower, who waits for the leader's SyncGroup."""
    request = JoinGroupRequest(
        group_id="g",
        session_timeout_ms=30_000,
        rebalance_timeout_ms=30_000,
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol("range", b"")],
    )
    assert client.ask(request, 3).error_code == 0
    client.send(request, 3)


def test_reset_starts_a_broker_that_was_stopped(broker: HostedBroker) -> None:
    broker.stop()
    assert not broker.is_running
    broker.reset({"new": 1})
    assert broker.topics == {"t": 1, "new": 1}


def test_reset_that_fails_leaves_a_broker_that_serves(broker: HostedBroker) -> None:
    with pytest.raises(Exception, match="INVALID_TOPIC_EXCEPTION"):
        broker.reset(["no such name"])
    Confluent(broker).send("t", b"x")
    assert values_of(broker, "t") == [b"x"]


def test_many_resets_cost_no_more_than_the_first(broker: HostedBroker) -> None:
    for number in range(300):
        broker.reset({f"topic-{number}": 3})
    assert broker.topics == {"t": 1, "topic-299": 3}
    broker.restart()
    assert broker.topics == {"t": 1, "topic-299": 3}


def test_crash_leaves_a_directory_as_sigkill_does(tmp_path: Path) -> None:
    """No acknowledged record and no commit is lost, over many crashes under load, and nothing else is wrong."""
    with Broker(tmp_path, topics={"t": 1}).in_thread() as broker:
        acknowledged: list[int] = []
        failed: list[Any] = []
        ending = threading.Event()

        def produce() -> None:
            producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "linger.ms": 0, "acks": "1"})
            number = 0
            while not ending.is_set():

                def delivered(error: Any, message: Any, number: int = number) -> None:
                    (acknowledged if error is None else failed).append(number)

                producer.produce("t", b"%d" % number, on_delivery=delivered)
                producer.poll(0.001)
                number += 1
            producer.flush(TIMEOUT_S)

        thread = threading.Thread(target=produce)
        thread.start()
        try:
            for _ in range(10):
                count = len(acknowledged)
                wait_until(lambda: len(acknowledged) > count + 20, TIMEOUT_S, "records are acknowledged")  # noqa: B023
                broker.crash()
        finally:
            ending.set()
            thread.join()
        stored = {int(record.value or b"") for record in broker.records("t")}
        assert failed == []
        assert set(acknowledged) <= stored
    found = verify(tmp_path / "records", tmp_path / "catalog.sqlite", lambda read_bytes, all_bytes: None)
    assert found.findings == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["catalog.sqlite", "chronik.lock", "format", "records"]


def test_crash_flushes_nothing_and_closes_nothing(tmp_path: Path) -> None:
    """What was written is in the journal only, what was still in memory is nowhere, and the run did not end well."""

    async def main() -> None:
        async with Broker(tmp_path, topics={"t": 1}) as broker:
            assert broker._engine is not None
            assert broker._server is not None
            engine, told = broker._engine, list[Any]()
            topic = engine.topics.get("t")
            assert topic is not None
            batch = check_batch(build_batch([Record(0, 0, None, b"v")], 1), topic.config, 1, zstd_allowed=True)
            terms = AppendTerms(0, 1, topic.config.segment_bytes, topic.config.segment_ms)
            engine.store.append(topic.logs[0], batch, terms, Durability.WRITTEN, told.append)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert len(told) == 1
            engine.store.append(topic.logs[0], batch, terms, Durability.WRITTEN, told.append)
            await engine.crash()
            logs = list((tmp_path / "records").glob("journal-*"))
            assert sum(path.stat().st_size for path in logs) > 100
            assert not list((tmp_path / "records").glob("*.sst"))
            assert read_image(tmp_path / "catalog.sqlite").properties["run"] != "clean"
            await broker._server.stop()
            broker._engine = broker._server = None  # they are gone
            await broker.start()
            assert [record.value for record in await broker.records("t")] == [b"v"]

    asyncio.run(main())


def test_closed_broker_ends_its_thread(tmp_path: Path) -> None:
    hosted = Broker(tmp_path).in_thread()
    with hosted:
        assert any(thread.name == "chronik" for thread in threading.enumerate())
    assert not any(thread.name.startswith("chronik") for thread in threading.enumerate())
    hosted.close()
    with pytest.raises(RuntimeError, match="thread does not run"):
        _ = hosted.topics
    with hosted:
        assert hosted.topics == {}


def test_broker_that_cannot_start_ends_its_thread(tmp_path: Path) -> None:
    with Broker(tmp_path).in_thread() as broker:
        threads = {thread.name for thread in threading.enumerate()}
        with pytest.raises(OSError, match="in use"):
            Broker(listen=broker.bootstrap_servers).in_thread().start()
        wait_until(
            lambda: {thread.name for thread in threading.enumerate()} <= threads, TIMEOUT_S, "the second thread ends"
        )


def test_method_called_from_the_broker_itself_is_refused(broker: HostedBroker) -> None:
    assert broker._loop is not None
    refused = threading.Event()

    def ask() -> None:
        try:
            broker.restart()
        except RuntimeError:
            refused.set()

    broker._loop.call_soon_threadsafe(ask)
    assert refused.wait(TIMEOUT_S)
