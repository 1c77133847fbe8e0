"""Transactions over restarts, crashes, time and deletions: what was answered holds, and what nobody ends is aborted."""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path

import pytest

from chronik.broker.transactions import Step
from chronik.errors import ErrorCode
from chronik.wire.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from chronik.wire.messages.end_txn import EndTxnRequest
from tests.behaviours.conftest import ConfiguredBroker
from tests.behaviours.partition import Partition, Place, create_topic, new_partition, unique
from tests.behaviours.test_transactional_offsets import committed, wait_stable_offset
from tests.behaviours.transactional import (
    NONE,
    TransactionalProducer,
    markers_of,
    read_committed,
    settle_transactions,
    stable_end,
    wait_stable,
)
from tests.broker_process import BrokerProcess, wait_until
from tests.conftest import RawFactory
from tests.raw_client import RawClient


@pytest.fixture
def settled(broker: BrokerProcess, raw: RawFactory) -> BrokerProcess:
    settle_transactions(raw(broker))
    return broker


def test_an_abandoned_transaction_is_aborted_in_time(settled: BrokerProcess, raw: RawFactory, on_kafka: bool) -> None:
    client = raw(settled)
    partition = new_partition(client)
    producer = TransactionalProducer(client, timeout_ms=1500).begin()
    began = time.monotonic()
    producer.add(partition.place)
    producer.send(partition.place, b"abandoned")
    partition.append(b"held back")
    wait_until(lambda: stable_end(partition) == partition.end, 30, "nobody aborts it")
    took_s = time.monotonic() - began
    assert took_s >= 1.4
    if not on_kafka:  # which looks every ten seconds
        assert took_s < 1.5 + 1
    assert read_committed(partition).values == [b"held back"]
    assert producer.send_once(partition.place, b"late").error_code == ErrorCode.INVALID_PRODUCER_EPOCH
    assert producer.end_once(commits=True).error_code == ErrorCode.PRODUCER_FENCED
    producer.go_on()
    producer.add(partition.place)
    producer.send(partition.place, b"again")
    producer.commit()
    wait_stable(partition)
    assert read_committed(partition).values == [b"held back", b"again"]


def test_a_transaction_that_timed_out_while_the_broker_was_down_is_aborted_at_once(
    settled: BrokerProcess, raw: RawFactory
) -> None:
    partition = new_partition(raw(settled))
    producer = TransactionalProducer(raw(settled), timeout_ms=500).begin()
    producer.add(partition.place)
    producer.send(partition.place, b"abandoned")
    settled.kill()
    settled.start()
    again = partition.over(raw(settled))
    wait_until(lambda: stable_end(again) == again.end, 30, "nobody aborts it")
    assert read_committed(again).values == []


@pytest.mark.parametrize("crash", [True, False], ids=["killed", "stopped"])
def test_an_open_transaction_survives(settled: BrokerProcess, raw: RawFactory, crash: bool) -> None:
    partition, group = new_partition(raw(settled)), unique("group")
    producer = TransactionalProducer(raw(settled)).begin()
    producer.add(partition.place)
    producer.add_group(group)
    producer.send(partition.place, b"before")
    producer.commit_offset(group, partition.place, 7)
    settled.kill() if crash else settled.stop()
    settled.start()
    settle_transactions(raw(settled))
    again, same = partition.over(raw(settled)), producer.twin(raw(settled))
    assert (stable_end(again), again.end) == (0, 1)
    assert same.described().transaction_state == "Ongoing"
    assert committed(again.client, group, partition.place, stable=True)[1] == ErrorCode.UNSTABLE_OFFSET_COMMIT
    same.send(partition.place, b"after")
    same.commit()
    wait_stable(again)
    assert read_committed(again).values == [b"before", b"after"]
    assert wait_stable_offset(again.client, group, partition.place) == 7


@pytest.mark.parametrize("commits", [True, False])
def test_what_was_answered_holds_after_a_crash(settled: BrokerProcess, raw: RawFactory, commits: bool) -> None:
    client = raw(settled)
    topic, group = create_topic(client, 5), unique("group")
    producer = TransactionalProducer(client).begin()
    places = [Place(topic, number) for number in range(5)]
    producer.add(*places)
    producer.add_group(group)
    for place in places:
        producer.send(place, b"value")
    producer.commit_offset(group, places[0], 7)
    assert producer.end_once(commits=commits).error_code == NONE
    settled.kill()
    settled.start()
    settle_transactions(raw(settled))
    client = raw(settled)
    for place in places:
        partition = Partition(client, *place)
        wait_stable(partition)
        assert read_committed(partition).values == ([b"value"] if commits else [])
    assert wait_stable_offset(client, group, places[0]) == (7 if commits else -1)
    again = producer.twin(client)
    again.wait_idle()
    assert again.end_once(commits=commits).error_code == NONE


def test_aborted_records_stay_unseen_wherever_a_reader_begins(settled: BrokerProcess, raw: RawFactory) -> None:
    """After a restart, and after the beginning was deleted in the middle of an aborted transaction."""
    partition = new_partition(raw(settled))
    producer = TransactionalProducer(raw(settled)).begin()
    expected: dict[int, bytes] = {}
    for number in range(6):
        producer.add(partition.place)
        first = producer.send(partition.place, b"a", b"b")
        producer.send(partition.place, b"c")
        if number % 2:
            producer.commit()
            expected |= {first: b"a", first + 1: b"b", first + 2: b"c"}
        else:
            producer.abort()
        wait_stable(partition)
        expected[partition.append(b"plain")] = b"plain"

    def check(partition: Partition) -> None:
        for offset in range(partition.start, partition.end + 1):
            values = [value for at, value in sorted(expected.items()) if at >= offset]
            assert read_committed(partition, offset).values == values, offset

    check(partition)
    settled.kill()
    settled.start()
    partition = partition.over(raw(settled))
    wait_until(lambda: partition.list_offset(-1).error_code == NONE, 20, "it is not served")
    check(partition)
    for offset in (1, 11, 23):
        delete_records(partition, offset)
        assert partition.start == offset
        check(partition)
    settled.stop()
    settled.start()
    partition = partition.over(raw(settled))
    wait_until(lambda: partition.list_offset(-1).error_code == NONE, 20, "it is not served")
    check(partition)


def delete_records(partition: Partition, offset: int) -> None:
    wanted = DeleteRecordsPartition(partition_index=partition.place.number, offset=offset)
    topic = DeleteRecordsTopic(name=partition.topic, partitions=[wanted])
    (answer,) = partition.client.ask(DeleteRecordsRequest(topics=[topic], timeout_ms=10_000), 2).topics
    assert answer.partitions[0].error_code == NONE


def test_retention_takes_open_transactions_along(configured: ConfiguredBroker, raw: RawFactory) -> None:
    broker = configured({"log.retention.check.interval.ms": 200})
    client = raw(broker)
    settle_transactions(client)
    partition = new_partition(client, configs={"retention.ms": "1", "segment.ms": "1"})
    producer = TransactionalProducer(client).begin()
    producer.add(partition.place)
    producer.send(partition.place, b"open")
    partition.append(b"plain")
    wait_until(lambda: partition.start > 0, 60, "nothing is deleted")
    assert partition.start <= stable_end(partition) <= partition.end
    producer.send(partition.place, b"more")
    producer.abort()
    wait_stable(partition)
    assert b"more" not in read_committed(partition, partition.start).values


class DyingBroker(BrokerProcess):
    """Kills itself at a step of the next transaction that is ended; without a step it lives."""

    step: tuple[Step, int] | None = None

    def command(self) -> list[str]:
        command = super().command()
        if self.step is None:
            return command
        step, count = self.step
        at = command.index("chronik")
        return [sys.executable, "-m", "tests.dying_broker", step.value, str(count), *command[at + 1 :]]


PARTITIONS = 3
DEATHS = [
    *((step, 1) for step in Step if step is not Step.MARKED_ONE),
    *((Step.MARKED_ONE, number) for number in range(1, PARTITIONS + 1)),
]


@pytest.mark.parametrize("version", [3, 5], ids=["version 1", "version 2"])
@pytest.mark.parametrize(("step", "count"), DEATHS, ids=[f"{step.value}-{count}" for step, count in DEATHS])
@pytest.mark.usefixtures("only_chronik")
def test_a_death_at_any_step_of_the_end_leaves_one_outcome(
    tmp_path: Path, step: Step, count: int, version: int
) -> None:
    """Before the outcome was decided the transaction is open still; after it, everything of it is committed as soon as
    anybody is served. The producer, that got no answer, asks again and is told so."""
    broker = DyingBroker(tmp_path / "broker")
    broker.start()
    with RawClient(broker.host, broker.port) as client:
        topic, group = create_topic(client, PARTITIONS + 1), unique("group")
    broker.stop()
    broker.step = (step, count)
    broker.start()
    places, added_in_vain = [Place(topic, number) for number in range(PARTITIONS)], Place(topic, PARTITIONS)
    try:
        with RawClient(broker.host, broker.port) as client:
            producer = TransactionalProducer(client, "dying").begin()
            producer.add(*places, added_in_vain)
            producer.add_group(group)
            for place in places:
                producer.send(place, b"value")
            producer.commit_offset(group, places[0], 7)
            with pytest.raises((AssertionError, ConnectionError), match=r"closed the connection|reset"):
                producer.end_once(commits=True, version=version)
        wait_until(lambda: not broker.running, 20, "it lives")
        broker.step = None
        broker.start()
        with RawClient(broker.host, broker.port) as client:
            decided = step is not Step.DECIDED
            for place in places:
                partition = Partition(client, *place)
                assert (stable_end(partition), partition.end) == ((2, 2) if decided else (0, 1))
                assert read_committed(partition).values == ([b"value"] if decided else [])
                assert len(markers_of(partition)) == decided
            assert len(markers_of(Partition(client, *added_in_vain))) in ((0, 1) if decided else (0,))
            assert committed(client, group, places[0]) == ((7, NONE) if decided else (-1, NONE))
            again = producer.twin(client)
            again.commit(version=version)
            for place in places:
                assert len(markers_of(Partition(client, *place))) == 1
                assert read_committed(Partition(client, *place)).values == [b"value"]
            assert len(markers_of(Partition(client, *added_in_vain))) in ((0, 1) if decided else (1,))
            assert committed(client, group, places[0], stable=True) == (7, NONE)
            again.add(*places)
            again.abort()
    finally:
        broker.close()
    assert broker.unexpected_errors() == []


def test_a_client_that_vanishes_within_end_txn_gets_its_transaction_ended(
    settled: BrokerProcess, raw: RawFactory
) -> None:
    partition = new_partition(raw(settled))
    client = raw(settled)
    producer = TransactionalProducer(client).begin()
    producer.add(partition.place)
    producer.send(partition.place, b"value")
    request = EndTxnRequest(
        transactional_id=producer.transactional_id,
        producer_id=producer.producer_id,
        producer_epoch=producer.epoch,
        committed=True,
    )
    client.write(client.frame(request, 3))
    client.socket.shutdown(socket.SHUT_RDWR)
    wait_stable(partition)
    wait_until(lambda: read_committed(partition).values == [b"value"], 20, "it is not committed")
