"""A broker in a program of its own: `chronik.Broker`.

    async with Broker("data") as broker:
        ... broker.bootstrap_servers

It lives in the running event loop, asyncio's own or uvloop's, and takes nothing else of the process: no signals, no
logging, no process-wide settings. Any number of them can live in one process, each on a directory of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from chronik.api.subscription import subscribed_topics
from chronik.broker.broker import Broker as Engine
from chronik.broker.clock import now_ms
from chronik.broker.stored_records import StoredRecord, stored_records
from chronik.broker.topics import NewTopic, Topic
from chronik.configs.static import static_settings
from chronik.configs.validate import check_topic
from chronik.errors import ErrorCode, KafkaError
from chronik.server.faults import FaultKind, Faults, Rule, api_key, error_code
from chronik.server.listener import Server
from chronik.settings import BrokerSettings, DurabilityMode

if TYPE_CHECKING:
    from chronik.server.hosted import HostedBroker

TopicWishes = Mapping[str, "int | Mapping[str, Any] | None"] | Sequence[str] | str
"""Topics to be created: names, or for each name its number of partitions, or its configs with "partitions" among them
(None: what the settings say)."""

Address = str | tuple[str, int]
"""Host and port: "127.0.0.1:9092", "[::1]:0", or a pair."""

_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class Broker:
    """A broker on `data_dir`, which is created if need be; None for a temporary directory that goes with the broker,
    and that nothing is fsynced in.

    `listen`: one or more addresses, port 0 for any (it is kept over restarts). `advertise`: what clients are told
    instead of the address that they dialled. `durability`: "strict", "default" or "relaxed". `topics` are created at
    each start unless they are there. Every other setting goes by its Kafka name with underscores, as in
    `num_partitions=3` or `log_retention_ms=60_000`; ValueError for one that there is not.

    Raised by a start: `DataDirectoryError` or `CatalogError` for the directory, OSError for the addresses.
    """

    def __init__(
        self,
        data_dir: str | Path | None = None,
        *,
        listen: Address | Sequence[Address] = "127.0.0.1:0",
        advertise: Address | None = None,
        durability: str | None = None,
        topics: TopicWishes = (),
        **settings: object,
    ) -> None:
        self._data_dir = None if data_dir is None else Path(data_dir)
        self._wishes = topics
        self._settings = _settings(settings, listen, advertise, durability or self._default_durability())
        self._temporary: TemporaryDirectory[str] | None = None
        self._engine: Engine | None = None
        self._server: Server | None = None
        self._addresses: tuple[tuple[str, int], ...] = ()
        self._listeners: tuple[tuple[str, int], ...] = ()
        """Its settings, with the ports of the first start."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._faults = Faults(self._on_loop)

    def in_thread(self) -> HostedBroker:
        """The same for code without an event loop: a broker with a thread of its own, and methods that block."""
        from chronik.server.hosted import HostedBroker

        return HostedBroker(self)

    def _default_durability(self) -> str:
        return DurabilityMode.DEFAULT.value if self._data_dir is not None else DurabilityMode.RELAXED.value

    # Its life

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def is_running(self) -> bool:
        """Whether it serves."""
        return self._server is not None

    async def start(self) -> None:
        """Open the directory and listen, on the same ports as before. Nothing if it runs."""
        if self._server is not None:
            return
        self._loop = asyncio.get_running_loop()
        settings = self._settings
        if self._listeners:
            settings = replace(settings, listeners=self._listeners)
        engine = await Engine.open(
            self._directory(), settings, subscribed_topics, synchronous="FULL" if self._data_dir is not None else "OFF"
        )
        server = Server(engine)
        try:
            await _create(engine, self._wishes, only_missing=True)
            await server.start()
        except BaseException:
            await engine.close()
            raise
        self._engine, self._server, self._addresses = engine, server, tuple(server.addresses)
        self._listeners = engine.settings.listeners
        self._faults.install(server)
        engine.catalog.warm()

    async def stop(self) -> None:
        """Answer what was asked, make everything durable, let go of the directory. `start` goes on from there."""
        server, engine = self._server, self._engine
        self._server = self._engine = None
        if server is not None and engine is not None:
            try:
                await server.stop()
            finally:
                await engine.close()

    async def close(self) -> None:
        """Stop for good; a temporary directory goes too."""
        try:
            await self.stop()
        finally:
            if self._temporary is not None:
                self._temporary.cleanup()
                self._temporary = None

    async def restart(self) -> None:
        """Stop and start, as an operator does: clients lose their connections, and nothing else."""
        await self.stop()
        await self.start()

    async def crash(self) -> None:
        """End as by SIGKILL, and start on what that leaves.

        Connections end without another byte; what was not given to the system by then is gone, nothing is flushed or
        closed properly, and the start recovers. The moment lies between two turns of the event loop: a write that is
        cut in its middle is not simulated, nor a power cut, under which fsyncs would count.
        """
        server, engine = self._running()
        server.close()
        tasks = server.cut()
        await engine.crash()
        self._server = self._engine = None
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.stop()
        await self.start()

    async def reset(self, topics: TopicWishes = ()) -> None:
        """Forget all topics, records, groups, offsets, transactions, dynamic configs and fault rules, and create these
        topics, and those that the broker was made with. Starts it if it is stopped.

        Connections stay, but for those that wait for anything else than records: clients find everything new, as if
        all topics had been deleted and the coordinator had forgotten them. Producer ids and topic ids of before are
        never used again.
        """
        self._faults.clear()
        await self.start()
        server, engine = self._running()
        server.hold()
        await server.end_requests(now=False)
        self._engine = engine = await engine.emptied()
        await server.end_requests(now=True)
        try:
            await _create(engine, self._wishes, only_missing=True)
            await _create(engine, topics)
        finally:
            server.serve(engine)

    # Where it is, and what it holds

    @property
    def bootstrap_servers(self) -> str:
        """ "host:port" for clients on this machine, several with commas between them. Known from the first start on."""
        if not self._addresses:
            raise RuntimeError("The broker was never started.")
        return ",".join(_shown(_WILDCARDS.get(host, host), port) for host, port in self._addresses)

    @property
    def data_dir(self) -> Path:
        """Where the data is; a temporary directory exists from the first start on."""
        return self._directory()

    @property
    def topics(self) -> dict[str, int]:
        """The number of partitions of each topic."""
        return {topic.name: len(topic.logs) for topic in self._running()[1].topics}

    async def create_topics(self, topics: TopicWishes) -> None:
        """Create topics. KafkaError for the first that cannot be, TOPIC_ALREADY_EXISTS for one that is there."""
        await _create(self._running()[1], topics)

    async def records(
        self, topic: str, *, at_least: int = 0, timeout_s: float = 10.0, committed: bool = True
    ) -> list[StoredRecord]:
        """All records of a topic, by partition and offset; without those of open and aborted transactions, unless
        `committed` is false. Waits for `at_least` records: TimeoutError when they do not come. KafkaError
        UNKNOWN_TOPIC_OR_PARTITION for a topic that is not there, after the same time if records are waited for."""
        deadline = time.monotonic() + timeout_s
        while True:
            engine = self._running()[1]
            known = engine.topics.get(topic)
            found = [] if known is None else await stored_records(engine.store, known, committed=committed)
            if known is not None and len(found) >= at_least:
                return found
            if at_least == 0 or time.monotonic() > deadline:
                break
            await self._news_of(engine, known, min(deadline - time.monotonic(), 0.05))
        if known is None:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"There is no topic {topic!r}.")
        raise TimeoutError(f"Topic {topic!r} has {len(found)} records after {timeout_s} s, not {at_least}.")

    async def _news_of(self, engine: Engine, topic: Topic | None, timeout_s: float) -> None:
        """Until something happens to the topic's logs; for one that is not there yet, a little."""
        news = asyncio.Event()
        watch = None if topic is None else engine.store.watch(topic.logs, news.set)
        try:
            async with asyncio.timeout(timeout_s):
                await news.wait()
        except TimeoutError:
            pass
        finally:
            if watch is not None:
                watch.cancel()

    def committed(self, group: str) -> dict[tuple[str, int], int]:
        """The committed offset of each (topic, partition) of a group; empty for one that does not exist."""
        engine = self._running()[1]
        reply = engine.groups.fetch_offsets(group, None, require_stable=False)
        names = {found.topic_id: engine.topics.name_of(found.topic_id) for found in reply.offsets}
        return {(name, found.partition): found.offset for found in reply.offsets if (name := names[found.topic_id])}

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
        """Answer requests of an API with an error, in the shape of that API and version, and do nothing for them.

        `times`: so many (None: all). `after`: only when so many have passed. `client_id`: only that client's. The rule
        counts what it strikes, and can be cancelled; `clear_faults` and `reset` cancel all. ValueError for an API or
        error that there is not.
        """
        code = error_code(error)
        return self._add(FaultKind.FAIL, api, error=code, times=times, after=after, client_id=client_id)

    def delay(
        self,
        api: str | int | None = None,
        *,
        ms: float,
        times: int | None = None,
        after: int = 0,
        client_id: str | None = None,
    ) -> Rule:
        """Carry out requests of an API (None: of all) so many milliseconds later. A connection's next request waits, as
        always."""
        return self._add(FaultKind.DELAY, api, delay_s=ms / 1000, times=times, after=after, client_id=client_id)

    def disconnect(
        self, api: str | int | None = None, *, times: int | None = 1, after: int = 0, client_id: str | None = None
    ) -> Rule:
        """Close the connection of a request instead of carrying it out: of the next one, unless told otherwise."""
        return self._add(FaultKind.DISCONNECT, api, times=times, after=after, client_id=client_id)

    def drop(
        self, api: str | int | None = None, *, times: int | None = 1, after: int = 0, client_id: str | None = None
    ) -> Rule:
        """Carry a request out, and close its connection instead of answering: the client cannot know what became of
        it."""
        return self._add(FaultKind.DROP, api, times=times, after=after, client_id=client_id)

    def clear_faults(self) -> None:
        """Cancel all rules."""
        self._faults.clear()

    def _add(self, kind: FaultKind, api: str | int | None, **options: Any) -> Rule:
        return self._faults.add(Rule(self._faults, kind, None if api is None else api_key(api), **options))

    # Within

    def _running(self) -> tuple[Server, Engine]:
        if self._server is None or self._engine is None:
            raise RuntimeError("The broker is not running.")
        return self._server, self._engine

    def _directory(self) -> Path:
        if self._data_dir is not None:
            return self._data_dir
        if self._temporary is None:
            self._temporary = TemporaryDirectory(prefix="chronik-", ignore_cleanup_errors=True)
        return Path(self._temporary.name) / "data"

    def _on_loop(self, work: Callable[[], None]) -> None:
        """Rules may be added and removed from any thread; on return that is so."""
        loop = self._loop
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if loop is None or loop is running or not loop.is_running():
            work()
            return
        done: Future[None] = Future()

        def run() -> None:
            work()
            done.set_result(None)

        loop.call_soon_threadsafe(run)
        done.result()


def _settings(
    given: Mapping[str, object], listen: Address | Sequence[Address], advertise: Address | None, durability: str
) -> BrokerSettings:
    texts = {name.replace("_", "."): _text(value) for name, value in given.items()}
    try:
        settings = static_settings(texts)
    except KafkaError as error:
        raise ValueError(error.message or str(error)) from None
    listeners = [listen] if isinstance(listen, str) or _is_pair(listen) else list(listen)
    return replace(
        settings,
        listeners=tuple(_address(each) for each in listeners),
        advertised=None if advertise is None else _address(advertise),
        durability=DurabilityMode(durability),
    )


def _text(value: object) -> str:
    """As it would stand in Kafka's server.properties."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], int)


def _address(value: Any) -> tuple[str, int]:
    if not isinstance(value, str):
        return str(value[0]), int(value[1])
    host, colon, port = value.rpartition(":")
    if not colon or not port.isdecimal():
        raise ValueError(f"{value!r} is not an address like 127.0.0.1:9092.")
    return host.strip("[]"), int(port)


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _create(engine: Engine, wishes: TopicWishes, *, only_missing: bool = False) -> None:
    """In one commit. KafkaError for the first topic that cannot be created."""
    wanted = [_new_topic(name, wish, engine.settings) for name, wish in _each(wishes)]
    for new in wanted:
        check_topic(new.configs, engine.configs.broker)
    if only_missing:
        wanted = [new for new in wanted if engine.topics.get(new.name) is None]
    for result in await engine.topics.create(wanted, now_ms()) if wanted else ():
        if isinstance(result, KafkaError):
            raise result


def _each(wishes: TopicWishes) -> list[tuple[str, int | Mapping[str, Any] | None]]:
    if isinstance(wishes, str):
        return [(wishes, None)]
    if isinstance(wishes, Mapping):
        return list(wishes.items())
    return [(name, None) for name in wishes]


def _new_topic(name: str, wish: int | Mapping[str, Any] | None, settings: BrokerSettings) -> NewTopic:
    if isinstance(wish, Mapping):
        configs = {key: _text(value) for key, value in wish.items() if key != "partitions"}
        return NewTopic(name, wish.get("partitions") or settings.num_partitions, configs)
    return NewTopic(name, wish or settings.num_partitions, {})
