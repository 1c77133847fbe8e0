"""Many clients at once, and clients that behave badly."""

from __future__ import annotations

import socket
import statistics
import threading
import time
from collections import defaultdict

from confluent_kafka import Producer

from tests.behaviours.batches import batch
from tests.behaviours.conftest import ConfiguredBroker
from tests.behaviours.partition import Partition, create_topic, fetch_request, new_partition
from tests.behaviours.process import rss_mib
from tests.broker_process import BrokerProcess
from tests.conftest import RawFactory
from tests.raw_client import RawClient

IDLE_CONNECTIONS, LONG_POLLS = 1000, 200
DELAY_S = 0.05


def test_concurrent_producers_lose_nothing_and_keep_their_order(
    module_broker: BrokerProcess, client: RawClient
) -> None:
    partition = new_partition(client)
    count, problems = 3000, list[str]()

    def produce(number: int) -> None:
        options = {"bootstrap.servers": module_broker.bootstrap, "enable.idempotence": number % 2 == 0, "log_level": 0}
        producer = Producer({**options, "linger.ms": number, "max.in.flight.requests.per.connection": 5})
        for index in range(count):
            producer.produce(
                partition.topic,
                f"{number}:{index}".encode(),
                on_delivery=lambda error, _: problems.append(str(error)) if error else None,
            )
        producer.flush(60)

    threads = [threading.Thread(target=produce, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    records = partition.records()
    assert [record.offset for record in records] == list(range(4 * count))
    found = defaultdict(list)
    for record in records:
        number, _, index = (record.value or b"").partition(b":")
        found[int(number)].append(int(index))
    assert found == {number: list(range(count)) for number in range(4)}


def test_batches_of_several_producers_are_not_mixed(module_broker: BrokerProcess, raw: RawFactory) -> None:
    topic = create_topic(raw(module_broker))

    def produce(number: int) -> None:
        with RawClient(module_broker.host, module_broker.port) as client:
            for index in range(50):
                Partition(client, topic).append(*(b"%d:%d" % (number, index) for _ in range(7)))

    threads = [threading.Thread(target=produce, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records = Partition(raw(module_broker), topic).records()
    assert [record.offset for record in records] == list(range(4 * 50 * 7))
    groups = [records[at : at + 7] for at in range(0, len(records), 7)]
    assert all(len({record.value for record in group}) == 1 for group in groups)


def median_s(partition: Partition, count: int = 101) -> float:
    """How long one small append takes, answered after the write."""
    took = []
    made = batch(b"x")
    for _ in range(count):
        began = time.perf_counter()
        assert partition.produce(made, acks=1).error_code == 0
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def test_idle_connections_and_long_polls_do_not_delay_a_produce(broker: BrokerProcess, raw: RawFactory) -> None:
    partition, quiet = new_partition(raw(broker)), new_partition(raw(broker))
    alone_s = median_s(partition)
    idle = [socket.create_connection((broker.host, broker.port), timeout=30) for _ in range(IDLE_CONNECTIONS)]
    pollers = [raw(broker) for _ in range(LONG_POLLS)]
    try:
        frame = pollers[0].frame(fetch_request(quiet.place.fetched(0), max_wait_ms=120_000, min_bytes=1), 11)
        for poller in pollers:
            poller.write(frame)
        together_s = median_s(partition)
        assert together_s - alone_s < DELAY_S
        # All of them were waiting, and all are answered.
        began = time.monotonic()
        quiet.append(b"for everybody")
        for poller in pollers:
            poller.read_reply()
        assert time.monotonic() - began < 10
    finally:
        for connection in idle:
            connection.close()


def test_a_reader_that_stops_reading_blocks_nobody_and_takes_little_memory(
    configured: ConfiguredBroker, raw: RawFactory, on_kafka: bool
) -> None:
    """What it reads is on the disk, so that each answer has memory of its own."""
    broker = configured({} if on_kafka else {"store.tail.cache.bytes": 1})
    client = raw(broker)
    partition = new_partition(client)
    for _ in range(32):
        assert partition.produce(batch(bytes(1_000_000))).error_code == 0
    slow = [raw(broker) for _ in range(5)]
    before = 0.0 if on_kafka else rss_mib(broker.pid)
    for reader in slow:
        # Forty answers of 8 MB each: 1.6 GB are asked for in all, and nobody takes any of it.
        frame = reader.frame(fetch_request(partition.place.fetched(0), max_bytes=8_000_000), 11)
        reader.socket.settimeout(5)
        reader.write(frame * 40)
    assert median_s(new_partition(raw(broker)), 21) < 1.0
    if not on_kafka:
        # One answer of each may be waiting to be sent.
        assert rss_mib(broker.pid) - before < 5 * 8 + 60
    # The reader that begins to read again gets everything.
    for _ in range(40):
        assert len(slow[0].read_reply(60).rest) > 7_000_000


def test_many_readers_that_stop_reading_take_little_memory_together(broker: BrokerProcess, raw: RawFactory) -> None:
    """Each asks for 40 MB once; what all of them do not take is bounded, and each still gets on."""
    client = raw(broker)
    partition = new_partition(client)
    for _ in range(48):
        assert partition.produce(batch(bytes(1_000_000))).error_code == 0
    before = rss_mib(broker.pid)
    slow = [raw(broker) for _ in range(20)]
    for reader in slow:
        reader.write(reader.frame(fetch_request(partition.place.fetched(0), max_bytes=40_000_000), 11))
        # Its answer has begun to arrive, and fills its buffers.
        reader.socket.recv(1, socket.MSG_PEEK)
    assert median_s(new_partition(raw(broker)), 5) < 1.0
    # 64 MiB, one answer that began below that bound, and a batch for each of the others.
    assert rss_mib(broker.pid) - before < 64 + 40 + 20 + 30
    assert len(slow[-1].read_reply(60).rest) > 1_000_000


def test_clients_that_go_away_are_forgotten(broker: BrokerProcess, raw: RawFactory) -> None:
    """In the middle of a frame, of a long poll, and of an answer."""
    client = raw(broker)
    partition = new_partition(client)
    for _ in range(10):
        partition.append(bytes(1_000_000))
    for number in range(60):
        gone = raw(broker)
        request = fetch_request(partition.place.fetched(number % 11), max_wait_ms=60_000, min_bytes=1)
        frame = gone.frame(request, 11)
        gone.write(frame[: len(frame) - number % 3])
        gone.close()
    assert partition.append(b"still here") == 10
    assert len(partition.records()) == 11
