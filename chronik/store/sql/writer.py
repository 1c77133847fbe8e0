"""The one thread that writes the catalog.

It takes whatever units wait, up to a bound, and writes them in one transaction: while one group is being fsynced the
next one gathers, so the number of fsyncs does not grow with the number of units. When a group fails, its units are
tried one by one, so that a unit that cannot be written fails alone.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from asyncio import AbstractEventLoop
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from chronik.changes import Change
from chronik.store.sql.problems import CatalogError, CatalogUnavailable

if TYPE_CHECKING:
    from chronik.store.sql.session import Session

MAX_GROUP_CHANGES = 2000
"""A transaction takes no further unit once it holds this many changes: about 10 ms of work. A unit is never split."""

Done = Callable[[CatalogError | None], None]
"""Told how a unit ended: None once it is durable. Must not raise."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Unit:
    """Changes that are written together or not at all. `done` is called on `loop`, or on the writer's thread for
    None."""

    changes: Sequence[Change]
    done: Done
    loop: AbstractEventLoop | None


@dataclass(slots=True)
class WriterStatistics:
    """Counted since the start. Fewer transactions than units: commits were grouped."""

    units: int = 0
    failed_units: int = 0
    transactions: int = 0
    """That were committed; each is one fsync."""


class Writer:
    """Writes units over the given connection, which it shares with whoever holds `lock`."""

    def __init__(self, raw: sqlite3.Connection, lock: threading.Lock) -> None:
        self.statistics = WriterStatistics()
        self._raw = raw
        self._lock = lock
        self._session: Session | None = None
        self._queue: SimpleQueue[Unit | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._state = threading.Lock()
        self._closed = False

    def start(self) -> None:
        """Start the thread, which begins with importing SQLAlchemy. Idempotent; the first `submit` does it too."""
        with self._state:
            self._start()

    @property
    def is_started(self) -> bool:
        """Whether something may be queued or being written."""
        return self._thread is not None

    def submit(self, unit: Unit) -> None:
        """Queue a unit behind all earlier ones. CatalogError after `close`."""
        with self._state:
            if self._closed:
                raise CatalogError("The catalog is closed.")
            self._start()
            self._queue.put(unit)

    def close(self) -> None:
        """Write what waits, then end the thread. Idempotent."""
        with self._state:
            self._closed = True
            thread = self._thread
            self._queue.put(None)
        if thread is not None:
            thread.join()

    def _start(self) -> None:
        if self._thread is None and not self._closed:
            # A daemon: a program that ends without close() loses only what was never acknowledged.
            self._thread = threading.Thread(target=self._run, name="chronik-catalog", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        try:
            self._open_session()
        except Exception:
            # The first unit tries again, and reports it.
            _log.exception("The catalog's writer could not start.")
        while group := self._next_group():
            self._commit(group)
        if self._session is not None:
            self._session.close()

    def _next_group(self) -> list[Unit]:
        """Wait for a unit and take those behind it; empty at the end."""
        group: list[Unit] = []
        size = 0
        unit = self._queue.get()
        while unit is not None:
            group.append(unit)
            size += len(unit.changes)
            if size >= MAX_GROUP_CHANGES:
                return group
            try:
                unit = self._queue.get_nowait()
            except Empty:
                return group
        if group:
            self._queue.put(None)
        return group

    def _commit(self, group: list[Unit]) -> None:
        error = self._write(list(chain.from_iterable(unit.changes for unit in group)))
        settled = error is None or len(group) == 1
        errors = [error] * len(group) if settled else self._write_each(group)
        self.statistics.units += len(group)
        self.statistics.failed_units += sum(error is not None for error in errors)
        self._deliver(group, errors)

    def _write_each(self, group: list[Unit]) -> list[CatalogError | None]:
        errors: list[CatalogError | None] = []
        for unit in group:
            errors.append(error := self._write(unit.changes))
            if isinstance(error, CatalogUnavailable):
                # The fault is not the unit's. To try the others could take a lock's timeout for each of them.
                return errors + [CatalogUnavailable(str(error)) for _ in group[len(errors) :]]
        return errors

    def _write(self, changes: Sequence[Change]) -> CatalogError | None:
        try:
            session = self._open_session()
            with self._lock:
                session.write(changes)
        except CatalogError as error:
            return error
        except Exception as error:
            # Whatever it is, the thread must go on: somebody waits for every unit in the queue.
            _log.exception("The catalog's writer failed in an unexpected way.")
            problem = CatalogError(f"The catalog could not be written: {error!r}.")
            problem.__cause__ = error
            return problem
        self.statistics.transactions += 1
        return None

    def _open_session(self) -> Session:
        if self._session is None:
            from chronik.store.sql.session import Session

            self._session = Session(self._raw)
        return self._session

    def _deliver(self, group: list[Unit], errors: list[CatalogError | None]) -> None:
        """Tell every unit its end, with one hop to each event loop."""
        by_loop: dict[AbstractEventLoop | None, list[tuple[Done, CatalogError | None]]] = defaultdict(list)
        for unit, error in zip(group, errors, strict=True):
            by_loop[unit.loop].append((unit.done, error))
        for loop, outcomes in by_loop.items():
            if loop is None:
                _tell(outcomes)
                continue
            try:
                loop.call_soon_threadsafe(_tell, outcomes)
            except RuntimeError:
                # The loop was closed in the meantime: nobody waits there any more.
                _log.debug("Nobody waits any more for %d commits.", len(outcomes))


def _tell(outcomes: list[tuple[Done, CatalogError | None]]) -> None:
    for done, error in outcomes:
        try:
            done(error)
        except Exception:
            _log.exception("What was to follow a commit failed.")
