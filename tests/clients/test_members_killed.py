"""A group of three over six partitions, of every client with its default settings, one member of which is killed.

Default session timeouts are up to 45 s, so all clients go through it at the same time, on one broker, each in a
group of its own. What happened is told client by client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from tests.broker_process import BrokerProcess, wait_until
from tests.clients.client_program import ClientProgram
from tests.clients.conftest import CLIENT_NAMES, make
from tests.clients.group_member import GroupMember
from tests.clients.installed import missing, required

PARTITION_COUNT = 6
RECORD_COUNT = 60
TAKE_OVER_S = 120.0
"""The longest default session timeout is 45 s; the rest is for a busy machine."""


@dataclass(slots=True)
class Story:
    """What became of one client's group."""

    client: ClientProgram
    members: list[GroupMember] = field(default_factory=list)
    first_shares: list[tuple[int, ...]] = field(default_factory=list)
    first_values: list[str | None] = field(default_factory=list)
    later_shares: list[tuple[int, ...]] = field(default_factory=list)
    later_values: list[str | None] = field(default_factory=list)
    problem: BaseException | None = None

    @property
    def topic(self) -> str:
        return f"orders-{self.client.name}"

    @property
    def group_id(self) -> str:
        return f"workers-{self.client.name}"


def values(prefix: str) -> list[str]:
    return sorted(f"{prefix}value-{i}" for i in range(RECORD_COUNT))


def consumed(members: list[GroupMember], prefix: str) -> list[str]:
    found = [record.value for member in members for record in member.records]
    return sorted(value for value in found if value is not None and value.startswith(prefix))


def begin(broker: BrokerProcess, admin: AdminClient, producer: ClientProgram, story: Story) -> None:
    """Three members share the partitions, and consume what is produced."""
    story.members = [story.client.group(broker.bootstrap, story.topic, story.group_id) for _ in range(3)]
    wait_until(lambda: member_count(admin, story.group_id) == 3, TAKE_OVER_S, lambda: told(story))
    if story.client.tells_assignment:
        story.first_shares = [member.wait_assignment(lambda owned: len(owned) == 2) for member in story.members]
    producer.produce(broker.bootstrap, story.topic, RECORD_COUNT, prefix="first-")
    wait_until(lambda: len(consumed(story.members, "first-")) >= RECORD_COUNT, TAKE_OVER_S, lambda: told(story))
    story.first_values = list(consumed(story.members, "first-"))


def take_over(broker: BrokerProcess, admin: AdminClient, producer: ClientProgram, story: Story) -> None:
    """The two that are left take the third's partitions once its session is over."""
    left = story.members[1:]
    wait_until(lambda: member_count(admin, story.group_id) == 2, TAKE_OVER_S, lambda: told(story))
    if story.client.tells_assignment:
        story.later_shares = [member.wait_assignment(lambda owned: len(owned) == 3, TAKE_OVER_S) for member in left]
    producer.produce(broker.bootstrap, story.topic, RECORD_COUNT, prefix="later-")
    wait_until(lambda: len(consumed(left, "later-")) >= RECORD_COUNT, TAKE_OVER_S, lambda: told(story))
    story.later_values = list(consumed(left, "later-"))


def member_count(admin: AdminClient, group_id: str) -> int:
    """Members of the group if it is stable, else 0."""
    described = admin.describe_consumer_groups([group_id])[group_id].result(30)
    return len(described.members) if described.state.name == "STABLE" else 0


def told(story: Story) -> str:
    return "\n---\n".join(member.output()[-1500:] for member in story.members)


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Story]]:
    folder: Path = tmp_path_factory.mktemp("killed")
    broker = BrokerProcess(folder)
    broker.start()
    producer = make("confluent-kafka")
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    told = {name: Story(make(name)) for name in CLIENT_NAMES if missing(name) is None}
    for story in told.values():
        producer.admin_create(broker.bootstrap, story.topic, PARTITION_COUNT)

    def each(step: Callable[[BrokerProcess, AdminClient, ClientProgram, Story], None], workers: int) -> None:
        def one(story: Story) -> None:
            if story.problem is None:
                try:
                    step(broker, admin, producer, story)
                except BaseException as problem:
                    story.problem = problem

        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(one, told.values()))

    # A few at a time: a JVM that has to share its core with ten others does not heartbeat in time.
    each(begin, 3)
    for story in told.values():
        if story.problem is None:
            story.members[0].kill()
    each(take_over, len(told))
    yield told
    for story in told.values():
        story.client.close()
    broker.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", CLIENT_NAMES)
def test_a_killed_members_partitions_go_to_the_others(stories: dict[str, Story], name: str) -> None:
    if name not in stories:
        reason = missing(name)
        assert not required(name), f"{name} is required (CHRONIK_REQUIRE_CLIENTS) but {reason}"
        pytest.skip(str(reason))
    story = stories[name]
    if story.problem is not None:
        raise story.problem
    assert story.first_values == values("first-")
    assert set(story.later_values) == set(values("later-"))
    if story.client.tells_assignment:
        everything = list(range(PARTITION_COUNT))
        assert sorted(partition for share in story.first_shares for partition in share) == everything
        assert sorted(partition for share in story.later_shares for partition in share) == everything
