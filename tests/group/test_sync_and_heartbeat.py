"""SyncGroup, Heartbeat and LeaveGroup: checks in their order, assignments, and leaving in every way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chronik.errors import ErrorCode
from chronik.group.classic.replies import JoinReply, LeaveReply, LeftMember, SyncReply
from chronik.group.classic.requests import LeavingMember
from chronik.group.classic.states import ClassicGroupState
from tests.group.world import Member, World, joined, stable_group, static_group

OK = ErrorCode.NONE
UNKNOWN = ErrorCode.UNKNOWN_MEMBER_ID
FENCED = ErrorCode.FENCED_INSTANCE_ID
ILLEGAL = ErrorCode.ILLEGAL_GENERATION
INCONSISTENT = ErrorCode.INCONSISTENT_GROUP_PROTOCOL


def completing(world: World) -> tuple[Member, Member]:
    """A leader and a follower that are to sync."""
    leader, follower = stable_group(world)
    calls = [world.join(leader.member_id), world.join(follower.member_id)]
    return joined(calls[0]), joined(calls[1])


WHO: dict[str, tuple[Callable[[Member], Member], ErrorCode]] = {
    "member": (lambda m: m, OK),
    "nobody": (lambda m: Member("nobody", m.generation), UNKNOWN),
    "no id": (lambda m: Member("", m.generation), UNKNOWN),
    "unknown instance": (lambda m: Member(m.member_id, m.generation, "k"), UNKNOWN),
    "instance of another member": (lambda m: Member(m.member_id, m.generation, "j"), FENCED),
    "instance of another member, before an old generation": (lambda m: Member(m.member_id, 0, "j"), FENCED),
    "nobody with an instance": (lambda m: Member("nobody", m.generation, "i"), FENCED),
    "static member that does not say so": (lambda m: Member(m.member_id, m.generation), OK),
    "old generation": (lambda m: Member(m.member_id, m.generation - 1, "i"), ILLEGAL),
    "future generation": (lambda m: Member(m.member_id, m.generation + 1, "i"), ILLEGAL),
    "no generation": (lambda m: Member(m.member_id, -1, "i"), ILLEGAL),
}


@pytest.mark.parametrize("who", WHO)
def test_members_are_checked(who: str) -> None:
    world = World()
    member, _ = static_group(world, "i", "j")
    make, error = WHO[who]
    assert world.heartbeat(make(member)) is error
    assert world.sync(make(member)).reply.error is error


def test_groups_that_are_not_there() -> None:
    world = World()
    assert world.heartbeat(Member("m", 1)) is UNKNOWN
    assert world.heartbeat(Member("m", 1), group="") is ErrorCode.INVALID_GROUP_ID
    assert world.sync(Member("m", 1)).reply == SyncReply(UNKNOWN)
    assert world.sync(Member("m", 1), group="").reply == SyncReply(ErrorCode.INVALID_GROUP_ID)
    unknown = LeftMember("m", None, UNKNOWN), LeftMember("", "i", UNKNOWN)
    assert world.leave(LeavingMember("m"), LeavingMember("", "i")) == LeaveReply(OK, unknown)
    assert world.leave(LeavingMember("m"), group="") == LeaveReply(ErrorCode.INVALID_GROUP_ID)


def test_nobody_is_in_the_group_without_a_name_although_it_has_offsets() -> None:
    world = World()
    assert world.commit(group="") is OK
    assert world.heartbeat(Member("m", 1), group="") is ErrorCode.INVALID_GROUP_ID
    assert world.sync(Member("m", 1), group="").reply == SyncReply(ErrorCode.INVALID_GROUP_ID)
    assert world.leave(LeavingMember("m"), group="") == LeaveReply(ErrorCode.INVALID_GROUP_ID)


@pytest.mark.parametrize(
    ("protocol_type", "protocol_name", "version", "error"),
    [
        ("consumer", "range", 5, OK),
        ("connect", "range", 5, INCONSISTENT),
        ("consumer", "sticky", 5, INCONSISTENT),
        (None, "range", 5, INCONSISTENT),
        ("consumer", None, 5, INCONSISTENT),
        (None, None, 4, OK),
    ],
)
def test_a_sync_names_the_protocol(
    protocol_type: str | None, protocol_name: str | None, version: int, error: ErrorCode
) -> None:
    world = World()
    _, follower = stable_group(world)
    call = world.sync(follower, protocol_type=protocol_type, protocol_name=protocol_name, version=version)
    assert call.reply.error is error


def test_everybody_gets_what_the_leader_assigned() -> None:
    world = World()
    leader, follower = completing(world)
    waiting = world.sync(follower, {follower.member_id: b"a follower's word does not count"})
    assert waiting.is_parked
    assignments = {leader.member_id: b"1", follower.member_id: b"2", "nobody": b"3"}
    assert world.sync(leader, assignments).reply == SyncReply(OK, "consumer", "range", b"1")
    assert waiting.reply == SyncReply(OK, "consumer", "range", b"2")
    assert world.state() is ClassicGroupState.STABLE
    assert [member.member_id for member in world.saved[-1].members] == [leader.member_id, follower.member_id]


def test_a_member_without_an_assignment_gets_an_empty_one() -> None:
    world = World()
    leader, follower = completing(world)
    waiting = world.sync(follower)
    assert world.sync(leader, {leader.member_id: b"1"}).reply.assignment == b"1"
    assert waiting.reply == SyncReply(OK, "consumer", "range", b"")


def test_a_sync_can_be_repeated() -> None:
    world = World()
    leader, follower = stable_group(world)
    for _ in range(2):
        assert world.sync(leader, {leader.member_id: b"too late"}).reply.assignment == leader.member_id.encode()
        assert world.sync(follower).reply.assignment == follower.member_id.encode()


def test_a_newer_sync_of_the_same_member_takes_over() -> None:
    world = World()
    leader, follower = completing(world)
    older, newer = world.sync(follower), world.sync(follower)
    assert older.reply == SyncReply(ErrorCode.REBALANCE_IN_PROGRESS)
    assert newer.is_parked
    world.sync(leader, {follower.member_id: b"2"})
    assert newer.reply.assignment == b"2"


def test_who_joins_again_keeps_its_parked_sync() -> None:
    """Nothing has changed, so it is told the same generation, which the parked sync is of."""
    world = World()
    leader, follower = completing(world)
    waiting = world.sync(follower)
    assert joined(world.join(follower.member_id)) == follower
    world.sync(leader, {follower.member_id: b"2"})
    assert waiting.reply.assignment == b"2"


def test_heartbeats_are_answered_before_the_assignment_is_there() -> None:
    world = World()
    leader, follower = completing(world)
    assert world.heartbeat(leader) is OK
    assert world.heartbeat(follower) is OK


# Leaving


def test_who_leaves_makes_the_others_rebalance_at_once() -> None:
    world = World()
    leader, follower = stable_group(world)
    left = LeftMember(leader.member_id, None, OK)
    assert world.leave(LeavingMember(leader.member_id)) == LeaveReply(OK, (left,))
    assert world.heartbeat(leader) is UNKNOWN
    assert world.heartbeat(follower) is ErrorCode.REBALANCE_IN_PROGRESS
    reply = world.join(follower.member_id).reply
    assert (reply.generation, reply.leader, len(reply.members)) == (3, follower.member_id, 1)


def test_who_leaves_takes_its_parked_calls_along() -> None:
    world = World()
    leader, follower = completing(world)
    syncing = world.sync(follower)
    world.leave(LeavingMember(follower.member_id))
    assert syncing.reply == SyncReply(UNKNOWN)
    new = world.join(version=3)
    new_id = next(iter(world.group().parked_joins))
    world.leave(LeavingMember(new_id))
    assert new.reply == JoinReply(UNKNOWN, "")
    assert world.heartbeat(leader) is ErrorCode.REBALANCE_IN_PROGRESS


def test_a_rebalance_that_waited_for_the_one_who_leaves_goes_on() -> None:
    world = World()
    leader, follower = stable_group(world)
    call = world.join(leader.member_id)
    assert call.is_parked
    world.leave(LeavingMember(follower.member_id))
    assert call.reply.generation == 3


def test_several_leave_with_one_rebalance() -> None:
    world = World()
    first, second, third = stable_group(world, 3)
    reply = world.leave(LeavingMember(first.member_id), LeavingMember("nobody"), LeavingMember(second.member_id))
    assert [left.error for left in reply.members] == [OK, UNKNOWN, OK]
    assert joined(world.join(third.member_id)).generation == 3


def test_all_leave() -> None:
    world = World()
    members = stable_group(world)
    world.leave(*(LeavingMember(member.member_id) for member in members))
    assert world.state() is ClassicGroupState.EMPTY
    assert (world.saved[-1].generation, world.saved[-1].members) == (3, ())
    assert len(world.saved) == 2


LEAVING = {
    "an administrator names an instance": (LeavingMember("", "i"), OK),
    "an administrator names an unknown instance": (LeavingMember("", "k"), UNKNOWN),
    "nobody": (LeavingMember(""), UNKNOWN),
    "an unknown member": (LeavingMember("nobody"), UNKNOWN),
    "a member with another's instance": (LeavingMember("i-1", "j"), FENCED),
    "a member with an unknown instance": (LeavingMember("i-1", "k"), UNKNOWN),
    "a static member": (LeavingMember("i-1", "i"), OK),
    "a static member that does not say so": (LeavingMember("i-1"), OK),
}


@pytest.mark.parametrize("what", LEAVING)
def test_leaving(what: str) -> None:
    world = World()
    members = static_group(world, "i", "j")
    assert members[0].member_id == "i-1"
    leaving, error = LEAVING[what]
    left = LeftMember(leaving.member_id, leaving.group_instance_id, error)
    assert world.leave(leaving) == LeaveReply(OK, (left,))
    assert ("i" in world.group().instances) is (error is not OK)
    assert (world.state() is ClassicGroupState.STABLE) is (error is not OK)


def test_an_id_that_was_handed_out_can_be_given_back() -> None:
    """Nobody rebalances for it."""
    world = World()
    members = stable_group(world)
    pending = world.join().reply.member_id
    assert world.leave(LeavingMember(pending)).members[0].error is OK
    assert world.join(pending).reply.error is UNKNOWN
    assert [world.heartbeat(member) for member in members] == [OK, OK]
