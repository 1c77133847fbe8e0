"""The record store: the contract between the broker and an engine that keeps record batches.

1. `append` returns at once and tells the outcome later: when the batch is ordered, visible and as durable as asked. The
   base offset exists only then. A failed append uses no offset. Two appends to a log that were submitted in order
   commit in order, or the later one fails too.
2. Check and assign is atomic: a producer's older epoch is INVALID_PRODUCER_EPOCH, a batch equal to one of its last five
   is a success with the original offset, a gap is OUT_OF_ORDER_SEQUENCE_NUMBER. So offsets and sequences live in the
   engine; the broker never holds a next offset.
3. An unknown outcome is resolved by the engine or reported as KAFKA_STORAGE_ERROR (retriable); never "not written" if
   it may have been.
4. `fetch` returns stored bytes, never past the high watermark (read committed: the last stable offset), at least one
   whole batch when there is any, and the aborted ranges for a read-committed reader. It never waits for data: `watch`
   does.
5. The first transactional append of a producer to a log records its first offset in the same commit. Markers are
   idempotent per (producer id, epoch, log).
6. Logs are addressed by number, never by name. A log that was never written to is empty and costs nothing.

All methods are called on the event loop's thread. Offsets: `start` is the first readable, `end` the next to assign.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from chronik.log.access import (
    AppendDone,
    AppendTerms,
    FetchResult,
    LogBounds,
    LogInfo,
    LogNews,
    LogRead,
    TimestampOffset,
)
from chronik.log.markers import Marker, MarkerDone
from chronik.log.producers import ProducerState
from chronik.log.validate import CheckedBatch
from chronik.terms import Durability, IsolationLevel, LogId


class Watch(Protocol):
    """A registered interest in some logs; `cancel` must be called once it is no longer wanted."""

    def cancel(self) -> None:
        """Forget the watch; its callback is not called any more."""


class RecordStore(Protocol):
    """An engine. See the module's docstring for the contract as a whole."""

    def append(
        self, log: LogId, batch: CheckedBatch, terms: AppendTerms, durability: Durability, done: AppendDone
    ) -> None:
        """Order a checked batch at the log's end. Errors: those of sequences (the log is unchanged),
        KAFKA_STORAGE_ERROR when it could not be written or the store is closed, UNKNOWN_TOPIC_OR_PARTITION for a
        dropped log."""

    def append_marker(
        self,
        log: LogId,
        marker: Marker,
        terms: AppendTerms,
        durability: Durability,
        done: MarkerDone,
        *,
        only_open: bool,
    ) -> None:
        """End a producer's transaction at the log's end: one control batch, and in the same commit the producer's state
        and, for an abort, the entry of the aborted index. Readers see all of it at once.

        `only_open`: where the producer has no transaction open nothing is appended, so that a redo after a crash adds
        nothing; that is told once whatever came before is as durable as asked. Otherwise the marker is appended
        anyhow, and raises the producer's epoch. A dropped log has nothing to end. Errors (the log is unchanged):
        INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED, KAFKA_STORAGE_ERROR."""

    def room(self) -> Awaitable[None] | None:
        """None while appends are welcome; else what to await before the next one (back-pressure). Each caller has an
        awaitable of its own, and may cancel it."""

    def bounds(self, log: LogId) -> LogBounds:
        """The log's bounds now."""

    def fetch(
        self, reads: Sequence[LogRead], max_bytes: int, isolation: IsolationLevel, *, in_files: bool = False
    ) -> FetchResult | Awaitable[FetchResult]:
        """Read several logs in order, at most `max_bytes` together; the first batch found is returned whole whatever
        its size (KIP-74). At once what is in memory; an awaitable when the disk must be asked, off the loop and with
        bounded memory. `in_files`: of a batch on the disk it may be told where it is instead."""

    def available_bytes(self, log: LogId, offset: int, isolation: IsolationLevel, limit_bytes: int) -> int:
        """About how many bytes a read could return, up to `limit_bytes`; never waits. KafkaError as in the result of
        `fetch`."""

    def news(self, log: LogId) -> LogNews:
        """A live view of the log's news, for whoever asks about many logs again and again: while the number is the same
        no read of the log has another result, but for records that left memory or came back to it."""

    def watch(self, logs: Iterable[LogId], wake: Callable[[], None]) -> Watch:
        """Call `wake` (on the loop) whenever one of the logs has news: data, bounds, deletion."""

    async def offset_for_time(self, log: LogId, timestamp_ms: int, isolation: IsolationLevel) -> TimestampOffset | None:
        """The first record, by offset, whose timestamp is at or after the given one."""

    async def offset_of_max_timestamp(self, log: LogId, isolation: IsolationLevel) -> TimestampOffset | None:
        """The first record with the greatest timestamp; None for an empty log (KIP-734)."""

    def epoch_end(self, log: LogId, leader_epoch: int, current_epoch: int) -> tuple[int, int]:
        """(epoch, end offset) for OffsetForLeaderEpoch (KIP-320); (-1, -1) when the epoch is not known."""

    def epoch_at(self, log: LogId, offset: int, current_epoch: int) -> int:
        """The leader epoch under which the offset was, or would be, written."""

    async def delete_records(self, log: LogId, offset: int) -> int:
        """Raise the log's start to `offset` (-1: the high watermark), durably; returns the new start. KafkaError
        OFFSET_OUT_OF_RANGE above the high watermark, UNKNOWN_TOPIC_OR_PARTITION for a dropped log."""

    async def retain(self, log: LogId, retention_ms: int, retention_bytes: int, now_ms: int) -> int:
        """Raise the start past whole segments that the limits give up, durably; returns the new start."""

    async def drop(self, logs: Sequence[LogId]) -> None:
        """Forget these logs and their data; readers and watchers of them are woken. Durable on return. Idempotent."""

    async def reclaim(self) -> int:
        """Give space of deleted records back to the file system, a bounded piece of work; returns the bytes of deleted
        batches that went, 0 when there is nothing worth the work or another call is at it. May be cancelled."""

    def info(self, log: LogId) -> LogInfo:
        """Bounds and stored bytes."""

    def producers(self, log: LogId) -> Sequence[ProducerState]:
        """The producers whose state the log still holds."""

    def expire_producers(self, log: LogId, now_ms: int, expiration_ms: int) -> None:
        """Forget producers that wrote nothing for that long and have no transaction open."""

    async def close(self) -> None:
        """Write and fsync what is staged, then close. Appends after this was called fail."""
