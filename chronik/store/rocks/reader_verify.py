"""Whether one log is what its rows say: every batch read, and compared with index, segments, epochs and producers."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

from chronik.batch.header import BatchHeader
from chronik.log.epochs import epoch_at
from chronik.log.producers import WINDOW, ProducerState
from chronik.log.segments import Segment
from chronik.store.rocks.reader import IndexEntry, OfflineReader, StoredBatch, StoredLog, UnreadableRecords
from chronik.store.rocks.reader_batches import faults_of, header_of
from chronik.store.rocks.reader_findings import Finding, FindingKind, Looked
from chronik.terms import NO_OFFSET, NO_TIMESTAMP

_NO_EPOCH = -2
"""No batch has it."""


class _Appended(NamedTuple):
    """A batch of a producer, as its window should know it."""

    epoch: int
    first_sequence: int
    last_sequence: int
    base_offset: int


class LogVerifier:
    """Walks one log. `is_compacted`: batches and records may be missing between others."""

    def __init__(
        self,
        reader: OfflineReader,
        stored: StoredLog,
        looked: Looked,
        *,
        is_compacted: bool,
        progress: Callable[[int], None],
    ) -> None:
        self._reader = reader
        self._stored = stored
        self._looked = looked
        self._is_compacted = is_compacted
        self._progress = progress
        self._appended: defaultdict[int, deque[_Appended]] = defaultdict(lambda: deque(maxlen=WINDOW))
        """By producer id."""
        self._transaction_starts: set[tuple[int, int]] = set()
        """(producer id, base offset) of the transactional batches that an open transaction could have begun with."""
        self._opened = {(state.producer_id, state.open_first_offset) for state in stored.producers}
        self._is_whole = True
        """Whether every batch could be read: else what was not seen proves nothing."""

    def findings(self) -> Iterator[Finding]:
        """Everything that is wrong with the log."""
        stored = self._stored
        self._looked.log_count += 1
        for kind in stored.damaged_kinds:
            yield self._finding(FindingKind.UNREADABLE, f"a state row of kind {kind} cannot be decoded")
        expected = stored.segments[0].base_offset if stored.segments else stored.start
        if not expected <= stored.start:
            yield self._finding(FindingKind.OFFSETS, f"it starts at {stored.start}, and its data at {expected}")
        for segment in stored.segments:
            if segment.base_offset != expected:
                yield self._finding(
                    FindingKind.SEGMENT, f"a segment begins here, and the one before ends at {expected}", segment
                )
            yield from self._segment(segment)
            expected = segment.end_offset
        if stored.segments and stored.start > expected:
            yield self._finding(FindingKind.OFFSETS, f"it starts at {stored.start}, and its data ends at {expected}")
        yield from self._epochs()
        for entry in stored.aborted:
            if not entry.first_offset <= entry.last_offset < stored.end:
                yield self._finding(
                    FindingKind.OFFSETS, f"an aborted transaction is in [{entry.first_offset}, {entry.last_offset}]"
                )
        for producer in stored.producers:
            yield from self._producer(producer)

    # A segment and its batches

    def _segment(self, segment: Segment) -> Iterator[Finding]:
        found = Segment(segment.base_offset, segment.base_offset, segment.chunk, 0, 0, NO_TIMESTAMP, 0, 0)
        expected = segment.base_offset
        try:
            for batch, entry in self._pairs(segment):
                if batch is None:
                    yield self._finding(FindingKind.INDEX, "an index entry has no batch", entry)
                    continue
                header = header_of(batch)
                self._looked.batch_count += 1
                self._looked.size_bytes += len(batch.data)
                self._progress(len(batch.data))
                if isinstance(header, str):
                    self._is_whole = False
                    yield self._finding(FindingKind.RECORDS, f"the batch makes no sense: {header}", batch)
                    continue
                yield from self._place(batch, expected)
                yield from self._batch(batch, header)
                yield from self._entry(batch, header, entry)
                expected = batch.base_offset + header.last_offset_delta + 1
                found.end_offset = expected
                found.size_bytes += len(batch.data)
                found.batch_count += 1
                found.max_timestamp_ms = max(found.max_timestamp_ms, header.max_timestamp)
        except UnreadableRecords as error:
            self._is_whole = False
            yield self._finding(
                FindingKind.UNREADABLE, f"from here to {segment.end_offset} records cannot be read: {error}", segment
            )
            return
        yield from self._row(segment, found)

    def _pairs(self, segment: Segment) -> Iterator[tuple[StoredBatch | None, IndexEntry | None]]:
        """Batches and index entries of the same base offset; None for the one that is missing."""
        entries = self._reader.index_of(self._stored.log, segment)
        entry = next(entries, None)
        for batch in self._reader.batches_of(self._stored.log, segment):
            while entry is not None and entry.base_offset < batch.base_offset:
                yield None, entry
                entry = next(entries, None)
            if entry is not None and entry.base_offset == batch.base_offset:
                yield batch, entry
                entry = next(entries, None)
            else:
                yield batch, None
        while entry is not None:
            yield None, entry
            entry = next(entries, None)

    def _place(self, batch: StoredBatch, expected: int) -> Iterator[Finding]:
        if batch.base_offset < expected:
            yield self._finding(
                FindingKind.OFFSETS, f"the batch overlaps the one before, which ends at {expected}", batch
            )
        elif batch.base_offset > expected and not self._is_compacted:
            yield self._finding(FindingKind.OFFSETS, f"a gap: the batch before ends at {expected}", batch)

    def _batch(self, batch: StoredBatch, header: BatchHeader) -> Iterator[Finding]:
        self._looked.record_count += max(header.record_count, 0)
        for kind, message in faults_of(batch, header, is_compacted=self._is_compacted):
            yield self._finding(kind, f"the batch: {message}", batch)
        if batch.base_offset >= self._stored.start:
            epoch = epoch_at(self._stored.epochs, batch.base_offset, _NO_EPOCH)
            if header.leader_epoch != epoch:
                message = f"the batch has the leader epoch {header.leader_epoch}, and there the log has {epoch}"
                yield self._finding(FindingKind.EPOCH, message, batch)
        if header.producer_id >= 0 and not header.is_control:
            self._appended[header.producer_id].append(
                _Appended(header.producer_epoch, header.base_sequence, header.last_sequence, batch.base_offset)
            )
            place = (header.producer_id, batch.base_offset)
            if header.is_transactional and place in self._opened:
                self._transaction_starts.add(place)

    def _entry(self, batch: StoredBatch, header: BatchHeader, entry: IndexEntry | None) -> Iterator[Finding]:
        if entry is None:
            yield self._finding(FindingKind.INDEX, "the batch has no index entry", batch)
            return
        true = IndexEntry(
            batch.base_offset, batch.base_offset + header.last_offset_delta, header.max_timestamp, len(batch.data)
        )
        if entry != true:
            yield self._finding(FindingKind.INDEX, f"the index says {entry[1:]} of the batch {true[1:]}", batch)

    def _row(self, segment: Segment, found: Segment) -> Iterator[Finding]:
        """Compare a segment's row with what was read."""
        if self._is_compacted:
            found.end_offset = max(found.end_offset, segment.end_offset)
        for name in ("end_offset", "size_bytes", "batch_count", "max_timestamp_ms"):
            said, true = getattr(segment, name), getattr(found, name)
            if said != true:
                yield self._finding(
                    FindingKind.SEGMENT, f"the segment's {name} is {said}, and its batches make {true}", segment
                )

    # The other rows

    def _epochs(self) -> Iterator[Finding]:
        epochs = self._stored.epochs
        ascend = all(a.epoch < b.epoch and a.start_offset <= b.start_offset for a, b in pairwise(epochs))
        if not ascend:
            yield self._finding(FindingKind.EPOCH, f"its leader epochs do not ascend: {[tuple(e) for e in epochs]}")
        if epochs and epochs[-1].start_offset > self._stored.end:
            yield self._finding(FindingKind.EPOCH, f"a leader epoch starts at {epochs[-1].start_offset}, past its end")

    def _producer(self, producer: ProducerState) -> Iterator[Finding]:
        """Compare a producer's window with its last batches, as far as they are still there."""
        name = f"producer {producer.producer_id}"
        readable = self._stored.segments[0].base_offset if self._stored.segments else self._stored.end
        seen = [batch for batch in self._appended.get(producer.producer_id, ()) if batch.epoch == producer.epoch]
        window = [
            _Appended(producer.epoch, batch.first_sequence, batch.last_sequence, batch.base_offset)
            for batch in producer.batches
            if batch.base_offset >= readable
        ]
        last = seen[-len(window) :] if window else seen
        # A producer that was forgotten and then met again by a marker has no window, whatever it wrote before.
        was_forgotten = not window and producer.coordinator_epoch >= 0
        if self._is_whole and not self._is_compacted and not was_forgotten and window != last:
            yield self._finding(
                FindingKind.PRODUCER, f"{name} has the window {_shown(window)}, and its last batches are {_shown(seen)}"
            )
        opened = producer.open_first_offset
        is_known = opened == NO_OFFSET or (producer.producer_id, opened) in self._transaction_starts
        if self._is_whole and not is_known and opened >= readable:
            yield self._finding(FindingKind.PRODUCER, f"{name} has a transaction open at {opened}, with no batch")

    def _finding(
        self, kind: FindingKind, message: str, at: StoredBatch | IndexEntry | Segment | None = None
    ) -> Finding:
        return Finding(kind, message, self._stored.log, None if at is None else at.base_offset)


def _shown(batches: list[_Appended]) -> str:
    return ", ".join(f"{first}-{last} at {base}" for _, first, last, base in batches) or "empty"
