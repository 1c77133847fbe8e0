"""A broker in a thread of its own, for code that has no event loop: tests, scripts.

    with Broker().in_thread() as broker:
        ... broker.bootstrap_servers

Every method blocks until what it says is true, and may be called from any thread but the broker's own.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from chronik.broker.stored_records import StoredRecord
    from chronik.server.embedded import Broker, TopicWishes
    from chronik.server.faults import Rule

Result = TypeVar("Result")


class HostedBroker:
    """`Broker`, and the thread with the event loop that it lives in. See there for what the methods do."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None

    # Its life

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def is_running(self) -> bool:
        """Whether it serves."""
        return self._broker.is_running

    def start(self) -> None:
        """Start the thread at the first call, and the broker."""
        if self._thread is None:
            hosting: Future[None] = Future()
            self._thread = threading.Thread(target=self._host, args=(hosting,), name="chronik", daemon=True)
            self._thread.start()
            hosting.result()
        try:
            self._do(self._broker.start())
        except BaseException:
            if not self._broker.is_running:
                self.close()
            raise

    def stop(self) -> None:
        """Stop the broker as an operator does; `start` goes on from there."""
        self._do(self._broker.stop())

    def close(self) -> None:
        """Stop for good, and end the thread. Idempotent."""
        if self._thread is None or self._loop is None or self._ending is None:
            return
        try:
            self._do(self._broker.close())
        finally:
            self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join()
            self._thread = self._loop = None

    def restart(self) -> None:
        """Stop and start, as an operator does."""
        self._do(self._broker.restart())

    def crash(self) -> None:
        """End as by SIGKILL, and start on what that leaves."""
        self._do(self._broker.crash())

    def reset(self, topics: TopicWishes = ()) -> None:
        """Forget everything, and create these topics."""
        self._do(self._broker.reset(topics))

    # Where it is, and what it holds

    @property
    def bootstrap_servers(self) -> str:
        """For clients on this machine."""
        return self._broker.bootstrap_servers

    @property
    def data_dir(self) -> Path:
        """Where the data is."""
        return self._broker.data_dir

    @property
    def topics(self) -> dict[str, int]:
        """The number of partitions of each topic."""
        return self._call(lambda: self._broker.topics)

    def create_topics(self, topics: TopicWishes) -> None:
        """Create topics."""
        self._do(self._broker.create_topics(topics))

    def records(
        self, topic: str, *, at_least: int = 0, timeout_s: float = 10.0, committed: bool = True
    ) -> list[StoredRecord]:
        """All records of a topic."""
        return self._do(self._broker.records(topic, at_least=at_least, timeout_s=timeout_s, committed=committed))

    def committed(self, group: str) -> dict[tuple[str, int], int]:
        """The committed offsets of a group."""
        return self._call(lambda: self._broker.committed(group))

    # Faults

    def fail(
        self,
        api: str | int,
        error: str | int,
        *,
        times: int | None = None,
        after: int = 0,
        client_id: str | None = None,
    ) -> Rule:
        """Answer requests with an error."""
        return self._call(lambda: self._broker.fail(api, error, times=times, after=after, client_id=client_id))

    def delay(
        self,
        api: str | int | None = None,
        *,
        ms: float,
        times: int | None = None,
        after: int = 0,
        client_id: str | None = None,
    ) -> Rule:
        """Carry out requests later."""
        return self._call(lambda: self._broker.delay(api, ms=ms, times=times, after=after, client_id=client_id))

    def disconnect(
        self, api: str | int | None = None, *, times: int | None = 1, after: int = 0, client_id: str | None = None
    ) -> Rule:
        """Close connections instead of carrying requests out."""
        return self._call(lambda: self._broker.disconnect(api, times=times, after=after, client_id=client_id))

    def drop(
        self, api: str | int | None = None, *, times: int | None = 1, after: int = 0, client_id: str | None = None
    ) -> Rule:
        """Carry requests out, and close their connections instead of answering."""
        return self._call(lambda: self._broker.drop(api, times=times, after=after, client_id=client_id))

    def clear_faults(self) -> None:
        """Cancel all rules."""
        self._call(self._broker.clear_faults)

    # The thread

    def _host(self, hosting: Future[None]) -> None:
        try:
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(self._run(hosting))
        except BaseException as error:
            if hosting.done():
                raise
            hosting.set_exception(error)

    async def _run(self, hosting: Future[None]) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        hosting.set_result(None)
        await self._ending.wait()

    def _do(self, work: Coroutine[Any, Any, Result]) -> Result:
        loop = self._loop
        if loop is None or threading.current_thread() is self._thread:
            work.close()
            where = "The broker's thread does not run." if loop is None else "This would wait for itself."
            raise RuntimeError(where)
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    def _call(self, work: Callable[[], Result]) -> Result:
        async def called() -> Result:
            return work()

        return self._do(called())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where there is one, else asyncio's own."""
    if sys.platform == "win32":
        return None
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
