"""Which committed offsets may go: because an administrator says so, or because they are old."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import assert_never

from chronik.changes import OffsetCommitted
from chronik.errors import ErrorCode
from chronik.group.classic.group import ClassicGroup
from chronik.group.classic.states import ClassicGroupState
from chronik.group.offsets import DeleteOffsetsReply, GroupOffsets, OffsetKey, PartitionResult
from chronik.terms import TopicId

CONSUMER_PROTOCOL_TYPE = "consumer"

SubscribedTopics = Callable[[bytes], frozenset[str] | None]
"""The topic names in a consumer's subscription; None if it cannot be read."""

TopicName = Callable[[TopicId], str | None]
"""The name of a topic; None if there is none."""


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """Tells which topics the members of a group read. Asks anew each time: it is seldom needed."""

    subscribed_topics: SubscribedTopics
    topic_name: TopicName

    def readers(self, group: ClassicGroup) -> Callable[[TopicId], bool] | None:
        """A test whether members of this group of consumers read a topic; None if that is not known.

        While the members have not agreed on a protocol, everything that they offer counts.
        """
        topics: set[str] = set()
        for member in group.members.values():
            chosen = member.metadata_of(group.protocol_name)
            for metadata in [m for _, m in member.protocols] if chosen is None else [chosen]:
                subscribed = self.subscribed_topics(metadata)
                if subscribed is None:
                    return None
                topics |= subscribed
        return lambda topic_id: self.topic_name(topic_id) in topics


def check_deletion(group: ClassicGroup | None) -> ErrorCode:
    """Whether an administrator may delete offsets of the group: those of any topic if there are no members, those of
    topics that nobody reads if the members are consumers."""
    if group is None:
        return ErrorCode.GROUP_ID_NOT_FOUND
    match group.state:
        case ClassicGroupState.DEAD:
            return ErrorCode.GROUP_ID_NOT_FOUND
        case ClassicGroupState.EMPTY:
            return ErrorCode.NONE
        case ClassicGroupState.PREPARING_REBALANCE | ClassicGroupState.COMPLETING_REBALANCE | ClassicGroupState.STABLE:
            is_consumer = group.protocol_type == CONSUMER_PROTOCOL_TYPE
            return ErrorCode.NONE if is_consumer else ErrorCode.NON_EMPTY_GROUP
        case _:
            assert_never(group.state)


def delete_offsets(
    group: ClassicGroup, offsets: GroupOffsets, keys: Sequence[OffsetKey], subscriptions: Subscriptions
) -> tuple[DeleteOffsetsReply, list[OffsetKey]]:
    """The answer to an OffsetDelete that `check_deletion` lets pass, and the offsets that it deletes.

    GROUP_SUBSCRIBED_TO_TOPIC for a topic that a member reads; for every topic, if it is not known what members read.
    Where nothing is committed there is nothing to do, which is no error.
    """
    reads = subscriptions.readers(group)
    results = []
    for topic_id, partition in keys:
        is_read = reads is None or reads(topic_id)
        error = ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC if is_read else ErrorCode.NONE
        results.append(PartitionResult(topic_id, partition, error))
    deletable = ((result.topic_id, result.partition) for result in results if result.error is ErrorCode.NONE)
    deleted = [key for key in dict.fromkeys(deletable) if offsets.get(key) is not None]
    return DeleteOffsetsReply(ErrorCode.NONE, tuple(results)), deleted


def expired_offsets(
    group: ClassicGroup,
    offsets: GroupOffsets,
    subscriptions: Subscriptions,
    spared: Collection[OffsetKey],
    retention_ms: int,
    now_ms: int,
) -> list[OffsetKey]:
    """The offsets whose time is over (KIP-211), but for those in `spared`.

    An offset with a moment of its own (OffsetCommit 2-4) goes at that moment, and for the others `retention_ms` counts:
    in a group that never had members, from the commit; in an Empty group, from the moment when it lost its last member;
    in a Stable group of consumers, from the commit, and only for topics that nobody reads. No other group loses any.
    """
    reads: Callable[[TopicId], bool] | None = None
    empty_since_ms: int | None = None
    if group.state is ClassicGroupState.EMPTY:
        empty_since_ms = None if group.saved is None else group.saved.state_ms
    else:
        if group.state is not ClassicGroupState.STABLE or group.protocol_type != CONSUMER_PROTOCOL_TYPE:
            return []
        reads = subscriptions.readers(group)
        if reads is None:
            return []

    def is_expired(committed: OffsetCommitted) -> bool:
        if (committed.topic_id, committed.partition) in spared or (reads is not None and reads(committed.topic_id)):
            return False
        if committed.expire_ms is not None:
            return now_ms >= committed.expire_ms
        since_ms = committed.commit_ms if empty_since_ms is None else empty_since_ms
        return now_ms - since_ms >= retention_ms

    return [(committed.topic_id, committed.partition) for committed in offsets if is_expired(committed)]
