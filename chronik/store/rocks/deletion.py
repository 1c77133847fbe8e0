"""Deleting: a log's start rises durably first, and whole segments below it become garbage (see `garbage.py`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chronik.errors import ErrorCode, KafkaError
from chronik.log import epochs as leader_epochs
from chronik.log.producers import is_expired
from chronik.log.segments import retained_start, whole_below
from chronik.store.rocks import keys
from chronik.store.rocks.garbage import Garbage
from chronik.store.rocks.log_state import LogState
from chronik.store.rocks.pending import Change, storage_error
from chronik.store.rocks.writer import Writer
from chronik.terms import Durability, LogId


class Deletion:
    """The deleting part of the engine; shares its writer."""

    def __init__(
        self,
        writer: Writer,
        garbage: Garbage,
        state_of: Callable[[LogId], LogState],
        forget: Callable[[LogState], None],
    ) -> None:
        self._writer = writer
        self._garbage = garbage
        self._state_of = state_of
        self._forget = forget

    async def delete_records(self, log: LogId, offset: int) -> int:
        """See `RecordStore.delete_records`."""
        state = self._state_of(log)
        state.check_exists()
        wanted = state.tail.end if offset == -1 else offset
        if not 0 <= wanted <= state.tail.end:
            raise KafkaError(ErrorCode.OFFSET_OUT_OF_RANGE, f"offset {offset} is above the high watermark")
        await self._raise_start(state, wanted)
        return state.start

    async def retain(self, log: LogId, retention_ms: int, retention_bytes: int, now_ms: int) -> int:
        """See `RecordStore.retain`."""
        state = self._state_of(log)
        start = retained_start(
            state.segments, state.size_bytes, state.start, state.tail.end, retention_ms, retention_bytes, now_ms
        )
        if start > state.start:
            await self._raise_start(state, start)
        return state.start

    async def _raise_start(self, state: LogState, start: int) -> None:
        """Resolves when the start is durable; so it waits too where somebody else raised it a moment ago."""
        self._check_writable()
        writer, log = self._writer, state.log
        if start > state.start:
            state.start = start
            rows = writer.group.rows
            rows[keys.state_key(log, keys.STATE_START)] = keys.NUMBER.pack(start)
            epochs = leader_epochs.trimmed(state.epochs, start)
            if epochs != state.epochs:
                state.epochs = epochs
                rows[keys.state_key(log, keys.STATE_EPOCHS)] = leader_epochs.encode(epochs)
            count = whole_below(state.segments, start)
            gone, state.segments = state.segments[:count], state.segments[count:]
            state.written_segment_count = max(state.written_segment_count - count, 0)
            state.size_bytes -= sum(segment.size_bytes for segment in gone)
            for segment in gone:
                rows[keys.state_key(log, keys.STATE_SEGMENT, segment.base_offset)] = None
            for entry in state.aborted:
                if entry.last_offset < start:
                    rows[keys.state_key(log, keys.STATE_ABORTED, entry.last_offset)] = None
            state.aborted = [entry for entry in state.aborted if entry.last_offset >= start]
            self._garbage.discard(log, gone)
            state.wake()
        change = Change(Durability.SYNCED)
        writer.stage(change, 0)
        await change.done

    async def drop(self, logs: Sequence[LogId]) -> None:
        """See `RecordStore.drop`."""
        self._check_writable()
        group = self._writer.group
        for log in logs:
            state = self._state_of(log)
            if state.dropped:
                continue
            state.dropped = True
            first, end = keys.LOG_PREFIX.pack(log), keys.LOG_PREFIX.pack(log + 1)
            for row in [row for row in group.rows if first <= row < end]:
                del group.rows[row]
            group.range_deletions.append((first, end, self._writer.state_handle))
            self._garbage.discard(log, state.segments)
            self._forget(state)
            state.wake()
        change = Change(Durability.SYNCED)
        self._writer.stage(change, 0)
        await change.done

    def expire_producers(self, log: LogId, now_ms: int, expiration_ms: int) -> None:
        """See `RecordStore.expire_producers`."""
        state = self._state_of(log)
        gone = [
            producer.producer_id for producer in state.producers.values() if is_expired(producer, now_ms, expiration_ms)
        ]
        if not gone or self._writer.refusal is not None:
            return
        for producer_id in gone:
            del state.producers[producer_id]
            state.changed_producers.discard(producer_id)
            self._writer.group.rows[keys.state_key(log, keys.STATE_PRODUCER, producer_id)] = None
        self._writer.stage(Change(Durability.WRITTEN), 0)

    def _check_writable(self) -> None:
        if self._writer.refusal is not None:
            raise storage_error(self._writer.refusal)
