"""JoinGroup: who becomes a member, who leads, and what is refused."""

from __future__ import annotations

import time

import pytest

from chronik.errors import ErrorCode
from tests.behaviours.conftest import ConfiguredBroker, NewMember
from tests.behaviours.members import (
    Member,
    join_together,
    settle_coordinator,
    stable,
    subscription,
    sync_together,
    wait_rebalance,
)
from tests.behaviours.partition import unique
from tests.conftest import RawFactory

LONGEST_SESSION_MS = 1_800_000


@pytest.mark.parametrize("version", range(4, 10))
def test_a_new_member_is_sent_away_once_with_its_id(new_member: NewMember, version: int) -> None:
    member = new_member(unique("group"), version=version)
    first = member.ask_join()
    assert (first.error_code, first.generation_id, first.members) == (ErrorCode.MEMBER_ID_REQUIRED, -1, [])
    assert first.member_id.startswith("raw-")
    member.member_id = first.member_id
    reply = member.join()
    assert (reply.member_id, reply.generation_id) == (first.member_id, 1)


def test_a_member_id_that_nobody_has_is_refused(new_member: NewMember) -> None:
    member = new_member(unique("group"))
    stable(member)
    stranger = new_member(member.group_id)
    stranger.member_id = "raw-nobody"
    reply = stranger.ask_join()
    assert (reply.error_code, reply.member_id) == (ErrorCode.UNKNOWN_MEMBER_ID, "raw-nobody")
    assert member.heartbeat() == 0


@pytest.mark.parametrize("version", range(4))
def test_an_old_version_joins_without_being_sent_away(new_member: NewMember, version: int) -> None:
    reply = new_member(unique("group"), version=version).ask_join()
    assert (reply.error_code, reply.generation_id) == (0, 1)
    assert reply.member_id.startswith("raw-")


def test_an_id_that_is_not_used_expires(configured: ConfiguredBroker, raw: RawFactory) -> None:
    broker = configured({"group.min.session.timeout.ms": 100})
    settle_coordinator(raw(broker))
    member, late = (Member(raw(broker), "group", session_timeout_ms=ms) for ms in (30_000, 1000))
    stable(member)
    began = time.monotonic()
    late.reserve()
    # A group waits for everybody who has an id, until it has expired.
    member.send_join()
    assert member.joined().generation_id == 2
    assert 1.0 <= time.monotonic() - began < 11.0
    reply = late.ask_join()
    assert (reply.error_code, reply.member_id) == (ErrorCode.UNKNOWN_MEMBER_ID, late.member_id)


def test_an_empty_group_waits_for_those_who_start_together(configured: ConfiguredBroker, raw: RawFactory) -> None:
    broker = configured({"group.initial.rebalance.delay.ms": 1000})
    settle_coordinator(raw(broker))
    one, two = (Member(raw(broker), "together") for _ in range(2))
    began = time.monotonic()
    one.send_join()
    assert one.client.receives_nothing(0.2)
    two.send_join()
    assert {one.joined().generation_id, two.joined().generation_id} == {1}
    # The second member begins another delay.
    assert time.monotonic() - began >= 2.0
    sync_together(one, two)


def test_only_the_leader_is_told_the_members(new_member: NewMember) -> None:
    group = unique("group")
    members = [new_member(group, protocols={"range": subscription(f"topic-{number}")}) for number in range(3)]
    stable(*members)
    (leader,) = (member for member in members if member.is_leader)
    assert {member.reply.leader for member in members} == {leader.member_id}
    told = {one.member_id: bytes(one.metadata) for one in leader.reply.members}
    assert told == {member.member_id: subscription(f"topic-{number}") for number, member in enumerate(members)}
    assert [member.reply.members for member in members if member is not leader] == [[], []]
    assert {member.reply.protocol_name for member in members} == {"range"}


@pytest.mark.parametrize("metadata", [b"", b"\xff" * 9, bytes(100_000)], ids=["empty", "no subscription", "large"])
def test_metadata_of_others_than_consumers_may_be_anything(new_member: NewMember, metadata: bytes) -> None:
    member = new_member(unique("group"), protocol_type="connect", protocols={"own": metadata})
    stable(member)
    assert [bytes(one.metadata) for one in member.reply.members] == [metadata]
    consumer = new_member(member.group_id)
    assert consumer.ask_join().error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL


def test_the_protocol_that_all_know_and_most_prefer_is_chosen(new_member: NewMember) -> None:
    group = unique("group")
    wishes = [("roundrobin", "range", "own"), ("range", "roundrobin"), ("range", "roundrobin")]
    members = [
        new_member(group, protocols={name: subscription(mark=name.encode()) for name in wish}) for wish in wishes
    ]
    stable(*members)
    assert {member.reply.protocol_name for member in members} == {"range"}
    (leader,) = (member for member in members if member.is_leader)
    assert {bytes(one.metadata) for one in leader.reply.members} == {subscription(mark=b"range")}


def test_a_member_without_a_common_protocol_is_refused_and_disturbs_nobody(new_member: NewMember) -> None:
    group = unique("group")
    members = [new_member(group) for _ in range(2)]
    stable(*members)
    stranger = new_member(group, protocols={"RoundRobinAssigner": subscription("orders")})
    assert stranger.ask_join().error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    nothing = new_member(group, protocols={})
    assert nothing.ask_join().error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert [member.heartbeat() for member in members] == [0, 0]
    assert {member.generation for member in members} == {2}


@pytest.mark.parametrize(
    ("session_timeout_ms", "error"),
    [
        (5_999, ErrorCode.INVALID_SESSION_TIMEOUT),
        (6_000, ErrorCode.MEMBER_ID_REQUIRED),
        (LONGEST_SESSION_MS, ErrorCode.MEMBER_ID_REQUIRED),
        (LONGEST_SESSION_MS + 1, ErrorCode.INVALID_SESSION_TIMEOUT),
        (-1, ErrorCode.INVALID_SESSION_TIMEOUT),
    ],
)
def test_a_session_timeout_has_bounds(new_member: NewMember, session_timeout_ms: int, error: ErrorCode) -> None:
    assert new_member(unique("group"), session_timeout_ms=session_timeout_ms).ask_join().error_code == error


def test_a_group_needs_a_name(new_member: NewMember) -> None:
    assert new_member("").ask_join().error_code == ErrorCode.INVALID_GROUP_ID


def test_a_follower_that_joins_again_gets_the_same_generation(new_member: NewMember) -> None:
    group = unique("group")
    members = [new_member(group) for _ in range(3)]
    stable(*members)
    (leader,) = (member for member in members if member.is_leader)
    follower, watcher = (member for member in members if member is not leader)
    generation = follower.generation
    reply = follower.join()
    assert (reply.generation_id, reply.members, reply.leader) == (generation, [], leader.member_id)
    assert follower.sync() == follower.member_id.encode()
    assert [member.heartbeat() for member in members] == [0, 0, 0]

    leader.send_join()
    wait_rebalance(watcher)
    for member in (follower, watcher):
        member.send_join()
    assert {member.joined().generation_id for member in members} == {generation + 1}


def test_a_follower_with_new_metadata_begins_a_rebalance(new_member: NewMember) -> None:
    group = unique("group")
    one, two = (new_member(group) for _ in range(2))
    stable(one, two)
    leader, follower = (one, two) if one.is_leader else (two, one)
    generation = follower.generation
    follower.protocols = {"range": subscription("another")}
    follower.send_join()
    wait_rebalance(leader)
    leader.send_join()
    assert {leader.joined().generation_id, follower.joined().generation_id} == {generation + 1}
    told = {one.member_id: bytes(one.metadata) for one in leader.reply.members}
    assert told[follower.member_id] == subscription("another")


def test_a_group_has_a_greatest_size(configured: ConfiguredBroker, raw: RawFactory) -> None:
    broker = configured({"group.max.size": 2})
    settle_coordinator(raw(broker))
    members = [Member(raw(broker), "small") for _ in range(3)]
    stable(*members[:2])
    assert members[2].ask_join().error_code == ErrorCode.GROUP_MAX_SIZE_REACHED
    members[1].leave()
    join_together(members[0], members[2])
