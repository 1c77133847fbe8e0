"""One write-ahead record a loop tick: what is appended in a tick goes into one WriteBatch, written on the loop.

    append -> staged -> one WriteBatch written -> (fsynced by the Syncer) -> answered

A chunk ends after `chunk_bytes`: the memtable is switched at exactly that place by `flush(False)`, off the loop, and
writes are held back (staged) until it returns. When RocksDB stalls, the write fails instead of blocking, is retried,
and producers are held back once too much is staged.
"""

from __future__ import annotations

import logging
from asyncio import AbstractEventLoop, Future, get_running_loop
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from rocksdict import ColumnFamily, Rdict, WriteBatch

from chronik.settings import StoreSettings
from chronik.store.rocks import keys
from chronik.store.rocks.options import STATE_FAMILY, unstalled_writes
from chronik.store.rocks.syncer import Syncer
from chronik.terms import Durability

_STALL_RETRY_S = 0.002
_STALL_WARNING_COUNT = 500

_log = logging.getLogger(__name__)


class Staged(Protocol):
    """Something in a tick's WriteBatch that wants to know what became of it."""

    durability: Durability

    def written(self) -> None:
        """The write-ahead log has it."""

    def synced(self) -> None:
        """It was fsynced (only called if `durability` asks for it)."""

    def failed(self, error: BaseException) -> None:
        """It was not written, or (after `written`) not fsynced."""


class Writer:
    """Owns what is staged, the chunk number, and the order of writes.

    What is to be written is kept as plain keys and values until it is written, because a WriteBatch is used up by the
    attempt. `state_rows` has the last word on each key of the state family, None for a deletion; `range_deletions` come
    before all of it. `before_write` is called before each WriteBatch is made, `after_write` once all of its items know
    that it is written.
    """

    def __init__(
        self,
        data: Rdict,
        chunk: int,
        settings: StoreSettings,
        before_write: Callable[[], None],
        after_write: Callable[[], None],
    ) -> None:
        self.data = data
        self.state = data.get_column_family(STATE_FAMILY)
        self.state_handle = data.get_column_family_handle(STATE_FAMILY)
        self.chunk = chunk
        self.data_puts: list[tuple[bytes, bytes]] = []
        self.state_rows: dict[bytes, bytes | None] = {
            keys.state_key(keys.ENGINE, keys.ENGINE_CHUNK): keys.NUMBER.pack(chunk)
        }
        self.range_deletions: list[tuple[bytes, bytes, ColumnFamily | None]] = []
        """First key, key after the last, family (None: the data)."""
        self._settings = settings
        self._before_write = before_write
        self._after_write = after_write
        self._options = unstalled_writes()
        self._loop: AbstractEventLoop = get_running_loop()
        self._threads = ThreadPoolExecutor(1, "chronik-flush")
        self._syncer: Syncer[Staged] = Syncer(self._loop, self._sync, self._synced)
        self._staged: list[Staged] = []
        self._staged_bytes = 0
        self._chunk_filled = 0
        self._stalled_count = 0
        self._scheduled = False
        self._rolling = False
        self._room: Future[None] | None = None
        self._idle: Future[None] | None = None
        self._background_sync_due = False
        self._broken: BaseException | None = None
        self._closed = False

    def stage(self, item: Staged, size_bytes: int) -> None:
        """Count `item`, whose keys the caller has just put into `data_puts` and so on, to this tick."""
        self._staged.append(item)
        self._staged_bytes += size_bytes
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._write)

    def room(self) -> Future[None] | None:
        """None while less than `max_staged_bytes` waits to be written, else what to await."""
        if self._staged_bytes < self._settings.max_staged_bytes:
            return None
        if self._room is None:
            self._room = self._loop.create_future()
        return self._room

    @property
    def broken(self) -> BaseException | None:
        """The error that ended the writing for good, if any: RocksDB refuses writes after a failed one."""
        return self._broken

    @property
    def chunk_filled(self) -> int:
        """Bytes of batches that were written into the current chunk."""
        return self._chunk_filled

    def roll(self) -> None:
        """End the chunk now; does nothing while that is under way."""
        if not self._rolling and self._broken is None:
            self._roll()

    async def close(self) -> None:
        """Write and fsync what is staged; then nothing can be appended any more."""
        while (self._staged or self._rolling) and self._broken is None:
            self._idle = self._loop.create_future()
            await self._idle
        self._closed = True
        self._threads.shutdown(wait=True)
        self._syncer.submit(())
        await self._loop.run_in_executor(None, self._syncer.close)
        # The database stays open, and locked, as long as any handle of it lives.
        self.state.close()
        del self.state, self.state_handle, self.data

    def _write(self) -> None:
        if self._rolling:
            return  # _rolled writes what gathers meanwhile
        self._scheduled = False
        if not self._staged:
            self._release()
            return
        self._before_write()
        try:
            self.data.write(self._write_batch(), self._options)
        except Exception as error:  # rocksdict raises plain Exceptions
            if "Incomplete" in str(error):
                self._retry_after_stall()
            else:
                self._fail(error)
            return
        self._stalled_count = 0
        staged, size = self._staged, self._staged_bytes
        self._staged, self.data_puts, self.state_rows, self.range_deletions = [], [], {}, []
        self._staged_bytes = 0
        waiting: list[Staged] = []
        for item in staged:
            item.written()
            if item.durability is Durability.SYNCED:
                waiting.append(item)
        if waiting:
            self._syncer.submit(waiting)
        elif not self._background_sync_due:
            self._background_sync_due = True
            self._loop.call_later(self._settings.background_sync_ms / 1000, self._background_sync)
        self._after_write()
        self._chunk_filled += size
        if self._chunk_filled >= self._settings.chunk_bytes:
            self._roll()
        self._release()

    def _write_batch(self) -> WriteBatch:
        batch = WriteBatch(raw_mode=True)
        for first, end, family in self.range_deletions:
            batch.delete_range(first, end, family)
        put = batch.put
        for key, value in self.data_puts:
            put(key, value)
        handle = self.state_handle
        for key, row in self.state_rows.items():
            if row is None:
                batch.delete(key, handle)
            else:
                put(key, row, handle)
        return batch

    def _retry_after_stall(self) -> None:
        self._stalled_count += 1
        if self._stalled_count == _STALL_WARNING_COUNT:
            _log.warning("RocksDB cannot keep up: writes wait for its flushes and compactions.")
        self._scheduled = True
        self._loop.call_later(_STALL_RETRY_S, self._write)

    def _roll(self) -> None:
        """End the chunk: from now on keys carry the next number; writes wait for the memtable's switch."""
        self._chunk_filled = 0
        self.chunk += 1
        self.state_rows[keys.state_key(keys.ENGINE, keys.ENGINE_CHUNK)] = keys.NUMBER.pack(self.chunk)
        self._rolling = True
        switched = self._loop.run_in_executor(self._threads, self._switch)
        switched.add_done_callback(self._rolled)

    def _switch(self) -> None:
        self.data.flush(False)
        self.state.flush(False)

    def _rolled(self, switched: Future[None]) -> None:
        self._rolling = False
        error = switched.exception()
        if error is not None:
            self._fail(error)
        else:
            self._write()

    def _background_sync(self) -> None:
        self._background_sync_due = False
        if not self._closed:
            self._syncer.submit(())

    def _sync(self) -> None:
        self.data.flush_wal(True)

    def _synced(self, items: list[Staged], error: BaseException | None) -> None:
        if error is not None:
            # The kernel may have dropped the pages: no later fsync can vouch for them, so nothing is taken any more.
            self._fail(error)
            for item in items:
                item.failed(error)
            return
        for item in items:
            item.synced()

    def _fail(self, error: BaseException) -> None:
        if self._broken is None:
            _log.error("The record store cannot be written any more, the broker must be restarted: %s", error)
        self._broken = error
        staged = self._staged
        self._staged, self.data_puts, self.state_rows, self.range_deletions = [], [], {}, []
        self._staged_bytes = 0
        self._scheduled = False
        for item in staged:
            item.failed(error)
        self._release()

    def _release(self) -> None:
        """Let in who waits for room, or for everything to be written."""
        if self._room is not None and self._staged_bytes < self._settings.max_staged_bytes:
            self._room.set_result(None)
            self._room = None
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)
