"""The records of a data directory, read from outside: after a stop, after a crash, in a copy, or beside the broker.

What is seen is one moment, the journal included. Nothing is written into the directory: RocksDB is given a temporary
folder of its own, with a copy of the manifest and links to the table files, and there the journal is done again.
"""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from struct import error as StructError
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import NamedTuple, Self

from rocksdict import Options, Rdict, RdictIter

from chronik.log import aborted as aborted_index
from chronik.log import epochs as leader_epochs
from chronik.log import producers as producer_states
from chronik.log import segments as log_segments
from chronik.log.aborted import AbortedTransaction
from chronik.log.epochs import Epochs
from chronik.log.producers import ProducerState
from chronik.log.segments import Segment, index_of
from chronik.store.rocks import keys
from chronik.store.rocks.journal import write_again
from chronik.store.rocks.journal_format import JournalReader, changes, is_journal
from chronik.store.rocks.moment import TABLE_SUFFIX, Moment
from chronik.store.rocks.options import MEMTABLE_BYTES, STATE_FAMILY, bounded_reads
from chronik.terms import NO_OFFSET, LogId, ProducerId

_PATIENCE_S = 20.0
"""For how long a broker that changes its files all the time is tried."""
_HELD_FILES = Path("/proc/self/fd")
"""Where a file that is open has a name, even if it was deleted (Linux)."""
_OPEN_FILES_LEFT = 128
"""Of the files that the process may have open, those that are not RocksDB's."""


class UnreadableRecords(Exception):
    """RocksDB cannot read something; the message is the end of a sentence: what it says."""


@dataclass(slots=True)
class StoredLog:
    """What the state rows say of one log. Offsets: `start` is the first readable, `end` the next to assign."""

    log: LogId
    start: int = 0
    end: int = 0
    segments: list[Segment] = field(default_factory=list)
    epochs: Epochs = ()
    producers: list[ProducerState] = field(default_factory=list)
    aborted: list[AbortedTransaction] = field(default_factory=list)
    damaged_kinds: list[int] = field(default_factory=list)
    """Kinds of rows (`keys.STATE_`...) that could not be decoded."""

    @property
    def size_bytes(self) -> int:
        """Of all batches, those below the start included that are in its segment."""
        return sum(segment.size_bytes for segment in self.segments)

    @property
    def last_stable(self) -> int:
        """The first offset of the oldest open transaction, else the end."""
        opened = [state.open_first_offset for state in self.producers if state.open_first_offset != NO_OFFSET]
        return max(self.start, min([self.end, *opened]))


class StoredBatch(NamedTuple):
    """A batch as it lies there, under the base offset of its key."""

    base_offset: int
    data: bytes


class IndexEntry(NamedTuple):
    """What the index says of the batch with that base offset."""

    base_offset: int
    last_offset: int
    max_timestamp: int
    size_bytes: int


class Place(NamedTuple):
    """Where keys of the default family lie: `kind` is INDEX or BATCH."""

    chunk: int
    kind: int
    log: LogId


class OfflineReader:
    """An open view. Close it, or use it as a context manager. Every method can raise UnreadableRecords."""

    def __init__(self, records: Path) -> None:
        """Open `records`, the RocksDB folder of a data directory."""
        if not (records / "CURRENT").is_file():
            raise UnreadableRecords(f"there is no database in {records}")
        self._records = records.absolute()
        self._folder = TemporaryDirectory(prefix="chronik-")
        try:
            self._data = self._open()
            self._state = self._data.get_column_family(STATE_FAMILY)
        except BaseException:
            self._folder.cleanup()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files."""
        self._state.close()
        self._data.close()
        self._folder.cleanup()

    def table_files(self) -> set[str]:
        """The names of the table files that hold what is seen; older and unfinished ones may lie beside them."""
        return {Path(file["name"]).name for file in self._data.live_files()}

    # State rows

    def logs(self) -> list[LogId]:
        """All logs that have state rows."""
        found: list[LogId] = []
        options = bounded_reads(keys.LOG_PREFIX.pack(keys.ENGINE))
        rows = self._state.iter(options)
        rows.seek(b"")
        while rows.valid():
            (log,) = keys.LOG_PREFIX.unpack_from(rows.key())
            found.append(LogId(log))
            rows.seek(keys.LOG_PREFIX.pack(log + 1))
        _check(rows)
        return found

    def log(self, log: LogId) -> StoredLog:
        """What there is of a log; an empty one if nothing is."""
        stored = StoredLog(log)
        for key, value in self._rows(self._state, keys.LOG_PREFIX.pack(log), keys.LOG_PREFIX.pack(log + 1)):
            _, kind, suffix = keys.STATE_KEY.unpack(key)
            try:
                _add_row(stored, kind, suffix, value)
            except (StructError, ValueError, IndexError):
                stored.damaged_kinds.append(kind)
        stored.end = max(stored.start, stored.segments[-1].end_offset if stored.segments else 0)
        return stored

    def newest_chunk(self) -> int:
        """The number of the newest chunk; -1 if there was none."""
        key = keys.state_key(keys.ENGINE, keys.ENGINE_CHUNK)
        for _, value in self._rows(self._state, key, key + b"\x00"):
            return int(keys.NUMBER.unpack(value)[0])
        return -1

    def garbage(self) -> set[tuple[int, LogId]]:
        """The (chunk, log) in which there may be deleted batches."""
        first = keys.state_key(keys.ENGINE, keys.ENGINE_GARBAGE)
        rows = self._rows(self._state, first, keys.state_key(keys.ENGINE, keys.ENGINE_GARBAGE + 1))
        suffixes = [keys.STATE_KEY.unpack(key)[2] for key, _ in rows]
        return {(suffix >> 32, LogId(suffix & 0xFFFFFFFF)) for suffix in suffixes}

    # Batches

    def batches(self, stored: StoredLog, start: int = 0, end: int = keys.MAX_OFFSET) -> Iterator[StoredBatch]:
        """The batches that have offsets in [start, end), in order."""
        for segment in stored.segments[index_of(stored.segments, start) :]:
            if segment.base_offset >= end:
                return
            yield from self.batches_of(stored.log, segment, start, end)

    def batches_of(
        self, log: LogId, segment: Segment, start: int = 0, end: int = keys.MAX_OFFSET
    ) -> Iterator[StoredBatch]:
        """The same of one segment."""
        first = keys.batch_key(segment.chunk, log, segment.base_offset)
        options = bounded_reads(keys.batch_key(segment.chunk, log, min(segment.end_offset, end)))
        rows = self._data.iter(options)
        if start > segment.base_offset:
            rows.seek_for_prev(keys.batch_key(segment.chunk, log, start))
        if start <= segment.base_offset or not rows.valid() or rows.key() < first:
            rows.seek(first)
        while rows.valid():
            yield StoredBatch(keys.DATA_KEY.unpack(rows.key())[3], rows.value())
            rows.next()
        _check(rows)

    def index_of(self, log: LogId, segment: Segment) -> Iterator[IndexEntry]:
        """The index entries of one segment."""
        first = keys.index_key(segment.chunk, log, segment.base_offset)
        for key, value in self._rows(self._data, first, keys.index_key(segment.chunk, log, segment.end_offset)):
            yield IndexEntry(keys.DATA_KEY.unpack(key)[3], *keys.INDEX_VALUE.unpack(value))

    def places(self) -> Iterator[Place]:
        """Every place that has keys."""
        rows = self._data.iter()
        rows.seek(b"")
        while rows.valid():
            chunk, kind, log, _ = keys.DATA_KEY.unpack(rows.key())
            yield Place(chunk, kind, LogId(log))
            rows.seek(keys.DATA_KEY.pack(chunk, kind, log, 2**64 - 1))
        _check(rows)

    def offsets_outside(self, place: Place, segments: Sequence[Segment]) -> Iterator[int]:
        """The base offsets of the keys in that place that are in none of the segments (ascending)."""
        chunk, kind, log = place
        options = bounded_reads(keys.DATA_KEY.pack(chunk, kind, log, 2**64 - 1))
        rows = self._data.iter(options)
        rows.seek(keys.DATA_KEY.pack(chunk, kind, log, 0))
        for segment in segments:
            while rows.valid() and (offset := keys.DATA_KEY.unpack(rows.key())[3]) < segment.base_offset:
                yield offset
                rows.next()
            rows.seek(keys.DATA_KEY.pack(chunk, kind, log, segment.end_offset))
        while rows.valid():
            yield keys.DATA_KEY.unpack(rows.key())[3]
            rows.next()
        _check(rows)

    def _rows(self, family: Rdict, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        options = bounded_reads(end)  # a local, as an iterator needs them as long as it lives
        rows = family.iter(options)
        rows.seek(first)
        while rows.valid():
            yield rows.key(), rows.value()
            rows.next()
        _check(rows)

    # Opening

    def _open(self) -> Rdict:
        """Where table files cannot be held open, a broker may delete one before RocksDB opens it. It shows: then all
        begins anew."""
        deadline = time.monotonic() + _PATIENCE_S
        for attempt in itertools.count():
            before = _file_names(self._records)
            folder = Path(self._folder.name) / str(attempt)
            try:
                return self._attempt(folder, deadline)
            except Exception as error:  # rocksdict raises plain Exceptions
                if before == _file_names(self._records) or time.monotonic() > deadline:
                    raise UnreadableRecords(_said(error)) from error
                shutil.rmtree(folder)
        raise AssertionError("there is always another attempt")

    def _attempt(self, folder: Path, deadline: float) -> Rdict:
        folder.mkdir()
        count = sum(1 for _ in self._records.glob(f"*{TABLE_SUFFIX}"))
        holds_tables = _HELD_FILES.is_dir() and _open_files(2 * count) == -1

        def has_table(name: str) -> bool:
            if not holds_tables:
                _lead_to(self._records / name, folder / name)
            return not holds_tables

        with ExitStack() as files:
            moment = Moment(self._records, files, has_table)
            while not moment.attempt():
                if time.monotonic() > deadline:
                    raise UnreadableRecords("the broker changes its files faster than they can be opened")
            for name in moment.sizes:
                if name.endswith(TABLE_SUFFIX):
                    _lead_to(_HELD_FILES / str(moment.opened[name].fileno()), folder / name)
                elif name == moment.manifest or name.endswith(".log"):  # a log of RocksDB's own: of format 1
                    (folder / name).write_bytes(b"".join(moment.blocks(name)))
            (folder / "CURRENT").write_text(f"{moment.manifest}\n", encoding="ascii")
            options = [_options(_open_files(count)) for _ in range(2)]
            data = Rdict(str(folder), options[0], {STATE_FAMILY: options[1]})
            try:
                for name in sorted(filter(is_journal, moment.sizes)):
                    reader = JournalReader(self._records / name, moment.opened[name], moment.sizes[name])
                    write_again(data, map(changes, reader))
            except BaseException:
                data.close()
                raise
            return data


def _options(open_files: int) -> Options:
    options = Options(raw_mode=True)
    options.set_write_buffer_size(MEMTABLE_BYTES)
    options.set_disable_auto_compactions(True)
    options.set_max_open_files(open_files)
    options.set_skip_stats_update_on_db_open(True)
    options.set_stats_dump_period_sec(0)
    return options


def _add_row(stored: StoredLog, kind: int, suffix: int, value: bytes) -> None:
    match kind:
        case keys.STATE_START:
            (stored.start,) = keys.NUMBER.unpack(value)
        case keys.STATE_SEGMENT:
            stored.segments.append(log_segments.decode(suffix, value))
        case keys.STATE_EPOCHS:
            stored.epochs = leader_epochs.decode(value)
        case keys.STATE_PRODUCER:
            stored.producers.append(producer_states.decode(ProducerId(suffix), value))
        case keys.STATE_ABORTED:
            stored.aborted.append(aborted_index.decode(value))
        case _:
            pass  # a kind that a later format may add


def _check(rows: RdictIter) -> None:
    """A file that cannot be read ends an iterator like the last key does: only its status tells them apart."""
    try:
        rows.status()
    except Exception as error:
        raise UnreadableRecords(_said(error)) from error


def _said(error: Exception) -> str:
    """RocksDB's message, on one line and without a full stop."""
    return " ".join(str(error).split()).rstrip(".")


def _file_names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _lead_to(path: Path, link: Path) -> None:
    """Where there are no symbolic links for everybody, as on Windows, another kind of link or a copy will do."""
    for make in (os.symlink, os.link, shutil.copyfile):
        try:
            make(path, link)
            return
        except OSError:
            if make is shutil.copyfile:
                raise


def _open_files(wanted: int) -> int:
    """How many files may be kept open: all (-1) if the system allows so many, since a file that is open can still be
    read after the broker has deleted it."""
    try:
        import resource
    except ImportError:  # Windows
        return -1
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _OPEN_FILES_LEFT
    return -1 if wanted <= allowed else max(allowed, 64)
