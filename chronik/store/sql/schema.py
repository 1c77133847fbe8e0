"""Opening the file: connection settings, and which schema it has. Standard library only, as every start comes through
here.

A new file gets `schema.sql`, the snapshot of what all migrations together make (`python -m tools.catalog_snapshot`
writes it; a test holds it to them). Revisions are numbered 0001, 0002, ... so that older and newer can be told without
Alembic.
"""

from __future__ import annotations

import base64
import sqlite3
import sys
from pathlib import Path
from typing import Literal

from chronik.store.sql.problems import CatalogError, NewerDataDirectory

HEAD = "0002"
"""The newest revision in `migrations/versions`; a test compares."""

Synchronous = Literal["FULL", "NORMAL", "OFF"]
"""FULL: a commit is fsynced. NORMAL: it survives a killed process, not always a power cut. OFF: for tests."""

_BUSY_SECONDS = 5.0
_JOURNAL_BYTES = 16 * 1024 * 1024
"""How long the write-ahead log file may stay after a checkpoint; a long read of another process can make it grow."""

_SNAPSHOT = Path(__file__).with_name("schema.sql")


def connect(path: Path, synchronous: Synchronous) -> sqlite3.Connection:
    """Open for reading and writing, in autocommit mode; creates an empty file. Used by one thread at a time."""
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA foreign_keys = ON")
        if synchronous == "FULL" and sys.platform == "darwin":
            # There fsync alone leaves the data in the drive's cache.
            connection.execute("PRAGMA fullfsync = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def write_ahead(connection: sqlite3.Connection) -> None:
    """WAL mode (the file remembers it): readers of other processes and the writer do not block each other."""
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise CatalogError(f"SQLite cannot use write-ahead logging here (it stays in mode {mode}).")
    connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}")


def revision_of(connection: sqlite3.Connection, path: Path) -> str | None:
    """The revision of the file's schema, None for an empty file. CatalogError for somebody else's database."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return None
    rows = (
        connection.execute("SELECT version_num FROM alembic_version").fetchall() if "alembic_version" in tables else []
    )
    if len(rows) != 1 or not rows[0][0].isdigit():
        raise CatalogError(f"{path} is not a chronik catalog.")
    return str(rows[0][0])


def is_behind(revision: str, path: Path) -> bool:
    """Whether the schema has to be migrated. NewerDataDirectory when this program is the older one."""
    if int(revision) > int(HEAD):
        raise NewerDataDirectory(
            f"The catalog {path} has schema {revision}, but this chronik knows only up to {HEAD}: "
            "it was written by a newer version."
        )
    return revision != HEAD


def create(connection: sqlite3.Connection) -> None:
    """Give an empty file the newest schema and a new cluster id, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Not executescript: that would commit first. No statement of the snapshot has a semicolon inside.
        for statement in _SNAPSHOT.read_text(encoding="utf-8").split(";\n"):
            connection.execute(statement)
        connection.execute("INSERT INTO properties (key, value) VALUES ('cluster_id', ?)", (new_cluster_id(),))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


_KEPT = ("alembic_version", "properties", "counters")
"""Tables that `clear` leaves: what the file is, and the numbers that are never used again."""


def clear(connection: sqlite3.Connection) -> None:
    """Remove all facts, in one transaction. The logs of topics are dropped ones from then on."""
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("INSERT OR IGNORE INTO dropped_logs SELECT log_id FROM partitions")
        for (name,) in tables:
            if name not in (*_KEPT, "dropped_logs"):
                connection.execute(f'DELETE FROM "{name}"')
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def new_cluster_id() -> str:
    """A random UUID in URL-safe base64 without padding, 22 characters. As Kafka's Uuid.randomUuid, never one with a
    leading dash, which command lines would take for an option."""
    import uuid  # 1.5 ms that only a new file costs

    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")
        if not text.startswith("-"):
            return text
