"""The write-ahead log: what RocksDB's memtables hold, in files of our own, for which its own log is too slow.

RocksDB's log protects its bytes with a table-driven CRC (the wheel has no other), block by block: that took a quarter
of the broker's CPU. Here a write is one `writev` of the producers' own bytes.

A generation is what was written between two switches of the memtables, in one file. It ends with its file fsynced
before RocksDB begins to make table files of it: those never know what the journal could still lose, so that the two
column families agree after a power cut too. A file is deleted once all that it and the files before it hold is in table
files. A start does again what the files that are left say, in order; what was flushed already is only done once more.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from rocksdict import Rdict, WriteBatch

from chronik.store.files import sync_folder
from chronik.store.rocks.journal_format import (
    DELETE_RANGE_DATA,
    DELETE_RANGE_STATE,
    DELETE_STATE,
    MAGIC,
    PUT_DATA,
    PUT_STATE,
    JournalDamage,
    JournalReader,
    changes,
    journal_path,
    journal_paths,
    number_of,
)
from chronik.store.rocks.options import STATE_FAMILY, unlogged_writes

_WRITTEN_BACK_BYTES = 512 * 1024
"""The kernel is asked to write so much to the disk at a time, so that an fsync finds little left to do."""
_REWRITTEN_BYTES = 1024 * 1024
"""Records that a start does again are put together up to this size."""
_DATA_KINDS, _STATE_KINDS = {PUT_DATA, DELETE_RANGE_DATA}, {PUT_STATE, DELETE_STATE, DELETE_RANGE_STATE}
_UNFLUSHED = "rocksdb.num-immutable-mem-table"

_log = logging.getLogger(__name__)


class DamagedJournal(Exception):
    """A journal is broken where no crash can have broken it; the message is the end of a sentence: what is."""


@dataclass(slots=True)
class _Generation:
    """A file, and whether it has anything of each family: then RocksDB has had a memtable of it."""

    path: Path
    has_data: bool = False
    has_state: bool = False


class _File:
    """The generation that is written now."""

    __slots__ = ("descriptor", "generation", "size_bytes", "written_back_bytes")

    def __init__(self, path: Path) -> None:
        """Create it, so that it is there after a power cut. OSError."""
        self.generation = _Generation(path)
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
        self._file = _File(journal_path(folder, self._recover() + 1))

    # While it runs

    def append(self, buffers: Sequence[bytes], *, has_data: bool, has_state: bool) -> None:
        """Write a record, so that it survives a killed process. OSError; then it is not there, if possible."""
        file = self._file
        try:
            _write_all(file.descriptor, buffers)
        except OSError:
            _cut(file)
            raise
        file.size_bytes += sum(map(len, buffers))
        generation = file.generation
        generation.has_data = generation.has_data or has_data
        generation.has_state = generation.has_state or has_state
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
        """Switch the memtables, and go on in a new file. OSError, or what rocksdict raises."""
        file = self._file
        self.sync()
        self._data.flush(False)
        self._state.flush(False)
        following = _File(journal_path(self._folder, number_of(file.generation.path) + 1))
        with self._lock:
            self._file = following
        os.close(file.descriptor)
        self._ended.append(file.generation)

    def tidy(self) -> bool:
        """Delete the files of which everything is in table files; whether others are left. OSError."""
        data, state = _unflushed(self._data), _unflushed(self._state)
        kept_from = len(self._ended)
        for position in reversed(range(len(self._ended))):
            ended = self._ended[position]
            if (ended.has_data and data > 0) or (ended.has_state and state > 0):
                kept_from = position
            data -= ended.has_data
            state -= ended.has_state
        for ended in self._ended[:kept_from]:
            ended.path.unlink(missing_ok=True)
        del self._ended[:kept_from]
        return bool(self._ended)

    def close(self) -> None:
        """Have everything in table files, so that the next start has nothing to do again, and let go of the database.
        Where that fails, the next start has."""
        os.close(self._file.descriptor)
        self._file.descriptor = -1
        try:
            self._data.flush(True)
            self._state.flush(True)
            for generation in (*self._ended, self._file.generation):
                generation.path.unlink(missing_ok=True)
        except Exception as error:  # rocksdict raises plain Exceptions
            _log.warning("The journal of the record store is left for the next start: %s", error)
        # The database stays open, and locked, as long as any handle of it lives.
        self._state.close()
        del self._data, self._state

    # When it starts

    def _recover(self) -> int:
        """Returns the number of the newest file that was there."""
        paths = journal_paths(self._folder)
        for path in paths:
            with path.open("rb") as file:
                reader = JournalReader(path, file, path.stat().st_size)
                has_data, has_state = write_again(self._data, reader)
            if reader.damage is not None and path != paths[-1]:
                where, reason = reader.damage.position, reader.damage.reason
                raise DamagedJournal(f"{path.name} cannot be read from byte {where}: {reason}")
            self._end_recovered(_Generation(path, has_data, has_state), reader.damage)
        return number_of(paths[-1]) if paths else 0

    def _end_recovered(self, ended: _Generation, damage: JournalDamage | None) -> None:
        """A file with a broken end must not stay, as another one comes behind it."""
        wait = damage is not None
        self._data.flush(wait)
        self._state.flush(wait)
        if damage is None:
            self._ended.append(ended)
        elif damage.is_cut:
            ended.path.unlink()
        else:
            aside = ended.path.with_name(f"damaged-{ended.path.name}")
            ended.path.rename(aside)
            _log.warning(
                "The last journal of the record store is damaged at byte %d (%s), and kept as %s: "
                "records behind that place, if there were any, are not there.",
                *(damage.position, damage.reason, aside.name),
            )


def write_again(data: Rdict, records: Iterable[bytes]) -> tuple[bool, bool]:
    """Write what records say, some of them together: whether they have anything of the data, and of the state.
    DamagedJournal, or what rocksdict raises."""
    state = data.get_column_family_handle(STATE_FAMILY)
    options = unlogged_writes()
    batch = WriteBatch(raw_mode=True)
    kinds: set[int] = set()
    size = 0
    for record in records:
        for kind, key, value in changes(record):
            kinds.add(kind)
            if kind == PUT_DATA:
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
        size += len(record)
        if size >= _REWRITTEN_BYTES:
            data.write(batch, options)
            batch, size = WriteBatch(raw_mode=True), 0
    data.write(batch, options)
    return not kinds.isdisjoint(_DATA_KINDS), not kinds.isdisjoint(_STATE_KINDS)


def _unflushed(family: Rdict) -> int:
    return family.property_int_value(_UNFLUSHED) or 0


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
