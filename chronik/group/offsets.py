"""Committed offsets: the positions of a group, by (topic id, partition), and who may commit and delete them.

Topics come as ids. Whoever calls has resolved names already, and has answered for partitions that do not exist.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from chronik.changes import OffsetCommitted
from chronik.errors import ErrorCode
from chronik.group.classic.group import ClassicGroup
from chronik.group.classic.states import ClassicGroupState
from chronik.terms import NO_LEADER_EPOCH, NO_OFFSET, TopicId

OffsetKey = tuple[TopicId, int]
"""(topic id, partition)."""

NO_RETENTION_TIME = -1

IN_FLIGHT_MS = 60_000
"""A commit that was decided and not replayed after this time has failed."""


@dataclass(frozen=True, slots=True)
class OffsetToCommit:
    """One partition of a commit. Null metadata counts as ""."""

    topic_id: TopicId
    partition: int
    offset: int
    leader_epoch: int = NO_LEADER_EPOCH
    metadata: str | None = ""


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """An OffsetCommit or TxnOffsetCommit. Who commits outside of a group's generations has generation -1, an empty
    member id and no instance id."""

    group_id: str
    member_id: str
    group_instance_id: str | None
    generation: int
    offsets: tuple[OffsetToCommit, ...]
    retention_time_ms: int = NO_RETENTION_TIME
    """How long the offsets are kept (versions 2-4); negative for as long as the broker's settings say."""
    knows_group_id_not_found: bool = True
    """From version 9 a missing group is GROUP_ID_NOT_FOUND, below and in transactions ILLEGAL_GENERATION."""
    is_transactional: bool = False
    """TxnOffsetCommit: the rules are laxer, and the changes wait for the end of the transaction."""


@dataclass(frozen=True, slots=True)
class PartitionResult:
    """What became of one partition of a request."""

    topic_id: TopicId
    partition: int
    error: ErrorCode


@dataclass(frozen=True, slots=True)
class CommitReply:
    """The answer to a commit. `partitions` follow the request; with an error of the whole group each has that error."""

    error: ErrorCode
    partitions: tuple[PartitionResult, ...]


@dataclass(frozen=True, slots=True)
class FetchedOffset:
    """The position in one partition; offset -1, epoch -1 and "" where nothing is committed."""

    topic_id: TopicId
    partition: int
    offset: int = NO_OFFSET
    leader_epoch: int = NO_LEADER_EPOCH
    metadata: str = ""
    error: ErrorCode = ErrorCode.NONE


@dataclass(frozen=True, slots=True)
class FetchReply:
    """The answer to an OffsetFetch for one group, in the order of the request; all that is stored, by topic, when the
    request named no partitions."""

    error: ErrorCode
    offsets: tuple[FetchedOffset, ...]


@dataclass(frozen=True, slots=True)
class DeleteOffsetsReply:
    """The answer to an OffsetDelete. `partitions` follow the request, or there are none and `error` is the group's."""

    error: ErrorCode
    partitions: tuple[PartitionResult, ...] = ()


class GroupOffsets:
    """The committed offsets of one group."""

    def __init__(self) -> None:
        self._by_topic: dict[TopicId, dict[int, OffsetCommitted]] = {}
        self._in_flight: dict[OffsetKey, int] = {}
        """When the last commit that is not replayed yet was decided. Expiry leaves such a partition alone: its removal
        would be written after the commit."""

    def __len__(self) -> int:
        return sum(len(partitions) for partitions in self._by_topic.values())

    def __iter__(self) -> Iterator[OffsetCommitted]:
        for partitions in self._by_topic.values():
            yield from partitions.values()

    def get(self, key: OffsetKey) -> OffsetCommitted | None:
        return self._by_topic.get(key[0], {}).get(key[1])

    def put(self, committed: OffsetCommitted) -> None:
        """Last write wins."""
        self._by_topic.setdefault(committed.topic_id, {})[committed.partition] = committed
        self._in_flight.pop((committed.topic_id, committed.partition), None)

    def remove(self, keys: Collection[OffsetKey]) -> None:
        for topic_id, partition in keys:
            partitions = self._by_topic.get(topic_id, {})
            partitions.pop(partition, None)
            if not partitions:
                self._by_topic.pop(topic_id, None)

    def remove_topic(self, topic_id: TopicId) -> None:
        self._by_topic.pop(topic_id, None)

    def expect(self, committed: OffsetCommitted) -> None:
        """A commit is decided and will be replayed, unless writing it fails."""
        self._in_flight[committed.topic_id, committed.partition] = committed.commit_ms

    def in_flight(self, now_ms: int) -> Collection[OffsetKey]:
        """Partitions with a commit on its way."""
        failed = [key for key, decided_ms in self._in_flight.items() if now_ms - decided_ms > IN_FLIGHT_MS]
        for key in failed:
            del self._in_flight[key]
        return self._in_flight.keys()

    def fetch(self, keys: Sequence[OffsetKey] | None, unstable: Collection[OffsetKey]) -> FetchReply:
        """The offsets of these partitions, or all. UNSTABLE_OFFSET_COMMIT for those in `unstable`."""
        if keys is None:
            keys = [(committed.topic_id, committed.partition) for committed in self]
        return FetchReply(ErrorCode.NONE, tuple(self._fetched(key, unstable) for key in keys))

    def _fetched(self, key: OffsetKey, unstable: Collection[OffsetKey]) -> FetchedOffset:
        if key in unstable:
            return FetchedOffset(*key, error=ErrorCode.UNSTABLE_OFFSET_COMMIT)
        committed = self.get(key)
        if committed is None:
            return FetchedOffset(*key)
        return FetchedOffset(*key, committed.offset, committed.leader_epoch, committed.metadata)


def check_commit(group: ClassicGroup | None, request: CommitRequest) -> ErrorCode:
    """Whether the group takes this commit. A group that does not exist is made by one from outside of generations."""
    if group is None:
        if request.generation < 0:
            return ErrorCode.NONE
        knows = request.knows_group_id_not_found and not request.is_transactional
        return ErrorCode.GROUP_ID_NOT_FOUND if knows else ErrorCode.ILLEGAL_GENERATION
    if group.state is ClassicGroupState.DEAD:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    if request.generation < 0 and group.state is ClassicGroupState.EMPTY:
        return ErrorCode.NONE
    if request.generation >= 0 or request.member_id or request.group_instance_id is not None:
        error = group.check_member(request.member_id, request.group_instance_id)
        if error is not ErrorCode.NONE:
            return error
        if request.generation != group.generation:
            return ErrorCode.ILLEGAL_GENERATION
    elif not request.is_transactional:
        return ErrorCode.UNKNOWN_MEMBER_ID
    if group.state is ClassicGroupState.COMPLETING_REBALANCE and not request.is_transactional:
        return ErrorCode.REBALANCE_IN_PROGRESS
    return ErrorCode.NONE


def commit(
    request: CommitRequest, error: ErrorCode, max_metadata_length: int, now_ms: int
) -> tuple[CommitReply, list[OffsetCommitted]]:
    """The answer to a commit and what it stores, given what `check_commit` said of the group.

    A partition whose metadata is longer than allowed is OFFSET_METADATA_TOO_LARGE, and the others are stored. Although
    the setting says bytes, characters are counted, as in Kafka. Offsets are stored as they are, negative ones too.
    """
    expire_ms = now_ms + request.retention_time_ms if request.retention_time_ms >= 0 else None
    results: list[PartitionResult] = []
    committed: list[OffsetCommitted] = []
    for one in request.offsets:
        metadata = one.metadata or ""
        refused = error
        if error is ErrorCode.NONE and len(metadata) > max_metadata_length:
            refused = ErrorCode.OFFSET_METADATA_TOO_LARGE
        results.append(PartitionResult(one.topic_id, one.partition, refused))
        if refused is ErrorCode.NONE:
            place = (request.group_id, one.topic_id, one.partition)
            committed.append(OffsetCommitted(*place, one.offset, one.leader_epoch, metadata, now_ms, expire_ms))
    return CommitReply(error, tuple(results)), committed
