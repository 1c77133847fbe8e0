"""JoinGroup: who is let in, under which id, and what the members are told."""

from __future__ import annotations

import pytest

from chronik.errors import ErrorCode
from chronik.group.classic.protocols import select_protocol
from chronik.group.classic.replies import JoinedMember, JoinReply
from chronik.group.classic.requests import LeavingMember, Protocols
from chronik.group.classic.states import ClassicGroupState
from chronik.settings import BrokerSettings
from tests.group.world import (
    GROUP,
    RANGE,
    RANGE_U,
    SESSION_MS,
    STICKY_OR_RANGE,
    How,
    Member,
    World,
    joined,
    stable_group,
    static_group,
    sync_all,
)

REFUSALS: dict[str, tuple[str, How, ErrorCode]] = {
    "an empty group id": ("", {"group": ""}, ErrorCode.INVALID_GROUP_ID),
    "an empty group id, before a bad timeout": ("", {"group": "", "session_ms": 1}, ErrorCode.INVALID_GROUP_ID),
    "a session that is too short": ("", {"session_ms": 5_999}, ErrorCode.INVALID_SESSION_TIMEOUT),
    "a session that is too long": ("", {"session_ms": 1_800_001}, ErrorCode.INVALID_SESSION_TIMEOUT),
    "a member of a group that is not there": ("m", {"group": "other"}, ErrorCode.UNKNOWN_MEMBER_ID),
    "a member that is not there": ("m", {}, ErrorCode.UNKNOWN_MEMBER_ID),
    "no protocol type": ("", {"group": "other", "protocol_type": ""}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
    "no protocols": ("", {"group": "other", "protocols": ()}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
    "another protocol type": ("", {"protocol_type": "connect"}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
    "other protocols": ("", {"protocols": (("other", b""),)}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
    "other protocols, before the member": ("m", {"protocols": (("x", b""),)}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
    "an instance that is not there": ("m", {"instance": "i"}, ErrorCode.UNKNOWN_MEMBER_ID),
}


@pytest.mark.parametrize("reason", REFUSALS)
def test_refused(reason: str) -> None:
    """The other members do not notice."""
    world = World()
    members = stable_group(world)
    member_id, how, error = REFUSALS[reason]
    assert world.join(member_id, **how).reply == JoinReply(error, member_id)
    assert world.state() is ClassicGroupState.STABLE
    assert [world.heartbeat(member) for member in members] == [ErrorCode.NONE, ErrorCode.NONE]
    assert [group.group_id for group in world.coordinator.list_groups()] == [GROUP]


@pytest.mark.parametrize("session_ms", [6_000, 1_800_000])
def test_a_session_timeout_at_the_bounds_is_accepted(session_ms: int) -> None:
    assert World().join_anew(session_ms=session_ms).reply.error is ErrorCode.NONE


def test_a_member_alone_makes_the_first_generation() -> None:
    reply = World().join_anew(instance=None).reply
    assert reply == JoinReply(
        ErrorCode.NONE,
        "client-1",
        1,
        "consumer",
        "range",
        "client-1",
        members=(JoinedMember("client-1", None, b"t"),),
    )


def test_up_to_version_3_a_member_gets_its_id_when_it_is_in() -> None:
    assert World().join(version=3, client="kcat").reply.member_id == "kcat-1"


def test_from_version_4_a_member_gets_its_id_before_it_joins() -> None:
    world = World()
    first = world.join(version=4).reply
    assert first == JoinReply(ErrorCode.MEMBER_ID_REQUIRED, "client-1")
    assert world.state() is ClassicGroupState.EMPTY
    assert joined(world.join(first.member_id)) == Member("client-1", 1)


def test_a_static_member_gets_its_id_when_it_is_in() -> None:
    assert World().join(instance="i").reply.member_id == "i-1"


def test_a_member_id_that_nobody_joins_with_expires() -> None:
    world = World()
    member_id = world.join(session_ms=SESSION_MS).reply.member_id
    world.pass_time(SESSION_MS - 1)
    assert world.coordinator.describe(GROUP).error is ErrorCode.NONE
    world.pass_time(1)
    assert world.coordinator.describe(GROUP).error is ErrorCode.GROUP_ID_NOT_FOUND
    assert world.join(member_id).reply.error is ErrorCode.UNKNOWN_MEMBER_ID


def test_a_member_id_that_was_handed_out_is_not_a_members() -> None:
    world = World()
    stable_group(world)
    waiting = world.join().reply.member_id
    assert world.heartbeat(Member(waiting, 2)) is ErrorCode.UNKNOWN_MEMBER_ID
    assert world.sync(Member(waiting, 2)).reply.error is ErrorCode.UNKNOWN_MEMBER_ID
    assert world.commit(Member(waiting, 2)) is ErrorCode.UNKNOWN_MEMBER_ID
    assert world.join(waiting, instance="i").reply.error is ErrorCode.UNKNOWN_MEMBER_ID
    assert world.state() is ClassicGroupState.STABLE


def test_refused_joins_leave_no_groups_behind() -> None:
    world = World()
    world.join(group="other", protocols=())
    member_id = world.join(group="third").reply.member_id
    world.leave(LeavingMember(member_id), group="third")
    assert world.coordinator.list_groups() == ()


def test_a_second_member_makes_the_first_one_join_again() -> None:
    world = World()
    (first,) = stable_group(world, 1)
    second = world.join_anew()
    assert second.is_parked
    assert world.heartbeat(first) is ErrorCode.REBALANCE_IN_PROGRESS
    again = world.join(first.member_id)
    assert again.reply.generation == second.reply.generation == first.generation + 1


def test_only_the_leader_sees_the_members() -> None:
    world = World()
    stable_group(world, 3)
    calls = [world.join(member_id, protocols=RANGE_U) for member_id in world.group().members]
    replies = [call.reply for call in calls]
    leaders = [reply for reply in replies if reply.members]
    assert [reply.member_id for reply in leaders] == [replies[0].leader]
    assert leaders[0].members == tuple(JoinedMember(reply.member_id, None, b"t,u") for reply in replies)
    assert {(reply.leader, reply.generation, reply.protocol_name) for reply in replies} == {
        (leaders[0].member_id, 3, "range")
    }


def test_the_first_member_leads_as_long_as_it_is_there() -> None:
    world = World()
    first, second, third = stable_group(world, 3)
    rejoined = [world.join(member.member_id, protocols=RANGE_U) for member in (third, second, first)]
    assert {call.reply.leader for call in rejoined} == {first.member_id}
    sync_all(world, rejoined)
    world.leave(LeavingMember(first.member_id))
    rejoined = [world.join(member.member_id) for member in (third, second)]
    assert {call.reply.leader for call in rejoined} == {second.member_id}


def test_a_followers_answer_was_lost() -> None:
    """It joins again with the same metadata, and is told the same, without a rebalance."""
    world = World()
    leader, follower = stable_group(world)
    again = world.join(follower.member_id).reply
    assert again == JoinReply(ErrorCode.NONE, follower.member_id, 2, "consumer", "range", leader.member_id, members=())
    assert world.heartbeat(leader) is ErrorCode.NONE
    assert world.sync(follower).reply.assignment == follower.member_id.encode()


def test_a_leaders_answer_was_lost() -> None:
    """Before it has synced: afterwards a leader that joins wants a rebalance."""
    world = World()
    first = world.join_anew().reply
    assert world.join(first.member_id).reply == first
    sync_all(world, [world.join(first.member_id)])
    assert world.join(first.member_id).reply.generation == 2


def test_metadata_that_changed_makes_a_rebalance() -> None:
    world = World()
    leader, follower = stable_group(world)
    call = world.join(follower.member_id, protocols=RANGE_U)
    assert call.is_parked
    assert world.heartbeat(leader) is ErrorCode.REBALANCE_IN_PROGRESS
    members = world.join(leader.member_id).reply.members
    assert JoinedMember(follower.member_id, None, b"t,u") in members


def test_a_newer_join_of_the_same_member_takes_over() -> None:
    world = World()
    (first,) = stable_group(world, 1)
    world.join_anew()
    member_id = world.join().reply.member_id
    older = world.join(member_id)
    newer = world.join(member_id)
    assert older.reply == JoinReply(ErrorCode.REBALANCE_IN_PROGRESS, member_id)
    assert newer.is_parked
    world.join(first.member_id)
    assert newer.reply.error is ErrorCode.NONE


VOTES: list[tuple[list[Protocols], str]] = [
    ([RANGE], "range"),
    ([STICKY_OR_RANGE], "sticky"),
    ([STICKY_OR_RANGE, RANGE], "range"),
    ([(("a", b""), ("b", b"")), (("b", b""), ("a", b"")), (("b", b""), ("a", b""))], "b"),
    ([(("a", b""), ("b", b"")), (("b", b""), ("a", b""))], "a"),
    ([(("x", b""), ("b", b""), ("a", b"")), (("y", b""), ("a", b""), ("b", b"")), (("a", b""), ("b", b""))], "a"),
    ([(("a", b""), ("a", b"2"))], "a"),
]


@pytest.mark.parametrize(("offers", "selected"), VOTES)
def test_members_vote_for_the_protocol_that_all_support(offers: list[Protocols], selected: str) -> None:
    assert select_protocol(offers) == selected


def test_the_selected_protocol_is_the_members() -> None:
    world = World()
    (first,) = stable_group(world, 1, protocols=STICKY_OR_RANGE)
    assert world.group().protocol_name == "sticky"
    world.join_anew(protocols=RANGE_U)
    reply = world.join(first.member_id, protocols=STICKY_OR_RANGE).reply
    assert reply.protocol_name == "range"
    assert [member.metadata for member in reply.members] == [b"t", b"t,u"]


def test_what_a_member_offers_no_more_does_not_count() -> None:
    world = World()
    first, second = stable_group(world, protocols=STICKY_OR_RANGE)
    assert world.join(second.member_id, protocols=RANGE).is_parked
    assert world.join_anew(protocols=(("sticky", b""),)).reply.error is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    world.leave(LeavingMember(second.member_id))
    assert world.join_anew(protocols=(("sticky", b""),)).is_parked
    assert world.join(first.member_id, protocols=STICKY_OR_RANGE).reply.protocol_name == "sticky"


def test_an_empty_group_can_change_its_protocol_type() -> None:
    world = World()
    (member,) = stable_group(world, 1)
    world.leave(LeavingMember(member.member_id))
    assert world.join_anew(protocol_type="connect").reply.protocol_type == "connect"


FULL = BrokerSettings(group_max_size=2)


def test_a_full_group_refuses_new_members() -> None:
    world = World(FULL)
    stable_group(world)
    assert world.join().reply == JoinReply(ErrorCode.GROUP_MAX_SIZE_REACHED, "")
    assert world.join(version=3).reply.error is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert world.join(instance="i").reply.error is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert world.state() is ClassicGroupState.STABLE


def test_ids_that_were_handed_out_do_not_fill_a_group() -> None:
    """But those who come too late with theirs are refused, and their ids are void."""
    world = World(FULL)
    ids = [world.join().reply.member_id for _ in range(3)]
    first = world.join(ids[0])
    assert joined(first) == Member(ids[0], 1)
    assert world.join(ids[1]).is_parked
    world.join(ids[0])
    assert world.join(ids[2]).reply == JoinReply(ErrorCode.GROUP_MAX_SIZE_REACHED, "")
    assert world.join(ids[2]).reply.error is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert world.group().pending_ids == set()


def test_members_of_a_full_group_can_join_again() -> None:
    world = World(FULL)
    first, second = stable_group(world)
    calls = [world.join(member.member_id) for member in (first, second)]
    assert [call.reply.error for call in calls] == [ErrorCode.NONE, ErrorCode.NONE]


def test_a_static_member_can_return_to_a_full_group() -> None:
    world = World(FULL)
    static_group(world, "i", "j")
    assert world.join(instance="i").reply.error is ErrorCode.NONE
    assert world.join(instance="k").reply.error is ErrorCode.GROUP_MAX_SIZE_REACHED


def test_after_the_size_was_lowered_the_last_to_join_again_are_refused() -> None:
    world = World()
    first, second, third = stable_group(world, 3)
    world.settings = BrokerSettings(group_max_size=2)
    world.restart()
    assert world.heartbeat(first) is ErrorCode.REBALANCE_IN_PROGRESS
    world.join(third.member_id)
    # Whoever has joined may do so again: its answer may have been lost.
    calls = [world.join(member.member_id) for member in (second, third)]
    assert world.join(first.member_id).reply == JoinReply(ErrorCode.GROUP_MAX_SIZE_REACHED, "")
    assert [call.reply.error for call in calls] == [ErrorCode.NONE, ErrorCode.NONE]
    assert len(world.group().members) == 2


def test_joining_does_not_forget_where_a_member_comes_from() -> None:
    world = World()
    (member,) = stable_group(world, 1, protocols=RANGE, client="a", host="/10.0.0.1")
    (shown,) = world.coordinator.describe(GROUP).members
    assert (shown.client_id, shown.client_host) == ("a", "/10.0.0.1")
    world.join(member.member_id, client="b", host="/10.0.0.2")
    (shown,) = world.coordinator.describe(GROUP).members
    assert (shown.client_id, shown.client_host) == ("b", "/10.0.0.2")
