"""The catalog as the broker uses it: read once at the start, then written by groups of changes."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from chronik.changes import Change
from chronik.store.files import sync_folder
from chronik.store.sql import image, schema
from chronik.store.sql.image import CLUSTER_ID, CatalogImage
from chronik.store.sql.problems import CatalogError
from chronik.store.sql.schema import Synchronous
from chronik.store.sql.writer import Done, Unit, Writer, WriterStatistics


class Catalog:
    """An open catalog. One process at a time may have it open (the data directory's lock sees to that); others may read
    it with `image.read_image`.

    Units of changes commit in the order in which they were given to `commit` or `persist`, and each of them wholly or
    not at all. Writing a change twice is harmless.
    """

    def __init__(self, connection: sqlite3.Connection, loaded: CatalogImage) -> None:
        self.image = loaded
        """Everything, as of the opening or of `clear`; later commits do not change it."""
        self._connection = connection
        self._connection_lock = threading.Lock()
        self._writer = Writer(connection, self._connection_lock)

    @classmethod
    def open(cls, path: Path, *, synchronous: Synchronous = "FULL") -> Catalog:
        """Open, and create or migrate if need be. Blocks; for the start, before the event loop serves.

        NewerDataDirectory if a newer program wrote the file, CatalogError if it cannot be used; the file is then as it
        was.
        """
        connection = None
        try:
            connection = schema.connect(path, synchronous)
            _prepare(connection, path)
            return cls(connection, image.load(connection))
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, sqlite3.Error | OSError):
                raise CatalogError(f"The catalog {path} cannot be opened: {error}.") from error
            raise

    @property
    def statistics(self) -> WriterStatistics:
        """What the writer did so far."""
        return self._writer.statistics

    def warm(self) -> None:
        """Let the writer's thread import SQLAlchemy now. Call it as soon as the start has nothing more urgent to do, or
        the first commit waits for it."""
        self._writer.start()

    def commit(self, changes: Sequence[Change], done: Done) -> None:
        """Queue changes to be written as one unit; `done` is called on the writer's thread with None once they are
        durable, or with the error. CatalogError at once after `close`."""
        self._writer.submit(Unit(changes, done, None))

    def persist(self, changes: Sequence[Change]) -> asyncio.Future[None]:
        """The same for the running event loop: the future resolves when the changes are durable, or fails with
        CatalogError.

        The unit takes its place in the queue at the call, not at the first await. All units of one group commit resolve
        in one callback of the loop, in order. Cancelling the future does not take the unit back.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        if changes:
            self._writer.submit(Unit(changes, partial(_settle, future), loop))
        else:
            future.set_result(None)
        return future

    async def clear(self) -> None:
        """Forget all facts but those that are numbers never to be used again, and read `image` anew: its dropped logs
        are those of all topics that there were. Blocks the loop for the transaction. CatalogError, then nothing has
        changed.

        What was queued before is written first; who queues something meanwhile cannot know whether it stays.
        """
        if self._writer.is_started:
            loop = asyncio.get_running_loop()
            written: asyncio.Future[None] = loop.create_future()
            self._writer.submit(Unit((), partial(_settle, written), loop))
            await written
        try:
            with self._connection_lock:
                schema.clear(self._connection)
                self.image = image.load(self._connection)
        except sqlite3.Error as error:
            raise CatalogError(f"The catalog could not be cleared: {error}.") from error

    def set_property(self, key: str, value: str) -> None:
        """Keep a small text that is none of the facts (how the last run ended, say). Durable on return; blocks until
        then, so it is for the start and the stop. Needs no SQLAlchemy."""
        if key == CLUSTER_ID:
            raise ValueError("The cluster id never changes.")
        statement = (
            "INSERT INTO properties (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        )
        try:
            with self._connection_lock:
                self._connection.execute(statement, (key, value))
        except sqlite3.Error as error:
            raise CatalogError(f"The catalog could not be written: {error}.") from error

    def close(self) -> None:
        """Write what is queued, then close the file. Idempotent."""
        self._writer.close()
        self._connection.close()


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the file to write-ahead logging and the newest schema."""
    revision = schema.revision_of(connection, path)
    behind = revision is not None and schema.is_behind(revision, path)
    # Only now, as it changes the file: it might have been somebody else's.
    schema.write_ahead(connection)
    if revision is None:
        schema.create(connection)
        sync_folder(path.parent)
    elif behind:
        from chronik.store.sql.migrate import upgrade

        upgrade(connection)


def _settle(future: asyncio.Future[None], error: CatalogError | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
