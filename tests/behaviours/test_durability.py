"""What is still there after a stop, and after a crash."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict

import pytest

from chronik.errors import ErrorCode
from chronik.wire.messages.metadata import MetadataRequest
from tests.behaviours.batches import New, batch, batches_in, values
from tests.behaviours.members import Member, commit, committed, settle_coordinator, stable
from tests.behaviours.partition import (
    Partition,
    Place,
    create_named,
    create_topic,
    delete_topic,
    fetch_request,
    metadata_of,
    produce_request,
    wait_usable,
)
from tests.broker_process import BrokerProcess, wait_until
from tests.conftest import RawFactory
from tests.raw_client import RawClient

IN_FLIGHT = 20
KILLS = 3


def test_everything_survives_a_stop(broker: BrokerProcess, raw: RawFactory) -> None:
    client = raw(broker)
    settle_coordinator(client)
    topic = create_topic(client, 3, configs={"max.message.bytes": "2000"})
    for number in range(3):
        Partition(client, topic, number).append(
            *(New(value, b"k", (("h", None),)) for value in values(5, f"p{number}"))
        )
        assert commit(client, "group", Place(topic, number), number + 1, metadata=f"m{number}") == 0
    gone, again = create_topic(client), create_topic(client)
    for name in (gone, again):
        Partition(client, name).append(b"old")
        delete_topic(client, name)
    create_named(client, again)
    before = [metadata_of(client, topic), metadata_of(client, again)]
    records = [Partition(client, topic, number).records() for number in range(3)]

    broker.stop()
    broker.start()

    client = raw(broker)
    wait_usable(client, topic, 3)
    wait_usable(client, again)
    settle_coordinator(client)
    assert [Partition(client, topic, number).records() for number in range(3)] == records
    assert [found.topic_id for found in before] == [metadata_of(client, name).topic_id for name in (topic, again)]
    assert [committed(client, "group", Place(topic, number)) for number in range(3)] == [
        (0, 1, "m0"),
        (0, 2, "m1"),
        (0, 3, "m2"),
    ]
    assert Partition(client, again).records() == []
    assert metadata_of(client, gone).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert Partition(client, topic).produce(batch(bytes(2001))).error_code == ErrorCode.MESSAGE_TOO_LARGE
    assert Partition(client, topic).append(b"next") == 5


class Writer(threading.Thread):
    """Appends to one partition, many requests in flight, until the connection breaks; knows what was acknowledged."""

    def __init__(self, client: RawClient, place: Place, stem: str) -> None:
        super().__init__(daemon=True)
        self.client, self.place, self.stem = client, place, stem
        self.acknowledged: dict[int, bytes] = {}
        """By offset."""
        self.problem: BaseException | None = None

    def run(self) -> None:
        try:
            self._write()
        except (AssertionError, OSError) as error:
            self.problem = error  # the broker was killed

    def _write(self) -> None:
        frames = 0
        waiting: list[bytes] = []
        while True:
            while len(waiting) < IN_FLIGHT:
                value = f"{self.stem}-{frames}".encode()
                self.client.send(produce_request(self.place.produced(batch(value, value + b"+"))), 9)
                waiting.append(value)
                frames += 1
            (answer,) = self.client.receive().responses[0].partition_responses
            assert answer.error_code == 0
            value = waiting.pop(0)
            self.acknowledged |= {answer.base_offset: value, answer.base_offset + 1: value + b"+"}


def test_a_crash_loses_nothing_that_was_acknowledged(broker: BrokerProcess, raw: RawFactory) -> None:
    topic = create_topic(raw(broker), 2)
    acknowledged: dict[Place, dict[int, bytes]] = defaultdict(dict)
    for kill in range(KILLS):
        writers = [Writer(raw(broker), Place(topic, number % 2), f"{kill}.{number}") for number in range(4)]
        for writer in writers:
            writer.start()
        wait_until(lambda: all(len(one.acknowledged) > 100 for one in writers), 60, "nothing is acknowledged")  # noqa: B023  # done in this round
        broker.kill()
        for writer in writers:
            writer.join(30)
            assert writer.problem is not None
            assert acknowledged[writer.place].keys().isdisjoint(writer.acknowledged)
            acknowledged[writer.place] |= writer.acknowledged
        broker.start()
        wait_usable(raw(broker), topic, 2)
        for place, expected in acknowledged.items():
            records = Partition(raw(broker), *place).records()
            assert [record.offset for record in records] == list(range(len(records)))
            found = {record.offset: record.value for record in records}
            assert {offset: found.get(offset) for offset in expected} == expected
            assert max(Counter(record.value for record in records).values()) == 1


def test_a_batch_is_there_whole_or_not_at_all_after_a_crash(broker: BrokerProcess, raw: RawFactory) -> None:
    topic = create_topic(raw(broker))
    writer = Writer(raw(broker), Place(topic), "w")
    writer.start()
    wait_until(lambda: len(writer.acknowledged) > 50, 60, "nothing is acknowledged")
    broker.kill()
    broker.start()
    client = raw(broker)
    wait_usable(client, topic)
    partition = Partition(client, topic)
    end = partition.end
    at = 0
    while at < end:
        for one in batches_in(partition.fetch(at).records):
            assert (one.base_offset, len(one.records)) == (at, 2)
            at = one.last_offset + 1
    assert at == end
    assert partition.append(b"next") == end


@pytest.mark.parametrize("acks", [0, 1])
def test_a_crash_of_the_process_loses_nothing_that_was_written(
    broker: BrokerProcess, raw: RawFactory, acks: int
) -> None:
    """acks 0 and 1 do not wait for the disk, but the system has the bytes when the next answer comes."""
    client = raw(broker)
    partition = Partition(client, create_topic(client))
    for value in values(50):
        request = produce_request(partition.place.produced(batch(value)), acks=acks)
        client.send(request, 9, answered=acks != 0)
        if acks:
            client.receive()
    client.ask(MetadataRequest(topics=[]), 9)
    broker.kill()
    broker.start()
    wait_usable(raw(broker), partition.topic)
    assert [record.value for record in partition.over(raw(broker)).records()] == values(50)


@pytest.mark.usefixtures("only_chronik")
def test_a_stop_answers_writes_and_does_not_wait_for_those_who_wait(broker: BrokerProcess, raw: RawFactory) -> None:
    """Kafka takes its time for a stop. Consumers ask again as soon as they are answered: there is no quiet moment."""
    client = raw(broker)
    settle_coordinator(client)
    topic = create_topic(client)
    one, two = Member(raw(broker), "group"), Member(raw(broker), "group")
    stable(one)
    two.send_join()
    pollers = [Poller(raw(broker), Place(topic)) for _ in range(5)]
    writers = [Writer(raw(broker), Place(topic), f"w{number}") for number in range(4)]
    for thread in (*pollers, *writers):
        thread.start()
    wait_until(lambda: all(len(one.acknowledged) > 50 for one in writers), 60, "nothing is acknowledged")
    began = time.monotonic()
    assert broker.stop() == 0
    took_s = time.monotonic() - began
    for thread in (*pollers, *writers):
        thread.join(30)
    assert "Not every request was answered" not in broker.log()
    assert took_s < 1.5
    broker.start()
    found = {record.offset: record.value for record in Partition(raw(broker), topic).records()}
    for writer in writers:
        assert {offset: found.get(offset) for offset in writer.acknowledged} == writer.acknowledged


class Poller(threading.Thread):
    """A consumer at the end of a log: one long poll after the other, until the connection breaks."""

    def __init__(self, client: RawClient, place: Place) -> None:
        super().__init__(daemon=True)
        self.client = client
        self.frame = client.frame(fetch_request(place.fetched(0), max_wait_ms=500, min_bytes=1 << 30), 11)

    def run(self) -> None:
        try:
            while True:
                self.client.write(self.frame)
                self.client.read_reply()
        except (AssertionError, OSError):
            pass  # the broker has stopped
