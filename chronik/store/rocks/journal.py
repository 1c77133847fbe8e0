"""The write-ahead log: what RocksDB's memtables hold, in files of our own, for which its own log is too slow.

RocksDB's log protects its bytes with a table-driven CRC (the wheel has no other), block by block: that took a quarter
of the broker's CPU. Here a write is one `writev` of the producers' own bytes.

Large batches are in no memtable at all: the file itself becomes the table file that has them (see `table.py`).

A generation is what was written between two switches of the memtables, in one file. It ends with its file fsynced
before RocksDB begins to make table files of it: those never know what the journal could still lose, so that the two
column families agree after a power cut too. A file is deleted once all that it and the files before it hold is in table
files. A start does again what the files that are left say, in order; what was flushed already is only done once more.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from rocksdict import IngestExternalFileOptions, Rdict, WriteBatch

from chronik.store.files import sync_folder
from chronik.store.rocks.journal_format import (
    DELETE_RANGE_DATA,
    DELETE_RANGE_STATE,
    DELETE_STATE,
    MAGIC,
    PUT_BLOCK,
    PUT_DATA,
    PUT_STATE,
    Change,
    Encoded,
    JournalDamage,
    JournalReader,
    encoded_ending,
    journal_path,
    journal_paths,
    number_of,
    parts_of,
)
from chronik.store.rocks.options import STATE_FAMILY, unlogged_writes
from chronik.store.rocks.table import Block, Table, link_path, stray_links

_WRITTEN_BACK_BYTES = 512 * 1024
"""The kernel is asked to write so much to the disk at a time, so that an fsync finds little left to do."""
_REWRITTEN_BYTES = 1024 * 1024
"""Records that a start does again are put together up to this size."""
_DATA_KINDS, _STATE_KINDS = {PUT_DATA, PUT_BLOCK, DELETE_RANGE_DATA}, {PUT_STATE, DELETE_STATE, DELETE_RANGE_STATE}
_UNFLUSHED = "rocksdb.num-immutable-mem-table"

_log = logging.getLogger(__name__)


class DamagedJournal(Exception):
    """A journal is broken where no crash can have broken it; the message is the end of a sentence: what is."""


@dataclass(slots=True)
class _Generation:
    """A file, and how many memtables of each family RocksDB has had of what is in it."""

    path: Path
    data_count: int = 0
    state_count: int = 0


class _File:
    """The generation that is written now."""

    __slots__ = ("descriptor", "generation", "is_table", "size_bytes", "table", "written_back_bytes")

    def __init__(self, path: Path) -> None:
        """Create it, so that it is there after a power cut. OSError."""
        self.generation = _Generation(path)
        self.table: Table | None = None
        """Of the blocks that are in it, until RocksDB has them."""
        self.is_table = False
        """Whether nothing may be written to it any more, as its end makes a table of it."""
        self.descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o644)
        os.write(self.descriptor, MAGIC)
        self.size_bytes = self.written_back_bytes = len(MAGIC)
        sync_folder(path.parent)


class Journal:
    """The journals of an open database.

    `append` on the loop; `turn` and `tidy` in one other thread, with nothing appended during a turn; `sync` in any.
    """

    def __init__(self, folder: Path, data: Rdict) -> None:
        """Do again what is there, and begin a new file. DamagedJournal, OSError, or what rocksdict raises."""
        self._folder = folder
        self._data = data
        self._state = data.get_column_family(STATE_FAMILY)
        self._lock = Lock()
        self._sync_error: OSError | None = None
        self._ended: list[_Generation] = []
        """Those of which RocksDB may still be making table files, the oldest first."""
        self.tables: dict[int, Table] = {}
        """By their chunks: those that RocksDB does not have yet."""
        self._file = _File(journal_path(folder, self._recover() + 1))

    # While it runs

    def append(self, record: Encoded, blocks: Sequence[Block], *, has_data: bool, has_state: bool) -> None:
        """Write a record, so that it survives a killed process. OSError; then it is not there, if possible.

        `blocks` are those in it, all of one chunk; `has_data` and `has_state` are asked of what is beside them.
        """
        file = self._file
        begins_at = file.size_bytes
        _write(file, record.buffers)
        if blocks:
            if file.table is None:
                file.table = self.tables[blocks[0].chunk] = Table(blocks[0].chunk)
            for block, position in zip(blocks, record.positions, strict=True):
                file.table.add(block, begins_at + position)
        generation = file.generation
        if has_data:
            generation.data_count = 1
        if has_state:
            generation.state_count = 1
        if file.size_bytes - file.written_back_bytes >= _WRITTEN_BACK_BYTES:
            _begin_to_write_back(file)

    def sync(self) -> None:
        """Fsync all that was appended. OSError, and again at every call after one that failed: the kernel tells it
        once, and forgets what it could not write."""
        with self._lock:
            if self._sync_error is not None:
                raise self._sync_error
            try:
                # What was appended to an earlier file was synced before this one took its place.
                _sync(self._file.descriptor)
            except OSError as error:
                self._sync_error = error
                raise

    def turn(self) -> None:
        """Switch the memtables, make a table of the file's blocks, and go on in a new file. OSError, or what rocksdict
        raises."""
        file = self._file
        self._end_table(file)
        self.sync()
        self._data.flush(False)
        self._state.flush(False)
        self._hand_over(file)
        following = _File(journal_path(self._folder, number_of(file.generation.path) + 1))
        with self._lock:
            self._file = following
        os.close(file.descriptor)
        self._ended.append(file.generation)

    def _end_table(self, file: _File) -> None:
        """Write what makes a table of the file, once. OSError."""
        if file.table is not None and not file.is_table:
            _write(file, [encoded_ending(file.size_bytes, file.table.ending)])
            file.is_table = True

    def _hand_over(self, file: _File) -> None:
        """Have RocksDB take over the file's blocks, which must be fsynced. What rocksdict raises."""
        table = file.table
        if table is not None:
            _take_over(self._data, file.generation, table)
            file.table = None
            del self.tables[table.chunk]

    def tidy(self) -> bool:
        """Delete the files of which everything is in table files; whether others are left. OSError."""
        data, state = _unflushed(self._data), _unflushed(self._state)
        kept_from = len(self._ended)
        for position in reversed(range(len(self._ended))):
            ended = self._ended[position]
            if (ended.data_count and data > 0) or (ended.state_count and state > 0):
                kept_from = position
            data -= ended.data_count
            state -= ended.state_count
        for ended in self._ended[:kept_from]:
            ended.path.unlink(missing_ok=True)
        del self._ended[:kept_from]
        return bool(self._ended)

    def close(self) -> None:
        """Have everything in table files, so that the next start has nothing to do again, and let go of the database.
        Where that fails, the next start has."""
        file = self._file
        try:
            self._end_table(file)
            self.sync()
            self._data.flush(True)
            self._state.flush(True)
            self._hand_over(file)
            self._data.flush(True)
            for generation in (*self._ended, file.generation):
                generation.path.unlink(missing_ok=True)
        except Exception as error:  # rocksdict raises plain Exceptions
            _log.warning("The journal of the record store is left for the next start: %s", error)
        os.close(file.descriptor)
        file.descriptor = -1
        # The database stays open, and locked, as long as any handle of it lives.
        self._state.close()
        del self._data, self._state

    # When it starts

    def _recover(self) -> int:
        """Returns the number of the newest file that was there."""
        for path in stray_links(self._folder):
            path.unlink()
        paths = journal_paths(self._folder)
        for path in paths:
            recovered = _Recovered(path)
            with path.open("rb") as file:
                reader = JournalReader(path, file, path.stat().st_size)
                has_data, has_state = write_again(self._data, recovered.without_blocks(reader))
            damage = reader.damage
            if damage is not None and path != paths[-1]:
                raise DamagedJournal(f"{path.name} cannot be read from byte {damage.position}: {damage.reason}")
            generation = _Generation(path, int(has_data), int(has_state))
            self._data.flush(False)
            self._state.flush(False)
            recovered.hand_over(self._data, generation, damage)
            self._end_recovered(generation, damage)
        return number_of(paths[-1]) if paths else 0

    def _end_recovered(self, ended: _Generation, damage: JournalDamage | None) -> None:
        """A file with a broken end must not stay, as another one comes behind it."""
        if damage is None:
            self._ended.append(ended)
            return
        self._data.flush(True)
        self._state.flush(True)
        if damage.is_cut:
            ended.path.unlink()
        else:
            aside = ended.path.with_name(f"damaged-{ended.path.name}")
            ended.path.rename(aside)
            _log.warning(
                "The last journal of the record store is damaged at byte %d (%s), and kept as %s: "
                "records behind that place, if there were any, are not there.",
                *(damage.position, damage.reason, aside.name),
            )


class _Recovered:
    """What a start finds of blocks in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._table: Table | None = None
        self._is_table = False
        self._size_bytes = 0
        """Of what is whole in the file."""

    def without_blocks(self, reader: JournalReader) -> Iterator[Iterable[Change]]:
        """The other changes of each record; the blocks are kept."""
        for record in reader:
            changes, blocks, self._is_table = parts_of(record)
            begins_at = reader.position - len(record)
            for block, at in blocks:
                if self._table is None:
                    self._table = Table(block.chunk)
                self._table.add(block, begins_at + at)
            self._size_bytes = reader.position
            yield changes

    def hand_over(self, data: Rdict, generation: _Generation, damage: JournalDamage | None) -> None:
        """Have RocksDB take over the blocks, if it has not done so. OSError, or what rocksdict raises."""
        table = self._table
        if table is None or data.get(table.first_key()) is not None:
            return
        if damage is not None and not damage.is_cut:
            _copy(data, generation, table)  # the file stays as it is, for who wants to know what happened to it
            return
        if not self._is_table:
            with self._path.open("r+b") as file:
                file.truncate(self._size_bytes)
                file.seek(self._size_bytes)
                file.write(encoded_ending(self._size_bytes, table.ending))
                file.flush()
                os.fsync(file.fileno())
        _take_over(data, generation, table)


def write_again(data: Rdict, records: Iterable[Iterable[Change]]) -> tuple[bool, bool]:
    """Write what records say, some of them together: whether they have anything of the data, and of the state.
    DamagedJournal, or what rocksdict raises."""
    state = data.get_column_family_handle(STATE_FAMILY)
    options = unlogged_writes()
    batch = WriteBatch(raw_mode=True)
    kinds: set[int] = set()
    for record in records:
        for kind, key, value in record:
            kinds.add(kind)
            if kind in (PUT_DATA, PUT_BLOCK):
                batch.put(key, value)
            elif kind == PUT_STATE:
                batch.put(key, value, state)
            elif kind == DELETE_STATE:
                batch.delete(key, state)
            elif kind == DELETE_RANGE_DATA:
                batch.delete_range(key, value, None)
            elif kind == DELETE_RANGE_STATE:
                batch.delete_range(key, value, state)
            else:
                raise DamagedJournal(f"a journal has a change of kind {kind}, which this chronik does not know")
        if batch.size_in_bytes() >= _REWRITTEN_BYTES:
            data.write(batch, options)
            batch = WriteBatch(raw_mode=True)
    data.write(batch, options)
    return not kinds.isdisjoint(_DATA_KINDS), not kinds.isdisjoint(_STATE_KINDS)


def _take_over(data: Rdict, generation: _Generation, table: Table) -> None:
    """Have RocksDB take over a file that is a table. What rocksdict raises."""
    try:
        _ingest(data, generation.path)
    except Exception as error:  # rocksdict raises plain Exceptions; OSError
        _log.warning("RocksDB does not take %s over, so that it is copied: %s", generation.path.name, error)
        _copy(data, generation, table)


def _copy(data: Rdict, generation: _Generation, table: Table) -> None:
    """Write the table's rows by way of a memtable of their own."""
    write_again(data, ([(PUT_DATA, key, value)] for key, value in table.rows()))
    data.flush(False)
    generation.data_count += 1


def _ingest(data: Rdict, path: Path) -> None:
    """A link of its own, as the journal is needed longer than RocksDB leaves it there."""
    link = link_path(path)
    os.link(path, link)
    try:
        options = IngestExternalFileOptions()
        options.set_move_files(True)
        data.ingest_external_file([str(link)], options)
    finally:
        link.unlink(missing_ok=True)


def _unflushed(family: Rdict) -> int:
    return family.property_int_value(_UNFLUSHED) or 0


def _write(file: _File, buffers: Sequence[bytes]) -> None:
    """Write at the file's end. OSError; then it is as it was, if possible."""
    try:
        _write_all(file.descriptor, buffers)
    except OSError:
        _cut(file)
        raise
    file.size_bytes += sum(map(len, buffers))


def _write_all(descriptor: int, buffers: Sequence[bytes]) -> None:
    if hasattr(os, "writev"):
        written = os.writev(descriptor, buffers)
        if written == sum(map(len, buffers)):
            return
    else:  # Windows
        written = 0
    rest = memoryview(b"".join(buffers))[written:]
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _cut(file: _File) -> None:
    """Take away what there is of a record that could not be written as a whole."""
    try:
        os.ftruncate(file.descriptor, file.size_bytes)
        os.lseek(file.descriptor, file.size_bytes, os.SEEK_SET)
    except OSError:
        pass  # it is broken anyway, and a start will see that


def _begin_to_write_back(file: _File) -> None:
    if hasattr(os, "posix_fadvise"):
        start, size = file.written_back_bytes, file.size_bytes - file.written_back_bytes
        os.posix_fadvise(file.descriptor, start, size, os.POSIX_FADV_DONTNEED)
    file.written_back_bytes = file.size_bytes


def _sync(descriptor: int) -> None:
    if hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)
