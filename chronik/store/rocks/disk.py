"""Reading what is on the disk, in a thread of the engine's: index entries choose the batches, one call fetches them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import Lock

from rocksdict import Rdict

from chronik.batch.compression import decompress
from chronik.batch.header import HEADER_BYTES, BatchHeader, parse_header
from chronik.batch.records import first_at_or_after, greatest_timestamp
from chronik.log.access import TimestampOffset
from chronik.log.segments import Segment
from chronik.store.rocks import keys
from chronik.store.rocks.options import bounded_reads, cold_reads, values_of

_LEAST_READ_BYTES = 64 * 1024


class DiskReader:
    """Methods may run in any thread; what they need of a log is given to them as it was on the loop."""

    def __init__(self, data: Rdict, budget_bytes: int) -> None:
        self._data = data
        self._cold = cold_reads()
        self._budget_bytes = budget_bytes
        self._reading_bytes = 0
        self._lock = Lock()

    def read(
        self, log: int, segments: Sequence[Segment], offset: int, bound: int, max_bytes: int, at_least_one: bool
    ) -> tuple[list[bytes], int]:
        """Whole batches from the one that contains `offset`, all below `bound`: (batches, bytes).

        While many reads go on at the same time each gets less, but always one batch where it may.
        """
        with self._lock:
            allowed = min(max_bytes, max((self._budget_bytes - self._reading_bytes) // 2, _LEAST_READ_BYTES))
            self._reading_bytes += allowed
        try:
            wanted, size = self._choose(log, segments, offset, bound, min(allowed, max_bytes), at_least_one)
            if not wanted:
                return [], 0
            values = values_of(self._data, wanted, self._cold)
        finally:
            with self._lock:
                self._reading_bytes -= allowed
        found = [value for value in values if value is not None]
        if len(found) < len(values):
            # Deleted under our eyes; the caller finds the log's start behind the offset.
            return [], 0
        return found, size

    def _choose(
        self, log: int, segments: Sequence[Segment], offset: int, bound: int, max_bytes: int, at_least_one: bool
    ) -> tuple[list[bytes], int]:
        wanted: list[bytes] = []
        size = 0
        for chunk, base, last, _, batch_bytes in self._entries(log, segments, offset):
            if base >= bound:
                break
            if last < offset:
                continue
            if size + batch_bytes > max_bytes and not (at_least_one and not wanted):
                break
            wanted.append(keys.batch_key(chunk, log, base))
            size += batch_bytes
        return wanted, size

    def _entries(self, log: int, segments: Sequence[Segment], offset: int) -> Iterator[tuple[int, int, int, int, int]]:
        """Index entries from the batch that contains `offset`: (chunk, base offset, last offset, max timestamp,
        size).
        """
        for segment in segments:
            chunk = segment.chunk
            options = bounded_reads(keys.index_key(chunk, log, segment.end_offset))
            entries = self._data.iter(options)
            if offset > segment.base_offset:
                entries.seek_for_prev(keys.index_key(chunk, log, offset))
                if not entries.valid() or entries.key() < keys.index_key(chunk, log, segment.base_offset):
                    entries.seek(keys.index_key(chunk, log, segment.base_offset))
            else:
                entries.seek(keys.index_key(chunk, log, segment.base_offset))
            while entries.valid():
                base = keys.DATA_KEY.unpack(entries.key())[3]
                last, max_timestamp, size = keys.INDEX_VALUE.unpack(entries.value())
                yield chunk, base, last, max_timestamp, size
                entries.next()
            entries.status()

    def first_at_or_after(
        self, log: int, segments: Sequence[Segment], timestamp_ms: int, start: int, bound: int
    ) -> TimestampOffset | None:
        """The first record in [start, bound) whose timestamp is at or after the given one."""
        for chunk, base, last, max_timestamp, _ in self._entries(log, segments, start):
            if base >= bound:
                return None
            if max_timestamp < timestamp_ms or last < start:
                continue
            header, payload = self._batch(chunk, log, base)
            if header.is_log_append_time:
                return TimestampOffset(max(base, start), header.max_timestamp, header.leader_epoch)
            found = first_at_or_after(payload, header.record_count, header.base_timestamp, timestamp_ms, start - base)
            if found is not None:
                return TimestampOffset(base + found[0], found[1], header.leader_epoch)
        return None

    def greatest_timestamp(
        self, log: int, segments: Sequence[Segment], start: int, bound: int
    ) -> TimestampOffset | None:
        """The first record in [start, bound) that has the greatest timestamp there; None when none has any."""
        best: tuple[int, int, int] | None = None
        for segment in segments:
            if best is not None and segment.max_timestamp_ms <= best[2]:
                continue
            for chunk, base, last, max_timestamp, _ in self._entries(log, [segment], start):
                if base >= bound:
                    break
                if last >= start and max_timestamp >= 0 and (best is None or max_timestamp > best[2]):
                    best = chunk, base, max_timestamp
        if best is None:
            return None
        header, payload = self._batch(best[0], log, best[1])
        if header.is_log_append_time:
            # Every record has it; Kafka names the batch's last one.
            return TimestampOffset(header.last_offset, header.max_timestamp, header.leader_epoch)
        found = greatest_timestamp(payload, header.record_count, header.base_timestamp)
        return found and TimestampOffset(best[1] + found[0], found[1], header.leader_epoch)

    def _batch(self, chunk: int, log: int, base: int) -> tuple[BatchHeader, bytes | bytearray | memoryview]:
        (data,) = values_of(self._data, [keys.batch_key(chunk, log, base)], self._cold)
        assert data is not None, "an index entry without its batch"
        header = parse_header(data)
        return header, decompress(header.codec, memoryview(data)[HEADER_BYTES:])
