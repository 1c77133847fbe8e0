"""Static members (KIP-345): they come back under a new id, and keep their place and their partitions."""

from __future__ import annotations

from chronik.errors import ErrorCode
from chronik.group.classic.replies import JoinedMember, JoinReply, SyncReply
from chronik.group.classic.requests import LeavingMember
from chronik.group.classic.states import ClassicGroupState
from tests.group.world import (
    GROUP,
    RANGE,
    RANGE_U,
    REBALANCE_MS,
    SESSION_MS,
    STICKY_OR_RANGE,
    Member,
    World,
    joined,
    static_group,
    sync_all,
)

OK = ErrorCode.NONE
FENCED = ErrorCode.FENCED_INSTANCE_ID


def back(world: World, old: Member, version: int = 9) -> Member:
    """The static member's process was restarted: it joins without an id."""
    return joined(world.join(instance=old.instance, version=version), old.instance)


def test_a_restart_within_the_session_makes_no_rebalance() -> None:
    world = World()
    first, second = static_group(world, "i", "j")
    world.pass_time_alive(SESSION_MS - 1_000, first)
    new = back(world, second)
    assert new.member_id != second.member_id
    assert new.generation == second.generation
    assert world.heartbeat(first) is OK
    assert world.heartbeat(new) is OK
    assert world.sync(new).reply.assignment == second.member_id.encode()
    world.pass_time_alive(SESSION_MS, first, new)
    assert world.state() is ClassicGroupState.STABLE


def test_the_old_id_is_fenced() -> None:
    world = World()
    _, old = static_group(world, "i", "j")
    back(world, old)
    assert world.heartbeat(old) is FENCED
    assert world.commit(old) is FENCED
    assert world.sync(old).reply == SyncReply(FENCED)
    assert world.join(old.member_id, instance="j").reply == JoinReply(FENCED, old.member_id)
    assert world.leave(LeavingMember(old.member_id, "j")).members[0].error is FENCED
    assert world.heartbeat(Member(old.member_id, old.generation)) is ErrorCode.UNKNOWN_MEMBER_ID


def test_the_new_id_is_written_down() -> None:
    world = World()
    first, old = static_group(world, "i", "j")
    before = world.saved[-1]
    world.pass_time_alive(1_000, first, old)
    new = back(world, old)
    after = world.saved[-1]
    assert len(world.saved) == 2
    assert (after.generation, after.state_ms, after.leader) == (before.generation, before.state_ms, first.member_id)
    assert [member.member_id for member in after.members] == [first.member_id, new.member_id]
    assert [member.assignment for member in after.members] == [member.assignment for member in before.members]
    world.restart()
    assert world.heartbeat(new) is OK
    assert world.heartbeat(old) is FENCED


def test_a_member_that_comes_back_brings_its_new_metadata() -> None:
    """It makes no rebalance by itself, but the leader sees it at the next one."""
    world = World()
    first, old = static_group(world, "i", "j")
    new = joined(world.join(instance="j", protocols=RANGE_U, host="/10.0.0.2"), "j")
    assert world.state() is ClassicGroupState.STABLE
    described = {member.member_id: member for member in world.coordinator.describe(GROUP).members}
    assert (described[new.member_id].metadata, described[new.member_id].client_host) == (b"t,u", "/10.0.0.2")
    call = world.join(first.member_id, instance="i")
    world.join(new.member_id, instance="j", protocols=RANGE_U)
    assert JoinedMember(new.member_id, "j", b"t,u") in call.reply.members
    assert old.member_id not in {member.member_id for member in call.reply.members}


def test_from_version_9_a_leader_that_comes_back_is_told_not_to_assign() -> None:
    world = World()
    leader, follower = static_group(world, "i", "j")
    reply = world.join(instance="i", version=9).reply
    seen = (JoinedMember(reply.member_id, "i", b"t"), JoinedMember(follower.member_id, "j", b"t"))
    assert reply == JoinReply(
        OK, reply.member_id, 2, "consumer", "range", reply.member_id, skip_assignment=True, members=seen
    )
    assert reply.member_id != leader.member_id
    assert world.group().leader == reply.member_id


def test_below_version_9_a_leader_that_comes_back_takes_itself_for_a_follower() -> None:
    world = World()
    leader, _ = static_group(world, "i", "j")
    reply = world.join(instance="i", version=8).reply
    assert reply == JoinReply(OK, reply.member_id, 2, "consumer", "range", leader.member_id)
    assert world.group().leader == reply.member_id
    assert world.sync(Member(reply.member_id, 2, "i")).reply.assignment == leader.member_id.encode()


def test_a_follower_that_comes_back_is_told_its_leader() -> None:
    world = World()
    leader, _ = static_group(world, "i", "j")
    for version in (5, 9):
        reply = world.join(instance="j", version=version).reply
        assert reply == JoinReply(OK, reply.member_id, 2, "consumer", "range", leader.member_id)


def test_a_member_that_would_change_the_protocol_makes_a_rebalance() -> None:
    world = World()
    old = joined(world.join(instance="i", protocols=STICKY_OR_RANGE), "i")
    world.sync(old, protocol_name="sticky")
    call = world.join(instance="i", protocols=RANGE)
    assert (call.reply.generation, call.reply.protocol_name, call.reply.skip_assignment) == (2, "range", False)
    assert world.state() is ClassicGroupState.COMPLETING_REBALANCE
    assert world.heartbeat(old) is FENCED


def test_a_member_comes_back_while_the_others_join() -> None:
    """A parked JoinGroup of its old id is fenced, and the rebalance waits for the new one instead."""
    world = World()
    first, second = static_group(world, "i", "j")
    parked = world.join(first.member_id, instance="i")
    assert parked.is_parked
    replacing = world.join(instance="i")
    assert parked.reply == JoinReply(FENCED, first.member_id)
    assert replacing.is_parked
    again = world.join(second.member_id, instance="j")
    assert joined(replacing).generation == joined(again).generation == 3
    assert replacing.reply.leader == replacing.reply.member_id
    assert [member.group_instance_id for member in replacing.reply.members] == ["i", "j"]


def test_a_member_comes_back_before_the_assignment_is_there() -> None:
    """The leader may assign to the old id by now, so all join again."""
    world = World()
    first, second = static_group(world, "i", "j")
    calls = [world.join(first.member_id, instance="i"), world.join(second.member_id, instance="j")]
    first, second = joined(calls[0], "i"), joined(calls[1], "j")
    parked = world.sync(second)
    replacing = world.join(instance="j")
    assert parked.reply == SyncReply(FENCED)
    assert replacing.is_parked
    assert world.heartbeat(first) is ErrorCode.REBALANCE_IN_PROGRESS
    again = world.join(first.member_id, instance="i")
    members = sync_all(world, [again, replacing], ["i", "j"])
    assert {member.generation for member in members} == {4}


def test_two_instances_of_one_name_fence_each_other() -> None:
    world = World()
    (first,) = static_group(world, "i")
    second = back(world, first)
    assert world.heartbeat(first) is FENCED
    third = back(world, second)
    assert world.heartbeat(second) is FENCED
    assert world.heartbeat(third) is OK


def test_a_static_member_that_stays_away_is_removed_when_its_session_ends() -> None:
    world = World()
    first, second = static_group(world, "i", "j")
    world.pass_time_alive(SESSION_MS, first)
    assert world.heartbeat(second) is ErrorCode.UNKNOWN_MEMBER_ID
    assert world.heartbeat(first) is ErrorCode.REBALANCE_IN_PROGRESS
    assert world.group().instances == {"i": first.member_id}


def test_the_session_of_the_new_id_counts() -> None:
    world = World()
    first, old = static_group(world, "i", "j")
    world.pass_time_alive(SESSION_MS - 1_000, first)
    new = back(world, old)
    world.pass_time_alive(SESSION_MS - 1_000, first)
    assert world.heartbeat(new) is OK
    world.pass_time_alive(SESSION_MS, first)
    assert world.heartbeat(new) is ErrorCode.UNKNOWN_MEMBER_ID


def test_a_member_that_came_back_and_vanished_does_not_hold_up_the_others_for_ever() -> None:
    world = World()
    first, _ = static_group(world, "i", "j")
    assert world.join(first.member_id, instance="i").is_parked
    vanished = world.join(instance="i")
    world.pass_time(REBALANCE_MS)
    assert joined(vanished).generation == 3
    world.pass_time(REBALANCE_MS)
    assert world.state() is ClassicGroupState.EMPTY


def test_the_old_id_has_no_session_any_more() -> None:
    world = World()
    (old,) = static_group(world, "i")
    new = back(world, old)
    assert world.coordinator._timers.deadline_of(world.group().session_timer(old.member_id)) is None
    world.join(version=3)
    world.join(instance="i")
    assert world.coordinator._timers.deadline_of(world.group().session_timer(new.member_id)) is None


def test_a_member_whose_new_id_could_not_be_written_keeps_the_old_one() -> None:
    world = World()
    first, old = static_group(world, "i", "j")
    world.fails = True
    assert world.join(instance="j").reply.error is ErrorCode.COORDINATOR_NOT_AVAILABLE
    world.fails = False
    assert world.heartbeat(old) is OK
    assert world.group().members.keys() == {first.member_id, old.member_id}
    world.pass_time_alive(2 * SESSION_MS, first, old)
    assert world.state() is ClassicGroupState.STABLE
    assert world.heartbeat(back(world, old)) is OK
