"""Fetch sessions (KIP-227): the partitions of a consumer, remembered so that a fetch names only what changed.

Pure: the time comes in as an argument, new session ids too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from chronik.errors import ErrorCode, KafkaError
from chronik.settings import INT_MAX

SESSIONLESS_ID = 0
INITIAL_EPOCH = 0
FINAL_EPOCH = -1

EVICTION_MS = 120_000
"""A session that rested for so long gives way to a new one; a younger one only to a larger one once it is that old."""
MAX_CACHED_PARTITIONS = 500_000
"""Of all sessions together; a fetch beyond it is answered without a session, which every client copes with."""

TopicKey = str | bytes
"""A topic as the request names it: by name, or by id (16 bytes) from version 13 on."""
PartitionKey = tuple[TopicKey, int]


@dataclass(slots=True)
class FetchedPartition:
    """A partition of a fetch, and what its session last told about it (-1: nothing yet, or an error)."""

    topic: TopicKey
    partition: int
    fetch_offset: int
    max_bytes: int
    current_leader_epoch: int
    last_fetched_epoch: int
    told_high_watermark: int = -1
    told_log_start: int = -1

    @property
    def key(self) -> PartitionKey:
        """By what the session finds it."""
        return self.topic, self.partition


class Told(NamedTuple):
    """What a reply says of a partition, as far as the session cares."""

    error: ErrorCode
    high_watermark: int
    log_start: int
    has_records: bool
    has_divergence: bool


@dataclass(slots=True)
class FetchSession:
    """One consumer's session. `epoch` is what the next request must carry."""

    session_id: int
    uses_topic_ids: bool
    created_ms: int
    used_ms: int
    epoch: int = 1
    partitions: dict[PartitionKey, FetchedPartition] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SessionFetch:
    """One fetch: which partitions to read, in this order, and how its reply is made.

    `session` is None for a fetch without one; a full reply names every partition, an incremental one only news.
    """

    partitions: tuple[FetchedPartition, ...]
    session: FetchSession | None
    incremental: bool

    @property
    def session_id(self) -> int:
        """For the reply; 0 also when the session's last partition was forgotten."""
        return SESSIONLESS_ID if self.session is None else self.session.session_id

    def includes(self, partition: FetchedPartition, told: Told) -> bool:
        """Whether the reply names the partition; call it once for each, as it notes what is told."""
        if self.session is None:
            return True
        news = (
            told.has_records
            or told.has_divergence
            or told.error is not ErrorCode.NONE
            or told.high_watermark != partition.told_high_watermark
            or told.log_start != partition.told_log_start
        )
        failed = told.error is not ErrorCode.NONE
        partition.told_high_watermark = -1 if failed else told.high_watermark
        partition.told_log_start = told.log_start
        if told.has_records and partition.key in self.session.partitions:
            # To the end of the order, so that all partitions get their turn.
            self.session.partitions[partition.key] = self.session.partitions.pop(partition.key)
        return news or not self.incremental


class FetchSessions:
    """All sessions of a broker, at most `slots`."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._sessions: dict[int, FetchSession] = {}
        self._partition_count = 0

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(
        self,
        session_id: int,
        epoch: int,
        uses_topic_ids: bool,
        partitions: Iterable[FetchedPartition],
        forgotten: Iterable[PartitionKey],
        now_ms: int,
        new_id: Callable[[], int],
    ) -> SessionFetch:
        """Take a request in. KafkaError FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH,
        FETCH_SESSION_TOPIC_ID_ERROR: the reply then has no partition, and session id 0."""
        if epoch in (INITIAL_EPOCH, FINAL_EPOCH):
            if session_id != SESSIONLESS_ID:
                self._close(session_id)
            wanted = tuple(partitions)
            session = None
            if epoch == INITIAL_EPOCH and wanted:
                session = self._create(wanted, uses_topic_ids, now_ms, new_id)
            return SessionFetch(wanted, session, incremental=False)
        found = self._sessions.get(session_id)
        if found is None:
            raise KafkaError(ErrorCode.FETCH_SESSION_ID_NOT_FOUND, f"there is no fetch session {session_id}")
        if found.epoch != epoch:
            raise KafkaError(ErrorCode.INVALID_FETCH_SESSION_EPOCH, f"epoch {found.epoch} comes next, not {epoch}")
        if found.uses_topic_ids != uses_topic_ids:
            raise KafkaError(ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR, "a session has topic names or ids, not both")
        found.epoch = 1 if epoch == INT_MAX else epoch + 1
        found.used_ms = now_ms
        del self._sessions[session_id]
        self._sessions[session_id] = found  # the dictionary's order is by last use
        self._update(found, partitions, forgotten)
        everything = tuple(found.partitions.values())
        if not everything:
            self._close(session_id)
            return SessionFetch((), None, incremental=False)
        return SessionFetch(everything, found, incremental=True)

    def _update(
        self, session: FetchSession, partitions: Iterable[FetchedPartition], forgotten: Iterable[PartitionKey]
    ) -> None:
        known = session.partitions
        before = len(known)
        for partition in partitions:
            old = known.get(partition.key)
            if old is None:
                known[partition.key] = partition
            else:
                old.fetch_offset = partition.fetch_offset
                old.max_bytes = partition.max_bytes
                old.current_leader_epoch = partition.current_leader_epoch
                old.last_fetched_epoch = partition.last_fetched_epoch
        for key in forgotten:
            known.pop(key, None)
        self._partition_count += len(known) - before

    def _create(
        self, partitions: tuple[FetchedPartition, ...], uses_topic_ids: bool, now_ms: int, new_id: Callable[[], int]
    ) -> FetchSession | None:
        if not self._make_room(len(partitions), now_ms):
            return None
        session_id = new_id()
        while session_id in self._sessions or session_id == SESSIONLESS_ID:
            session_id = new_id()
        session = FetchSession(session_id, uses_topic_ids, now_ms, now_ms)
        session.partitions = {partition.key: partition for partition in partitions}
        self._partition_count += len(session.partitions)
        self._sessions[session_id] = session
        return session

    def _make_room(self, partition_count: int, now_ms: int) -> bool:
        if len(self._sessions) >= self._slots:
            victim = self._evictable(partition_count, now_ms)
            if victim is None:
                return False
            self._close(victim.session_id)
        return self._partition_count + partition_count <= MAX_CACHED_PARTITIONS

    def _evictable(self, partition_count: int, now_ms: int) -> FetchSession | None:
        oldest: FetchSession | None = next(iter(self._sessions.values()), None)
        if oldest is None or now_ms - oldest.used_ms > EVICTION_MS:
            return oldest
        if now_ms - min(map(_created, self._sessions.values())) <= EVICTION_MS:
            return None
        old = [session for session in self._sessions.values() if now_ms - session.created_ms > EVICTION_MS]
        smallest = min(old, key=lambda session: len(session.partitions))
        return smallest if len(smallest.partitions) < partition_count else None

    def _close(self, session_id: int) -> None:
        session = self._sessions.pop(session_id, None)
        if session is not None:
            self._partition_count -= len(session.partitions)

    def sessions(self) -> Iterator[FetchSession]:
        """All sessions, the one that rested longest first."""
        return iter(tuple(self._sessions.values()))


def _created(session: FetchSession) -> int:
    return session.created_ms
