"""Committed offsets: who may commit, what is stored, what is fetched, and deleting them."""

from __future__ import annotations

import pytest

from chronik.changes import OffsetCommitted, OffsetsDeleted
from chronik.decision import Decision
from chronik.errors import ErrorCode
from chronik.group.classic.requests import LeavingMember
from chronik.group.classic.states import ClassicGroupState
from chronik.group.offsets import (
    CommitReply,
    CommitRequest,
    DeleteOffsetsReply,
    FetchedOffset,
    OffsetKey,
    OffsetToCommit,
    PartitionResult,
)
from chronik.settings import BrokerSettings
from tests.group.world import (
    GROUP,
    RANGE,
    RANGE_U,
    START_MS,
    Member,
    T,
    U,
    World,
    joined,
    stable_group,
    static_group,
    sync_all,
)

OK = ErrorCode.NONE
UNKNOWN = ErrorCode.UNKNOWN_MEMBER_ID
ILLEGAL = ErrorCode.ILLEGAL_GENERATION
OUTSIDE = Member("", -1)


def in_state(state: ClassicGroupState) -> tuple[World, Member]:
    """A group with a static member "i-1" of generation 1 (2 in CompletingRebalance), or what is left of it."""
    world = World()
    (member,) = static_group(world, "i")
    if state is ClassicGroupState.PREPARING_REBALANCE:
        world.join(version=3)
    elif state is ClassicGroupState.COMPLETING_REBALANCE:
        member = joined(world.join(member.member_id, instance="i"), "i")
    elif state is not ClassicGroupState.STABLE:
        world.leave(LeavingMember(member.member_id))
    if state is ClassicGroupState.DEAD:
        world.coordinator.delete_group(GROUP, world.now_ms)
    assert world.state() is state
    return world, member


EMPTY, PREPARING = ClassicGroupState.EMPTY, ClassicGroupState.PREPARING_REBALANCE
COMPLETING, STABLE, DEAD = (
    ClassicGroupState.COMPLETING_REBALANCE,
    ClassicGroupState.STABLE,
    ClassicGroupState.DEAD,
)

# state, who, OffsetCommit, TxnOffsetCommit
CHECKS: list[tuple[ClassicGroupState, Member, ErrorCode, ErrorCode]] = [
    (EMPTY, OUTSIDE, OK, OK),
    (EMPTY, Member("m", -1), OK, OK),
    (EMPTY, Member("i-1", 1, "i"), UNKNOWN, UNKNOWN),
    (EMPTY, Member("", 1), UNKNOWN, UNKNOWN),
    (EMPTY, Member("", 0), UNKNOWN, UNKNOWN),
    (STABLE, OUTSIDE, UNKNOWN, OK),
    (STABLE, Member("", 0), UNKNOWN, UNKNOWN),
    (STABLE, Member("i-1", 1, "i"), OK, OK),
    (STABLE, Member("i-1", 1), OK, OK),
    (STABLE, Member("i-1", 0, "i"), ILLEGAL, ILLEGAL),
    (STABLE, Member("i-1", 2, "i"), ILLEGAL, ILLEGAL),
    (STABLE, Member("i-1", -1, "i"), ILLEGAL, ILLEGAL),
    (STABLE, Member("i-1", -1), ILLEGAL, ILLEGAL),
    (STABLE, Member("m", 1), UNKNOWN, UNKNOWN),
    (STABLE, Member("", 1), UNKNOWN, UNKNOWN),
    (STABLE, Member("m", 1, "i"), ErrorCode.FENCED_INSTANCE_ID, ErrorCode.FENCED_INSTANCE_ID),
    (STABLE, Member("", -1, "i"), ErrorCode.FENCED_INSTANCE_ID, ErrorCode.FENCED_INSTANCE_ID),
    (STABLE, Member("i-1", 1, "k"), UNKNOWN, UNKNOWN),
    (PREPARING, OUTSIDE, UNKNOWN, OK),
    (PREPARING, Member("i-1", 1, "i"), OK, OK),
    (PREPARING, Member("i-1", 2, "i"), ILLEGAL, ILLEGAL),
    (COMPLETING, OUTSIDE, UNKNOWN, OK),
    (COMPLETING, Member("i-1", 2, "i"), ErrorCode.REBALANCE_IN_PROGRESS, OK),
    (COMPLETING, Member("i-1", 1, "i"), ILLEGAL, ILLEGAL),
    (COMPLETING, Member("m", 2), UNKNOWN, UNKNOWN),
    (DEAD, OUTSIDE, ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.COORDINATOR_NOT_AVAILABLE),
    (DEAD, Member("i-1", 1, "i"), ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.COORDINATOR_NOT_AVAILABLE),
]


@pytest.mark.parametrize(("state", "who", "error", "transactional_error"), CHECKS)
def test_who_may_commit(
    state: ClassicGroupState, who: Member, error: ErrorCode, transactional_error: ErrorCode
) -> None:
    world, _ = in_state(state)
    assert world.commit(who, transactional=True) is transactional_error
    assert world.fetch().offset == -1
    assert world.commit(who) is error
    assert world.fetch().offset == (5 if error is OK else -1)


@pytest.mark.parametrize(
    ("who", "version", "transactional", "error"),
    [
        (OUTSIDE, 9, False, OK),
        (OUTSIDE, 9, True, OK),
        (Member("m", -1), 9, False, OK),
        (Member("m", 0), 9, False, ErrorCode.GROUP_ID_NOT_FOUND),
        (Member("m", 0), 8, False, ILLEGAL),
        (Member("m", 0), 9, True, ILLEGAL),
        (Member("", 1), 8, False, ILLEGAL),
    ],
)
def test_who_may_commit_to_a_group_that_is_not_there(
    who: Member, version: int, transactional: bool, error: ErrorCode
) -> None:
    world = World()
    assert world.commit(who, version=version, transactional=transactional) is error
    assert (world.coordinator.list_groups() != ()) is (error is OK and not transactional)


def test_a_commit_from_outside_makes_a_simple_group() -> None:
    world = World()
    world.commit(group="")
    (listed,) = world.coordinator.list_groups()
    assert (listed.group_id, listed.protocol_type, listed.state) == ("", "", "Empty")
    assert world.fetch(group="").offset == 5
    world.restart()
    assert world.coordinator.list_groups() == (listed,)


def commit_many(world: World, *offsets: OffsetToCommit, retention_ms: int = -1) -> Decision[CommitReply]:
    request = CommitRequest(GROUP, "", None, -1, offsets, retention_ms)
    return world.coordinator.commit_offsets(request, world.now_ms)


def test_every_partition_is_a_change() -> None:
    world = World()
    decision = commit_many(world, OffsetToCommit(T, 0, 7, 3, "here"), OffsetToCommit(U, 1, -1, metadata=None))
    results = PartitionResult(T, 0, OK), PartitionResult(U, 1, OK)
    assert decision.reply == CommitReply(OK, results)
    assert decision.changes == (
        OffsetCommitted(GROUP, T, 0, 7, 3, "here", START_MS),
        OffsetCommitted(GROUP, U, 1, -1, -1, "", START_MS),
    )


def test_a_refused_commit_refuses_every_partition() -> None:
    world, _ = in_state(STABLE)
    decision = commit_many(world, OffsetToCommit(T, 0, 7), OffsetToCommit(U, 1, 8))
    assert decision == Decision(CommitReply(UNKNOWN, (PartitionResult(T, 0, UNKNOWN), PartitionResult(U, 1, UNKNOWN))))


def test_a_refused_commit_is_not_looked_into() -> None:
    world, _ = in_state(STABLE)
    assert world.commit(metadata="x" * 4097) is UNKNOWN


def test_only_the_partition_with_long_metadata_is_refused() -> None:
    world = World()
    decision = commit_many(
        world,
        OffsetToCommit(T, 0, 1, metadata="x" * 4096),
        OffsetToCommit(T, 1, 2, metadata="x" * 4097),
        OffsetToCommit(T, 2, 3, metadata="é" * 4096),
    )
    assert decision.reply == CommitReply(
        OK,
        (
            PartitionResult(T, 0, OK),
            PartitionResult(T, 1, ErrorCode.OFFSET_METADATA_TOO_LARGE),
            PartitionResult(T, 2, OK),
        ),
    )
    assert [change.offset for change in decision.changes if isinstance(change, OffsetCommitted)] == [1, 3]


def test_the_bound_of_metadata_is_a_setting() -> None:
    world = World(BrokerSettings(offset_metadata_max_bytes=2))
    assert world.commit(metadata="abc") is ErrorCode.OFFSET_METADATA_TOO_LARGE
    assert world.commit(metadata="ab") is OK


@pytest.mark.parametrize(("retention_ms", "expire_ms"), [(-1, None), (0, START_MS), (1000, START_MS + 1000)])
def test_a_commit_may_say_how_long_it_counts(retention_ms: int, expire_ms: int | None) -> None:
    (change,) = commit_many(World(), OffsetToCommit(T, 0, 7), retention_ms=retention_ms).changes
    assert isinstance(change, OffsetCommitted)
    assert change.expire_ms == expire_ms


def test_the_last_commit_wins() -> None:
    world = World()
    for offset in (5, 9, 2):
        world.commit(offset=offset)
    assert world.fetch().offset == 2


def test_groups_do_not_see_each_others_offsets() -> None:
    world = World()
    world.commit(offset=1, group="a")
    world.commit(offset=2, group="b")
    assert (world.fetch(group="a").offset, world.fetch(group="b").offset) == (1, 2)


# Fetching


def test_where_nothing_is_committed() -> None:
    world = World()
    assert world.fetch() == world.fetch(group="") == FetchedOffset(T, 0, -1, -1, "", OK)
    world.commit(key=(T, 1))
    assert world.fetch() == FetchedOffset(T, 0, -1, -1, "", OK)


@pytest.mark.parametrize("state", ClassicGroupState)
def test_offsets_are_fetched_in_every_state(state: ClassicGroupState) -> None:
    world = World()
    world.commit(offset=7, metadata="here")
    if state is not EMPTY:
        (member,) = stable_group(world, 1)
        if state is PREPARING:
            world.join(version=3)
        elif state is COMPLETING:
            world.join(member.member_id)
        elif state is DEAD:
            world.leave(LeavingMember(member.member_id))
            world.coordinator.delete_group(GROUP, world.now_ms)
    assert world.state() is state
    # What is being deleted is not there any more.
    expected = FetchedOffset(T, 0) if state is DEAD else FetchedOffset(T, 0, 7, -1, "here")
    assert world.fetch() == expected


def test_offsets_are_fetched_in_the_order_of_the_request() -> None:
    world = World()
    world.commit(key=(T, 0), offset=1)
    world.commit(key=(U, 1), offset=2)
    keys = [(U, 1), (T, 3), (T, 0)]
    reply = world.coordinator.fetch_offsets(GROUP, keys, require_stable=False)
    assert [(o.topic_id, o.partition, o.offset) for o in reply.offsets] == [(U, 1, 2), (T, 3, -1), (T, 0, 1)]


def test_a_commit_is_found_with_its_time() -> None:
    world = World()
    assert world.coordinator.committed(GROUP, (T, 0)) is None
    world.commit(offset=7)
    assert world.coordinator.committed(GROUP, (T, 0)) == OffsetCommitted(GROUP, T, 0, 7, -1, "", START_MS)
    assert world.coordinator.committed(GROUP, (T, 1)) is None


def test_all_that_is_stored_can_be_fetched() -> None:
    world = World()
    assert world.coordinator.fetch_offsets(GROUP, None, require_stable=False).offsets == ()
    for key in ((T, 1), (U, 0), (T, 0)):
        world.commit(key=key)
    reply = world.coordinator.fetch_offsets(GROUP, None, require_stable=False)
    assert {(o.topic_id, o.partition) for o in reply.offsets} == {(T, 0), (T, 1), (U, 0)}


def test_an_open_transaction_makes_an_offset_unstable() -> None:
    """For who asks for stable ones. Otherwise the last one that counts is given."""
    world = World(unstable=[(T, 0), (U, 0)])
    world.commit(offset=7)
    world.commit(key=(T, 1), offset=8)
    assert world.fetch().offset == 7
    assert world.fetch(stable=True) == FetchedOffset(T, 0, error=ErrorCode.UNSTABLE_OFFSET_COMMIT)
    assert world.fetch((U, 0), stable=True).error is ErrorCode.UNSTABLE_OFFSET_COMMIT
    assert world.fetch((T, 1), stable=True).offset == 8
    reply = world.coordinator.fetch_offsets(GROUP, None, require_stable=True)
    assert [(o.partition, o.offset, o.error) for o in reply.offsets] == [
        (0, -1, ErrorCode.UNSTABLE_OFFSET_COMMIT),
        (1, 8, OK),
    ]


# Deleting


def delete(world: World, *keys: OffsetKey, group: str = GROUP) -> DeleteOffsetsReply:
    decision = world.coordinator.delete_offsets(group, keys)
    world.carry_out(group, decision)
    assert isinstance(decision.reply, DeleteOffsetsReply)
    return decision.reply


@pytest.mark.parametrize("protocol_type", ["consumer", "connect"])
@pytest.mark.parametrize("state", ClassicGroupState)
def test_whose_offsets_can_be_deleted(state: ClassicGroupState, protocol_type: str) -> None:
    """Nobody reads "u"."""
    world = World()
    world.commit(key=(U, 0))
    (member,) = stable_group(world, 1, protocol_type=protocol_type)
    if state is PREPARING:
        world.join(version=3, protocol_type=protocol_type)
    elif state is COMPLETING:
        world.join(member.member_id, protocol_type=protocol_type)
    elif state is not STABLE:
        world.leave(LeavingMember(member.member_id))
    if state is DEAD:
        world.coordinator.delete_group(GROUP, world.now_ms)
    assert world.state() is state
    if state is DEAD:
        expected = ErrorCode.GROUP_ID_NOT_FOUND
    elif state is not EMPTY and protocol_type == "connect":
        expected = ErrorCode.NON_EMPTY_GROUP
    else:
        expected = OK
    assert delete(world, (U, 0)).error is expected
    assert (OffsetsDeleted(GROUP, ((U, 0),)) in world.changes) is (expected is OK)


def test_offsets_of_groups_that_are_not_there_cannot_be_deleted() -> None:
    assert delete(World(), (T, 0)) == DeleteOffsetsReply(ErrorCode.GROUP_ID_NOT_FOUND)
    assert delete(World(), (T, 0), group="") == DeleteOffsetsReply(ErrorCode.INVALID_GROUP_ID)


def test_offsets_of_topics_that_are_read_cannot_be_deleted() -> None:
    world = World()
    for key in ((T, 0), (U, 0)):
        world.commit(key=key)
    _, follower = stable_group(world, protocols=RANGE)
    assert delete(world, (T, 0), (U, 0), (U, 7)) == DeleteOffsetsReply(
        OK,
        (
            PartitionResult(T, 0, ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC),
            PartitionResult(U, 0, OK),
            PartitionResult(U, 7, OK),
        ),
    )
    assert world.changes[-1] == OffsetsDeleted(GROUP, ((U, 0),))
    assert (world.fetch((T, 0)).offset, world.fetch((U, 0)).offset) == (5, -1)
    world.join(follower.member_id, protocols=RANGE_U)
    assert delete(world, (U, 0)).partitions[0].error is ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC


def test_if_a_subscription_cannot_be_read_every_topic_counts_as_read() -> None:
    world = World()
    world.commit(key=(U, 0))
    (member,) = stable_group(world, 1, protocols=(("range", b"?"),))
    assert delete(world, (U, 0)).partitions[0].error is ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC
    world.leave(LeavingMember(member.member_id))
    assert delete(world, (U, 0)).partitions[0].error is OK


def test_what_the_members_agreed_on_tells_what_they_read() -> None:
    """Until they have agreed, everything that they offer does."""
    world = World(BrokerSettings(group_initial_rebalance_delay_ms=3_000))
    world.commit(key=(T, 0))
    world.commit(key=(U, 0))
    call = world.join_anew(protocols=(("sticky", b"u"), ("range", b"t")))
    for key in ((T, 0), (U, 0)):
        assert delete(world, key).partitions[0].error is ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC
    world.pass_time(3_000)
    sync_all(world, [call])
    assert delete(world, (U, 0)).partitions[0].error is ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC
    assert delete(world, (T, 0)).partitions[0].error is OK


def test_deleting_nothing_changes_nothing() -> None:
    world = World()
    world.commit()
    before = len(world.changes)
    assert delete(world, (T, 1), (U, 0)).error is OK
    assert delete(world).error is OK
    assert len(world.changes) == before
    assert delete(world, (T, 0), (T, 0)).error is OK
    assert world.changes[-1] == OffsetsDeleted(GROUP, ((T, 0),))


def test_a_deleted_topic_takes_its_offsets_along() -> None:
    world = World()
    for group in ("a", "b"):
        for key in ((T, 0), (T, 1), (U, 0)):
            world.commit(key=key, group=group)
    del world.topics[T]
    world.coordinator.topic_deleted(T)
    for group in ("a", "b"):
        assert world.fetch((T, 0), group=group).offset == world.fetch((T, 1), group=group).offset == -1
        assert world.fetch((U, 0), group=group).offset == 5


def test_a_commit_that_loses_against_the_deletion_of_its_topic_is_not_kept() -> None:
    world = World()
    world.holds = True
    world.commit()
    del world.topics[T]
    world.coordinator.topic_deleted(T)
    world.write_held()
    assert world.coordinator.durable_state() == {}
