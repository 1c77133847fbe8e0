"""Leader epochs: by them a client finds out that it knows something old, or that records were lost."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from chronik.errors import ErrorCode
from chronik.wire.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from tests.behaviours.batches import batches_in, values
from tests.behaviours.partition import (
    LATEST,
    Partition,
    create_topic,
    metadata_of,
    new_partition,
    partitions_of,
    wait_usable,
)
from tests.broker_process import BrokerProcess
from tests.conftest import RawFactory
from tests.raw_client import RawClient


def epoch_of(client: RawClient, topic: str) -> int:
    """What Metadata says, once it has the topic (Kafka's has it a little after the start)."""
    wait_usable(client, topic)
    return partitions_of(metadata_of(client, topic))[0].leader_epoch


def epoch_end(partition: Partition, epoch: int, *, current: int = -1, version: int = 2) -> tuple[int, int, int]:
    """Error, epoch and end offset of OffsetForLeaderEpoch."""
    wanted = OffsetForLeaderPartition(
        partition=partition.place.number, current_leader_epoch=current, leader_epoch=epoch
    )
    topic = OffsetForLeaderTopic(topic=partition.topic, partitions=[wanted])
    response: Any = partition.client.ask(OffsetForLeaderEpochRequest(replica_id=-1, topics=[topic]), version)
    (answer,) = response.topics[0].partitions
    return answer.error_code, answer.leader_epoch, answer.end_offset


@pytest.fixture
def partition(client: RawClient) -> Partition:
    made = new_partition(client)
    made.append(*values(5))
    return made


@pytest.mark.parametrize(
    ("difference", "error"),
    [(0, ErrorCode.NONE), (1, ErrorCode.UNKNOWN_LEADER_EPOCH), (1000, ErrorCode.UNKNOWN_LEADER_EPOCH)],
)
def test_a_future_leader_epoch_is_unknown(partition: Partition, difference: int, error: ErrorCode) -> None:
    epoch = epoch_of(partition.client, partition.topic) + difference
    assert partition.fetch(0, leader_epoch=epoch).error_code == error
    assert partition.list_offset(LATEST, leader_epoch=epoch).error_code == error


def test_no_leader_epoch_is_not_checked(partition: Partition) -> None:
    assert partition.fetch(0, leader_epoch=-1).error_code == 0
    assert partition.list_offset(LATEST, leader_epoch=-1).error_code == 0
    assert epoch_end(partition, 0, current=-1)[0] == 0


@pytest.mark.parametrize("version", [2, 3, 4])
def test_the_current_epoch_ends_at_the_logs_end(partition: Partition, version: int) -> None:
    epoch = epoch_of(partition.client, partition.topic)
    assert epoch_end(partition, epoch, version=version) == (0, epoch, 5)
    assert epoch_end(partition, epoch, current=epoch, version=version) == (0, epoch, 5)


def test_a_future_epoch_ends_nowhere(partition: Partition) -> None:
    epoch = epoch_of(partition.client, partition.topic)
    assert epoch_end(partition, epoch + 1) == (0, -1, -1)
    assert epoch_end(partition, epoch, current=epoch + 1)[0] == ErrorCode.UNKNOWN_LEADER_EPOCH


def test_the_epoch_of_a_missing_partition_is_an_error(partition: Partition) -> None:
    missing = Partition(partition.client, partition.topic, 7)
    assert epoch_end(missing, 0) == (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1, -1)


def test_the_leader_epoch_never_falls(broker: BrokerProcess, raw: RawFactory) -> None:
    topic = create_topic(raw(broker))
    epochs, ends = [epoch_of(raw(broker), topic)], []
    for end_it in (broker.stop, broker.kill, broker.stop):
        ends.append(Partition(raw(broker), topic).append(*values(3)) + 3)
        end_it()
        broker.start()
        epochs.append(epoch_of(raw(broker), topic))
    assert epochs == sorted(epochs)
    partition = Partition(raw(broker), topic)
    assert partition.end == ends[-1]
    for found in batches_in(partition.fetch(0).records):
        assert found.leader_epoch <= epochs[-1]
    assert [one.base_offset for one in batches_in(partition.fetch(0).records)] == [0, 3, 6]


@pytest.mark.usefixtures("only_chronik")
def test_a_crash_of_the_machine_begins_a_new_epoch(broker: BrokerProcess, raw: RawFactory) -> None:
    """Kafka begins one at each start; here it means that records may be lost that were not fsynced."""
    topic = create_topic(raw(broker))
    before = epoch_of(raw(broker), topic)
    Partition(raw(broker), topic).append(*values(4))
    _crash_the_machine(broker)
    client = raw(broker)
    partition = Partition(client, topic)
    now = epoch_of(client, topic)
    assert now == before + 1
    assert partition.fetch(0, leader_epoch=before).error_code == ErrorCode.FENCED_LEADER_EPOCH
    assert partition.list_offset(LATEST, leader_epoch=before).error_code == ErrorCode.FENCED_LEADER_EPOCH
    assert epoch_end(partition, before, current=before)[0] == ErrorCode.FENCED_LEADER_EPOCH
    partition.append(*values(2))
    # The old epoch ends where the new one begins, and what it wrote still carries it.
    assert epoch_end(partition, before) == (0, before, 4)
    assert epoch_end(partition, now) == (0, now, 6)
    assert [one.leader_epoch for one in batches_in(partition.fetch(0).records)] == [before, now]
    assert partition.list_offset(-2).leader_epoch == before
    assert partition.list_offset(LATEST).leader_epoch == now


def _crash_the_machine(broker: BrokerProcess) -> None:
    """Kill the broker and start it as if the system had been booted in between."""
    broker.kill()
    catalog = sqlite3.connect(broker.data_dir / "catalog.sqlite")
    with closing(catalog), catalog:
        changed = catalog.execute("UPDATE properties SET value = 'an earlier boot' WHERE key = 'run'").rowcount
    assert changed == 1
    broker.start()
