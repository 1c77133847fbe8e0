"""The coordinator as a whole: what is shown of groups, deleting them, restarts, and writes that fail."""

from __future__ import annotations

import pytest

from chronik.changes import GroupDeleted, GroupSaved, LeaderEpochBumped, TopicDeleted
from chronik.errors import ErrorCode
from chronik.group.classic.rebalance import SAVE_RETRY_MS
from chronik.group.classic.replies import SyncReply
from chronik.group.classic.requests import LeavingMember
from chronik.group.classic.states import ClassicGroupState
from chronik.group.listing import GroupDescription, GroupType, ListedGroup, MemberDescription
from chronik.settings import BrokerSettings
from tests.group.world import (
    FOR_EVER_MS,
    GROUP,
    REBALANCE_MS,
    SESSION_MS,
    Member,
    T,
    World,
    joined,
    stable_group,
    static_group,
    sync_all,
)

OK = ErrorCode.NONE
UNAVAILABLE = ErrorCode.COORDINATOR_NOT_AVAILABLE

# Showing


def test_a_stable_group_is_described() -> None:
    world = World()
    (member,) = static_group(world, "i")
    shown = MemberDescription(member.member_id, "i", "client", "/127.0.0.1", b"t", member.member_id.encode())
    assert world.coordinator.describe(GROUP) == GroupDescription(OK, GROUP, "Stable", "consumer", "range", (shown,))


def test_metadata_is_not_shown_while_it_may_change() -> None:
    world = World()
    (member,) = stable_group(world, 1)
    world.join(version=3)
    description = world.coordinator.describe(GROUP)
    assert (description.state, description.protocol_name) == ("PreparingRebalance", "")
    assert [shown.metadata for shown in description.members] == [b"", b""]
    assert [shown.assignment for shown in description.members] == [member.member_id.encode(), b""]


def test_a_group_that_is_not_there_is_described_as_dead() -> None:
    assert World().coordinator.describe("x") == GroupDescription(ErrorCode.GROUP_ID_NOT_FOUND, "x", "Dead")


def test_groups_are_listed_by_state_and_type() -> None:
    world = World()
    stable_group(world, group="a")
    world.commit(group="b")
    stable = ListedGroup("a", "consumer", "Stable", GroupType.CLASSIC)
    simple = ListedGroup("b", "", "Empty", GroupType.CLASSIC)
    list_groups = world.coordinator.list_groups
    assert list_groups() == (stable, simple)
    assert list_groups(states=["Stable"]) == list_groups(states=[" sTABLE"]) == (stable,)
    assert list_groups(states=["Empty", "Dead"], types=["Classic"]) == (simple,)
    assert list_groups(states=["Assigning"]) == list_groups(types=["consumer", "share", "x"]) == ()
    assert list_groups(types=["consumer", "CLASSIC"]) == (stable, simple)


# Deleting


def test_a_group_with_members_cannot_be_deleted() -> None:
    world = World()
    members = stable_group(world)
    assert world.delete() is ErrorCode.NON_EMPTY_GROUP
    world.join(members[0].member_id)
    assert world.delete() is ErrorCode.NON_EMPTY_GROUP
    world.join(members[1].member_id)
    assert world.delete() is ErrorCode.NON_EMPTY_GROUP


def test_an_empty_group_is_deleted_with_its_offsets() -> None:
    world = World()
    (member,) = stable_group(world, 1)
    world.commit(member)
    pending = world.join().reply.member_id
    world.leave(LeavingMember(member.member_id))
    assert world.delete() is OK
    assert world.changes[-1] == GroupDeleted(GROUP)
    assert world.fetch().offset == -1
    assert world.coordinator.durable_state() == {}
    assert world.join(pending).reply.error is ErrorCode.UNKNOWN_MEMBER_ID
    assert world.coordinator.next_deadline() is None
    assert world.delete() is ErrorCode.GROUP_ID_NOT_FOUND


def test_the_empty_group_id_is_an_ordinary_one_for_offsets_and_deletion() -> None:
    world = World()
    assert world.delete("") is ErrorCode.GROUP_ID_NOT_FOUND
    world.commit(group="")
    assert world.coordinator.describe("").state == "Empty"
    assert world.delete("") is OK


def test_a_group_that_is_being_deleted_is_gone_for_a_second_deletion() -> None:
    world = World()
    world.commit()
    decision = world.coordinator.delete_group(GROUP, world.now_ms)
    assert world.delete() is ErrorCode.GROUP_ID_NOT_FOUND
    assert world.coordinator.describe(GROUP).state == "Dead"
    world.carry_out(GROUP, decision)
    assert world.coordinator.describe(GROUP).error is ErrorCode.GROUP_ID_NOT_FOUND


def test_tickets_are_numbers_that_are_not_used_twice() -> None:
    world = World()
    world._tickets = None
    world.coordinator = world.new_coordinator()
    (member,) = stable_group(world, 1)
    world.join(version=3)
    world.join(version=3)
    assert sorted(world.calls) == [2, 3]
    assert world.heartbeat(member) is ErrorCode.REBALANCE_IN_PROGRESS


# Restarts


def test_members_do_not_notice_a_restart() -> None:
    world = World()
    members = stable_group(world)
    world.commit(members[0])
    world.restart()
    assert world.state() is ClassicGroupState.STABLE
    for member in members:
        assert world.heartbeat(member) is OK
        assert world.sync(member).reply == SyncReply(OK, "consumer", "range", member.member_id.encode())
        assert world.commit(member, offset=9) is OK
    assert len(world.saved) == 1


def test_sessions_start_anew_with_a_restart() -> None:
    world = World()
    members = stable_group(world)
    world.pass_time(SESSION_MS - 1)
    world.restart()
    world.pass_time(SESSION_MS - 1)
    assert [world.heartbeat(member) for member in members] == [OK, OK]
    world.restart()
    world.pass_time(SESSION_MS)
    assert world.state() is ClassicGroupState.EMPTY


def test_offsets_are_replayed_before_the_topics_are_known() -> None:
    world = World()
    world.commit()
    world.topics.clear()
    world.restart()
    assert world.fetch().offset == 5


def test_a_group_of_just_the_allowed_size_does_not_notice_a_restart() -> None:
    world = World(BrokerSettings(group_max_size=2))
    members = stable_group(world)
    world.restart()
    assert [world.heartbeat(member) for member in members] == [OK, OK]


def test_an_unfinished_rebalance_is_forgotten_in_a_restart() -> None:
    world = World()
    leader, follower = stable_group(world)
    calls = [world.join(leader.member_id), world.join(follower.member_id)]
    world.sync(joined(calls[1]))
    world.restart()
    assert world.heartbeat(joined(calls[0])) is ErrorCode.ILLEGAL_GENERATION
    assert world.heartbeat(leader) is OK
    call = world.join(leader.member_id)
    assert [world.join(follower.member_id).reply.generation, call.reply.generation] == [3, 3]


def test_an_empty_group_goes_on_counting_after_a_restart() -> None:
    world = World()
    stable_group(world, 1)
    world.pass_time(FOR_EVER_MS)
    world.restart()
    assert world.state() is ClassicGroupState.EMPTY
    assert world.join_anew().reply.generation == 3


def test_the_changes_replayed_in_order_make_the_same_state() -> None:
    world = World()
    first, second = stable_group(world)
    world.commit(first, (T, 0))
    world.join_anew(instance="i")
    world.leave(LeavingMember(second.member_id))
    world.carry_out(GROUP, world.coordinator.delete_offsets(GROUP, [(T, 0)]))
    stable_group(world, 1, group="gone")
    world.pass_time(FOR_EVER_MS)
    world.delete("gone")
    world.commit(key=(T, 1))
    again = world.new_coordinator()
    for change in world.changes:
        again.replay(change)
    assert again.durable_state() == world.coordinator.durable_state()
    assert set(again.durable_state()) == {GROUP}


def test_changes_of_other_rooms_do_not_matter() -> None:
    world = World()
    world.commit()
    world.coordinator.replay(LeaderEpochBumped(7))
    assert world.fetch().offset == 5
    world.coordinator.replay(TopicDeleted(T))
    assert world.fetch().offset == -1


# Writes that fail or take their time


def test_an_assignment_that_could_not_be_written() -> None:
    """All join again, and nobody has seen the assignment."""
    world = World()
    leader, follower = stable_group(world)
    calls = [world.join(leader.member_id), world.join(follower.member_id)]
    waiting = world.sync(joined(calls[1]))
    world.fails = True
    assert world.sync(joined(calls[0])).reply.error is waiting.reply.error is UNAVAILABLE
    world.fails = False
    leader, follower = joined(calls[0]), joined(calls[1])
    assert world.state() is ClassicGroupState.PREPARING_REBALANCE
    assert world.heartbeat(leader) is world.heartbeat(follower) is ErrorCode.REBALANCE_IN_PROGRESS
    calls = [world.join(leader.member_id), world.join(follower.member_id)]
    assert {member.generation for member in sync_all(world, calls)} == {4}
    assert [saved.generation for saved in world.saved] == [2, 4]


@pytest.mark.parametrize("come_back", [True, False])
def test_after_a_failed_write_nobody_waits_for_ever(come_back: bool) -> None:
    world = World()
    leader, follower = stable_group(world)
    calls = [world.join(leader.member_id), world.join(follower.member_id)]
    leader, follower = joined(calls[0]), joined(calls[1])
    world.fails = True
    world.sync(leader)
    world.fails = False
    call = world.join(follower.member_id)
    if come_back:
        world.pass_time_alive(REBALANCE_MS, leader)
    else:
        world.pass_time(SESSION_MS)
    assert joined(call) == Member(follower.member_id, 4)
    assert call.reply.leader == follower.member_id


def test_that_a_group_is_empty_is_written_again() -> None:
    world = World()
    (member,) = stable_group(world, 1)
    world.fails = True
    assert world.leave(LeavingMember(member.member_id)).error is UNAVAILABLE
    world.pass_time(SAVE_RETRY_MS)
    assert len(world.saved) == 1
    world.fails = False
    world.pass_time(SAVE_RETRY_MS)
    assert world.state() is ClassicGroupState.EMPTY
    assert (world.saved[-1].generation, world.saved[-1].members) == (2, ())


def test_a_member_joins_a_group_of_which_it_could_not_be_written_that_it_is_empty() -> None:
    world = World()
    (member,) = stable_group(world, 1)
    world.fails = True
    world.leave(LeavingMember(member.member_id))
    world.fails = False
    (new,) = sync_all(world, [world.join_anew(protocol_type="connect")])
    assert new.generation == 2
    assert world.saved[-1].protocol_type == "connect"
    world.pass_time_alive(2 * SAVE_RETRY_MS, new)
    assert world.heartbeat(new) is OK


def test_a_group_whose_deletion_could_not_be_written_stays() -> None:
    world = World()
    world.commit()
    world.fails = True
    assert world.delete() is UNAVAILABLE
    assert world.state() is ClassicGroupState.EMPTY
    assert world.fetch().offset == 5


def test_a_commit_that_could_not_be_written_changes_nothing() -> None:
    world = World()
    world.fails = True
    world.commit(offset=7)
    assert world.coordinator.durable_state() == {}


def test_not_persisted_means_nothing_to_a_group_that_waits_for_nothing() -> None:
    world = World()
    members = stable_group(world)
    world.coordinator.not_persisted(GROUP, world.now_ms)
    world.coordinator.not_persisted("other", world.now_ms)
    assert [world.heartbeat(member) for member in members] == [OK, OK]
    calls = [world.join(member.member_id) for member in members]
    world.coordinator.not_persisted(GROUP, world.now_ms)
    assert world.heartbeat(joined(calls[0])) is OK


def test_nobody_expires_while_the_group_is_being_written_down() -> None:
    """Heartbeats wait for the disk as well."""
    world = World()
    leader, follower = stable_group(world)
    calls = [world.join(leader.member_id), world.join(follower.member_id)]
    leader, follower = joined(calls[0]), joined(calls[1])
    world.holds = True
    assert world.sync(leader).is_parked
    world.pass_time(3 * SESSION_MS)
    world.write_held()
    assert world.state() is ClassicGroupState.STABLE
    assert world.heartbeat(leader) is OK
    assert world.heartbeat(follower) is OK
    world.pass_time_alive(SESSION_MS, leader)
    assert world.heartbeat(follower) is ErrorCode.UNKNOWN_MEMBER_ID


def test_a_write_that_took_long_and_failed_costs_nobody_its_session() -> None:
    world = World()
    leader, follower = stable_group(world)
    calls = [world.join(leader.member_id), world.join(follower.member_id)]
    leader, follower = joined(calls[0]), joined(calls[1])
    world.holds = world.fails = True
    world.sync(leader)
    world.pass_time(3 * SESSION_MS)
    world.write_held()
    world.pass_time(SESSION_MS - 1)
    assert world.heartbeat(leader) is world.heartbeat(follower) is ErrorCode.REBALANCE_IN_PROGRESS


def test_every_completed_sync_is_written_down() -> None:
    world = World()
    leader, follower = stable_group(world)
    (saved,) = world.saved
    assert saved == GroupSaved(GROUP, "consumer", 2, "range", leader.member_id, world.now_ms, saved.members)
    assert [(member.member_id, member.assignment) for member in saved.members] == [
        (leader.member_id, leader.member_id.encode()),
        (follower.member_id, follower.member_id.encode()),
    ]
    assert saved.members[0].protocols == (("range", b"t"),)
    assert (saved.members[0].session_timeout_ms, saved.members[0].rebalance_timeout_ms) == (SESSION_MS, REBALANCE_MS)
