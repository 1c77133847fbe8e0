"""The embedded record store: RocksDB, one process, group commits. The contract stands in `chronik.store.interface`."""

from __future__ import annotations

from asyncio import AbstractEventLoop, Event, get_running_loop
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import cast

from rocksdict import Rdict

from chronik.batch.header import stamped
from chronik.errors import KafkaError
from chronik.log import epochs as leader_epochs
from chronik.log import producers as producer_states
from chronik.log.aborted import overlapping
from chronik.log.access import (
    AppendDone,
    Appended,
    AppendTerms,
    FetchResult,
    LogBounds,
    LogInfo,
    LogNews,
    LogRead,
    LogSlice,
    TimestampOffset,
)
from chronik.log.markers import Marker, MarkerDone
from chronik.log.producers import ProducerState
from chronik.log.segments import Segment, index_of, is_full
from chronik.log.validate import CheckedBatch
from chronik.settings import StoreSettings
from chronik.store.rocks import keys, log_state
from chronik.store.rocks.deletion import Deletion
from chronik.store.rocks.disk import DiskReader
from chronik.store.rocks.garbage import Garbage
from chronik.store.rocks.journal import Journal
from chronik.store.rocks.log_state import LogState, Watch
from chronik.store.rocks.markers import Markers
from chronik.store.rocks.options import STATE_FAMILY, open_records
from chronik.store.rocks.pending import Append, Repeat, storage_error
from chronik.store.rocks.read_ahead import ReadAhead, Wanted
from chronik.store.rocks.table import MOST_BLOCKS, Block
from chronik.store.rocks.writer import Writer
from chronik.terms import NO_TIMESTAMP, Durability, FileSlice, IsolationLevel, LogId, ProducerId

_READ_THREADS = 2
_HELD_OVERHEAD_BYTES = 256
"""What a batch in a tail takes of the memory beside its own bytes."""


class RocksEngine:
    """An open database. All methods on the loop's thread; see `RecordStore` for what they promise."""

    def __init__(self, path: Path, settings: StoreSettings) -> None:
        """Open, creating if need be; must run on the loop's thread. DamagedJournal, OSError, or whatever rocksdict
        raises (an Exception)."""
        self._loop: AbstractEventLoop = get_running_loop()
        self._settings = settings
        data = open_records(path, settings)
        try:
            journal = Journal(path, data)
        except BaseException:
            data.close()
            raise
        self._data = data
        self._states: dict[LogId, LogState] = {}
        self._gone = LogState(LogId(-1))
        self._gone.dropped = True
        """Stands for every dropped log: their numbers are never used again."""
        self._dirty: set[LogState] = set()
        self._touched: set[LogState] = set()
        self._held: deque[LogState] = deque()
        """The log of each batch that is in a tail, the oldest batch first."""
        self._held_bytes = 0
        self._reads = ThreadPoolExecutor(_READ_THREADS, "chronik-read")
        self._disk = DiskReader(data, journal.tables, settings.cold_read_bytes)
        self._ahead = ReadAhead(self._loop, self._reads, self._disk, settings.read_ahead_bytes)
        self.filled = Event()
        """Set whenever a chunk is full: there may be something for `retain` and `reclaim` to do."""
        self._writer = Writer(
            data, journal, _next_chunk(data), settings, self._complete_rows, self._wake_touched, self.filled.set
        )
        self._markers = Markers(self._writer, self._extend, self._hold)
        self._garbage = Garbage(self._writer, self._state, settings)
        self._deletion = Deletion(self._writer, self._garbage, self._state, self._forget)

    def _state(self, log: LogId) -> LogState:
        """The log's state, loaded at first use. KafkaError KAFKA_STORAGE_ERROR if it cannot be read."""
        state = self._states.get(log)
        if state is None:
            try:
                state = self._states[log] = log_state.load(self._writer.state, log)
            except Exception as error:  # rocksdict raises plain Exceptions
                raise storage_error(error) from error
        return state

    # Appending

    def append(
        self, log: LogId, batch: CheckedBatch, terms: AppendTerms, durability: Durability, done: AppendDone
    ) -> None:
        """See `RecordStore.append`."""
        writer, state = self._writer, self._states.get(log)
        if state is None or state.dropped:
            try:
                state = self._state(log)
                state.check_exists()
            except KafkaError as error:
                done(error)
                return
        if writer.refusal is not None:
            done(storage_error(writer.refusal))
            return
        header, data, log_append_time_ms = batch
        base = state.end
        opens: ProducerId | None = None
        if header.producer_id >= 0:
            producer_id = ProducerId(header.producer_id)
            producer = state.producers.get(producer_id)
            original = producer_states.duplicate_of(producer, header)
            if original is not None:
                known = Appended(original.base_offset, original.log_append_time_ms, state.start)
                writer.stage(Repeat(known, durability, done), 0)
                return
            try:
                producer_states.check(producer, header, begins_at_zero=terms.begins_at_zero)
            except KafkaError as error:
                done(error)
                return
            state.producers[producer_id] = producer_states.advanced(
                producer, header, base, log_append_time_ms, terms.now_ms
            )
            state.changed_producers.add(producer_id)
            if header.is_transactional:
                opens = producer_id
        stored = stamped(data, base, terms.leader_epoch)
        end = base + header.last_offset_delta + 1
        self._extend(state, stored, end, header.max_timestamp, terms)
        result = Appended(base, log_append_time_ms, state.start)
        writer.stage(Append(state, stored, end, opens, result, durability, done, self._hold), len(stored))

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
        """See `RecordStore.append_marker`."""
        try:
            state = self._state(log)
        except KafkaError as error:
            done(error)
            return
        self._markers.append(state, marker, terms, durability, done, only_open=only_open)

    def _extend(self, state: LogState, data: bytes, end: int, max_timestamp: int, terms: AppendTerms) -> None:
        """Plan the batch's place: the log's end, its segment, its epoch; and put its keys into the tick."""
        writer, base, size, log = self._writer, state.end, len(data), state.log
        segment = state.segments[-1] if state.segments else None
        is_block = size >= self._settings.least_block_bytes or (
            segment is not None and segment.chunk == writer.block_chunk and writer.block_count < MOST_BLOCKS
        )
        chunk = writer.block_chunk if is_block else writer.chunk
        if segment is None or is_full(segment, chunk, size, terms.now_ms, terms.segment_bytes, terms.segment_ms):
            segment = Segment(base, base, chunk, 0, 0, NO_TIMESTAMP, terms.now_ms, terms.now_ms)
            state.segments.append(segment)
        segment.end_offset = end
        segment.size_bytes += size
        segment.batch_count += 1
        segment.appended_ms = terms.now_ms
        if max_timestamp > segment.max_timestamp_ms:
            segment.max_timestamp_ms = max_timestamp
        if not state.epochs or state.epochs[-1].epoch < terms.leader_epoch:
            state.epochs = leader_epochs.extended(state.epochs, terms.leader_epoch, base)
            state.epochs_changed = True
        state.end = end
        state.size_bytes += size
        self._dirty.add(state)
        if is_block:
            writer.block_count += 1
            writer.group.blocks.append(Block(chunk, log, base, end - 1, max_timestamp, data))
            return
        puts = writer.group.puts
        puts.append((keys.DATA_KEY.pack(chunk, keys.BATCH, log, base), data))
        index = keys.INDEX_VALUE.pack(end - 1, max_timestamp, size)
        puts.append((keys.DATA_KEY.pack(chunk, keys.INDEX, log, base), index))

    def room(self) -> Awaitable[None] | None:
        """See `RecordStore.room`."""
        return self._writer.room()

    def _hold(self, state: LogState, base: int, end: int, data: bytes) -> None:
        """Make a written batch visible, in its log's tail; the oldest batches of any log leave when it becomes too
        much."""
        state.tail.append(base, end, data)
        self._touched.add(state)
        self._held.append(state)
        self._held_bytes += len(data) + _HELD_OVERHEAD_BYTES
        while self._held_bytes > self._settings.tail_cache_bytes:
            self._held_bytes -= self._held.popleft().tail.drop_oldest() + _HELD_OVERHEAD_BYTES

    def _complete_rows(self) -> None:
        rows = self._writer.group.rows
        for state in self._dirty:
            rows.update(state.rows())
        self._dirty.clear()

    def _wake_touched(self) -> None:
        touched, self._touched = self._touched, set()
        for state in touched:
            state.wake()

    # Reading

    def bounds(self, log: LogId) -> LogBounds:
        """See `RecordStore.bounds`."""
        return self._state(log).bounds()

    def fetch(
        self, reads: Sequence[LogRead], max_bytes: int, isolation: IsolationLevel, *, in_files: bool = False
    ) -> FetchResult | Awaitable[FetchResult]:
        """See `RecordStore.fetch`."""
        results: FetchResult = []
        buffers: Sequence[bytes | FileSlice]
        left, found = max_bytes, False
        for number, (log, offset, limit) in enumerate(reads):
            try:
                state = self._states.get(log) or self._state(log)
                state.check_readable(offset)
            except KafkaError as error:
                results.append(error)
                continue
            bound, wanted = state.read_bound(isolation), min(limit, left)
            if offset >= bound or (found and wanted <= 0):
                buffers, size = [], 0
            elif offset >= state.tail.first:
                buffers, size = state.tail.read(offset, bound, wanted, not found)
            elif in_files and (known := self._in_open_files(state, offset, bound, wanted, not found))[0]:
                buffers, size = known
            else:
                return self._fetch_from_disk(reads[number:], left, isolation, results, found, in_files)
            found = found or size > 0
            left = max(left - size, 0)
            results.append(_slice(state, offset, buffers, size, isolation))
        return results

    def _in_open_files(
        self, state: LogState, offset: int, bound: int, max_bytes: int, at_least_one: bool
    ) -> tuple[list[bytes | FileSlice], int]:
        segments = state.segments[index_of(state.segments, offset) :]
        return self._disk.read_open_files(state.log, segments, offset, bound, max_bytes, at_least_one)

    async def _fetch_from_disk(
        self,
        reads: Sequence[LogRead],
        left: int,
        isolation: IsolationLevel,
        results: FetchResult,
        found: bool,
        in_files: bool,
    ) -> FetchResult:
        """The rest of a fetch, from the first log on whose data is not in memory."""
        buffers: Sequence[bytes | FileSlice]
        for log, offset, limit in reads:
            try:
                state = self._state(log)
                state.check_readable(offset)
                bound, wanted = state.read_bound(isolation), min(limit, left)
                if offset >= bound or (found and wanted <= 0):
                    buffers, size = [], 0
                elif offset >= state.tail.first:
                    buffers, size = state.tail.read(offset, bound, wanted, not found)
                else:
                    asked = Wanted(state, offset, isolation, wanted, not found, in_files)
                    buffers, size = await self._ahead.read(asked)
            except KafkaError as error:
                results.append(error)
                continue
            except Exception as error:  # rocksdict raises plain Exceptions
                results.append(storage_error(error))
                continue
            found = found or size > 0
            left = max(left - size, 0)
            results.append(_slice(state, offset, buffers, size, isolation))
        return results

    def available_bytes(self, log: LogId, offset: int, isolation: IsolationLevel, limit_bytes: int) -> int:
        """See `RecordStore.available_bytes`. Whatever lies below the tail counts as enough."""
        state = self._states.get(log) or self._state(log)
        state.check_readable(offset)
        bound = state.read_bound(isolation)
        if offset >= bound:
            return 0
        if offset < state.tail.first:
            return limit_bytes
        return min(state.tail.available(offset, bound, limit_bytes), limit_bytes)

    def news(self, log: LogId) -> LogNews:
        """See `RecordStore.news`."""
        return self._state(log)

    def watch(self, logs: Iterable[LogId], wake: Callable[[], None]) -> Watch:
        """See `RecordStore.watch`."""
        return Watch([self._state(log) for log in logs], wake)

    async def offset_for_time(self, log: LogId, timestamp_ms: int, isolation: IsolationLevel) -> TimestampOffset | None:
        """See `RecordStore.offset_for_time`."""
        state = self._state(log)
        segments = [segment for segment in state.segments if segment.max_timestamp_ms >= timestamp_ms]
        find = partial(
            self._disk.first_at_or_after, log, segments, timestamp_ms, state.start, state.read_bound(isolation)
        )
        return await self._read(find)

    async def offset_of_max_timestamp(self, log: LogId, isolation: IsolationLevel) -> TimestampOffset | None:
        """See `RecordStore.offset_of_max_timestamp`."""
        state = self._state(log)
        find = partial(
            self._disk.greatest_timestamp, log, list(state.segments), state.start, state.read_bound(isolation)
        )
        return await self._read(find)

    async def _read(self, find: Callable[[], TimestampOffset | None]) -> TimestampOffset | None:
        try:
            return await self._loop.run_in_executor(self._reads, find)
        except KafkaError:
            raise
        except Exception as error:  # rocksdict raises plain Exceptions
            raise storage_error(error) from error

    def epoch_end(self, log: LogId, leader_epoch: int, current_epoch: int) -> tuple[int, int]:
        """See `RecordStore.epoch_end`."""
        state = self._state(log)
        return leader_epochs.end_of(state.epochs, leader_epoch, current_epoch, state.start, state.tail.end)

    def epoch_at(self, log: LogId, offset: int, current_epoch: int) -> int:
        """See `RecordStore.epoch_at`."""
        state = self._state(log)
        return leader_epochs.epoch_at(state.epochs, offset, current_epoch) if offset < state.end else current_epoch

    # Deleting, and what is known of a log

    async def delete_records(self, log: LogId, offset: int) -> int:
        """See `RecordStore.delete_records`."""
        return await self._deletion.delete_records(log, offset)

    async def retain(self, log: LogId, retention_ms: int, retention_bytes: int, now_ms: int) -> int:
        """See `RecordStore.retain`."""
        return await self._deletion.retain(log, retention_ms, retention_bytes, now_ms)

    async def drop(self, logs: Sequence[LogId]) -> None:
        """See `RecordStore.drop`."""
        await self._deletion.drop(logs)

    async def reclaim(self) -> int:
        """See `RecordStore.reclaim`."""
        return await self._garbage.reclaim()

    def info(self, log: LogId) -> LogInfo:
        """See `RecordStore.info`."""
        state = self._state(log)
        return LogInfo(state.bounds(), state.size_bytes)

    def producers(self, log: LogId) -> Sequence[ProducerState]:
        """See `RecordStore.producers`."""
        return tuple(self._state(log).producers.values())

    def expire_producers(self, log: LogId, now_ms: int, expiration_ms: int) -> None:
        """See `RecordStore.expire_producers`."""
        self._deletion.expire_producers(log, now_ms, expiration_ms)

    async def close(self) -> None:
        """See `RecordStore.close`."""
        self._writer.refuse(RuntimeError("it is closed"))
        await self._garbage.close()
        await self._writer.close()
        self._reads.shutdown(wait=True)
        self._ahead.close()
        del self._disk
        self._data.close()

    def _forget(self, state: LogState) -> None:
        """Let go of a dropped log's memory."""
        self._dirty.discard(state)
        self._states[state.log] = self._gone


def _slice(
    state: LogState, offset: int, buffers: Sequence[bytes | FileSlice], size: int, isolation: IsolationLevel
) -> LogSlice:
    aborted = None
    if isolation is IsolationLevel.READ_COMMITTED:
        aborted = []
        if state.aborted and buffers:
            aborted = overlapping(state.aborted, offset, keys.end_of(buffers[-1]))
    return LogSlice(state.bounds(), cast("Sequence[bytes]", buffers), size, aborted)


def _next_chunk(data: Rdict) -> int:
    """The chunk after the newest one that was ever written to."""
    value = data.get_column_family(STATE_FAMILY).get(keys.state_key(keys.ENGINE, keys.ENGINE_CHUNK))
    return 0 if value is None else int(keys.NUMBER.unpack(value)[0]) + 1
