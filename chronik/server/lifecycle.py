"""The life of a broker process: open, listen, tell that it is ready, wait for a signal, drain, close."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import signal
import sys
import time
from pathlib import Path
from typing import NamedTuple, Protocol

from chronik.api.subscription import subscribed_topics
from chronik.broker.broker import Broker
from chronik.server.listener import Server
from chronik.settings import BrokerSettings

_GC_THRESHOLDS = (5000, 20, 100)
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_MIB = 1024 * 1024

SWITCH_INTERVAL_S = 0.0005
"""How long a reading thread may keep the interpreter from the loop: with Python's 5 ms others waited 6 ms beside
reads of small batches from the disk, with this 0.7 ms, at the same CPU."""


class StartError(Exception):
    """The broker could not start; the message is one sentence for a person."""


class Started(NamedTuple):
    """A broker that serves."""

    broker: Broker
    server: Server
    recovery_ms: float
    """What opening the data directory took, its write-ahead logs included."""

    async def pause(self) -> None:
        """Let the loop do something else."""
        await asyncio.sleep(0)


class Hooks(Protocol):
    """What its owner adds to a broker's life. An exception ends it, with everything closed in order."""

    async def prepare(self, broker: Broker) -> None:
        """The data directory is open; nobody can connect yet."""

    def ready(self, started: Started) -> None:
        """Requests are served from now on."""

    async def report(self, started: Started) -> None:
        """Runs beside the requests, once; cancelled when the broker stops before it is done. Must not raise."""

    def stopping(self) -> None:
        """A signal came, or the start failed: nobody can connect any more."""


def run(data_dir: Path, settings: BrokerSettings, hooks: Hooks) -> None:
    """Serve until SIGTERM or SIGINT. StartError when it cannot, and what `Broker.open` raises."""
    _tune_allocator()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    if sys.platform == "win32":
        asyncio.run(serve(data_dir, settings, hooks))
    else:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(data_dir, settings, hooks))


async def serve(data_dir: Path, settings: BrokerSettings, hooks: Hooks) -> None:
    """The same, in a running loop."""
    stop = asyncio.Event()
    _stop_on_signals(asyncio.get_running_loop(), stop)
    began = time.perf_counter()
    broker = await Broker.open(data_dir, settings, subscribed_topics)
    recovery_ms = (time.perf_counter() - began) * 1000
    try:
        await hooks.prepare(broker)
        server = Server(broker)
        await _listen(server, settings)
        try:
            started = Started(broker, server, recovery_ms)
            hooks.ready(started)
            _settle_memory()
            report = asyncio.ensure_future(hooks.report(started))
            await stop.wait()
            report.cancel()
        finally:
            hooks.stopping()
            await server.stop()
    finally:
        await broker.close()


async def _listen(server: Server, settings: BrokerSettings) -> None:
    try:
        await server.start()
    except OSError as error:
        # Every address before it could be had.
        host, port = settings.listeners[len(server.addresses)]
        # What the system says, without what the loop puts in front of it.
        reason = (error.strerror or str(error)).rpartition(": ")[2]
        raise StartError(f"Cannot listen on {host}:{port}: {reason}.") from error


def _stop_on_signals(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Stop at SIGTERM and SIGINT; a second SIGINT ends the process, whatever it is doing."""
    if sys.platform == "win32":

        def interrupted(*_: object) -> None:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            loop.call_soon_threadsafe(stop.set)

        signal.signal(signal.SIGINT, interrupted)
        signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(stop.set))
    else:

        def interrupt() -> None:
            loop.remove_signal_handler(signal.SIGINT)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            stop.set()

        loop.add_signal_handler(signal.SIGINT, interrupt)
        loop.add_signal_handler(signal.SIGTERM, stop.set)


def _settle_memory() -> None:
    """What was made so far lives as long as the process: the collector need not look at it again. Nor often at what has
    lived for a while, as hardly anything is made in circles: each such look stands still for the whole memory."""
    gc.enable()
    gc.set_threshold(*_GC_THRESHOLDS)
    gc.collect()
    gc.freeze()


def _tune_allocator() -> None:
    """Keep freed memory of large batches instead of giving it back to the system each time (glibc only): 10 to 14 %
    less CPU where batches are large, measured with 10 KB and 100 KB records."""
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return  # another C library
    mallopt(_M_MMAP_THRESHOLD, 64 * _MIB)
    mallopt(_M_TRIM_THRESHOLD, 64 * _MIB)
    mallopt(_M_TOP_PAD, _MIB)
