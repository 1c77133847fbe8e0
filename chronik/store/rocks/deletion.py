"""Deleting: the log's start rises durably first, then whole segments become garbage, then their space goes back.

Garbage is remembered in rows (chunk, log) until RocksDB has rewritten the chunk without it. A chunk is rewritten once a
quarter of it is garbage; a smaller part waits for more, so that no space is paid for with much more reading and
writing.
"""

from __future__ import annotations

from asyncio import Future, get_running_loop
from collections.abc import Callable, Sequence

from chronik.errors import ErrorCode, KafkaError
from chronik.log import epochs as leader_epochs
from chronik.log.producers import is_expired
from chronik.log.segments import Segment, retained_start, whole_below
from chronik.settings import StoreSettings
from chronik.store.rocks import keys
from chronik.store.rocks.log_state import LogState
from chronik.store.rocks.options import rows_between
from chronik.store.rocks.writer import Writer
from chronik.terms import Durability, LogId

_RECLAIM_CHUNKS = 4
"""Chunks that one call of `reclaim` rewrites at the most."""


class _Change:
    """A change of the engine's rows; `done` fails or resolves when its fate is known."""

    __slots__ = ("done", "durability")

    def __init__(self, durability: Durability) -> None:
        self.durability = durability
        self.done: Future[None] = get_running_loop().create_future()

    def written(self) -> None:
        if self.durability is not Durability.SYNCED:
            self.synced()

    def synced(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def failed(self, error: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"the record store failed: {error}"))


class Deletion:
    """The deleting part of the engine; shares its writer."""

    def __init__(
        self,
        writer: Writer,
        state_of: Callable[[LogId], LogState],
        forget: Callable[[LogState], None],
        settings: StoreSettings,
    ) -> None:
        self._writer = writer
        self._state_of = state_of
        self._forget = forget
        self._settings = settings
        self._garbage: dict[int, dict[int, int]] = {}
        self._load_garbage()

    async def delete_records(self, log: LogId, offset: int) -> int:
        """See `RecordStore.delete_records`."""
        state = self._state_of(log)
        wanted = state.tail.end if offset == -1 else offset
        if not 0 <= wanted <= state.tail.end:
            raise KafkaError(ErrorCode.OFFSET_OUT_OF_RANGE, f"offset {offset} is above the high watermark")
        await self._raise_start(state, wanted)
        return state.start

    async def retain(self, log: LogId, retention_ms: int, retention_bytes: int, now_ms: int) -> int:
        """See `RecordStore.retain`."""
        state = self._state_of(log)
        start = retained_start(state.segments, state.start, state.tail.end, retention_ms, retention_bytes, now_ms)
        await self._raise_start(state, start)
        return state.start

    async def _raise_start(self, state: LogState, start: int) -> None:
        if start <= state.start or state.dropped:
            return
        change = _Change(Durability.SYNCED)
        writer, log = self._writer, state.log
        state.start = start
        writer.state_rows[keys.state_key(log, keys.STATE_START)] = keys.NUMBER.pack(start)
        epochs = leader_epochs.trimmed(state.epochs, start)
        if epochs != state.epochs:
            state.epochs = epochs
            writer.state_rows[keys.state_key(log, keys.STATE_EPOCHS)] = leader_epochs.encode(epochs)
        count = whole_below(state.segments, start)
        gone, state.segments = state.segments[:count], state.segments[count:]
        state.written_segment_count = max(state.written_segment_count - count, 0)
        state.size_bytes -= sum(segment.size_bytes for segment in gone)
        aborted = [entry for entry in state.aborted if entry.last_offset < start]
        state.aborted = [entry for entry in state.aborted if entry.last_offset >= start]
        rows = [keys.state_key(log, keys.STATE_SEGMENT, segment.base_offset) for segment in gone]
        rows += [keys.state_key(log, keys.STATE_ABORTED, entry.last_offset) for entry in aborted]
        self._delete_rows(rows)
        self._discard(state, gone)
        writer.stage(change, 0)
        state.wake()
        await change.done

    async def drop(self, logs: Sequence[LogId]) -> None:
        """See `RecordStore.drop`."""
        change = _Change(Durability.SYNCED)
        for log in logs:
            state = self._state_of(log)
            if state.dropped:
                continue
            state.dropped = True
            self._discard(state, state.segments)
            first, last = keys.LOG_PREFIX.pack(log), keys.LOG_PREFIX.pack(log + 1)
            for row in [row for row in self._writer.state_rows if first <= row < last]:
                del self._writer.state_rows[row]
            self._writer.range_deletions.append((first, last, self._writer.state_handle))
            self._forget(state)
            state.wake()
        self._writer.stage(change, 0)
        await change.done

    def expire_producers(self, log: LogId, now_ms: int, expiration_ms: int) -> None:
        """See `RecordStore.expire_producers`."""
        state = self._state_of(log)
        gone = [
            producer.producer_id for producer in state.producers.values() if is_expired(producer, now_ms, expiration_ms)
        ]
        if not gone:
            return
        for producer_id in gone:
            del state.producers[producer_id]
            state.changed_producers.discard(producer_id)
        self._delete_rows([keys.state_key(log, keys.STATE_PRODUCER, producer_id) for producer_id in gone])
        self._writer.stage(_Change(Durability.WRITTEN), 0)

    async def reclaim(self) -> int:
        """See `RecordStore.reclaim`: the fullest of garbage first, a few chunks a call."""
        least = self._settings.chunk_bytes // 4
        full = {chunk: sum(logs.values()) for chunk, logs in self._garbage.items()}
        chunks = sorted((chunk for chunk, size in full.items() if size >= least), key=lambda chunk: -full[chunk])
        reclaimed = 0
        for chunk in chunks[:_RECLAIM_CHUNKS]:
            if chunk == self._writer.chunk:
                self._writer.roll()
            reclaimed += await self._reclaim_chunk(chunk)
        return reclaimed

    async def _reclaim_chunk(self, chunk: int) -> int:
        logs = dict(self._garbage[chunk])
        change = _Change(Durability.WRITTEN)
        for log in logs:
            end = self._first_live(log, chunk)
            for kind in (keys.INDEX, keys.BATCH):
                first, last = keys.DATA_KEY.pack(chunk, kind, log, 0), keys.DATA_KEY.pack(chunk, kind, log, end)
                self._writer.range_deletions.append((first, last, None))
        self._writer.stage(change, 0)
        await change.done
        first, last = keys.LOG_PREFIX.pack(chunk), keys.LOG_PREFIX.pack(chunk + 1)
        loop = get_running_loop()
        await loop.run_in_executor(None, self._writer.data.compact_range, first, last)
        left = self._garbage[chunk]
        for log, size in logs.items():
            left[log] -= size
            if left[log] <= 0:
                del left[log]
        if not left:
            del self._garbage[chunk]
        gone = [log for log in logs if log not in left]
        self._delete_rows(
            [keys.state_key(keys.ENGINE, keys.ENGINE_GARBAGE, keys.garbage_suffix(chunk, log)) for log in gone]
        )
        self._writer.stage(_Change(Durability.WRITTEN), 0)
        return sum(logs.values())

    def _first_live(self, log: int, chunk: int) -> int:
        """The lowest offset of that log in that chunk that is still in a segment; beyond all offsets if none is."""
        segments = self._state_of(LogId(log)).segments
        return min((segment.base_offset for segment in segments if segment.chunk == chunk), default=keys.MAX_OFFSET)

    def _discard(self, state: LogState, segments: Sequence[Segment]) -> None:
        """Remember segments as garbage, in the same WriteBatch as what made them so."""
        for segment in segments:
            logs = self._garbage.setdefault(segment.chunk, {})
            logs[state.log] = logs.get(state.log, 0) + segment.size_bytes
            key = keys.state_key(keys.ENGINE, keys.ENGINE_GARBAGE, keys.garbage_suffix(segment.chunk, state.log))
            self._writer.state_rows[key] = keys.NUMBER.pack(logs[state.log])

    def _delete_rows(self, rows: Sequence[bytes]) -> None:
        for row in rows:
            self._writer.state_rows[row] = None

    def _load_garbage(self) -> None:
        first = keys.state_key(keys.ENGINE, keys.ENGINE_GARBAGE)
        last = keys.state_key(keys.ENGINE, keys.ENGINE_GARBAGE + 1)
        for key, value in rows_between(self._writer.state, first, last):
            _, _, suffix = keys.STATE_KEY.unpack(key)
            (size,) = keys.NUMBER.unpack(value)
            self._garbage.setdefault(suffix >> 32, {})[suffix & 0xFFFFFFFF] = size
