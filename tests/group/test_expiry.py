"""Offsets that nobody needs any longer go, and Empty groups with them (KIP-211)."""

from __future__ import annotations

import pytest

from chronik.changes import GroupDeleted, OffsetsDeleted
from chronik.errors import ErrorCode
from chronik.group.classic.requests import LeavingMember, Protocols
from chronik.group.classic.states import ClassicGroupState
from chronik.group.offsets import IN_FLIGHT_MS
from chronik.settings import BrokerSettings
from tests.group.world import GROUP, RANGE, Member, T, U, World, joined, stable_group

RETENTION_MINUTES = 60
RETENTION_MS = RETENTION_MINUTES * 60_000
SETTINGS = BrokerSettings(offsets_retention_minutes=RETENTION_MINUTES)
LONG_MS = 1_800_000


def is_there(world: World) -> bool:
    return world.coordinator.describe(GROUP).error is ErrorCode.NONE


def leave_all(world: World) -> None:
    world.leave(*(LeavingMember(member_id) for member_id in world.group().members))


def test_the_offsets_of_a_simple_group_expire_one_by_one_after_their_commit() -> None:
    world = World(SETTINGS)
    world.commit(key=(T, 0))
    world.pass_time(1_000)
    world.commit(key=(U, 0))
    world.pass_time(RETENTION_MS - 1_001)
    world.expire()
    assert len(world.changes) == 2
    world.pass_time(1)
    world.expire()
    assert world.changes[2:] == [OffsetsDeleted(GROUP, ((T, 0),))]
    assert world.fetch((U, 0)).offset == 5
    world.pass_time(1_000)
    world.expire()
    assert world.changes[3:] == [GroupDeleted(GROUP)]
    assert not is_there(world)
    assert world.coordinator.durable_state() == {}


def test_a_simple_group_that_goes_on_committing_keeps_its_offset() -> None:
    world = World(SETTINGS)
    for _ in range(4):
        world.commit()
        world.pass_time(RETENTION_MS - 1)
        world.expire()
    assert world.fetch().offset == 5


def test_the_offsets_of_an_empty_group_expire_after_it_lost_its_members() -> None:
    world = World(SETTINGS)
    (member,) = stable_group(world, 1)
    world.commit(member)
    world.pass_time_alive(2 * RETENTION_MS, member)
    world.expire()
    assert world.fetch().offset == 5
    world.leave(LeavingMember(member.member_id))
    world.pass_time(RETENTION_MS - 1)
    world.expire()
    assert world.fetch().offset == 5
    world.pass_time(1)
    world.expire()
    assert world.changes[-1] == GroupDeleted(GROUP)
    assert not is_there(world)


def test_that_a_group_is_empty_since_long_survives_a_restart() -> None:
    world = World(SETTINGS)
    (member,) = stable_group(world, 1)
    world.commit(member)
    world.leave(LeavingMember(member.member_id))
    world.pass_time(RETENTION_MS - 1)
    world.restart()
    world.expire()
    assert is_there(world)
    world.pass_time(1)
    world.expire()
    assert not is_there(world)


def test_an_empty_group_without_offsets_goes_at_once() -> None:
    world = World(SETTINGS)
    stable_group(world, 1)
    leave_all(world)
    world.expire()
    assert world.changes[-1] == GroupDeleted(GROUP)
    assert not is_there(world)


def test_a_group_whose_member_ids_are_out_does_not_go() -> None:
    world = World(SETTINGS)
    member_id = world.join().reply.member_id
    world.expire()
    assert joined(world.join(member_id)).generation == 1


@pytest.mark.parametrize(
    ("protocol_type", "protocols", "expires"),
    [("consumer", RANGE, True), ("consumer", (("range", b"?"),), False), ("connect", RANGE, False)],
)
def test_a_stable_group_of_consumers_loses_offsets_of_topics_that_nobody_reads(
    protocol_type: str, protocols: Protocols, expires: bool
) -> None:
    """If it is known what they read."""
    world = World(SETTINGS)
    (member,) = stable_group(
        world, 1, protocol_type=protocol_type, protocols=protocols, session_ms=LONG_MS, rebalance_ms=LONG_MS
    )
    for key in ((T, 0), (U, 0)):
        world.commit(member, key)
    world.pass_time_alive(RETENTION_MS - 1_000, member)
    world.expire()
    assert world.fetch((U, 0)).offset == 5
    world.pass_time_alive(1_000, member)
    world.expire()
    assert world.fetch((T, 0)).offset == 5
    assert world.fetch((U, 0)).offset == (-1 if expires else 5)
    assert world.state() is ClassicGroupState.STABLE


@pytest.mark.parametrize("state", [ClassicGroupState.PREPARING_REBALANCE, ClassicGroupState.COMPLETING_REBALANCE])
def test_nothing_expires_during_a_rebalance(state: ClassicGroupState) -> None:
    world = World(SETTINGS)
    (member,) = stable_group(world, 1, session_ms=LONG_MS, rebalance_ms=LONG_MS)
    world.commit(member, (U, 0))
    world.pass_time_alive(RETENTION_MS - 2_000, member)
    if state is ClassicGroupState.PREPARING_REBALANCE:
        assert world.join(version=3).is_parked
    else:
        member = joined(world.join(member.member_id, session_ms=LONG_MS, rebalance_ms=LONG_MS))
    world.pass_time_alive(2_000, member)
    assert world.state() is state
    world.expire()
    assert world.fetch((U, 0)).offset == 5


def test_an_offset_with_a_moment_of_its_own_expires_then() -> None:
    world = World(SETTINGS)
    world.commit(key=(T, 0), retention_ms=5_000)
    world.commit(key=(U, 0), retention_ms=2 * RETENTION_MS)
    world.pass_time(4_999)
    world.expire()
    assert world.fetch((T, 0)).offset == 5
    world.pass_time(1)
    world.expire()
    assert world.fetch((T, 0)).offset == -1
    world.pass_time(RETENTION_MS)
    world.expire()
    assert world.fetch((U, 0)).offset == 5


def test_an_offset_in_an_open_transaction_does_not_expire() -> None:
    world = World(SETTINGS, unstable=[(T, 0)])
    world.commit(key=(T, 0))
    world.commit(key=(T, 1))
    world.pass_time(RETENTION_MS)
    world.expire()
    assert world.changes[-1] == OffsetsDeleted(GROUP, ((T, 1),))
    world.unstable = [(U, 0)]
    world.expire()
    assert world.changes[-1] == OffsetsDeleted(GROUP, ((T, 0),))
    assert is_there(world)
    world.unstable = ()
    world.expire()
    assert not is_there(world)


def test_a_commit_that_is_being_written_is_not_expired_with_the_old_offset() -> None:
    """Its removal would be written behind it."""
    world = World(SETTINGS)
    world.commit(offset=1)
    world.pass_time(RETENTION_MS)
    world.holds = True
    world.commit(offset=2)
    assert world.coordinator.expire_offsets(world.now_ms) == []
    world.write_held()
    world.expire()
    assert world.fetch().offset == 2


def test_a_commit_that_was_written_expires_like_any_other() -> None:
    world = World(SETTINGS)
    world.commit()
    world.commit(retention_ms=0)
    world.expire()
    assert not is_there(world)


def test_an_empty_group_does_not_go_while_its_first_commit_is_being_written() -> None:
    world = World(SETTINGS)
    stable_group(world, 1)
    leave_all(world)
    world.holds = True
    world.commit(offset=2)
    assert world.coordinator.expire_offsets(world.now_ms) == []
    world.write_held()
    assert world.fetch().offset == 2


def test_a_commit_that_failed_does_not_keep_the_old_offset_for_ever() -> None:
    world = World(SETTINGS)
    world.commit(offset=1)
    world.pass_time(RETENTION_MS)
    world.fails = True
    world.commit(offset=2)
    world.fails = False
    world.pass_time(IN_FLIGHT_MS)
    assert world.coordinator.expire_offsets(world.now_ms) == []
    world.pass_time(1)
    world.expire()
    assert not is_there(world)


def test_a_group_that_is_being_written_down_is_left_alone() -> None:
    world = World(SETTINGS)
    (member,) = stable_group(world, 1)
    decision = world.coordinator.leave(GROUP, [LeavingMember(member.member_id)], world.now_ms)
    assert decision.changes
    assert world.coordinator.expire_offsets(world.now_ms) == []


def test_a_group_that_is_going_answers_for_itself() -> None:
    """And if that cannot be written down, it stays."""
    world = World(SETTINGS)
    world.commit()
    world.pass_time(RETENTION_MS)
    ((group_id, decision),) = world.coordinator.expire_offsets(world.now_ms)
    assert (group_id, decision.changes) == (GROUP, (GroupDeleted(GROUP),))
    assert world.commit() is ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert world.join().reply.error is ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert world.coordinator.not_persisted(GROUP, world.now_ms).changes == ()
    assert world.state() is ClassicGroupState.EMPTY
    assert world.commit() is ErrorCode.NONE
    assert world.heartbeat(Member("m", 1)) is ErrorCode.UNKNOWN_MEMBER_ID
