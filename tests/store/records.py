"""A record store in a directory, as the tests of the contract use it: opened, asked, closed, opened again."""

from __future__ import annotations

import asyncio
import inspect
import shutil
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Self, TypeVar

from chronik.batch.header import parse_header
from chronik.errors import ErrorCode, KafkaError
from chronik.log.access import Appended, AppendTerms, FetchResult, LogBounds, LogRead, LogSlice
from chronik.log.validate import CheckedBatch
from chronik.settings import MIB, StoreSettings
from chronik.store.interface import RecordStore
from chronik.store.rocks.engine import RocksEngine
from chronik.terms import Durability, IsolationLevel, LogId
from tests.log.batches import NOW_MS, sized

T = TypeVar("T")

LONG_MS = 2**62

SMALL = StoreSettings(
    chunk_bytes=16 * 1024,
    least_block_bytes=1024,
    block_cache_bytes=MIB,
    tail_cache_bytes=8 * 1024,
    max_staged_bytes=MIB,
    cold_read_bytes=MIB,
    background_sync_ms=20,
)
"""So small that chunks end, and tails overflow, every few batches."""

Engine = Callable[[Path, StoreSettings], RecordStore]
ENGINES: dict[str, Engine] = {"rocks": RocksEngine}
"""Every engine that keeps the contract; the tests run on each. Called on the loop's thread."""

A, B, C = LogId(1), LogId(2), LogId(3)


@dataclass
class Records:
    """A store that can be closed and opened. All methods on the loop's thread."""

    engine: Engine
    path: Path
    settings: StoreSettings = SMALL
    now_ms: int = NOW_MS
    leader_epoch: int = 0
    segment_bytes: int = 4096
    segment_ms: int = LONG_MS
    is_open: bool = field(default=False, init=False)
    store: RecordStore = field(init=False)
    """The one that is open, or else the one that was closed last."""

    def open(self) -> RecordStore:
        assert not self.is_open
        self.store = self.engine(self.path, self.settings)
        self.is_open = True
        return self.store

    async def close(self) -> None:
        if self.is_open:
            self.is_open = False
            await self.store.close()

    async def reopen(self) -> None:
        await self.close()
        self.open()

    def submit(
        self, log: LogId, batch: CheckedBatch, durability: Durability = Durability.WRITTEN
    ) -> asyncio.Future[Appended | KafkaError]:
        """Append and return at once; the future has the outcome, and would fail if there were two."""
        outcome: asyncio.Future[Appended | KafkaError] = asyncio.get_running_loop().create_future()
        terms = AppendTerms(self.leader_epoch, self.now_ms, self.segment_bytes, self.segment_ms)
        self.store.append(log, batch, terms, durability, outcome.set_result)
        return outcome

    async def append(
        self, log: LogId = A, batch: CheckedBatch | None = None, durability: Durability = Durability.WRITTEN
    ) -> Appended:
        """Append and wait; KafkaError where it is refused."""
        return succeeded(await self.submit(log, sized() if batch is None else batch, durability))

    async def append_all(self, log: LogId, batches: Iterable[CheckedBatch]) -> list[Appended]:
        """Append, waiting for room, and then for the outcomes."""
        outcomes = []
        for batch in batches:
            while (room := self.store.room()) is not None:
                await room
            outcomes.append(self.submit(log, batch))
        return [succeeded(outcome) for outcome in await asyncio.gather(*outcomes)]

    async def refusal(self, log: LogId, batch: CheckedBatch) -> ErrorCode:
        """The code with which an append is refused."""
        outcome = await self.submit(log, batch)
        assert isinstance(outcome, KafkaError)
        return outcome.code

    async def fetch(
        self,
        reads: Sequence[LogRead],
        max_bytes: int = 2**31 - 1,
        isolation: IsolationLevel = IsolationLevel.READ_UNCOMMITTED,
    ) -> FetchResult:
        result = self.store.fetch(reads, max_bytes, isolation)
        return await result if inspect.isawaitable(result) else result

    async def slice(
        self, log: LogId, offset: int, isolation: IsolationLevel = IsolationLevel.READ_UNCOMMITTED
    ) -> LogSlice:
        """Everything from an offset on, as far as one fetch gives it."""
        (found,) = await self.fetch([LogRead(log, offset, 2**31 - 1)], isolation=isolation)
        assert isinstance(found, LogSlice), found
        return found

    async def read_all(self, log: LogId, offset: int | None = None) -> list[bytes]:
        """Every batch from an offset (the start, unless given) to the end, read with several fetches if need be."""
        at = self.bounds(log).start if offset is None else offset
        found: list[bytes] = []
        while at < self.bounds(log).high_watermark:
            buffers = (await self.slice(log, at)).buffers
            assert buffers, f"nothing at {at} of {self.bounds(log)}"
            found += buffers
            at = end_of(buffers[-1])
        return found

    def bounds(self, log: LogId = A) -> LogBounds:
        return self.store.bounds(log)


class SharedRecords:
    """A store with a loop of its own, for Hypothesis: `run` runs a coroutine, `new_log` gives a log that is empty."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self.records = Records(engine, path)
        self._runner = asyncio.Runner()
        self._logs = count(1)

    def __enter__(self) -> Self:
        self._runner.run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self.records.close())
        self._runner.close()

    async def _open(self) -> None:
        self.records.open()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def new_log(self) -> LogId:
        return LogId(next(self._logs))


def succeeded(outcome: Appended | KafkaError) -> Appended:
    if isinstance(outcome, KafkaError):
        raise outcome
    return outcome


def base_of(batch: bytes) -> int:
    return parse_header(batch).base_offset


def end_of(batch: bytes) -> int:
    return parse_header(batch).last_offset + 1


def expect_dense(batches: Sequence[bytes], start: int = 0) -> None:
    """Every batch begins where the one before it ended."""
    for batch in batches:
        assert base_of(batch) == start
        start = end_of(batch)


def copy_as_crashed(source: Path, target: Path) -> None:
    """Copy an open store's directory as a process that was killed would have left it: at one moment, all of it.

    Engines work in the background, so it is copied until nothing changed meanwhile.
    """
    for _ in range(100):
        before = _listing(source)
        try:
            shutil.copytree(source, target)
        except shutil.Error:
            pass  # a file went away
        if before == _listing(source) and len(before) == len(_listing(target)):
            return
        shutil.rmtree(target)
    raise AssertionError(f"{source} never rests")


def _listing(folder: Path) -> list[tuple[str, int, int, int]]:
    found = []
    for entry in folder.rglob("*"):
        try:
            status = entry.stat()
        except FileNotFoundError:
            continue
        found.append((entry.name, status.st_ino, status.st_size, status.st_mtime_ns))
    return sorted(found)


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until it is so."""
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never became so")
