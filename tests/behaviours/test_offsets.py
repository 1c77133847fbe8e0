"""Committed offsets: who may commit, and what is fetched."""

from __future__ import annotations

from typing import Any

import pytest

from chronik.errors import ErrorCode
from chronik.wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)
from tests.behaviours.conftest import NewMember
from tests.behaviours.members import commit, committed, join_together, stable, sync_together
from tests.behaviours.partition import Place, create_topic, metadata_of, unique
from tests.broker_process import BrokerProcess
from tests.raw_client import RawClient

NOTHING = (0, -1, "")


@pytest.fixture
def place(client: RawClient, coordinator: BrokerProcess) -> Place:
    return Place(create_topic(client))


@pytest.mark.parametrize("version", range(1, 8))
def test_nothing_committed_is_no_error(client: RawClient, place: Place, version: int) -> None:
    asked = [
        OffsetFetchRequestTopic(name=place.topic, partition_indexes=[0, 77]),
        OffsetFetchRequestTopic(name=unique("missing"), partition_indexes=[0]),
    ]
    response = client.ask(OffsetFetchRequest(group_id=unique("group"), topics=asked), version)
    assert response.error_code == 0
    found = [
        (one.error_code, one.committed_offset, one.committed_leader_epoch, one.metadata)
        for topic in response.topics
        for one in topic.partitions
    ]
    assert found == [(0, -1, -1, "")] * 3


@pytest.mark.parametrize("version", [8, 9, 10])
def test_several_groups_are_answered_in_order(client: RawClient, place: Place, version: int) -> None:
    ids = [unique("group") for _ in range(3)]
    topic_id = metadata_of(client, place.topic).topic_id
    assert commit(client, ids[1], place, 42) == 0
    topics = [OffsetFetchRequestTopics(name=place.topic, topic_id=topic_id, partition_indexes=[0])]
    groups = [OffsetFetchRequestGroup(group_id=group, topics=topics) for group in ids]
    everything = OffsetFetchRequestGroup(group_id=ids[1], topics=None)
    response = client.ask(OffsetFetchRequest(groups=[*groups, everything]), version)
    assert [group.group_id for group in response.groups] == [*ids, ids[1]]
    assert [group.topics[0].partitions[0].committed_offset for group in response.groups] == [-1, 42, -1, 42]
    assert {group.error_code for group in response.groups} == {0}


def test_what_was_committed_is_fetched(client: RawClient, place: Place) -> None:
    group = unique("group")
    assert committed(client, group, place) == NOTHING
    assert commit(client, group, place, 7, metadata="checkpoint") == 0
    assert committed(client, group, place) == (0, 7, "checkpoint")
    assert commit(client, group, place, 3, metadata=None) == 0
    assert committed(client, group, place) == (0, 3, "")


def test_a_commit_is_refused_where_its_topic_is_missing(client: RawClient, place: Place) -> None:
    group = unique("group")
    assert commit(client, group, Place(unique("missing")), 1) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert commit(client, group, Place(place.topic, 5), 1) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert commit(client, group, place, 1) == 0


def test_only_members_of_this_generation_commit(new_member: NewMember, client: RawClient, place: Place) -> None:
    group = unique("group")
    one, two = new_member(group), new_member(group)
    stable(one, two)
    assert one.commit(place, 10) == 0
    assert one.commit(place, 11, generation_id_or_member_epoch=one.generation + 1) == ErrorCode.ILLEGAL_GENERATION
    assert one.commit(place, 11, generation_id_or_member_epoch=one.generation - 1) == ErrorCode.ILLEGAL_GENERATION
    assert one.commit(place, 11, member_id="nobody") == ErrorCode.UNKNOWN_MEMBER_ID
    # Somebody outside the group, while it has members.
    assert commit(client, group, place, 11) == ErrorCode.UNKNOWN_MEMBER_ID
    assert committed(client, group, place) == (0, 10, "")


def test_a_commit_between_join_and_sync_is_refused(new_member: NewMember, client: RawClient, place: Place) -> None:
    group = unique("group")
    one, two = new_member(group), new_member(group)
    stable(one)
    two.reserve()
    two.send_join()
    # While the group waits for its members, they may still commit what they have read.
    assert one.commit(place, 5) == 0
    join_together(one)
    two.joined()
    assert one.commit(place, 6) == ErrorCode.REBALANCE_IN_PROGRESS
    sync_together(one, two)
    assert committed(client, group, place) == (0, 5, "")
    assert one.commit(place, 6) == 0


def test_anybody_commits_to_a_group_without_members(new_member: NewMember, client: RawClient, place: Place) -> None:
    group = unique("group")
    assert commit(client, group, place, 1) == 0
    member = new_member(group)
    stable(member)
    assert commit(client, group, place, 2) == ErrorCode.UNKNOWN_MEMBER_ID
    member.leave()
    assert commit(client, group, place, 3) == 0
    assert committed(client, group, place) == (0, 3, "")
    assert member.commit(place, 4) == ErrorCode.UNKNOWN_MEMBER_ID


def test_a_generation_of_a_group_that_is_missing_is_refused(client: RawClient, place: Place) -> None:
    given: dict[str, Any] = {"generation_id_or_member_epoch": 1, "member_id": "x"}
    assert commit(client, unique("group"), place, 1, version=8, **given) == ErrorCode.ILLEGAL_GENERATION
    assert commit(client, unique("group"), place, 1, version=9, **given) == ErrorCode.GROUP_ID_NOT_FOUND


def test_metadata_has_a_greatest_size(client: RawClient, place: Place) -> None:
    group = unique("group")
    assert commit(client, group, place, 1, metadata="x" * 4096) == 0
    assert commit(client, group, place, 2, metadata="x" * 4097) == ErrorCode.OFFSET_METADATA_TOO_LARGE
    assert committed(client, group, place) == (0, 1, "x" * 4096)


def test_groups_do_not_disturb_each_other(new_member: NewMember, client: RawClient, place: Place) -> None:
    one, two = (new_member(unique("group")) for _ in range(2))
    stable(one)
    stable(two)
    assert one.commit(place, 100) == two.commit(place, 5) == 0
    assert committed(client, one.group_id, place) == (0, 100, "")
    assert committed(client, two.group_id, place) == (0, 5, "")
    assert two.leave() == 0
    assert one.heartbeat() == 0
    assert one.generation == 1


def test_members_commit_their_own_partitions(new_member: NewMember, client: RawClient) -> None:
    topic, group = create_topic(client, 2), unique("group")
    one, two = new_member(group), new_member(group)
    stable(one, two)
    assert one.commit(Place(topic, 0), 11) == two.commit(Place(topic, 1), 22) == 0
    assert [committed(client, group, Place(topic, number))[1] for number in (0, 1)] == [11, 22]
