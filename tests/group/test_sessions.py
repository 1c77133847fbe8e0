"""Sessions: who counts as alive, for how long, and what follows when a member is silent."""

from __future__ import annotations

import pytest

from chronik.errors import ErrorCode
from chronik.group.classic.rebalance import NEW_MEMBER_JOIN_TIMEOUT_MS
from chronik.group.classic.replies import JoinReply
from chronik.group.classic.states import ClassicGroupState
from tests.group.world import (
    SESSION_MS,
    Member,
    World,
    joined,
    stable_group,
    sync_all,
)


def test_a_silent_member_is_removed_and_the_others_rebalance() -> None:
    world = World()
    leader, follower = stable_group(world)
    world.pass_time_alive(SESSION_MS - 1_000, leader)
    assert world.state() is ClassicGroupState.STABLE
    world.pass_time_alive(1_000, leader)
    assert world.heartbeat(leader) is ErrorCode.REBALANCE_IN_PROGRESS
    assert world.heartbeat(follower) is ErrorCode.UNKNOWN_MEMBER_ID
    assert world.join(leader.member_id).reply.generation == 3


def test_the_assignment_is_a_leaders_sign_of_life() -> None:
    world = World()
    calls = [world.join(member.member_id) for member in stable_group(world)]
    leader, follower = (joined(call) for call in calls)
    world.pass_time_alive(SESSION_MS - 1_000, follower)
    world.sync(leader)
    world.pass_time_alive(SESSION_MS - 1_000, follower)
    assert world.heartbeat(leader) is ErrorCode.NONE


def test_an_offset_in_a_transaction_is_no_sign_of_life() -> None:
    """As in Kafka: it may come from another process than the member."""
    world = World()
    (member,) = stable_group(world, 1)
    world.pass_time(SESSION_MS - 1)
    assert world.commit(member, transactional=True) is ErrorCode.NONE
    world.pass_time(1)
    assert world.heartbeat(member) is ErrorCode.UNKNOWN_MEMBER_ID


@pytest.mark.parametrize("sign_of_life", ["heartbeat", "join", "sync", "commit"])
def test_a_session_starts_anew_with_every_sign_of_life(sign_of_life: str) -> None:
    world = World()
    leader, follower = stable_group(world)
    world.pass_time_alive(SESSION_MS - 1_000, leader)
    match sign_of_life:
        case "heartbeat":
            world.heartbeat(follower)
        case "join":
            world.join(follower.member_id)
        case "sync":
            world.sync(follower)
        case _:
            world.commit(follower)
    world.pass_time_alive(SESSION_MS - 1_000, leader)
    assert world.state() is ClassicGroupState.STABLE
    world.pass_time_alive(1_000, leader)
    assert world.state() is ClassicGroupState.PREPARING_REBALANCE


def test_a_refused_call_is_no_sign_of_life() -> None:
    world = World()
    leader, follower = stable_group(world)
    world.pass_time_alive(SESSION_MS - 1_000, leader)
    old = Member(follower.member_id, follower.generation - 1)
    assert world.heartbeat(old) is world.commit(old) is ErrorCode.ILLEGAL_GENERATION
    world.pass_time_alive(1_000, leader)
    assert world.heartbeat(follower) is ErrorCode.UNKNOWN_MEMBER_ID


def test_the_last_member_is_silent() -> None:
    world = World()
    stable_group(world, 1)
    world.pass_time(SESSION_MS)
    assert world.state() is ClassicGroupState.EMPTY
    empty = world.saved[-1]
    assert (empty.generation, empty.protocol_type, empty.protocol_name, empty.leader) == (2, "consumer", None, None)
    assert empty.state_ms == world.now_ms


def test_a_silent_member_does_not_hold_up_a_rebalance() -> None:
    world = World()
    leader, follower = stable_group(world)
    call = world.join(leader.member_id)
    world.pass_time(SESSION_MS - 1)
    assert call.is_parked
    world.pass_time(1)
    assert joined(call).generation == 3
    assert world.heartbeat(follower) is ErrorCode.UNKNOWN_MEMBER_ID


def test_a_member_that_waits_for_others_has_no_session() -> None:
    """A parked JoinGroup or SyncGroup excuses it: it cannot send heartbeats."""
    world = World()
    leader, follower = stable_group(world)
    waiting = world.join(follower.member_id, protocols=(("range", b"u"),))
    world.pass_time_alive(3 * SESSION_MS, leader)
    assert waiting.is_parked
    calls = [world.join(leader.member_id), waiting]
    leader, follower = (joined(call) for call in calls)
    syncing = world.sync(follower)
    world.pass_time_alive(3 * SESSION_MS, leader)
    assert syncing.is_parked
    world.sync(leader)
    assert syncing.reply.error is ErrorCode.NONE
    world.pass_time_alive(SESSION_MS - 1_000, leader)
    assert world.heartbeat(follower) is ErrorCode.NONE


def test_a_member_that_joins_again_can_change_its_timeouts() -> None:
    world = World()
    leader, follower = stable_group(world, session_ms=30_000, rebalance_ms=30_000)
    calls = [world.join(member.member_id, session_ms=7_000, rebalance_ms=9_000) for member in (leader, follower)]
    leader, follower = sync_all(world, calls)
    world.pass_time_alive(6_000, leader)
    assert world.heartbeat(leader) is ErrorCode.NONE
    new = world.join_anew(rebalance_ms=1_000)
    world.pass_time_alive(8_000, leader)
    assert world.heartbeat(follower) is ErrorCode.UNKNOWN_MEMBER_ID
    assert new.is_parked
    world.pass_time_alive(1_000, leader)
    assert joined(new).generation == 4


def test_a_member_whose_parked_sync_failed_has_a_session_again() -> None:
    world = World()
    leader, follower = stable_group(world)
    calls = [world.join(leader.member_id), world.join(follower.member_id)]
    leader, follower = (joined(call) for call in calls)
    world.sync(follower)
    world.join(leader.member_id, protocols=(("range", b"u"),))
    world.pass_time(SESSION_MS)
    assert world.heartbeat(follower) is ErrorCode.UNKNOWN_MEMBER_ID


def test_a_new_member_whose_client_is_gone_is_dropped_after_five_minutes() -> None:
    world = World()
    (leader,) = stable_group(world, 1, rebalance_ms=2 * NEW_MEMBER_JOIN_TIMEOUT_MS)
    new = world.join_anew()
    world.pass_time_alive(NEW_MEMBER_JOIN_TIMEOUT_MS - 1_000, leader)
    assert new.is_parked
    world.pass_time_alive(1_000, leader)
    assert new.reply == JoinReply(ErrorCode.UNKNOWN_MEMBER_ID, "")
    assert joined(world.join(leader.member_id)).generation == 2


def test_sessions_start_when_the_assignment_is_written_down() -> None:
    """Not when it came: a slow disk would make them shorter."""
    world = World()
    calls = [world.join(member.member_id) for member in stable_group(world)]
    leader, follower = (joined(call) for call in calls)
    waiting = world.sync(follower)
    world.holds = True
    world.sync(leader)
    world.pass_time(SESSION_MS - 1)
    world.write_held()
    assert waiting.reply.error is ErrorCode.NONE
    world.pass_time(SESSION_MS - 1)
    assert world.heartbeat(leader) is world.heartbeat(follower) is ErrorCode.NONE
