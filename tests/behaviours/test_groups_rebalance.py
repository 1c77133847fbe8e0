"""What happens between generations: heartbeats, SyncGroup, and members that come, go or stay away."""

from __future__ import annotations

import time

import pytest

from chronik.errors import ErrorCode
from tests.behaviours.conftest import ConfiguredBroker, NewMember
from tests.behaviours.members import Member, join_together, settle_coordinator, stable, sync_together, wait_rebalance
from tests.behaviours.partition import unique
from tests.conftest import RawFactory

LATE_S = 10.0
"""By how much a busy machine may be late."""


def test_a_group_of_one(new_member: NewMember) -> None:
    member = new_member(unique("group"))
    reply = member.join()
    assert (reply.generation_id, reply.leader) == (1, member.member_id)
    assert [one.member_id for one in reply.members] == [member.member_id]
    assert member.sync({member.member_id: b"everything"}) == b"everything"
    assert member.heartbeat() == 0
    assert member.leave() == 0
    assert member.heartbeat() == ErrorCode.UNKNOWN_MEMBER_ID


def test_a_fourth_member_makes_all_join_the_next_generation(new_member: NewMember) -> None:
    group = unique("group")
    members = [new_member(group) for _ in range(4)]
    stable(*members[:3])
    generation = members[0].generation
    members[3].send_join()
    for member in members[:3]:
        wait_rebalance(member)
        # Members keep their sessions while they finish what they have in hand.
        assert member.heartbeat() == ErrorCode.REBALANCE_IN_PROGRESS
    for member in members[:3]:
        member.send_join()
    assert {member.joined().generation_id for member in members} == {generation + 1}
    sync_together(*members)
    assert [member.heartbeat() for member in members] == [0] * 4


def test_leaving_begins_a_rebalance_at_once(new_member: NewMember) -> None:
    group = unique("group")
    members = [new_member(group) for _ in range(3)]
    stable(*members)
    gone, *left = members
    assert gone.leave() == 0
    assert [member.heartbeat() for member in left] == [ErrorCode.REBALANCE_IN_PROGRESS] * 2
    assert gone.heartbeat() == ErrorCode.UNKNOWN_MEMBER_ID
    join_together(*left)
    assert any(member.is_leader for member in left)
    sync_together(*left)


def test_a_silent_member_is_lost_after_its_session_timeout(configured: ConfiguredBroker, raw: RawFactory) -> None:
    broker = configured({"group.min.session.timeout.ms": 100})
    settle_coordinator(raw(broker))
    silent, other = (Member(raw(broker), "group", session_timeout_ms=ms) for ms in (1500, 30_000))
    stable(silent, other)
    began = time.monotonic()
    wait_rebalance(other)
    assert 1.4 <= time.monotonic() - began < 1.5 + LATE_S
    join_together(other)
    assert [one.member_id for one in other.reply.members] == [other.member_id]
    assert silent.heartbeat() == ErrorCode.UNKNOWN_MEMBER_ID


def test_heartbeats_keep_a_session(configured: ConfiguredBroker, raw: RawFactory) -> None:
    broker = configured({"group.min.session.timeout.ms": 100})
    settle_coordinator(raw(broker))
    member = Member(raw(broker), "group", session_timeout_ms=1500)
    stable(member)
    ends = time.monotonic() + 3.0
    while time.monotonic() < ends:
        assert member.heartbeat() == 0
        assert member.client.receives_nothing(0.1)


def test_a_follower_waits_for_the_leaders_assignment(new_member: NewMember) -> None:
    group = unique("group")
    one, two = (new_member(group) for _ in range(2))
    one.join()
    join_together(one, two)
    leader, follower = (one, two) if one.is_leader else (two, one)
    follower.send_sync()
    assert follower.client.receives_nothing(0.3)
    assert leader.sync({follower.member_id: b"\x00\xff followed", leader.member_id: b""}) == b""
    assert follower.synced() == b"\x00\xff followed"
    for _ in range(2):
        assert follower.sync() == b"\x00\xff followed"
    # In a Stable group nobody can assign anything any more.
    assert leader.sync({leader.member_id: b"changed"}) == b""


def test_a_rebalance_ends_the_wait_for_an_assignment(new_member: NewMember) -> None:
    group = unique("group")
    one, two, three = (new_member(group) for _ in range(3))
    one.join()
    join_together(one, two)
    follower = two if one.is_leader else one
    follower.send_sync()
    three.reserve()
    three.send_join()
    assert follower.client.receive().error_code == ErrorCode.REBALANCE_IN_PROGRESS
    assert follower.ask_sync().error_code == ErrorCode.REBALANCE_IN_PROGRESS


def test_a_member_without_an_assignment_gets_an_empty_one(new_member: NewMember) -> None:
    group = unique("group")
    one, two = (new_member(group) for _ in range(2))
    one.join()
    join_together(one, two)
    leader, follower = (one, two) if one.is_leader else (two, one)
    assert leader.sync({leader.member_id: b"all"}) == b"all"
    assert follower.sync() == b""


def test_heartbeats_of_the_past_and_of_strangers_are_told(new_member: NewMember) -> None:
    member = new_member(unique("group"))
    stable(member)
    assert member.heartbeat(generation=member.generation - 1) == ErrorCode.ILLEGAL_GENERATION
    assert member.heartbeat(generation=member.generation + 1) == ErrorCode.ILLEGAL_GENERATION
    assert member.heartbeat(member_id="nobody") == ErrorCode.UNKNOWN_MEMBER_ID
    assert new_member(unique("group")).heartbeat(generation=1, member_id="x") == ErrorCode.UNKNOWN_MEMBER_ID
    assert new_member("").heartbeat(generation=1, member_id="x") == ErrorCode.INVALID_GROUP_ID
    assert member.heartbeat() == 0


def test_a_sync_of_the_past_or_of_a_stranger_is_told(new_member: NewMember) -> None:
    member = new_member(unique("group"))
    stable(member)
    member.generation += 1
    assert member.ask_sync().error_code == ErrorCode.ILLEGAL_GENERATION
    member.generation -= 1
    known, member.member_id = member.member_id, "nobody"
    assert member.ask_sync().error_code == ErrorCode.UNKNOWN_MEMBER_ID
    member.member_id = known
    assert member.sync() == known.encode()


@pytest.mark.parametrize("static", [False, True], ids=["dynamic", "static"])
def test_a_member_that_does_not_join_again_is_left_behind(new_member: NewMember, static: bool) -> None:
    """A dynamic one is removed; a static one stays in the group, as it may come back under its name."""
    group = unique("group")
    absent = new_member(group, rebalance_timeout_ms=1000, instance_id="instance" if static else None)
    present, new = (new_member(group, rebalance_timeout_ms=1000) for _ in range(2))
    stable(present, absent)
    generation = present.generation
    new.reserve()
    began = time.monotonic()
    new.send_join()
    wait_rebalance(present)
    present.send_join()
    assert {new.joined().generation_id, present.joined().generation_id} == {generation + 1}
    assert 1.0 <= time.monotonic() - began < 1.0 + LATE_S
    (leader,) = (member for member in (present, new) if member.is_leader)
    members = {one.member_id for one in leader.reply.members}
    assert members == {present.member_id, new.member_id} | ({absent.member_id} if static else set())
    expected = ErrorCode.ILLEGAL_GENERATION if static else ErrorCode.UNKNOWN_MEMBER_ID
    assert absent.heartbeat() == expected


def test_a_member_that_does_not_sync_is_removed(new_member: NewMember) -> None:
    group = unique("group")
    one, two = (new_member(group, rebalance_timeout_ms=1000) for _ in range(2))
    one.join()
    join_together(one, two)
    leader, silent = (one, two) if one.is_leader else (two, one)
    leader.sync({leader.member_id: b"x"})
    began = time.monotonic()
    wait_rebalance(leader)
    assert time.monotonic() - began < 1.0 + LATE_S
    assert silent.heartbeat() == ErrorCode.UNKNOWN_MEMBER_ID
