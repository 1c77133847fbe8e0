"""Reading ahead of those who read a log in order: while a consumer works on what it got, a thread reads what it will
ask for next.

A read that goes on where another one ended is taken for one of a sequence, and only such a one is followed by another
in advance: who jumps about costs nothing.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future, TimerHandle, shield
from concurrent.futures import Executor
from functools import partial
from typing import NamedTuple

from chronik.log.segments import index_of
from chronik.store.rocks import keys
from chronik.store.rocks.disk import DiskReader
from chronik.store.rocks.log_state import LogState
from chronik.terms import FileSlice, IsolationLevel, LogId

Batches = tuple[list[bytes | FileSlice], int]
"""Whole batches in order, and their bytes."""
_Place = tuple[LogId, int, IsolationLevel, bool]


class Wanted(NamedTuple):
    """What is asked for, see `DiskReader.read`; up to what the isolation level may see."""

    state: LogState
    offset: int
    isolation: IsolationLevel
    max_bytes: int
    at_least_one: bool
    in_files: bool

    @property
    def place(self) -> _Place:
        """What it has in common with another that goes on at the same place."""
        return self.state.log, self.offset, self.isolation, self.in_files


_KEPT_S = 2.0
"""After which nobody is expected to come any more."""


class _Promise:
    """What is expected to be asked for; `reading` is None where it is not read in advance."""

    __slots__ = ("made_at", "max_bytes", "reading", "size_bytes")

    def __init__(self, made_at: float, max_bytes: int) -> None:
        self.made_at = made_at
        self.max_bytes = max_bytes
        self.reading: Future[Batches] | None = None
        self.size_bytes = 0
        """What the reading takes, or may take while it goes on."""


class ReadAhead:
    """Reads from the disk for fetches. All methods on the loop's thread; the reading is done in `threads`."""

    def __init__(self, loop: AbstractEventLoop, threads: Executor, disk: DiskReader, budget_bytes: int) -> None:
        """`budget_bytes`: how much may be held that nobody has asked for yet."""
        self._loop = loop
        self._threads = threads
        self._disk = disk
        self._budget_bytes = budget_bytes
        self._held_bytes = 0
        self._promises: dict[_Place, _Promise] = {}
        """The oldest first."""
        self._expiry: TimerHandle | None = None

    async def read(self, wanted: Wanted) -> Batches:
        """KafkaError when the offset was deleted meanwhile; else whatever rocksdict raises (an Exception)."""
        state, place = wanted.state, wanted.place
        promise = self._promises.get(place)
        found: Batches = [], 0
        if promise is not None and promise.reading is not None:
            found = await _result(promise.reading)
        if found[0]:
            found = _trimmed(found, wanted.max_bytes, wanted.at_least_one)
            if not found[0]:
                return found  # its turn comes when nothing else is in the answer
            if promise is not None and promise.max_bytes < wanted.max_bytes:
                found = await self._filled_up(found, wanted)
        else:
            found = await self._begin(wanted)
        state.check_readable(wanted.offset)  # records may have been deleted meanwhile
        self._forget(place)
        if found[0]:
            following = wanted._replace(offset=keys.end_of(found[0][-1]), at_least_one=True)
            self._expect(following, is_sequence=promise is not None)
        return found

    async def _filled_up(self, found: Batches, wanted: Wanted) -> Batches:
        """With what else was asked for: less was expected to be."""
        batches, size = found
        following = keys.end_of(batches[-1])
        if following >= wanted.state.read_bound(wanted.isolation):
            return found
        left = wanted.max_bytes - size
        more, more_size = await self._begin(wanted._replace(offset=following, max_bytes=left, at_least_one=False))
        return [*batches, *more], size + more_size

    def _begin(self, wanted: Wanted) -> Future[Batches]:
        state, offset, isolation, max_bytes, at_least_one, in_files = wanted
        segments = state.segments[index_of(state.segments, offset) :]
        bound = state.read_bound(isolation)
        read = partial(self._disk.read, state.log, segments, offset, bound, max_bytes, at_least_one, in_files)
        return self._loop.run_in_executor(self._threads, read)

    def _expect(self, wanted: Wanted, *, is_sequence: bool) -> None:
        """Note where the sequence goes on; read it too if there is room, and it is not in memory anyway."""
        state, place = wanted.state, wanted.place
        if place in self._promises:
            return  # two consumers at the same place
        promise = self._promises[place] = _Promise(self._loop.time(), wanted.max_bytes)
        on_disk = wanted.offset < min(state.tail.first, state.read_bound(wanted.isolation))
        if is_sequence and on_disk and self._held_bytes + wanted.max_bytes <= self._budget_bytes:
            promise.size_bytes = wanted.max_bytes
            self._held_bytes += wanted.max_bytes
            promise.reading = self._begin(wanted)
            promise.reading.add_done_callback(partial(self._done, place, promise))
        if self._expiry is None:
            self._expiry = self._loop.call_later(_KEPT_S, self._expire)

    def _done(self, place: _Place, promise: _Promise, reading: Future[Batches]) -> None:
        """From now on it takes what it is."""
        size = 0 if reading.cancelled() or reading.exception() is not None else reading.result()[1]
        if self._promises.get(place) is promise:
            self._held_bytes += size - promise.size_bytes
            promise.size_bytes = size

    def _forget(self, place: _Place) -> None:
        promise = self._promises.pop(place, None)
        if promise is not None:
            self._held_bytes -= promise.size_bytes

    def _expire(self) -> None:
        before = self._loop.time() - _KEPT_S
        for place in [place for place, promise in self._promises.items() if promise.made_at <= before]:
            self._forget(place)
        goes_on = self._disk.close_unused_files() or self._promises
        self._expiry = self._loop.call_later(_KEPT_S, self._expire) if goes_on else None

    def close(self) -> None:
        """Let go of the database, when nothing is read any more."""
        if self._expiry is not None:
            self._expiry.cancel()
        self._promises.clear()
        del self._disk


async def _result(reading: Future[Batches]) -> Batches:
    """Nothing if it failed: who needs it reads again, and is told why not."""
    try:
        return await shield(reading)  # somebody else may wait for it too
    except Exception:  # rocksdict raises plain Exceptions
        return [], 0


def _trimmed(found: Batches, max_bytes: int, at_least_one: bool) -> Batches:
    """As much of it as was asked for now."""
    batches, size = found
    if size <= max_bytes:
        return found
    batches = list(batches)
    while batches and size > max_bytes and not (at_least_one and len(batches) == 1):
        size -= len(batches.pop())
    return batches, size
