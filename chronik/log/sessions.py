"""Fetch sessions (KIP-227): the partitions of a consumer, remembered so that a fetch names only what changed.

Pure: the time comes in as an argument, new session ids too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from chronik.errors import ErrorCode, KafkaError
from chronik.settings import INT_MAX

SESSIONLESS_ID = 0
INITIAL_EPOCH = 0
FINAL_EPOCH = -1

EVICTION_MS = 120_000
"""A session that rested for so long gives way to a new one; a younger one only to a larger one once it is that old."""
MAX_CACHED_PARTITIONS = 500_000
"""Of all sessions together. A fetch beyond it is answered without a session, and one that would make its session grow
beyond it ends the session: every client copes with both."""
_NAME_LENGTH = 256
"""A topic name that is longer, which no topic has, counts as several partitions."""

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
    told_high_watermark: int = field(default=-1, compare=False)
    told_log_start: int = field(default=-1, compare=False)
    found: Any = field(default=None, compare=False)
    """For its reader to keep what it found out; forgotten when the partition is asked for anew."""

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
    weight: int = 0
    """Of its partitions, in what MAX_CACHED_PARTITIONS counts."""
    epoch: int = 1
    partitions: dict[PartitionKey, FetchedPartition] = field(default_factory=dict)

    def rested(self, now_ms: int) -> bool:
        """Whether it was not used for so long that it may be taken for abandoned."""
        return now_ms - self.used_ms > EVICTION_MS


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
        """By last use, the one that rested longest first."""
        self._weight = 0
        self._all_younger_until_ms = 0
        """Up to this time no session is old enough to give way to a larger one, so none need be looked at."""

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
            if epoch == INITIAL_EPOCH:
                session = self._create(wanted, uses_topic_ids, now_ms, new_id)
            return SessionFetch(wanted, session, incremental=False)
        found = self._sessions.get(session_id)
        if found is None:
            raise KafkaError(ErrorCode.FETCH_SESSION_ID_NOT_FOUND, f"there is no fetch session {session_id}")
        if found.epoch != epoch:
            raise KafkaError(ErrorCode.INVALID_FETCH_SESSION_EPOCH, f"epoch {found.epoch} comes next, not {epoch}")
        if found.uses_topic_ids != uses_topic_ids:
            raise KafkaError(ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR, "a session has topic names or ids, not both")
        added = tuple(partitions)
        growth = sum(_weight(partition) for partition in added if partition.key not in found.partitions)
        if self._weight + growth > MAX_CACHED_PARTITIONS:
            self._close(session_id)
            raise KafkaError(ErrorCode.FETCH_SESSION_ID_NOT_FOUND, "the fetch sessions have too many partitions")
        found.epoch = 1 if epoch == INT_MAX else epoch + 1
        found.used_ms = now_ms
        self._sessions[session_id] = self._sessions.pop(session_id)
        self._update(found, added, forgotten)
        everything = tuple(found.partitions.values())
        if not everything:
            self._close(session_id)
            return SessionFetch((), None, incremental=False)
        return SessionFetch(everything, found, incremental=True)

    def _update(
        self, session: FetchSession, partitions: Iterable[FetchedPartition], forgotten: Iterable[PartitionKey]
    ) -> None:
        known = session.partitions
        before = session.weight
        for partition in partitions:
            old = known.get(partition.key)
            if old is None:
                known[partition.key] = partition
                session.weight += _weight(partition)
            else:
                old.fetch_offset = partition.fetch_offset
                old.max_bytes = partition.max_bytes
                old.current_leader_epoch = partition.current_leader_epoch
                old.last_fetched_epoch = partition.last_fetched_epoch
                old.found = None
        for key in forgotten:
            gone = known.pop(key, None)
            if gone is not None:
                session.weight -= _weight(gone)
        self._weight += session.weight - before

    def _create(
        self, partitions: tuple[FetchedPartition, ...], uses_topic_ids: bool, now_ms: int, new_id: Callable[[], int]
    ) -> FetchSession | None:
        remembered = {partition.key: partition for partition in partitions}
        weight = sum(map(_weight, remembered.values()))
        if not self._make_room(weight, now_ms):
            return None
        session_id = new_id()
        while session_id in self._sessions or session_id == SESSIONLESS_ID:
            session_id = new_id()
        session = FetchSession(session_id, uses_topic_ids, now_ms, now_ms, weight, partitions=remembered)
        self._weight += weight
        self._sessions[session_id] = session
        return session

    def _make_room(self, weight: int, now_ms: int) -> bool:
        """Close what must go for a new session; False if that is not enough (nothing but abandoned ones went)."""
        while self._sessions and self._lacks_room(weight):
            resting = next(iter(self._sessions.values()))
            if not resting.rested(now_ms):
                break
            self._close(resting.session_id)
        if not self._lacks_room(weight):
            return True
        if len(self._sessions) < self._slots:
            return False
        smaller = self._smaller(weight, now_ms)
        if smaller is None or self._weight - smaller.weight + weight > MAX_CACHED_PARTITIONS:
            return False
        self._close(smaller.session_id)
        return True

    def _lacks_room(self, weight: int) -> bool:
        return len(self._sessions) >= self._slots or self._weight + weight > MAX_CACHED_PARTITIONS

    def _smaller(self, weight: int, now_ms: int) -> FetchSession | None:
        """The smallest session that is smaller than this and had its time."""
        if now_ms <= self._all_younger_until_ms or not self._sessions:
            return None
        self._all_younger_until_ms = min(map(_created, self._sessions.values())) + EVICTION_MS
        old = [session for session in self._sessions.values() if now_ms - session.created_ms > EVICTION_MS]
        smallest = min(old, key=_session_weight, default=None)
        return smallest if smallest is not None and smallest.weight < weight else None

    def _close(self, session_id: int) -> None:
        session = self._sessions.pop(session_id, None)
        if session is not None:
            self._weight -= session.weight

    def sessions(self) -> Iterator[FetchSession]:
        """All sessions, the one that rested longest first."""
        return iter(tuple(self._sessions.values()))


def _created(session: FetchSession) -> int:
    return session.created_ms


def _session_weight(session: FetchSession) -> int:
    return session.weight


def _weight(partition: FetchedPartition) -> int:
    return 1 + len(partition.topic) // _NAME_LENGTH
