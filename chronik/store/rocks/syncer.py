"""The group fsync: one thread that syncs the journal over and over, with whatever has gathered meanwhile.

The next sync begins as soon as the last one ended: a delay before it would only cost (measured: latency times three for
one connection, and lower throughput), and an fsync on the loop would freeze every connection on a slow disk.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Syncer(Generic[Item]):
    """Takes groups of items and gives them back, on the loop, after an fsync that began after they were given."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        sync: Callable[[], None],
        done: Callable[[list[Item], BaseException | None], None],
    ) -> None:
        self._loop = loop
        self._sync = sync
        self._done = done
        self._queue: SimpleQueue[Sequence[Item] | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="chronik-fsync", daemon=True)
        self._thread.start()

    def submit(self, items: Sequence[Item]) -> None:
        """Have the log fsynced and get `items` back in `done`, in order. An empty group syncs too."""
        self._queue.put(items)

    def close(self) -> None:
        """Finish what was submitted and end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        queue = self._queue
        ending = False
        while not ending:
            group = queue.get()
            gathered: list[Item] = []
            asked = False
            while True:
                if group is None:
                    ending = True
                else:
                    asked = True
                    gathered.extend(group)
                if queue.empty():
                    break
                group = queue.get()
            if not asked:
                break
            error: BaseException | None = None
            try:
                self._sync()
            except Exception as caught:  # whatever the disk says goes to those who wait for it
                error = caught
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._done, gathered, error)
