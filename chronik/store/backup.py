"""A copy of a data directory as it is at one moment, taken from outside: of a stopped broker, or beside a running one.

The copy is what a killed broker would have left at that moment, records and catalog alike, so a start on it is an
ordinary recovery: no committed offset lies beyond its log, and no transaction is decided in one and not in the other.

- The catalog stands still while we hold SQLite's write lock; who wants to commit waits, for milliseconds. A second
  connection begins to read meanwhile, and goes on to see that moment afterwards.
- Under the lock the record store's files are got hold of (see `chronik.store.rocks.moment`).
- What takes time, copying, comes after the lock.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

from chronik.store.datadir import FORMAT_VERSION, check_format
from chronik.store.files import sync_folder
from chronik.store.rocks.moment import Moment
from chronik.store.rocks.reader import OfflineReader, UnreadableRecords
from chronik.store.sql import image, schema
from chronik.store.sql.problems import CatalogError

CATALOG, RECORDS, FORMAT = "catalog.sqlite", "records", "format"

_LOCK_S = 30.0
"""How long the write lock is waited for: a busy broker commits all the time."""
_HELD_S = 3.0
"""For which the lock is held at the most; the broker's own commits give up after five seconds."""

Progress = Callable[[int, int], None]
"""Told how many bytes were copied since the last call, and how many there are in all."""


class BackupError(Exception):
    """No copy could be made; the message is one sentence for a person."""


class Copied(NamedTuple):
    """What a copy is made of."""

    linked_bytes: int
    """Of table files that are shared with the source: hard links."""
    copied_bytes: int
    held_s: float
    """For how long nobody could commit to the catalog."""


def copy_directory(
    source: Path,
    target: Path,
    *,
    links: bool = True,
    lasting: bool = True,
    properties: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Copied:
    """Copy a data directory to `target`, which must not exist, or be an empty folder.

    `links`: share RocksDB's table files where the file system can. `lasting`: see that the copy can be opened, and
    fsync it. `properties` are written into the copy's catalog. Errors: BackupError, CatalogError, DataDirectoryError;
    then `target` is as it was.
    """
    check_format(source)
    records = source / RECORDS
    if not (records / "CURRENT").is_file():
        raise BackupError(f"There are no records in {source}.")
    partial = target.with_name(f"{target.name}.partial-{os.getpid()}")
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise BackupError(f"{target} is not empty.")
        (partial / RECORDS).mkdir(parents=True)
        with ExitStack() as files:
            taken = _Records(records, partial / RECORDS, files, links=links)
            taken.attempt()  # the most of it, before anybody has to wait
            catalog = _catalog_at_rest(source / CATALOG, files)
            began = time.perf_counter()
            _take(taken)
            catalog.release()
            held_s = time.perf_counter() - began
            copied = taken.write(progress or _silent)
            copied += _write_catalog(catalog.snapshot, partial / CATALOG, properties or {})
            (partial / FORMAT).write_text(f"{FORMAT_VERSION}\n", encoding="ascii")
            if lasting:
                _prune(partial / RECORDS)
                _sync_tree(partial)
            linked = taken.linked_bytes()
        if target.exists():
            target.rmdir()  # on Windows nothing is renamed over it
        partial.rename(target)
        if lasting:
            sync_folder(target.parent)
    except OSError as error:
        raise BackupError(_said(error, target)) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Copied(linked, copied, held_s)


# The catalog


class _AtRest(NamedTuple):
    """A catalog that nobody can write to, and a view of it that stays when somebody can again."""

    lock: sqlite3.Connection | None
    snapshot: sqlite3.Connection

    def release(self) -> None:
        """Let others write."""
        if self.lock is not None:
            self.lock.rollback()


def _catalog_at_rest(path: Path, files: ExitStack) -> _AtRest:
    """Hold the write lock until `release`, or until `files` closes what is open. CatalogError."""
    if not path.is_file():
        raise CatalogError(f"There is no catalog {path}.")
    try:
        lock = _write_lock(path, files)
        # Closed before the lock's connection, which may write and so cleans up if it is the last one.
        snapshot = files.enter_context(closing(image.open_to_read(path)))
        snapshot.execute("BEGIN")
        snapshot.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        raise CatalogError(f"The catalog {path} cannot be read: {error}.") from error
    return _AtRest(lock, snapshot)


def _write_lock(path: Path, files: ExitStack) -> sqlite3.Connection | None:
    """None on a read-only medium, where nobody writes: a broker would have its shared index there."""
    lock = files.enter_context(closing(sqlite3.connect(path, timeout=_LOCK_S, isolation_level=None)))
    try:
        lock.execute("BEGIN IMMEDIATE")
        # Changes nothing, and fails where we may only read: there SQLite takes the BEGIN for that of a reader.
        lock.execute("DELETE FROM alembic_version WHERE 0")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            raise
        if path.with_name(f"{path.name}-shm").exists():
            raise CatalogError(f"The catalog {path} may be in use, and you may not write to it, nor lock it.") from None
        lock.rollback()
        return None
    return lock


def _write_catalog(snapshot: sqlite3.Connection, target: Path, properties: Mapping[str, str]) -> int:
    try:
        with closing(schema.connect(target, "OFF")) as written:
            snapshot.backup(written)
            # One file, as after a proper stop: a broker turns write-ahead logging on again.
            written.execute("PRAGMA journal_mode = DELETE")
            for key, value in properties.items():
                written.execute("INSERT OR REPLACE INTO properties (key, value) VALUES (?, ?)", (key, value))
    except sqlite3.Error as error:
        raise CatalogError(f"The catalog could not be copied to {target}: {error}.") from error
    return target.stat().st_size


# The records


class _Records:
    """The record store's files on their way into a copy: linked where the file system can, or open."""

    def __init__(self, source: Path, target: Path, files: ExitStack, *, links: bool) -> None:
        self._source = source
        self._target = target
        self._links = links
        self._moment = Moment(source, files, self._link)
        self.attempt = self._moment.attempt

    def _link(self, name: str) -> bool:
        """False where the file system cannot, or lies elsewhere."""
        if self._links:
            try:
                os.link(self._source / name, self._target / name)
            except FileNotFoundError:
                raise
            except OSError:
                self._links = False
        return self._links

    def write(self, progress: Progress) -> int:
        """Copy what is not linked; the number of bytes."""
        total = sum(self._moment.sizes.values())
        try:
            for name in self._moment.sizes:
                with (self._target / name).open("wb") as out:
                    for block in self._moment.blocks(name):
                        out.write(block)
                        progress(len(block), total)
        except EOFError as error:
            raise BackupError(str(error)) from error
        (self._target / "CURRENT").write_text(self._moment.manifest + "\n", encoding="ascii")
        return total

    def linked_bytes(self) -> int:
        """Of the links that are left."""
        paths = [self._target / name for name in self._moment.tables]
        return sum(path.stat().st_size for path in paths if path.exists())


def _take(records: _Records) -> None:
    deadline = time.monotonic() + _HELD_S
    while not records.attempt():
        if time.monotonic() > deadline:
            raise BackupError("The broker was changing its files all the time; try again when it does less.")


def _prune(records: Path) -> None:
    """Open the copy, and remove the table files that were being made or deleted."""
    try:
        with OfflineReader(records) as reader:
            alive = reader.table_files()
    except UnreadableRecords as error:
        raise BackupError(f"The copied records cannot be read: {error}.") from error
    for path in records.glob("*.sst"):
        if path.name not in alive:
            path.unlink()


# Files


def _sync_tree(folder: Path) -> None:
    """Have everything below on the disk. Links too: their contents may be younger than their last fsync."""
    for path, _, names in os.walk(folder):
        for name in names:
            with open(Path(path) / name, "rb" if sys.platform != "win32" else "r+b") as file:
                os.fsync(file.fileno())
        sync_folder(Path(path))


def _said(error: OSError, target: Path) -> str:
    what = error.filename2 or error.filename or target
    return f"{what} cannot be used: {error.strerror or error}."


def _silent(copied_bytes: int, all_bytes: int) -> None:
    pass
