"""Rebalances in time: how long a group waits, for whom, and what becomes of those who do not come."""

from __future__ import annotations

from chronik.errors import ErrorCode
from chronik.group.classic.replies import JoinReply, SyncReply
from chronik.group.classic.requests import LeavingMember
from chronik.group.classic.states import ClassicGroupState
from chronik.settings import BrokerSettings
from tests.group.world import (
    REBALANCE_MS,
    SESSION_MS,
    World,
    joined,
    stable_group,
    static_group,
    sync_all,
)

DELAY_MS = 3_000
DELAYED = BrokerSettings(group_initial_rebalance_delay_ms=DELAY_MS)


# The first rebalance


def test_the_first_member_of_a_group_waits_for_others() -> None:
    world = World(DELAYED)
    call = world.join_anew()
    world.pass_time(DELAY_MS - 1)
    assert call.is_parked
    world.pass_time(1)
    assert joined(call).generation == 1


def test_members_that_start_together_make_one_generation() -> None:
    world = World(DELAYED)
    calls = [world.join_anew(), world.join_anew()]
    world.pass_time(2 * DELAY_MS)
    assert [call.reply.generation for call in calls] == [1, 1]
    assert len(calls[0].reply.members) == 2


def test_each_new_member_makes_the_others_wait_longer() -> None:
    world = World(DELAYED)
    calls = [world.join_anew()]
    for _ in range(3):
        world.pass_time(DELAY_MS - 1)
        calls.append(world.join_anew())
        world.pass_time(1)
        assert calls[0].is_parked
    world.pass_time(DELAY_MS - 1)
    assert calls[0].is_parked
    world.pass_time(1)
    assert [call.reply.generation for call in calls] == [1] * 4


def test_members_wait_no_longer_than_the_first_ones_rebalance_timeout() -> None:
    world = World(DELAYED)
    calls = [world.join_anew(rebalance_ms=5_000), world.join_anew(rebalance_ms=9_000)]
    world.pass_time(2_500)
    calls.append(world.join_anew(rebalance_ms=4_000))
    world.pass_time(1_000)
    calls.append(world.join_anew(rebalance_ms=4_000))
    world.pass_time(1_499)
    assert calls[0].is_parked
    world.pass_time(1)
    assert [call.reply.generation for call in calls] == [1] * 4


def test_the_first_member_waits_for_the_delay_even_if_its_rebalance_timeout_is_shorter() -> None:
    world = World(DELAYED)
    call = world.join_anew(rebalance_ms=1_000)
    world.pass_time(DELAY_MS - 1)
    assert call.is_parked
    world.pass_time(1)
    assert joined(call).generation == 1


def test_a_member_that_joins_again_does_not_make_the_others_wait_longer() -> None:
    world = World(DELAYED)
    member_id = world.join().reply.member_id
    world.join(member_id)
    again = world.join(member_id)
    world.pass_time(DELAY_MS)
    assert joined(again).generation == 1


def test_everybody_left_while_the_group_waited_for_its_first_members() -> None:
    world = World(DELAYED)
    member_id = world.join().reply.member_id
    call = world.join(member_id)
    world.leave(LeavingMember(member_id))
    assert call.reply == JoinReply(ErrorCode.UNKNOWN_MEMBER_ID, "")
    world.pass_time(DELAY_MS)
    assert world.state() is ClassicGroupState.EMPTY
    assert world.saved[-1].generation == 1


def test_ids_that_were_handed_out_do_not_delay_the_first_rebalance() -> None:
    world = World()
    world.join()
    assert world.join_anew().reply.error is ErrorCode.NONE


# Later rebalances


def test_a_rebalance_waits_for_every_member() -> None:
    world = World()
    members = stable_group(world, 3)
    calls = [world.join(member.member_id) for member in members[:2]]
    assert all(call.is_parked for call in calls)
    calls.append(world.join(members[2].member_id))
    assert {call.reply.generation for call in calls} == {3}


def test_a_rebalance_waits_for_ids_that_were_handed_out() -> None:
    world = World()
    (member,) = stable_group(world, 1)
    pending = world.join(session_ms=6_000).reply.member_id
    call = world.join(member.member_id)
    world.pass_time(5_999)
    assert call.is_parked
    world.pass_time(1)
    assert joined(call).generation == 2
    assert world.join(pending).reply.error is ErrorCode.UNKNOWN_MEMBER_ID


def test_a_rebalance_does_not_wait_for_an_id_that_was_given_back() -> None:
    world = World()
    (member,) = stable_group(world, 1)
    pending = world.join().reply.member_id
    call = world.join(member.member_id)
    assert call.is_parked
    world.leave(LeavingMember(pending))
    assert joined(call).generation == 2


def test_a_member_that_does_not_join_in_time_is_left_out() -> None:
    """It is alive: its heartbeats are answered, with the demand to join."""
    world = World()
    leader, follower = stable_group(world, rebalance_ms=20_000)
    new = world.join_anew(rebalance_ms=5_000)
    world.pass_time_alive(19_000, leader, follower)
    again = world.join(leader.member_id, rebalance_ms=20_000)
    world.pass_time_alive(999, follower)
    world.pass_time(999)
    assert new.is_parked
    world.pass_time(1)
    assert joined(new).generation == joined(again).generation == 3
    assert len(again.reply.members) == 2
    assert world.heartbeat(follower) is ErrorCode.UNKNOWN_MEMBER_ID


def test_if_the_leader_does_not_join_in_time_another_member_leads() -> None:
    world = World()
    leader, second, third = stable_group(world, 3)
    calls = [world.join(third.member_id, protocols=(("range", b"x"),)), world.join(second.member_id)]
    world.pass_time_alive(REBALANCE_MS, leader)
    assert {call.reply.leader for call in calls} == {second.member_id}
    assert len(calls[1].reply.members) == 2


def test_nobody_joins_in_time() -> None:
    world = World()
    (member,) = stable_group(world, 1, session_ms=1_800_000)
    new = world.join_anew()
    world.leave(LeavingMember(world.group().parked_joins.copy().popitem()[0]))
    assert new.reply.error is ErrorCode.UNKNOWN_MEMBER_ID
    world.pass_time(REBALANCE_MS)
    assert world.state() is ClassicGroupState.EMPTY
    assert (world.saved[-1].generation, world.saved[-1].members) == (2, ())
    assert world.heartbeat(member) is ErrorCode.UNKNOWN_MEMBER_ID


def test_static_members_that_did_not_join_in_time_stay() -> None:
    """With their old metadata, until their session or the time to sync is over."""
    world = World()
    (old,) = static_group(world, "i", rebalance_ms=15_000)
    new = world.join(instance="j", rebalance_ms=15_000)
    world.pass_time_alive(15_000, old)
    reply = new.reply
    assert reply.generation == 2
    assert reply.leader == reply.member_id
    assert [member.group_instance_id for member in reply.members] == ["i", "j"]
    assert world.heartbeat(old) is ErrorCode.ILLEGAL_GENERATION


def test_only_static_members_are_left_and_none_joins() -> None:
    """The group waits on, until one of them joins or their sessions end."""
    world = World()
    first, second = static_group(world, "i", "j")
    new = world.join_anew()
    world.leave(LeavingMember(new_id := next(iter(world.group().parked_joins))))
    assert new.reply.error is ErrorCode.UNKNOWN_MEMBER_ID
    assert new_id not in world.group().members
    world.pass_time_alive(REBALANCE_MS + 1_000, first, second)
    assert world.state() is ClassicGroupState.PREPARING_REBALANCE
    assert len(world.group().members) == 2
    call = world.join(second.member_id, instance="j")
    world.pass_time_alive(REBALANCE_MS, first)
    assert joined(call).generation == 3
    assert call.reply.leader == second.member_id


def test_only_static_members_without_a_rebalance_timeout_are_left() -> None:
    """Waiting on must not mean to come back at once and for ever."""
    world = World()
    (member,) = static_group(world, "i", rebalance_ms=0)
    new = world.join_anew(rebalance_ms=1)
    world.leave(LeavingMember(next(iter(world.group().parked_joins))))
    assert not new.is_parked
    world.pass_time(1_000)
    assert world.state() is ClassicGroupState.PREPARING_REBALANCE
    world.pass_time(SESSION_MS)
    assert world.state() is ClassicGroupState.EMPTY
    assert world.heartbeat(member) is ErrorCode.UNKNOWN_MEMBER_ID


# Syncs


def test_members_that_do_not_sync_in_time_are_left_out() -> None:
    world = World()
    leader, follower = stable_group(world, rebalance_ms=5_000)
    calls = [world.join(leader.member_id, rebalance_ms=5_000), world.join(follower.member_id, rebalance_ms=5_000)]
    leader, follower = (joined(call) for call in calls)
    parked = world.sync(follower)
    world.pass_time(4_999)
    assert parked.is_parked
    world.pass_time(1)
    assert parked.reply == SyncReply(ErrorCode.REBALANCE_IN_PROGRESS)
    assert world.heartbeat(leader) is ErrorCode.UNKNOWN_MEMBER_ID
    again = world.join(follower.member_id)
    assert again.reply.leader == follower.member_id


def test_members_that_never_fetch_their_assignment_are_left_out() -> None:
    world = World()
    leader, follower = stable_group(world, rebalance_ms=8_000)
    calls = [world.join(leader.member_id, rebalance_ms=8_000), world.join(follower.member_id, rebalance_ms=8_000)]
    leader, follower = (joined(call) for call in calls)
    world.sync(leader)
    assert world.state() is ClassicGroupState.STABLE
    world.pass_time_alive(7_000, leader, follower)
    world.pass_time(999)
    assert world.state() is ClassicGroupState.STABLE
    world.pass_time(1)
    assert world.state() is ClassicGroupState.PREPARING_REBALANCE
    assert list(world.group().members) == [leader.member_id]


def test_members_that_fetch_their_assignment_late_stay() -> None:
    world = World()
    calls = [world.join(member.member_id) for member in stable_group(world)]
    leader, follower = (joined(call) for call in calls)
    world.sync(leader)
    world.pass_time_alive(REBALANCE_MS - 1_000, leader, follower)
    assert world.sync(follower).reply.error is ErrorCode.NONE
    world.pass_time_alive(2_000, leader, follower)
    assert world.state() is ClassicGroupState.STABLE


def test_nobody_is_left_out_when_all_have_synced() -> None:
    world = World()
    members = stable_group(world)
    world.pass_time_alive(2 * REBALANCE_MS, *members)
    assert world.state() is ClassicGroupState.STABLE
    assert [world.heartbeat(member) for member in members] == [ErrorCode.NONE] * 2


def test_a_cooperative_group_gives_partitions_away_without_stopping() -> None:
    """KIP-429: the old member goes on committing through both rebalances, the second of which it asks for."""
    world = World()
    (old,) = stable_group(world, 1)
    new_call = world.join_anew()
    assert world.heartbeat(old) is ErrorCode.REBALANCE_IN_PROGRESS
    assert world.commit(old) is ErrorCode.NONE
    old, new = sync_all(world, [world.join(old.member_id, protocols=(("range", b"t"),)), new_call])
    assert world.commit(old) is ErrorCode.NONE
    # It has revoked what the new one is to have, and says so.
    second = world.join(old.member_id, protocols=(("range", b"t,owned-less"),))
    assert second.is_parked
    assert world.commit(old) is ErrorCode.NONE
    assert world.heartbeat(new) is ErrorCode.REBALANCE_IN_PROGRESS
    old, new = sync_all(world, [second, world.join(new.member_id)])
    assert old.generation == new.generation == 3
