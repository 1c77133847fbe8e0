"""The data directory: whose it is, which format it has, and how its last user left it.

chronik.lock     held (flock) by the running broker; contains its pid
format           the directory's format version, decimal
records/         RocksDB
catalog.sqlite   SQLite
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO

FORMAT_VERSION = 3
"""1: the records' write-ahead log is RocksDB's own. 2: it is the journal (chronik.store.rocks.journal); what RocksDB's
log holds from before is still read. 3: the journal has large batches as blocks, and becomes their table file."""

_WINDOWS_LOCK_AT = 2**20
"""The byte that is locked on Windows, where nobody could read the pid if it lay in the locked range."""


class DataDirectoryError(Exception):
    """The directory cannot be used; the message is one sentence for a person."""


@dataclass(slots=True)
class DataDirectory:
    """An opened (locked) data directory."""

    path: Path
    _lock: IO[str]

    @property
    def records(self) -> Path:
        """Where RocksDB lives."""
        return self.path / "records"

    @property
    def catalog(self) -> Path:
        """The SQLite file."""
        return self.path / "catalog.sqlite"

    @classmethod
    def open(cls, path: Path) -> DataDirectory:
        """Create the directory if need be, lock it, check its format. DataDirectoryError says why not."""
        try:
            path.mkdir(parents=True, exist_ok=True)
            lock = open(path / "chronik.lock", "a+", encoding="ascii")  # noqa: SIM115 - held until close()
        except OSError as error:
            raise DataDirectoryError(f"The data directory {path} cannot be used: {error.strerror}.") from error
        try:
            _lock_file(lock)
        except OSError as error:
            lock.seek(0)
            owner = lock.read().strip()
            lock.close()
            who = f" (process {owner})" if owner else ""
            raise DataDirectoryError(f"Another broker{who} is using the data directory {path}.") from error
        try:
            check_format(path, create=True)
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
        except OSError as error:
            lock.close()
            raise DataDirectoryError(f"The data directory {path} cannot be written: {error.strerror}.") from error
        except DataDirectoryError:
            lock.close()
            raise
        return cls(path, lock)

    def empty(self) -> None:
        """Delete everything that a broker keeps here; nobody may have it open. OSError leaves a part of it."""
        # The records first: a new catalog numbers its logs anew, and must not find old ones.
        if self.records.exists():
            shutil.rmtree(self.records)
        for suffix in ("-wal", "-shm", "-journal", ""):
            self.catalog.with_name(self.catalog.name + suffix).unlink(missing_ok=True)

    def replace(self, copy: Path) -> None:
        """Put what a copy of the directory holds in the place of what is here; the copy, on the same file system, is
        used up. Nobody may have it open."""
        self.empty()
        (copy / self.records.name).rename(self.records)
        (copy / self.catalog.name).rename(self.catalog)
        shutil.rmtree(copy)

    def close(self) -> None:
        """Release the lock."""
        self._lock.close()


def check_format(path: Path, *, create: bool = False) -> None:
    """Refuse a directory that a newer program wrote; with `create`, mark a new one, and an older one as ours."""
    file = path / "format"
    try:
        text = file.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        if not create:
            raise DataDirectoryError(f"{path} is not a chronik data directory.") from None
        _write_durably(file, f"{FORMAT_VERSION}\n")
        return
    except OSError as error:
        raise DataDirectoryError(
            f"The format of the data directory {path} cannot be read: {error.strerror}."
        ) from error
    if not text.isdigit():
        raise DataDirectoryError(f"The format version of the data directory {path} is unreadable: {text[:20]!r}.")
    if int(text) > FORMAT_VERSION:
        raise DataDirectoryError(
            f"The data directory {path} has format {text}, but this chronik knows only up to {FORMAT_VERSION}: "
            "it was written by a newer version."
        )
    if create and int(text) < FORMAT_VERSION:
        _write_durably(file, f"{FORMAT_VERSION}\n")


def _write_durably(file: Path, text: str) -> None:
    """Create a file that, even after a power cut, is there as a whole or not at all."""
    temporary = file.with_name(f"{file.name}.new")
    try:
        with open(temporary, "w", encoding="ascii") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
    except OSError as error:
        raise DataDirectoryError(f"{file} cannot be written: {error.strerror}.") from error


def boot_id() -> str:
    """Names this boot of the machine, as far as the system tells: a changed one after an unclean stop means that the
    machine itself went down, and with it whatever was not fsynced."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _lock_file(lock: IO[str]) -> None:
    """Take the exclusive lock or raise OSError at once."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(lock.fileno(), _WINDOWS_LOCK_AT, os.SEEK_SET)  # or each would lock where its file's end happens to be
        msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
