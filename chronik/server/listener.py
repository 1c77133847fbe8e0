"""The listening sockets of a broker and all its connections."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from chronik.api import HANDLERS, Handler
from chronik.broker.broker import Broker
from chronik.server.calls import Calls
from chronik.server.connection import Connection

READ_BUFFER_BYTES = 256 * 1024
"""Read from a socket at once. All connections share one buffer: what it holds is used up before the next read."""
_DRAIN_S = 2.0
_SEND_THREADS = 2
_TICKS = 20
"""Turns of the loop in which an answer leaves that does not wait for anything any more."""

_PORT_TRIES = 20
"""Ports that are tried until one is free at all addresses of a name."""

_log = logging.getLogger(__name__)


class Server:
    """Accepts connections for one broker from `start` to `stop`."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.loop = asyncio.get_running_loop()
        self.read_buffer = memoryview(bytearray(READ_BUFFER_BYTES))
        self.handlers = {int(handler.API): handler for handler in HANDLERS}
        self.addresses: list[tuple[str, int]] = []
        """Where it listens, with real ports."""
        self.threads = ThreadPoolExecutor(_SEND_THREADS, "chronik-send")
        """Send what is in files."""
        self.is_held = False
        """Whether new connections have to wait."""
        self._connections: set[Connection] = set()
        self._servers: list[asyncio.Server] = []
        self._to_flush: list[Connection] = []
        self._sweep: asyncio.TimerHandle | None = None
        self._settled: asyncio.Event | None = None

    @property
    def handlers(self) -> dict[int, Handler]:
        """Who carries out the requests of each API."""
        return self._handlers

    @handlers.setter
    def handlers(self, handlers: dict[int, Handler]) -> None:
        self._handlers = handlers
        self.calls = Calls(handlers)
        """The same, as connections look them up."""

    async def start(self) -> None:
        """Listen on every address of the settings. OSError when one cannot be had; then none is kept."""
        try:
            for host, port in self.broker.settings.listeners:
                servers = await bind(await _addresses_of(host), port, lambda: Connection(self))
                self._servers += servers
                bound = servers[0].sockets[0].getsockname()
                self.addresses.append((str(bound[0]), int(bound[1])))
        except BaseException:
            await self.stop()
            raise
        self._tell_ports()
        self._schedule_sweep()

    async def stop(self) -> None:
        """Accept nothing more, begin no request, answer what is being written if that is soon done, close. Whoever
        waits for records or for other members goes unanswered: a consumer waits all the time."""
        self.close()
        if self._sweep is not None:
            self._sweep.cancel()
        self.hold()
        await self._until(lambda: not any(connection.is_answering for connection in self._connections))
        for connection in tuple(self._connections):
            connection.shut()
        await self._until(lambda: not self._connections)
        self.threads.shutdown(cancel_futures=True)

    def close(self) -> None:
        """Accept nothing more."""
        for server in self._servers:
            server.close()
        self._servers.clear()

    async def _until(self, quiet: Callable[[], bool]) -> None:
        """Wait for it, looked at after each answer and each end of a connection, but not for long."""
        try:
            async with asyncio.timeout(_DRAIN_S):
                while not quiet():
                    self._settled = asyncio.Event()
                    await self._settled.wait()
        except TimeoutError:
            _log.warning("Not every request was answered before the stop.")
        self._settled = None

    def settled(self) -> None:
        """A connection has answered everything that it was asked."""
        if self._settled is not None:
            self._settled.set()

    def cut(self) -> list[asyncio.Task[None]]:
        """Close every connection at once: no byte is sent any more. Requests that are being carried out are cancelled;
        they have ended when the tasks that are returned have."""
        return [task for connection in tuple(self._connections) if (task := connection.cut()) is not None]

    # Going on with another broker

    def hold(self) -> None:
        """Let no connection, old or new, begin a request until `serve`."""
        self.is_held = True
        for connection in tuple(self._connections):
            connection.hold()

    async def end_requests(self, *, now: bool) -> None:
        """Have no request carried out any more, after `hold`; a connection that waits for an answer is closed. Not
        `now`: spare those that end by themselves when the store has told what it knows; a later call sees to them."""
        if now:
            for _ in range(_TICKS):
                if not any(connection.is_busy for connection in self._connections):
                    return
                await asyncio.sleep(0)
        busy = [one for one in self._connections if one.is_busy and (now or not one.ends_by_itself)]
        tasks = [task for connection in busy if (task := connection.cut()) is not None]
        await asyncio.gather(*tasks, return_exceptions=True)

    def serve(self, broker: Broker) -> None:
        """Let all connections ask this broker."""
        self.broker = broker
        self._tell_ports()
        self.is_held = False
        for connection in tuple(self._connections):
            connection.go_on(broker)

    def _tell_ports(self) -> None:
        """Let the broker know the ports that the system picked."""
        wanted = self.broker.settings.listeners
        ports = [port for _, port in self.addresses]
        self.broker.listens_on(tuple((host, port) for (host, _), port in zip(wanted, ports, strict=True)))

    def admit(self, connection: Connection) -> bool:
        """Count a new connection; False when there are too many."""
        if len(self._connections) >= self.broker.settings.max_connections:
            return False
        self._connections.add(connection)
        return True

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)
        self.settled()

    @property
    def connection_count(self) -> int:
        """Open connections."""
        return len(self._connections)

    def flush_soon(self, connection: Connection) -> None:
        """Have the connection's answers sent at the end of this tick: one system call for all of them."""
        if not self._to_flush:
            self.loop.call_soon(self._flush)
        self._to_flush.append(connection)

    def _flush(self) -> None:
        waiting, self._to_flush = self._to_flush, []
        for connection in dict.fromkeys(waiting):
            connection.after_tick()

    def _schedule_sweep(self) -> None:
        idle_s = self.broker.settings.connections_max_idle_ms / 1000
        self._sweep = self.loop.call_later(min(max(idle_s / 2, 0.05), 30.0), self._close_idle)

    def _close_idle(self) -> None:
        oldest = self.loop.time() - self.broker.settings.connections_max_idle_ms / 1000
        for connection in tuple(self._connections):
            if connection.used_at < oldest:
                connection.close_idle()
        self._schedule_sweep()


async def bind(hosts: Sequence[str], port: int, protocol: Callable[[], asyncio.BaseProtocol]) -> list[asyncio.Server]:
    """Listen on one port at each of these hosts; port 0 picks one that is free at all of them. OSError when it cannot
    be had; then nothing is kept."""
    loop = asyncio.get_running_loop()
    if port or len(hosts) == 1:
        return [await loop.create_server(protocol, hosts, port, backlog=1024)]
    for left in reversed(range(_PORT_TRIES)):
        first = await loop.create_server(protocol, hosts[0], 0, backlog=1024)
        picked = int(first.sockets[0].getsockname()[1])
        try:
            return [first, await loop.create_server(protocol, hosts[1:], picked, backlog=1024)]
        except OSError as error:
            first.close()
            if error.errno != errno.EADDRINUSE or not left:
                raise
    raise AssertionError("the last try returns or raises")


async def _addresses_of(host: str) -> list[str]:
    """All addresses of a name; an address is its own."""
    if ":" in host or not any(character.isalpha() for character in host):
        return [host]
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
