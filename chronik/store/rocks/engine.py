"""The embedded record store: RocksDB, one process, group commits. The contract stands in `chronik.store.interface`."""

from __future__ import annotations

from asyncio import AbstractEventLoop, get_running_loop
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from rocksdict import Rdict

from chronik.batch.header import stamped
from chronik.errors import ErrorCode, KafkaError
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
    LogRead,
    LogSlice,
    TimestampOffset,
)
from chronik.log.producers import ProducerState
from chronik.log.segments import Segment, index_of, is_full
from chronik.log.validate import CheckedBatch
from chronik.settings import StoreSettings
from chronik.store.rocks import keys, log_state
from chronik.store.rocks.deletion import Deletion
from chronik.store.rocks.disk import DiskReader
from chronik.store.rocks.log_state import LogState
from chronik.store.rocks.options import STATE_FAMILY, open_records
from chronik.store.rocks.writer import Writer
from chronik.terms import NO_TIMESTAMP, Durability, IsolationLevel, LogId, ProducerId

_READ_THREADS = 2


class _Append:
    """A batch on its way: in the tick's WriteBatch, then written, then perhaps fsynced."""

    __slots__ = ("_data", "_done", "_end", "_engine", "_open", "_result", "_state", "durability")

    def __init__(
        self,
        engine: RocksEngine,
        state: LogState,
        data: bytes,
        end: int,
        opens: ProducerId | None,
        result: Appended,
        durability: Durability,
        done: AppendDone,
    ) -> None:
        self._engine = engine
        self._state = state
        self._data = data
        self._end = end
        self._open = opens
        self._result = result
        self.durability = durability
        self._done = done

    def written(self) -> None:
        state, result = self._state, self._result
        if not state.dropped:
            state.tail.append(result.base_offset, self._end, self._data)
            self._engine.hold(state, len(self._data))
            if self._open is not None:
                state.open_transactions.setdefault(self._open, result.base_offset)
        if self.durability is not Durability.SYNCED:
            self._done(result)

    def synced(self) -> None:
        self._done(self._result)

    def failed(self, error: BaseException) -> None:
        self._done(storage_error(error))


class _Repeat:
    """A retry of a batch that is there already: told so once everything before it is as durable as it asks."""

    __slots__ = ("_done", "_result", "durability")

    def __init__(self, result: Appended, durability: Durability, done: AppendDone) -> None:
        self._result = result
        self.durability = durability
        self._done = done

    def written(self) -> None:
        if self.durability is not Durability.SYNCED:
            self._done(self._result)

    def synced(self) -> None:
        self._done(self._result)

    def failed(self, error: BaseException) -> None:
        self._done(storage_error(error))


class _Watch:
    __slots__ = ("_states", "_wake")

    def __init__(self, states: list[LogState], wake: Callable[[], None]) -> None:
        self._states = states
        self._wake = wake
        for state in states:
            state.watches.add(wake)

    def cancel(self) -> None:
        for state in self._states:
            state.watches.discard(self._wake)


def storage_error(error: BaseException) -> KafkaError:
    """What a client is told when the disk failed: retriable, as the batch may have been written."""
    return KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"the record store failed: {error}")


class RocksEngine:
    """An open database. All methods on the loop's thread; see `RecordStore` for what they promise."""

    def __init__(self, path: Path, settings: StoreSettings) -> None:
        """Open, creating if need be; must run on the loop's thread. Raises whatever rocksdict does (an Exception)."""
        self._loop: AbstractEventLoop = get_running_loop()
        self._settings = settings
        data = open_records(path, settings)
        self._data = data
        self._states: dict[LogId, LogState] = {}
        self._dirty: set[LogState] = set()
        self._touched: set[LogState] = set()
        self._held: deque[tuple[LogState, int]] = deque()
        self._held_bytes = 0
        self._reads = ThreadPoolExecutor(_READ_THREADS, "chronik-read")
        self._disk = DiskReader(data, settings.cold_read_bytes)
        self._writer = Writer(data, _next_chunk(data), settings, self._stage_rows, self._wake_touched)
        self._deletion = Deletion(self._writer, self.state, self._forget, settings)

    def state(self, log: LogId) -> LogState:
        """The log's state, loaded at first use."""
        state = self._states.get(log)
        if state is None:
            state = self._states[log] = log_state.load(self._writer.state, log)
        return state

    # Appending

    def append(
        self, log: LogId, batch: CheckedBatch, terms: AppendTerms, durability: Durability, done: AppendDone
    ) -> None:
        """See `RecordStore.append`."""
        state = self._states.get(log) or self.state(log)
        writer = self._writer
        if writer.broken is not None or state.dropped:
            done(self._refusal(state))
            return
        header = batch.header
        producer_id = ProducerId(header.producer_id)
        base = state.end
        opens: ProducerId | None = None
        if producer_id >= 0:
            producer = state.producers.get(producer_id)
            original = producer_states.duplicate_of(producer, header)
            if original is not None:
                known = Appended(original.base_offset, original.log_append_time_ms, state.start)
                writer.stage(_Repeat(known, durability, done), 0)
                return
            try:
                producer_states.check(producer, header)
            except KafkaError as error:
                done(error)
                return
            state.producers[producer_id] = producer_states.advanced(
                producer, header, base, batch.log_append_time_ms, terms.now_ms
            )
            state.changed_producers.add(producer_id)
            if header.is_transactional:
                opens = producer_id
        data = stamped(batch.data, base, terms.leader_epoch)
        self._extend(state, data, base + header.last_offset_delta + 1, header.max_timestamp, terms)
        result = Appended(base, batch.log_append_time_ms, state.start)
        writer.stage(_Append(self, state, data, state.end, opens, result, durability, done), len(data))

    def _extend(self, state: LogState, data: bytes, end: int, max_timestamp: int, terms: AppendTerms) -> None:
        """Plan the batch's place: the log's end, its segment, its epoch; and put its keys into the tick."""
        writer, base, size, chunk, log = self._writer, state.end, len(data), self._writer.chunk, state.log
        segment = state.segments[-1] if state.segments else None
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
        writer.data_puts.append((keys.DATA_KEY.pack(chunk, keys.BATCH, log, base), data))
        index = keys.INDEX_VALUE.pack(end - 1, max_timestamp, size)
        writer.data_puts.append((keys.DATA_KEY.pack(chunk, keys.INDEX, log, base), index))

    def _refusal(self, state: LogState) -> KafkaError:
        if state.dropped:
            return KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "the topic was deleted")
        assert self._writer.broken is not None
        return storage_error(self._writer.broken)

    def room(self) -> Awaitable[None] | None:
        """See `RecordStore.room`."""
        return self._writer.room()

    def hold(self, state: LogState, size: int) -> None:
        """Count a batch that its log's tail now holds; the oldest batches of any log leave when it becomes too much."""
        self._touched.add(state)
        self._held.append((state, size))
        self._held_bytes += size
        while self._held_bytes > self._settings.tail_cache_bytes:
            oldest, oldest_size = self._held.popleft()
            self._held_bytes -= oldest_size
            oldest.tail.drop_oldest()

    def _stage_rows(self) -> None:
        rows = self._writer.state_rows
        for state in self._dirty:
            if not state.dropped:
                rows.update(state.rows())
        self._dirty.clear()

    def _wake_touched(self) -> None:
        touched, self._touched = self._touched, set()
        for state in touched:
            if state.watches:
                state.wake()

    # Reading

    def bounds(self, log: LogId) -> LogBounds:
        """See `RecordStore.bounds`."""
        return self.state(log).bounds()

    def fetch(
        self, reads: Sequence[LogRead], max_bytes: int, isolation: IsolationLevel
    ) -> FetchResult | Awaitable[FetchResult]:
        """See `RecordStore.fetch`."""
        results: FetchResult = []
        left, found = max_bytes, False
        for number, (log, offset, limit) in enumerate(reads):
            state = self._states.get(log) or self.state(log)
            try:
                state.check_readable(offset)
            except KafkaError as error:
                results.append(error)
                continue
            bound = state.read_bound(isolation)
            if offset >= bound:
                buffers, size = list[bytes](), 0
            elif offset >= state.tail.first:
                buffers, size = state.tail.read(offset, bound, min(limit, left), not found)
            else:
                return self._fetch_from_disk(reads[number:], left, isolation, results, found)
            found = found or size > 0
            left = max(left - size, 0)
            results.append(_slice(state, offset, buffers, size, isolation))
        return results

    async def _fetch_from_disk(
        self, reads: Sequence[LogRead], left: int, isolation: IsolationLevel, results: FetchResult, found: bool
    ) -> FetchResult:
        """The rest of a fetch, from the first log on whose data is not in memory."""
        for log, offset, limit in reads:
            state = self.state(log)
            try:
                state.check_readable(offset)
                bound = state.read_bound(isolation)
                wanted = min(limit, left)
                if offset >= bound:
                    buffers, size = list[bytes](), 0
                elif offset >= state.tail.first:
                    buffers, size = state.tail.read(offset, bound, wanted, not found)
                elif wanted <= 0 and found:
                    buffers, size = [], 0
                else:
                    segments = state.segments[index_of(state.segments, offset) :]
                    read = partial(self._disk.read, log, list(segments), offset, bound, wanted, not found)
                    buffers, size = await self._loop.run_in_executor(self._reads, read)
                    state.check_readable(offset)  # records may have been deleted meanwhile
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
        state = self._states.get(log) or self.state(log)
        state.check_readable(offset)
        bound = state.read_bound(isolation)
        if offset >= bound:
            return 0
        if offset < state.tail.first:
            return limit_bytes
        return min(state.tail.available(offset, bound, limit_bytes), limit_bytes)

    def watch(self, logs: Iterable[LogId], wake: Callable[[], None]) -> _Watch:
        """See `RecordStore.watch`."""
        return _Watch([self.state(log) for log in logs], wake)

    async def offset_for_time(self, log: LogId, timestamp_ms: int, isolation: IsolationLevel) -> TimestampOffset | None:
        """See `RecordStore.offset_for_time`."""
        state = self.state(log)
        segments = [segment for segment in state.segments if segment.max_timestamp_ms >= timestamp_ms]
        find = partial(
            self._disk.first_at_or_after, log, segments, timestamp_ms, state.start, state.read_bound(isolation)
        )
        return await self._read(find)

    async def offset_of_max_timestamp(self, log: LogId, isolation: IsolationLevel) -> TimestampOffset | None:
        """See `RecordStore.offset_of_max_timestamp`."""
        state = self.state(log)
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
        state = self.state(log)
        return leader_epochs.end_of(state.epochs, leader_epoch, current_epoch, state.start, state.tail.end)

    def epoch_at(self, log: LogId, offset: int, current_epoch: int) -> int:
        """See `RecordStore.epoch_at`."""
        state = self.state(log)
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
        return await self._deletion.reclaim()

    def info(self, log: LogId) -> LogInfo:
        """See `RecordStore.info`."""
        state = self.state(log)
        return LogInfo(state.bounds(), state.size_bytes)

    def producers(self, log: LogId) -> Sequence[ProducerState]:
        """See `RecordStore.producers`."""
        return tuple(self.state(log).producers.values())

    def expire_producers(self, log: LogId, now_ms: int, expiration_ms: int) -> None:
        """See `RecordStore.expire_producers`."""
        self._deletion.expire_producers(log, now_ms, expiration_ms)

    async def close(self) -> None:
        """See `RecordStore.close`."""
        await self._writer.close()
        self._reads.shutdown(wait=True)
        del self._disk
        self._data.close()

    def _forget(self, state: LogState) -> None:
        """Let go of a dropped log's memory; its number is never used again, and refuses whatever still comes."""
        self._dirty.discard(state)
        fresh = LogState(state.log)
        fresh.dropped = True
        self._states[state.log] = fresh


def _slice(state: LogState, offset: int, buffers: list[bytes], size: int, isolation: IsolationLevel) -> LogSlice:
    aborted = None
    if isolation is IsolationLevel.READ_COMMITTED:
        aborted = []
        if state.aborted and buffers:
            last = keys.BASE_OFFSET.unpack_from(buffers[-1])[0] + keys.LAST_OFFSET_DELTA.unpack_from(buffers[-1])[0]
            aborted = overlapping(state.aborted, offset, last + 1)
    return LogSlice(state.bounds(), buffers, size, aborted)


def _next_chunk(data: Rdict) -> int:
    """The chunk after the newest one that was ever written to."""
    value = data.get_column_family(STATE_FAMILY).get(keys.state_key(keys.ENGINE, keys.ENGINE_CHUNK))
    return 0 if value is None else int(keys.NUMBER.unpack(value)[0]) + 1
