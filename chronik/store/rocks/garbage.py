"""Giving back the space of deleted batches.

What is deleted is noted in rows (chunk, log) until RocksDB has rewritten the chunk's files without it. Rewriting costs
what is still alive in a file, so a file waits until a quarter of it is garbage: the directory is then at most a third
larger than what is alive. A file that is all garbage goes without being read.
"""

from __future__ import annotations

from asyncio import Future, get_running_loop, shield, wait
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from chronik.log.segments import Segment
from chronik.settings import StoreSettings
from chronik.store.rocks import keys
from chronik.store.rocks.log_state import LogState
from chronik.store.rocks.options import background_compaction, file_ranges, rows_between
from chronik.store.rocks.pending import Change, storage_error
from chronik.store.rocks.writer import RangeDeletion, Writer
from chronik.terms import Durability, LogId

_REWRITTEN_CHUNKS = 4
_RECLAIMED_CHUNKS = 32
"""What one call rewrites, and what it takes up, at the most (the first stretch of files is always taken)."""


class Stretch(NamedTuple):
    """Neighbouring chunks that lie in the same files."""

    first_chunk: int
    last_chunk: int
    size_bytes: int
    garbage_bytes: int

    @property
    def is_worthwhile(self) -> bool:
        """Whether enough of it is garbage."""
        return self.garbage_bytes * 4 >= self.size_bytes


def stretches(files: Iterable[tuple[int, int, int]], garbage: Mapping[int, int], unflushed_bytes: int) -> list[Stretch]:
    """The stretches of all files (first chunk, last chunk, bytes), in order. `garbage` is that of each chunk; a chunk
    that no file holds yet counts as `unflushed_bytes`."""
    found: list[Stretch] = []
    for first, last, size in sorted([*files, *((chunk, chunk, 0) for chunk in garbage)]):
        if found and first <= found[-1].last_chunk:
            before = found[-1]
            found[-1] = Stretch(before.first_chunk, max(before.last_chunk, last), before.size_bytes + size, 0)
        else:
            found.append(Stretch(first, last, size, 0))
    left = sorted(garbage.items(), reverse=True)
    for index, stretch in enumerate(found):
        dead = 0
        while left and left[-1][0] <= stretch.last_chunk:
            dead += left.pop()[1]
        found[index] = stretch._replace(garbage_bytes=dead, size_bytes=stretch.size_bytes or unflushed_bytes)
    return found


def next_run(found: Sequence[Stretch], chunk_bytes: int) -> Sequence[Stretch]:
    """The neighbouring worthwhile stretches that are to be rewritten next: those with the most garbage.

    Nothing while all that is worthwhile is less than a quarter of a chunk. Only neighbours are taken together, because
    deletions that go in one file make the next compaction rewrite all that lies between them.
    """
    runs = [_bounded(list(group), chunk_bytes) for worthwhile, group in groupby(found, _is_worthwhile) if worthwhile]
    if sum(_garbage_of(run) for run in runs) * 4 < chunk_bytes:
        return []
    return max(runs, key=_garbage_of)


def _bounded(run: Sequence[Stretch], chunk_bytes: int) -> Sequence[Stretch]:
    """The front of a run that one call may take."""
    size = alive = 0
    for index, stretch in enumerate(run):
        size += stretch.size_bytes
        alive += stretch.size_bytes - stretch.garbage_bytes
        if index and (size > _RECLAIMED_CHUNKS * chunk_bytes or alive > _REWRITTEN_CHUNKS * chunk_bytes):
            return run[:index]
    return run


def _is_worthwhile(stretch: Stretch) -> bool:
    return stretch.is_worthwhile


def _garbage_of(run: Sequence[Stretch]) -> int:
    return sum(stretch.garbage_bytes for stretch in run)


class Garbage:
    """The deleted batches whose space was not given back yet."""

    def __init__(self, writer: Writer, state_of: Callable[[LogId], LogState], settings: StoreSettings) -> None:
        self._writer = writer
        self._state_of = state_of
        self._chunk_bytes = settings.chunk_bytes
        self._of_chunk: dict[int, dict[int, int]] = {}
        """Bytes of each log in each chunk."""
        self._compaction: Future[None] | None = None
        self._reclaiming = False
        self._load()

    def discard(self, log: LogId, segments: Sequence[Segment]) -> None:
        """Note segments as garbage, in the same WriteBatch as what makes them so."""
        for segment in segments:
            logs = self._of_chunk.setdefault(segment.chunk, {})
            logs[log] = logs.get(log, 0) + segment.size_bytes
            self._note(segment.chunk, log, logs[log])

    async def reclaim(self) -> int:
        """See `RecordStore.reclaim`."""
        if self._reclaiming or self._compaction is not None or self._writer.refusal is not None:
            return 0
        self._reclaiming = True
        try:
            return await self._reclaim(self._chosen_chunks())
        finally:
            self._reclaiming = False

    async def close(self) -> None:
        """Wait for RocksDB to finish what it is doing for us; what is not done is noted, and done another time."""
        if self._compaction is not None:
            await wait([self._compaction])

    def _chosen_chunks(self) -> Sequence[int]:
        garbage = {chunk: sum(logs.values()) for chunk, logs in self._of_chunk.items()}
        if sum(garbage.values()) * 4 < self._chunk_bytes:
            return []
        run = next_run(stretches(file_ranges(self._writer.data), garbage, self._chunk_bytes), self._chunk_bytes)
        return [chunk for chunk in garbage if run and run[0].first_chunk <= chunk <= run[-1].last_chunk]

    async def _reclaim(self, chunks: Sequence[int]) -> int:
        if not chunks:
            return 0
        taken = {chunk: dict(self._of_chunk[chunk]) for chunk in chunks}
        deletions = [deletion for chunk, logs in taken.items() for log in logs for deletion in self._dead(chunk, log)]
        change = Change(Durability.WRITTEN)
        self._writer.stage_apart(change, deletions)
        await change.done
        if self._writer.refusal is not None:
            return 0
        first, end = keys.LOG_PREFIX.pack(min(chunks)), keys.LOG_PREFIX.pack(max(chunks) + 1)
        compact = background_compaction(self._writer.data, first, end)
        self._compaction = get_running_loop().run_in_executor(None, compact)
        self._compaction.add_done_callback(self._compacted)
        try:
            await shield(self._compaction)  # a thread cannot be cancelled, and `close` must wait for it
        except Exception as error:  # rocksdict raises plain Exceptions
            raise storage_error(error) from error
        self._forget(taken)
        return sum(sum(logs.values()) for logs in taken.values())

    def _compacted(self, compaction: Future[None]) -> None:
        self._compaction = None
        if not compaction.cancelled():
            compaction.exception()  # perhaps nobody waits for it any more

    def _dead(self, chunk: int, log: int) -> Iterable[RangeDeletion]:
        """The ranges of the log's index entries and batches in that chunk that are in no segment any more."""
        segments = self._state_of(LogId(log)).segments
        end = min((segment.base_offset for segment in segments if segment.chunk == chunk), default=keys.MAX_OFFSET)
        for kind in (keys.INDEX, keys.BATCH):
            yield keys.DATA_KEY.pack(chunk, kind, log, 0), keys.DATA_KEY.pack(chunk, kind, log, end), None

    def _forget(self, taken: Mapping[int, Mapping[int, int]]) -> None:
        """What was taken up is gone; more may have come in the same places meanwhile."""
        for chunk, logs in taken.items():
            left = self._of_chunk[chunk]
            for log, size in logs.items():
                left[log] -= size
                self._note(chunk, log, left[log])
                if left[log] == 0:
                    del left[log]
            if not left:
                del self._of_chunk[chunk]
        self._writer.stage(Change(Durability.WRITTEN), 0)

    def _note(self, chunk: int, log: int, size: int) -> None:
        key = keys.state_key(keys.ENGINE, keys.ENGINE_GARBAGE, keys.garbage_suffix(chunk, log))
        self._writer.group.rows[key] = keys.NUMBER.pack(size) if size else None

    def _load(self) -> None:
        first = keys.state_key(keys.ENGINE, keys.ENGINE_GARBAGE)
        end = keys.state_key(keys.ENGINE, keys.ENGINE_GARBAGE + 1)
        for key, value in rows_between(self._writer.state, first, end):
            _, _, suffix = keys.STATE_KEY.unpack(key)
            (size,) = keys.NUMBER.unpack(value)
            self._of_chunk.setdefault(suffix >> 32, {})[suffix & 0xFFFFFFFF] = size
