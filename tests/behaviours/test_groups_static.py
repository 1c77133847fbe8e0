"""Static members (KIP-345): who comes back under its name gets back what it had."""

from __future__ import annotations

import pytest

from chronik.errors import ErrorCode
from tests.behaviours.conftest import NewMember
from tests.behaviours.members import Member, stable, wait_rebalance
from tests.behaviours.partition import Place, create_topic, unique
from tests.raw_client import RawClient


@pytest.fixture
def group_of_two(new_member: NewMember) -> tuple[Member, Member]:
    """A dynamic leader and a static follower."""
    group = unique("group")
    leader, follower = new_member(group), new_member(group, instance_id="instance")
    stable(leader, follower)
    assert leader.is_leader
    return leader, follower


def come_back(member: Member, client: RawClient, **options: str) -> Member:
    """The same instance, started again: it does not know its member id."""
    again = Member(client, member.group_id, instance_id=member.instance_id, protocols=member.protocols, **options)  # type: ignore[arg-type]  # options of different types
    again.join()
    return again


def test_a_static_member_that_starts_again_changes_nothing(
    group_of_two: tuple[Member, Member], client: RawClient
) -> None:
    leader, before = group_of_two
    after = come_back(before, client)
    assert after.member_id != before.member_id
    assert after.generation == before.generation
    # The assignment was made for the old id, whose bytes it is.
    assert after.sync() == before.member_id.encode()
    assert leader.heartbeat() == after.heartbeat() == 0


def test_the_old_instance_is_fenced_by_the_new_one(group_of_two: tuple[Member, Member], client: RawClient) -> None:
    _, before = group_of_two
    place = Place(create_topic(client))
    assert before.commit(place, 1) == 0
    after = come_back(before, client)
    assert before.heartbeat() == ErrorCode.FENCED_INSTANCE_ID
    assert before.ask_sync().error_code == ErrorCode.FENCED_INSTANCE_ID
    assert before.ask_join().error_code == ErrorCode.FENCED_INSTANCE_ID
    assert before.commit(place, 2) == ErrorCode.FENCED_INSTANCE_ID
    assert before.leave() == ErrorCode.FENCED_INSTANCE_ID
    assert after.heartbeat() == 0
    assert after.commit(place, 3) == 0


def test_a_static_member_that_waits_is_fenced_too(
    new_member: NewMember, group_of_two: tuple[Member, Member], client: RawClient
) -> None:
    leader, before = group_of_two
    new = new_member(leader.group_id)
    new.send_join()
    wait_rebalance(before)
    before.send_join()
    assert before.client.receives_nothing(0.1)
    after = Member(client, leader.group_id, instance_id=before.instance_id)
    after.send_join()
    assert before.client.receive().error_code == ErrorCode.FENCED_INSTANCE_ID
    wait_rebalance(leader)
    leader.send_join()
    assert {member.joined().generation_id for member in (leader, after, new)} == {before.generation + 1}


def test_a_static_leader_that_starts_again_is_told_to_leave_the_assignment(
    new_member: NewMember, client: RawClient
) -> None:
    group = unique("group")
    before, follower = new_member(group, instance_id="leader"), new_member(group)
    stable(before, follower)
    assert before.is_leader
    after = come_back(before, client)
    assert (after.reply.skip_assignment, after.reply.leader) == (True, after.member_id)
    assert {one.member_id for one in after.reply.members} == {after.member_id, follower.member_id}
    assert after.sync() == before.member_id.encode()
    assert follower.heartbeat() == 0


def test_a_static_leader_of_an_older_version_comes_back_as_a_follower(new_member: NewMember, client: RawClient) -> None:
    """It would assign if it were told that it leads."""
    group = unique("group")
    before, follower = new_member(group, instance_id="leader", version=8), new_member(group)
    stable(before, follower)
    after = Member(client, group, instance_id="leader", version=8)
    after.join()
    assert not after.is_leader
    assert after.reply.members == []
    assert after.sync() == before.member_id.encode()
    assert follower.heartbeat() == 0


def test_an_instance_that_nobody_knows_has_no_member(group_of_two: tuple[Member, Member]) -> None:
    _, member = group_of_two
    known, member.instance_id = member.instance_id, "another"
    assert member.heartbeat() == ErrorCode.UNKNOWN_MEMBER_ID
    member.instance_id = known
    assert member.heartbeat() == 0
