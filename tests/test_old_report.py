"""What the first users of this broker's forerunner reported, line by line: each complaint as a test that it is gone.

Most of them used kafka-python 2.0.2 with its default settings, and so do these tests where a client matters. What they
do not look at themselves is looked at in `tests/behaviours` and `tests/clients`.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import Producer

import chronik
from chronik.api import list_groups
from chronik.wire.messages.api_versions import ApiVersionsRequest
from chronik.wire.messages.list_groups import ListGroupsRequest
from chronik.wire.messages.metadata import MetadataRequest
from tests.behaviours.batches import batches_in, values
from tests.behaviours.partition import Partition, create_topic, fetch_request, metadata_of, only_partition
from tests.behaviours.process import cpu_s, peak_rss_mib, rss_mib
from tests.broker_process import BrokerProcess, wait_until
from tests.clients.client_program import ClientProgram
from tests.clients.conftest import make
from tests.conftest import BrokerFactory, RawFactory
from tests.raw_client import RawClient

COUNT = 40
BEST_OF = 3
"""Times are the best of so many: the machine is shared, and the first run reads its files from the disk."""


@pytest.fixture
def old() -> Iterator[ClientProgram]:
    """kafka-python 2.0.2 with its default settings."""
    program = make("kafka-python-2.0.2")
    yield program
    program.close()


@pytest.fixture
def _ours(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--broker") == "kafka":
        pytest.skip("these are claims about chronik")


def texts(count: int, prefix: str = "") -> list[str]:
    return sorted(f"{prefix}value-{number}" for number in range(count))


def best_s(measured: Callable[[], object]) -> float:
    """The shortest of some runs."""
    times = []
    for _ in range(BEST_OF):
        began = time.perf_counter()
        measured()
        times.append(time.perf_counter() - began)
    return min(times)


def test_metadata_lists_the_broker_and_the_topics(broker: BrokerProcess, raw: RawFactory) -> None:
    client = raw(broker)
    topics = {create_topic(client, partitions): partitions for partitions in (1, 3)}
    for version in (0, 1, 5, 12):
        response = client.ask(MetadataRequest(topics=None if version else []), version)
        (node,) = response.brokers
        assert (node.node_id >= 0, node.host, node.port) == (True, broker.host, broker.port)
        assert {topic.name: len(topic.partitions) for topic in response.topics} == topics


def test_kafka_python_2_0_2_connects_at_once(broker: BrokerProcess, old: ClientProgram) -> None:
    """Its start, its probe of the broker's version and a list of topics included."""
    assert best_s(lambda: old.admin_list(broker.bootstrap)) < 2.0


def test_it_produces_and_consumes_and_the_records_stay(broker: BrokerProcess, old: ClientProgram) -> None:
    old.admin_create(broker.bootstrap, "orders", 3)
    acknowledged = old.produce(broker.bootstrap, "orders", COUNT)
    consumed = old.consume(broker.bootstrap, "orders", COUNT)
    assert sorted(record.value or "" for record in consumed) == texts(COUNT)

    def places(records: list[Any]) -> set[Any]:
        return {(record.partition, record.offset, record.key, record.value) for record in records}

    assert places(acknowledged) == places(consumed)
    broker.restart()
    assert places(old.consume(broker.bootstrap, "orders", COUNT)) == places(consumed)
    broker.kill()
    broker.start()
    assert places(old.consume(broker.bootstrap, "orders", COUNT)) == places(consumed)


def test_a_topic_is_created_by_whoever_writes_to_it(broker: BrokerProcess, raw: RawFactory, old: ClientProgram) -> None:
    old.produce(broker.bootstrap, "made-by-writing", COUNT)
    found = metadata_of(raw(broker), "made-by-writing")
    assert (found.error_code, len(found.partitions)) == (0, 1)
    assert Partition(raw(broker), "made-by-writing").end == COUNT


@pytest.mark.parametrize(("codec", "number"), [("gzip", 1), ("snappy", 2), ("lz4", 3), ("zstd", 4)])
def test_every_codec_goes_there_and_back(
    module_broker: BrokerProcess, raw: RawFactory, old: ClientProgram, codec: str, number: int
) -> None:
    topic = create_topic(raw(module_broker))
    old.produce(module_broker.bootstrap, topic, COUNT, codec)
    stored = batches_in(Partition(raw(module_broker), topic).fetch(0).records)
    assert number in {one.codec for one in stored}
    consumed = old.consume(module_broker.bootstrap, topic, COUNT)
    assert [record.value for record in consumed] == [f"value-{index}" for index in range(COUNT)]


def test_a_group_shares_its_partitions_and_remembers_its_place(
    module_broker: BrokerProcess, raw: RawFactory, old: ClientProgram
) -> None:
    client = raw(module_broker)
    topic = create_topic(client, 4)
    one, two = (old.group(module_broker.bootstrap, topic, "workers") for _ in range(2))
    shares = [member.wait_assignment(lambda owned: len(owned) == 2) for member in (one, two)]
    assert sorted(partition for share in shares for partition in share) == [0, 1, 2, 3]
    old.produce(module_broker.bootstrap, topic, COUNT)
    wait_until(lambda: len(one.records) + len(two.records) >= COUNT, 30, "records are missing")
    assert sorted(record.value or "" for member in (one, two) for record in member.records) == texts(COUNT)
    one.stop()
    two.wait_assignment(range(4))
    two.stop()
    old.produce(module_broker.bootstrap, topic, 7, prefix="later-")
    again = old.group(module_broker.bootstrap, topic, "workers")
    assert sorted(record.value or "" for record in again.wait_records(7)) == texts(7, "later-")


def test_a_group_resumes_soon_after_the_broker_was_killed(
    broker: BrokerProcess, raw: RawFactory, old: ClientProgram
) -> None:
    topic = create_topic(raw(broker))
    member = old.group(broker.bootstrap, topic, "workers")
    member.wait_assignment([0])
    numbers = iter(range(1, BEST_OF + 1))

    def crash_and_go_on() -> None:
        broker.kill()
        broker.start()
        Partition(raw(broker), topic).append(b"after")
        member.wait_records(next(numbers))

    assert best_s(crash_and_go_on) < 2.0
    assert [record.value for record in member.records] == ["after"] * BEST_OF


def test_fifty_thousand_records_of_three_producers_are_all_there(broker: BrokerProcess, raw: RawFactory) -> None:
    topic, count = create_topic(raw(broker), 3), 17_000
    failed: list[str] = []

    def produce(number: int) -> None:
        producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 5, "log_level": 0})
        for index in range(count):
            producer.produce(
                topic,
                f"{number}:{index}".encode(),
                partition=index % 3,
                on_delivery=lambda error, _: failed.append(str(error)) if error else None,
            )
            if index % 1000 == 0:
                producer.poll(0)
        assert producer.flush(60) == 0

    threads = [threading.Thread(target=produce, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    found: dict[int, list[int]] = defaultdict(list)
    for partition in range(3):
        records = Partition(raw(broker), topic, partition).records()
        assert [record.offset for record in records] == list(range(len(records)))
        here: dict[int, list[int]] = defaultdict(list)
        for record in records:
            producer, _, index = (record.value or b"").partition(b":")
            here[int(producer)].append(int(index))
        for number, indexes in here.items():
            assert indexes == sorted(indexes)
            found[number] += indexes
    assert {number: sorted(indexes) for number, indexes in found.items()} == {
        number: list(range(count)) for number in range(3)
    }


@pytest.mark.usefixtures("_ours")
def test_the_first_record_is_acknowledged_within_a_second_of_the_start(
    broker_factory: BrokerFactory, raw: RawFactory
) -> None:
    made = broker_factory()
    made.start()
    topic = create_topic(raw(made))
    made.stop()
    times = []
    for _ in range(BEST_OF):
        began = time.perf_counter()
        made.start()
        Partition(raw(made), topic).append(b"first")
        times.append(time.perf_counter() - began)
        made.stop()
    assert min(times) < 1.0, times


@pytest.mark.slow
@pytest.mark.usefixtures("_ours")
def test_an_idle_broker_takes_no_processor_time(broker: BrokerProcess, raw: RawFactory) -> None:
    """With a hundred connections and twenty consumers that wait, as by the system's own accounts."""
    idle = [raw(broker) for _ in range(100)]
    for client in idle:
        assert client.ask(ApiVersionsRequest(), 0).error_code == 0
    place = Partition(idle[0], create_topic(idle[0])).place
    stop = threading.Event()

    def poll() -> None:
        with RawClient(broker.host, broker.port) as client:
            frame = client.frame(fetch_request(place.fetched(0), max_wait_ms=500, min_bytes=1), 11)
            while not stop.is_set():
                client.write(frame)
                client.read_reply()

    pollers = [threading.Thread(target=poll, daemon=True) for _ in range(20)]
    for poller in pollers:
        poller.start()
    try:
        stop.wait(2)  # until what a start leaves to be done is over
        before, began = cpu_s(broker.pid), time.monotonic()
        stop.wait(10)
        share = (cpu_s(broker.pid) - before) / (time.monotonic() - began)
    finally:
        stop.set()
        for poller in pollers:
            poller.join()
    assert share <= 0.015, f"{share:.2%} of a core"


@pytest.mark.slow
@pytest.mark.usefixtures("_ours")
@pytest.mark.timeout(300)
def test_memory_stays_small_idle_and_after_two_gigabytes(broker: BrokerProcess, raw: RawFactory) -> None:
    assert raw(broker).ask(ApiVersionsRequest(), 0).error_code == 0
    assert rss_mib(broker.pid) < 120
    topic, size, count = create_topic(raw(broker), 3), 100_000, 20_000
    failed: list[str] = []

    def delivered(error: object, _: object) -> None:
        if error is not None:
            failed.append(str(error))

    producer = Producer({"bootstrap.servers": broker.bootstrap, "queue.buffering.max.kbytes": 200_000, "log_level": 0})
    value = bytes(size)
    for number in range(count):
        while True:
            try:
                producer.produce(topic, value, partition=number % 3, on_delivery=delivered)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    assert producer.flush(120) == 0
    assert failed == []
    assert sum(Partition(raw(broker), topic, partition).end for partition in range(3)) == count
    assert rss_mib(broker.pid) < 400, f"{rss_mib(broker.pid):.0f} MiB, at most {peak_rss_mib(broker.pid):.0f}"


def raises(*_: object) -> Any:
    raise RuntimeError("this handler fails")


async def raises_later(*_: object) -> Any:
    raise RuntimeError("this handler fails later")


def answers_nonsense(*_: object) -> Any:
    return "no response at all"


def runs_too_deep(*arguments: object) -> Any:
    return runs_too_deep(*arguments)


@pytest.mark.parametrize("fails", [raises, raises_later, answers_nonsense, runs_too_deep])
def test_an_exception_in_a_handler_stops_nobody_else(
    monkeypatch: pytest.MonkeyPatch, fails: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    with chronik.Broker().in_thread() as hosted:
        host, _, port = hosted.bootstrap_servers.rpartition(":")

        def connect() -> RawClient:
            return RawClient(host, int(port))

        with connect() as idle, connect() as waiting, connect() as writer:
            partition = Partition(writer, create_topic(writer))
            waiting.send(fetch_request(partition.place.fetched(0), max_wait_ms=30_000, min_bytes=1), 11)
            assert waiting.receives_nothing(0.05)
            monkeypatch.setattr(list_groups, "handle", fails)
            for _ in range(3):
                with connect() as unlucky:
                    unlucky.send(ListGroupsRequest(), 4)
                    unlucky.assert_closed()
            assert idle.ask(ApiVersionsRequest(), 0).error_code == 0
            assert partition.append(*values(2)) == 0
            assert only_partition(waiting.receive(10)).high_watermark == 2
            monkeypatch.undo()
            assert idle.ask(ListGroupsRequest(), 4).groups == []
    told = Counter(record.getMessage() for record in caplog.records if record.levelname == "ERROR")
    assert told == {"The handler of LIST_GROUPS 4 failed; its connection is closed.": 3}
