"""Reading what is on the disk, in a thread of the engine's.

Large batches are chosen by their index entries and fetched in one call, during which other threads run. Small ones are
read by an iterator over the batches themselves, as an entry, a key and a place in a list for each would cost more than
they do (CPU s/GB: batches of 200 B 2.6 against 9.1, 1 KB 0.8 against 2.7, 4 KB 0.5 against 0.9, 64 KB 0.25 against 0.4,
but there the call leaves the interpreter to others).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from threading import Lock
from time import sleep

from rocksdict import Rdict

from chronik.batch.compression import decompress
from chronik.batch.header import HEADER_BYTES, BatchHeader, Buffer, MalformedBatch, parse_header
from chronik.batch.records import first_at_or_after, greatest_timestamp, read_records
from chronik.log.access import TimestampOffset
from chronik.log.segments import Segment
from chronik.store.rocks import keys
from chronik.store.rocks.options import bounded_reads, cold_reads, values_of
from chronik.store.rocks.table import Entry, Table
from chronik.store.rocks.table_files import LEAST_SLICE_BYTES, TableFile, TableFiles
from chronik.terms import FileSlice

_LEAST_READ_BYTES = 64 * 1024
_SMALL_BATCH_BYTES = 8 * 1024
"""Segments whose batches are smaller than this, on average, are read by an iterator."""
_HELD_BYTES = 512 * 1024
_PAUSE_S = 0.00002
"""An iterator keeps the interpreter's lock: after so many bytes, a millisecond or so, others get it for a moment."""


class DiskReader:
    """Methods may run in any thread; what they need of a log is given to them as it was on the loop."""

    def __init__(self, data: Rdict, tables: Mapping[int, Table], budget_bytes: int) -> None:
        """`tables` has those, by their chunks, that RocksDB does not have yet; it is looked at before RocksDB is."""
        self._data = data
        self._tables = tables
        self._cold = cold_reads()
        self._files = TableFiles(data)
        self._budget_bytes = budget_bytes
        self._reading_bytes = 0
        self._lock = Lock()

    def read(
        self,
        log: int,
        segments: Sequence[Segment],
        offset: int,
        bound: int,
        max_bytes: int,
        at_least_one: bool,
        in_files: bool = False,
    ) -> tuple[list[bytes | FileSlice], int]:
        """Whole batches from the one that contains `offset`, all below `bound`: (batches, bytes). `in_files`: large
        ones may be told by where they are.

        While many reads go on at the same time each gets less, but always one batch where it may. Of what is deleted
        meanwhile there may be nothing; the caller then finds the log's start behind the offset.
        """
        with self._lock:
            allowed = min(max_bytes, max((self._budget_bytes - self._reading_bytes) // 2, _LEAST_READ_BYTES))
            self._reading_bytes += allowed
        found: list[bytes | FileSlice] = []
        try:
            left = allowed
            for segment in segments:
                if segment.base_offset >= bound:
                    break
                small = segment.size_bytes < segment.batch_count * _SMALL_BATCH_BYTES
                table: Table | TableFile | None = self._tables.get(segment.chunk)
                if table is None and in_files and not small:
                    table = self._files.of_chunk(segment.chunk)
                batches: Sequence[bytes | FileSlice]
                if table is not None:
                    start, end = max(offset, segment.base_offset), min(segment.end_offset, bound)
                    batches, goes_on = table.read(log, start, end, left, at_least_one and not found)
                else:
                    read = self._read_small if small else self._read_large
                    batches, goes_on = read(log, segment, offset, bound, left, at_least_one and not found)
                found += batches
                left -= sum(map(len, batches))
                if not goes_on:
                    break
        finally:
            with self._lock:
                self._reading_bytes -= allowed
        return found, allowed - left

    def _read_small(
        self, log: int, segment: Segment, offset: int, bound: int, max_bytes: int, at_least_one: bool
    ) -> tuple[list[bytes], bool]:
        """(batches of the segment, whether more may be read behind it)."""
        chunk = segment.chunk
        options = bounded_reads(keys.batch_key(chunk, log, min(segment.end_offset, bound)))
        batches = self._data.iter(options)
        first = keys.batch_key(chunk, log, segment.base_offset)
        batches.seek_for_prev(keys.batch_key(chunk, log, max(offset, segment.base_offset)))
        if not batches.valid() or batches.key() < first:
            batches.seek(first)
        found: list[bytes] = []
        held_bytes = 0
        while batches.valid():
            batch: bytes = batches.value()
            if not found and parse_header(batch).last_offset < offset:
                batches.next()
                continue
            max_bytes -= len(batch)
            if max_bytes < 0 and (found or not at_least_one):
                return found, False
            found.append(batch)
            held_bytes += len(batch)
            if held_bytes >= _HELD_BYTES:
                held_bytes = 0
                sleep(_PAUSE_S)
            batches.next()
        batches.status()
        return found, max_bytes > 0

    def _read_large(
        self, log: int, segment: Segment, offset: int, bound: int, max_bytes: int, at_least_one: bool
    ) -> tuple[list[bytes], bool]:
        """The same."""
        wanted: list[bytes] = []
        goes_on = True
        for chunk, base, last, _, size in self._entries(log, [segment], offset):
            if base >= bound:
                break
            if last < offset:
                continue
            max_bytes -= size
            if max_bytes < 0 and (wanted or not at_least_one):
                goes_on = False
                break
            wanted.append(keys.batch_key(chunk, log, base))
        found: list[bytes] = []
        for value in values_of(self._data, wanted, self._cold) if wanted else ():
            if value is None:
                return found, False
            found.append(value)
        return found, goes_on and max_bytes > 0

    def read_open_files(
        self, log: int, segments: Sequence[Segment], offset: int, bound: int, max_bytes: int, at_least_one: bool
    ) -> tuple[list[bytes | FileSlice], int]:
        """The same as `read`, as far as it is known where the batches are: it waits for nothing, so the few small ones
        among large ones are told by where they are too."""
        found: list[bytes | FileSlice] = []
        left = max_bytes
        for segment in segments:
            if segment.base_offset >= bound or segment.size_bytes < segment.batch_count * LEAST_SLICE_BYTES:
                break
            file = self._files.if_open(segment.chunk)
            if file is None:
                break
            start, end = max(offset, segment.base_offset), min(segment.end_offset, bound)
            batches, goes_on = file.read(log, start, end, left, at_least_one and not found, 0)
            found += batches
            left -= sum(map(len, batches))
            if not goes_on:
                break
        return found, max_bytes - left

    def close_unused_files(self) -> bool:
        """Close those that nobody read lately; whether others are open."""
        return self._files.forget_unused()

    def _entries(self, log: int, segments: Sequence[Segment], offset: int) -> Iterator[Entry]:
        """Index entries from the batch that contains `offset`."""
        for segment in segments:
            chunk = segment.chunk
            table = self._tables.get(chunk)
            if table is not None:
                yield from table.entries(log, max(offset, segment.base_offset), segment.end_offset)
                continue
            options = bounded_reads(keys.index_key(chunk, log, segment.end_offset))
            entries = self._data.iter(options)
            first = keys.index_key(chunk, log, segment.base_offset)
            entries.seek_for_prev(keys.index_key(chunk, log, max(offset, segment.base_offset)))
            if not entries.valid() or entries.key() < first:
                entries.seek(first)
            while entries.valid():
                base = keys.DATA_KEY.unpack(entries.key())[3]
                yield Entry(chunk, base, *keys.INDEX_VALUE.unpack(entries.value()))
                entries.next()
            entries.status()

    def first_at_or_after(
        self, log: int, segments: Sequence[Segment], timestamp_ms: int, start: int, bound: int
    ) -> TimestampOffset | None:
        """The first record in [start, bound) whose timestamp is at or after the given one."""
        for entry in self._entries(log, segments, start):
            if entry.base_offset >= bound:
                break
            if entry.max_timestamp_ms < timestamp_ms or entry.last_offset < start:
                continue
            batch = self._batch(log, entry)
            if batch is None:
                continue
            found = _first_in(batch, timestamp_ms, start)
            if found is not None and found.offset < bound:
                return found
        return None

    def greatest_timestamp(
        self, log: int, segments: Sequence[Segment], start: int, bound: int
    ) -> TimestampOffset | None:
        """The first record in [start, bound) that has the greatest timestamp there; None when none has any."""
        best: TimestampOffset | None = None
        for segment in sorted(segments, key=lambda segment: segment.max_timestamp_ms, reverse=True):
            if best is not None and segment.max_timestamp_ms < best.timestamp_ms:
                break
            for found in self._greatest_of(log, segment, start, bound):
                if best is None or (found.timestamp_ms, -found.offset) > (best.timestamp_ms, -best.offset):
                    best = found
        return best

    def _greatest_of(self, log: int, segment: Segment, start: int, bound: int) -> Iterator[TimestampOffset]:
        """The segment's candidates: of the batch in which the log starts, and of all others."""
        best: Entry | None = None
        for entry in self._entries(log, [segment], start):
            if entry.base_offset >= bound:
                break
            if entry.max_timestamp_ms < 0 or entry.last_offset < start:
                continue
            if entry.base_offset < start:
                yield from self._greatest_in(log, entry, start, bound)
            elif best is None or entry.max_timestamp_ms > best.max_timestamp_ms:
                best = entry
        if best is not None:
            yield from self._greatest_in(log, best, start, bound)

    def _greatest_in(self, log: int, entry: Entry, start: int, bound: int) -> Iterator[TimestampOffset]:
        batch = self._batch(log, entry)
        found = None if batch is None else _greatest(batch, start)
        if found is not None and found.offset < bound and found.timestamp_ms >= 0:
            yield found

    def _batch(self, log: int, entry: Entry) -> bytes | None:
        """None if it was deleted since its entry was read."""
        table = self._tables.get(entry.chunk)
        if table is not None:
            return table.batch(log, entry.base_offset)
        return values_of(self._data, [keys.batch_key(entry.chunk, log, entry.base_offset)], self._cold)[0]


def _first_in(batch: bytes, timestamp_ms: int, start: int) -> TimestampOffset | None:
    """The batch's first record, from `start` on, that is at or after the given time."""
    header = parse_header(batch)
    base = header.base_offset
    whole = TimestampOffset(max(base, start), header.max_timestamp, header.leader_epoch)
    if header.is_log_append_time:
        return whole
    try:
        found = first_at_or_after(
            _payload(batch, header), header.record_count, header.base_timestamp, timestamp_ms, start - base
        )
    except MalformedBatch:
        # Only lengths are checked of what is produced: the batch stands for records that cannot be read.
        return whole
    return None if found is None else TimestampOffset(base + found[0], found[1], header.leader_epoch)


def _greatest(batch: bytes, start: int) -> TimestampOffset | None:
    """The batch's first record, from `start` on, with the greatest timestamp of these."""
    header = parse_header(batch)
    base = header.base_offset
    whole = TimestampOffset(max(base, start), header.max_timestamp, header.leader_epoch)
    if header.is_log_append_time:
        return whole
    try:
        payload = _payload(batch, header)
        if base >= start:
            found = greatest_timestamp(payload, header.record_count, header.base_timestamp)
        else:
            rest = [
                record for record in read_records(payload, header.record_count) if record.offset_delta >= start - base
            ]
            latest = header.base_timestamp + max((record.timestamp_delta for record in rest), default=0)
            found = first_at_or_after(payload, header.record_count, header.base_timestamp, latest, start - base)
    except MalformedBatch:
        return whole
    return None if found is None else TimestampOffset(base + found[0], found[1], header.leader_epoch)


def _payload(batch: bytes, header: BatchHeader) -> Buffer:
    return decompress(header.codec, memoryview(batch)[HEADER_BYTES:])
