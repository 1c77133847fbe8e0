"""Group commit: what is appended in a turn of the loop goes into one WriteBatch, written on the loop.

    append -> group -> the journal, and one WriteBatch -> (fsynced by the Syncer) -> answered

Groups are bounded, so that a WriteBatch never holds up the loop for long: where more comes in a turn, the next group is
written in the next turn. A chunk ends with the group that fills it: journal and memtables are switched at exactly that
place, off the loop, and writes wait until that is done. When RocksDB stalls, a write fails instead of blocking,
and is tried again; producers are held back once too much waits.
"""

from __future__ import annotations

import logging
from asyncio import AbstractEventLoop, Future, get_running_loop
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from rocksdict import ColumnFamily, Rdict, WriteBatch

from chronik.settings import StoreSettings
from chronik.store.rocks import keys
from chronik.store.rocks.journal import Journal
from chronik.store.rocks.journal_format import encoded
from chronik.store.rocks.options import STATE_FAMILY, unstalled_writes
from chronik.store.rocks.pending import Pending
from chronik.store.rocks.syncer import Syncer
from chronik.store.rocks.table import Block
from chronik.terms import Durability

_GROUP_BYTES = 1024 * 1024
"""A WriteBatch holds no more than this and one batch: a few milliseconds of the loop."""
_GATHERED_BYTES = 64 * 1024
"""A group of this size is written whatever else may come."""
_GATHERING_TURNS = 8
"""For how many turns of the loop a group waits at most, while each brings more."""
_BATCH_OVERHEAD_BYTES = 512
"""What a batch counts for beside its own bytes: its key, its index entry and the list's nodes in the memtable, and the
time that a start needs to do it again."""
_ROW_BYTES = 256
"""What a state row counts for: each of its versions takes room until the memtable is switched."""
_STALL = "Result incomplete"
"""How the message begins with which RocksDB refuses a write instead of blocking its caller."""
_STALL_RETRY_S = 0.002
_TIDY_S = 0.2
"""After how long RocksDB is asked whether it has made table files of what was ended."""
_STALL_WARNING_COUNT = 500

RangeDeletion = tuple[bytes, bytes, ColumnFamily | None]
"""First key, key after the last, family (None: the data)."""

_log = logging.getLogger(__name__)


class Group:
    """What is written together: `blocks` to the journal only, the rest into one WriteBatch too (as plain keys and
    values, because a WriteBatch is used up by the attempt).

    `rows` has the last word on each key of the state family, None for a deletion; `range_deletions` come before all of
    it. `ends_memtable`: the memtables are switched after this group. `is_logged`: the journal has it. `seen_count`: its
    items at the last look, and `turns_left`: how many more there may be, see `Writer`'s `_waits_for_more`.
    """

    __slots__ = (
        "blocks",
        "ends_memtable",
        "is_logged",
        "items",
        "puts",
        "range_deletions",
        "rows",
        "seen_count",
        "size_bytes",
        "turns_left",
    )

    def __init__(self) -> None:
        self.items: list[Pending] = []
        self.blocks: list[Block] = []
        self.puts: list[tuple[bytes, bytes]] = []
        self.rows: dict[bytes, bytes | None] = {}
        self.range_deletions: list[RangeDeletion] = []
        self.size_bytes = 0
        self.ends_memtable = False
        self.is_logged = False
        self.seen_count = 1
        self.turns_left = _GATHERING_TURNS


class Writer:
    """Owns the groups, the chunk number, and the order of writes.

    `group` takes what is staged now. `complete_rows` is called when a group is closed, to add the state rows of what
    was appended in it; `after_write` once all items of a group know that they are written; `filled` when a chunk was
    filled.
    """

    def __init__(
        self,
        data: Rdict,
        journal: Journal,
        chunk: int,
        settings: StoreSettings,
        complete_rows: Callable[[], None],
        after_write: Callable[[], None],
        filled: Callable[[], None],
    ) -> None:
        self.data = data
        self.state = data.get_column_family(STATE_FAMILY)
        self.state_handle = data.get_column_family_handle(STATE_FAMILY)
        self.chunk = chunk
        """The chunk of what is appended now, as far as it goes into a memtable."""
        self.block_chunk = keys.BLOCKS | chunk
        """That of blocks."""
        self.block_count = 0
        """How many blocks it has."""
        self.group = Group()
        self.refusal: BaseException | None = None
        """Why nothing can be staged any more: a write or an fsync failed (RocksDB takes nothing after that, and no
        later fsync can vouch for what the kernel dropped), or the store was closed."""
        self._journal = journal
        self._settings = settings
        self._complete_rows = complete_rows
        self._after_write = after_write
        self._filled = filled
        self._options = unstalled_writes()
        self._loop: AbstractEventLoop = get_running_loop()
        self._threads = ThreadPoolExecutor(1, "chronik-flush")
        self._syncer: Syncer[Pending] = Syncer(self._loop, journal.sync, self._synced)
        self._closed_groups: deque[Group] = deque()
        self._staged_bytes = 0
        self._chunk_bytes = 0
        self._row_bytes = 0
        self._stalled_count = 0
        self._scheduled = False
        self._switching = False
        self._tidying = False
        self._failed = False
        self._waiting_for_room: list[Future[None]] = []
        self._idle: Future[None] | None = None
        self._background_sync_due = False
        self._note_chunk()

    def stage(self, item: Pending, size_bytes: int) -> None:
        """Count `item`, whose keys the caller has just put into `group`; `size_bytes` is that of a batch, or 0."""
        if self.refusal is not None:
            item.failed(self.refusal)
            return
        group = self.group
        group.items.append(item)
        if size_bytes:
            size_bytes += _BATCH_OVERHEAD_BYTES
            group.size_bytes += size_bytes
            self._staged_bytes += size_bytes
            self._chunk_bytes += size_bytes
            if self._chunk_bytes + self._row_bytes >= self._settings.chunk_bytes:
                self.end_chunk()
                self._filled()
            elif group.size_bytes >= _GROUP_BYTES:
                self._close_group()
        if not self._scheduled:
            self._schedule()

    def end_chunk(self) -> None:
        """End the chunk with what is staged; nothing happens while it is empty."""
        if self._chunk_bytes > 0:
            self._close_group(ends_memtable=True)

    def stage_apart(self, item: Pending, range_deletions: Sequence[RangeDeletion]) -> None:
        """Delete ranges in a memtable of their own. With anything else in it, its file would reach from the deleted
        chunks to the newest one, and the next compaction would rewrite everything between."""
        self.end_chunk()
        self.group.range_deletions.extend(range_deletions)
        self.stage(item, 0)
        if self.refusal is None:
            self._close_group(ends_memtable=True)

    def room(self) -> Future[None] | None:
        """None while less than `max_staged_bytes` waits to be written, else what to await."""
        if self._staged_bytes < self._settings.max_staged_bytes:
            return None
        # One for each caller: who gives up waiting cancels it.
        waiting: Future[None] = self._loop.create_future()
        self._waiting_for_room.append(waiting)
        return waiting

    def refuse(self, reason: BaseException) -> None:
        """Let nothing be staged any more; what is staged will be written."""
        if self.refusal is None:
            self.refusal = reason

    async def close(self) -> None:
        """Write and fsync what is staged, after `refuse`."""
        while self.group.items or self._closed_groups or self._switching:
            self._idle = self._loop.create_future()
            await self._idle
        await self._loop.run_in_executor(None, self._threads.shutdown)
        self._syncer.submit(())
        await self._loop.run_in_executor(None, self._syncer.close)
        await self._loop.run_in_executor(None, self._journal.close)
        # The database stays open, and locked, as long as any handle of it lives.
        self.state.close()
        del self.state, self.state_handle, self.data

    def _note_chunk(self) -> None:
        self.group.rows[keys.state_key(keys.ENGINE, keys.ENGINE_CHUNK)] = keys.NUMBER.pack(self.chunk)

    def _close_group(self, ends_memtable: bool = False) -> None:
        self._complete_rows()
        group = self.group
        self._row_bytes += _ROW_BYTES * len(group.rows)
        group.ends_memtable = ends_memtable or self._row_bytes >= self._settings.chunk_bytes
        self._closed_groups.append(group)
        self.group = Group()
        if group.ends_memtable:
            self._row_bytes = 0
            if self._chunk_bytes > 0:
                self._chunk_bytes = self.block_count = 0
                self.chunk += 1
                self.block_chunk += 1
                self._note_chunk()

    def _schedule(self) -> None:
        self._scheduled = True
        self._loop.call_soon(self._write)

    def _write(self) -> None:
        """Write one group; what is left comes in another turn of the loop, so that others get theirs."""
        self._scheduled = False
        if self._switching:
            return  # _switched comes back
        if not self._closed_groups:
            if not self.group.items:
                self._release()
                return
            if self._waits_for_more():
                self._schedule()
                return
            self._close_group()
        group = self._closed_groups[0]
        try:
            if not group.is_logged:
                self._log(group)
            self.data.write(self._write_batch(group), self._options)
        except Exception as error:  # rocksdict raises plain Exceptions
            if str(error).startswith(_STALL):
                self._retry_after_stall()
            else:
                self._fail(error)
            return
        self._stalled_count = 0
        self._closed_groups.popleft()
        self._staged_bytes -= group.size_bytes
        if group.ends_memtable:
            self._switching = True
            self._loop.run_in_executor(self._threads, self._journal.turn).add_done_callback(self._switched)
        self._tell(group.items)
        if not (self._scheduled or self._switching) and (self._closed_groups or self.group.items):
            self._schedule()
        self._release()

    def _waits_for_more(self) -> bool:
        """Whether the group got more since the last turn of the loop, and so should wait for what the next one brings:
        a write and an fsync cost as much for two small requests as for ten. One alone never waits."""
        group = self.group
        count = len(group.items)
        if count > group.seen_count and group.size_bytes < _GATHERED_BYTES and group.turns_left:
            group.turns_left -= 1
            group.seen_count = count
            return True
        return False

    def _tell(self, items: Sequence[Pending]) -> None:
        waiting: list[Pending] = []
        for item in items:
            item.written()
            if item.durability is Durability.SYNCED:
                waiting.append(item)
        if waiting:
            self._syncer.submit(waiting)
        elif not self._background_sync_due:
            self._background_sync_due = True
            self._loop.call_later(self._settings.background_sync_ms / 1000, self._background_sync)
        self._after_write()

    def _log(self, group: Group) -> None:
        """Write it to the journal, once."""
        data = [(first, end) for first, end, family in group.range_deletions if family is None]
        state = [(first, end) for first, end, family in group.range_deletions if family is not None]
        has_data, has_state = bool(group.puts or data), bool(group.rows or state)
        if has_data or has_state or group.blocks:
            record = encoded(group.puts, group.rows, data, state, group.blocks)
            self._journal.append(record, group.blocks, has_data=has_data, has_state=has_state)
        group.is_logged = True

    def _write_batch(self, group: Group) -> WriteBatch:
        batch = WriteBatch(raw_mode=True)
        for first, end, family in group.range_deletions:
            batch.delete_range(first, end, family)
        put = batch.put
        for key, value in group.puts:
            put(key, value)
        handle = self.state_handle
        for key, row in group.rows.items():
            if row is None:
                batch.delete(key, handle)
            else:
                put(key, row, handle)
        return batch

    def _retry_after_stall(self) -> None:
        self._stalled_count += 1
        if self._stalled_count == _STALL_WARNING_COUNT:
            _log.warning("RocksDB cannot keep up: writes wait for its flushes and compactions.")
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_later(_STALL_RETRY_S, self._write)

    def _switched(self, switched: Future[None]) -> None:
        self._switching = False
        error = switched.exception()
        if error is not None:
            self._fail(error)
        else:
            self._tidy_later()
            self._write()

    def _tidy_later(self) -> None:
        if not self._tidying and self.refusal is None:
            self._tidying = True
            self._loop.call_later(_TIDY_S, self._tidy)

    def _tidy(self) -> None:
        if self.refusal is None:  # the threads may have ended with it
            self._loop.run_in_executor(self._threads, self._journal.tidy).add_done_callback(self._tidied)

    def _tidied(self, tidied: Future[bool]) -> None:
        self._tidying = False
        error = tidied.exception()
        if error is not None:
            _log.error("A journal of the record store that is not needed any more cannot be deleted: %s", error)
        elif tidied.result():
            self._tidy_later()

    def _background_sync(self) -> None:
        self._background_sync_due = False
        if self.refusal is None:
            self._syncer.submit(())

    def _synced(self, items: list[Pending], error: BaseException | None) -> None:
        if error is not None:
            self._fail(error)
            for item in items:
                item.failed(error)
            return
        for item in items:
            item.synced()

    def _fail(self, error: BaseException) -> None:
        if not self._failed:
            _log.error("The record store cannot be written any more, the broker must be restarted: %s", error)
        self._failed = True
        self.refusal = error
        groups = [*self._closed_groups, self.group]
        self._closed_groups.clear()
        self.group = Group()
        self._staged_bytes = 0
        for group in groups:
            for item in group.items:
                item.failed(error)
        self._release()

    def _release(self) -> None:
        """Let in who waits for room, or for everything to be written."""
        if self._waiting_for_room and self._staged_bytes < self._settings.max_staged_bytes:
            waiting, self._waiting_for_room = self._waiting_for_room, []
            for waiter in waiting:
                if not waiter.done():
                    waiter.set_result(None)
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)
