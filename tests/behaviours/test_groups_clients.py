"""Groups of real clients."""

from __future__ import annotations

import json

import pytest

from tests.behaviours.batches import values
from tests.behaviours.members import committed
from tests.behaviours.partition import Partition, Place, create_topic, unique
from tests.broker_process import BrokerProcess, wait_until
from tests.clients.conftest import NamedClient
from tests.clients.group_member import GroupMember
from tests.kafka_python import kafka
from tests.raw_client import RawClient

SHORT_SESSION = {"session.timeout.ms": "6000", "heartbeat.interval.ms": "500"}


def told_assignments(member: GroupMember) -> list[set[int]]:
    """What the member owned, after each change of it."""
    lines = [json.loads(line) for line in member.output().splitlines() if line.startswith("{")]
    return [set(line["partitions"]) for line in lines if line.get("event") == "assignment"]


def fill(client: RawClient, topic: str, partitions: int, count: int, stem: str) -> set[str]:
    """Append `count` records to each partition; their values."""
    filled = set()
    for number in range(partitions):
        records = values(count, f"{stem}-{number}")
        Partition(client, topic, number).append(*records)
        filled |= {record.decode() for record in records}
    return filled


def consumed(*members: GroupMember) -> list[str]:
    return [record.value or "" for member in members for record in member.records]


@pytest.mark.parametrize("name", ["confluent-kafka", "kafka-python", "aiokafka", "java"])
def test_a_group_of_one_resumes_at_its_commit(
    coordinator: BrokerProcess, client: RawClient, named_client: NamedClient, name: str
) -> None:
    topic, group = create_topic(client, 3), unique("group")
    first = fill(client, topic, 3, 10, "first")
    member = named_client(name).group(coordinator.bootstrap, topic, group)
    member.wait_assignment(range(3))
    member.wait_records(30)
    member.stop()
    assert sorted(consumed(member)) == sorted(first)
    assert [committed(client, group, Place(topic, number))[1] for number in range(3)] == [10] * 3
    second = fill(client, topic, 3, 5, "second")
    again = named_client(name).group(coordinator.bootstrap, topic, group)
    again.wait_records(15)
    again.stop()
    assert sorted(consumed(again)) == sorted(second)


def test_three_members_share_six_partitions_and_every_record(
    coordinator: BrokerProcess, client: RawClient, named_client: NamedClient
) -> None:
    topic, group = create_topic(client, 6), unique("group")
    program = named_client("confluent-kafka")
    members = [program.group(coordinator.bootstrap, topic, group) for _ in range(3)]
    shares = [member.wait_assignment(lambda owned: len(owned) == 2) for member in members]
    assert sorted(partition for share in shares for partition in share) == list(range(6))
    produced = fill(client, topic, 6, 50, "record")
    wait_until(lambda: len(consumed(*members)) >= len(produced), 30, "records are missing")
    assert sorted(consumed(*members)) == sorted(produced)
    for member, share in zip(members, shares, strict=True):
        assert {record.partition for record in member.records} == set(share)


def test_a_killed_members_partitions_move_after_its_session(
    coordinator: BrokerProcess, client: RawClient, named_client: NamedClient
) -> None:
    topic, group = create_topic(client, 2), unique("group")
    program = named_client("confluent-kafka")
    killed, left = (program.group(coordinator.bootstrap, topic, group, config=SHORT_SESSION) for _ in range(2))
    for member in (killed, left):
        member.wait_assignment(lambda owned: len(owned) == 1)
    killed.kill()
    left.wait_assignment([0, 1])
    produced = fill(client, topic, 2, 5, "later")
    left.wait_records(10)
    assert sorted(consumed(left)) == sorted(produced)


def test_groups_of_one_topic_do_not_disturb_each_other(
    coordinator: BrokerProcess, client: RawClient, named_client: NamedClient
) -> None:
    topic = create_topic(client, 2)
    program = named_client("confluent-kafka")
    one, two = (program.group(coordinator.bootstrap, topic, unique("group")) for _ in range(2))
    for member in (one, two):
        member.wait_assignment([0, 1])
    produced = fill(client, topic, 2, 20, "both")
    for member in (one, two):
        member.wait_records(40)
        assert sorted(consumed(member)) == sorted(produced)
    assignments = two.assignment_count
    one.stop()
    more = fill(client, topic, 2, 20, "one")
    two.wait_records(80)
    assert sorted(consumed(two)) == sorted(produced | more)
    assert two.assignment_count == assignments


def test_consumers_that_commit_by_hand_keep_to_themselves(coordinator: BrokerProcess, client: RawClient) -> None:
    """Two consumers of two groups with manual assignment: no rebalance, and a position each."""
    topic = create_topic(client)
    fill(client, topic, 1, 10, "record")
    there = kafka.TopicPartition(topic, 0)
    groups = [unique("group") for _ in range(2)]
    for group, count in zip(groups, (3, 8), strict=True):
        consumer = kafka.KafkaConsumer(
            bootstrap_servers=coordinator.bootstrap,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=1,
        )
        try:
            consumer.assign([there])
            for _ in range(count):
                next(consumer)
            consumer.commit()
            assert consumer.committed(there) == count
        finally:
            consumer.close()
    assert [committed(client, group, Place(topic))[1] for group in groups] == [3, 8]


@pytest.mark.parametrize("name", ["confluent-kafka", "java"])
def test_a_cooperative_member_keeps_what_it_need_not_give(
    coordinator: BrokerProcess, client: RawClient, named_client: NamedClient, name: str
) -> None:
    strategy = {
        "confluent-kafka": "cooperative-sticky",
        "java": "org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
    }[name]
    config = {"partition.assignment.strategy": strategy}
    topic, group = create_topic(client, 4), unique("group")
    program = named_client(name)
    first = program.group(coordinator.bootstrap, topic, group, config=config)
    first.wait_assignment(range(4))
    second = program.group(coordinator.bootstrap, topic, group, config=config)
    theirs = second.wait_assignment(lambda owned: len(owned) == 2)
    mine = first.wait_assignment(lambda owned: len(owned) == 2)
    assert sorted((*mine, *theirs)) == [0, 1, 2, 3]
    # From all four on it never owned less than what it has now.
    since = told_assignments(first)
    assert all(owned >= set(mine) for owned in since[since.index({0, 1, 2, 3}) :])
