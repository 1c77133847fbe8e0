"""What a broker does by itself: retention, giving space back, expiring offsets, producers and transactional ids."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from chronik.broker.clock import now_ms

if TYPE_CHECKING:
    from chronik.broker.broker import Broker

PRODUCER_CHECK_INTERVAL_MS = 600_000
_REST_S = 1.0
"""Before anything is done: a start has more urgent work."""
_LOGS_A_STEP = 100
"""Logs that are looked at without letting others have the loop."""

_log = logging.getLogger(__name__)


class Housekeeping:
    """The background tasks of one broker. A round that fails is logged, and tried again at its next time."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; each kind of work first waits for its interval."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End; what is being done is finished by the stores or not begun."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        await asyncio.sleep(_REST_S)
        # Not at the top: it costs a start 18 ms, and nothing here is urgent.
        import anyio

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._retention_rounds)
            tasks.start_soon(self._offset_rounds)
            tasks.start_soon(self._producer_rounds)
            tasks.start_soon(self._transaction_rounds)

    async def _retention_rounds(self) -> None:
        """At the interval, and whenever the store has filled another chunk: a fast writer must not outrun its limit."""
        filled = self._broker.store.filled
        while True:
            try:
                async with asyncio.timeout(self._broker.settings.log_retention_check_interval_ms / 1000):
                    await filled.wait()
            except TimeoutError:
                pass
            filled.clear()
            await self._guarded(self._retain)
            await self._guarded(self._reclaim)

    async def _offset_rounds(self) -> None:
        while True:
            await asyncio.sleep(self._broker.settings.offsets_retention_check_interval_ms / 1000)
            await self._guarded(self._broker.groups.expire_offsets)

    async def _producer_rounds(self) -> None:
        while True:
            await asyncio.sleep(PRODUCER_CHECK_INTERVAL_MS / 1000)
            await self._guarded(self._expire_producers)

    async def _transaction_rounds(self) -> None:
        while True:
            interval_ms = self._broker.settings.transaction_remove_expired_transaction_cleanup_interval_ms
            await asyncio.sleep(interval_ms / 1000)
            await self._guarded(self._broker.transactions.expire)

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception:
            _log.exception("Housekeeping failed; it is tried again later.")

    async def _retain(self) -> None:
        """Give up what the limits give up. Logs go side by side, as each waits for an fsync of its own."""
        store, due = self._broker.store, list[Awaitable[int]]()
        for topic in self._broker.topics:
            config = topic.config
            if not config.cleanup_delete or (config.retention_ms < 0 and config.retention_bytes < 0):
                continue
            for log in topic.logs:
                due.append(store.retain(log, config.retention_ms, config.retention_bytes, now_ms()))
                if len(due) == _LOGS_A_STEP:
                    await asyncio.gather(*due)
                    due.clear()
        await asyncio.gather(*due)

    async def _reclaim(self) -> None:
        while await self._broker.store.reclaim():
            pass

    async def _expire_producers(self) -> None:
        expiration_ms = self._broker.settings.producer_id_expiration_ms
        for count, topic in enumerate(self._broker.topics, 1):
            for log in topic.logs:
                self._broker.store.expire_producers(log, now_ms(), expiration_ms)
            if count % _LOGS_A_STEP == 0:
                await asyncio.sleep(0)
