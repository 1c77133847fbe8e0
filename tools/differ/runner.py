"""Plays scenarios on a broker: sends what the steps say and notes what comes back."""

from __future__ import annotations

import itertools
import select
import socket
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from tools.differ import codec
from tools.differ.batches import made, rewritten
from tools.differ.canonical import PREFIX, Names, arranged, canonical
from tools.differ.codec import Message
from tools.differ.masks import masks_at
from tools.differ.script import Scenario, Step

REPLY_TIMEOUT_S = 10.0
UNTIL_TIMEOUT_S = 10.0

UNKNOWN: dict[str, Any] = {
    "topic_id": "12345678-1234-4234-8234-123456789abc",
    "member": "nobody",
    "producer": 987654321,
    "session": 987654321,
    "generation": 99,
    "epoch": 99,
}
"""What stands for an id (or the like), by what its name begins with, when no reply has held it."""

_prefixes = itertools.count()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step came to. `raw` and `compared` are the reply as it was (with "~" for the prefix) and as it is
    compared (masked, without defaults), or the same word for what came instead of one."""

    raw: Message | str
    compared: Message | str


SENT = Outcome("sent", "sent")
CLOSED = Outcome("closed", "closed")
SILENT = Outcome("no reply", "no reply")
UNREADABLE = "unreadable: "
NEVER = "never happened: "


class Connection:
    """One connection, and the requests on it that have not been answered."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port), timeout=REPLY_TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.expected: deque[int] = deque()
        self._received = bytearray()
        self._next_id = 0

    def send(self, api: str, version: int, request: Message, client_id: str) -> None:
        self._next_id += 1
        frame = codec.encode_request(api, version, self._next_id, client_id, request)
        if api != "Produce" or request.get("acks") != 0:
            self.expected.append(self._next_id)
        self.socket.sendall(len(frame).to_bytes(4, "big") + frame)

    def receive(self) -> bytes:
        """The next response frame. ConnectionError when the broker closes instead, TimeoutError when it is silent."""
        return self._read(int.from_bytes(self._read(4), "big"))

    def is_readable(self) -> bool:
        """Whether a reply has begun to arrive, or the connection has ended."""
        return bool(self._received) or bool(select.select([self.socket], [], [], 0)[0])

    def close(self) -> None:
        self.socket.close()

    def _read(self, size: int) -> bytes:
        while len(self._received) < size:
            data = self.socket.recv(1 << 16)
            if not data:
                raise ConnectionError("closed")
            self._received += data
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken


class Broker:
    """A broker to play on, by its address."""

    def __init__(self, name: str, host: str, port: int) -> None:
        self.name = name
        self.host = host
        self.port = port

    def connect(self) -> Connection:
        return Connection(self.host, self.port)

    def ask(self, api: str, version: int, request: Message) -> Message:
        """One exchange on a connection of its own, outside any scenario."""
        connection = self.connect()
        try:
            connection.send(api, version, request, "differ")
            return codec.decode_reply(api, version, connection.receive())[1]
        finally:
            connection.close()

    def settle(self, api: str, request: Message) -> None:
        """Return when what this request changed can be seen by every other request."""


@dataclass
class Play:
    """One scenario being played on one broker."""

    broker: Broker
    scenario: Scenario
    prefix: str = field(default_factory=lambda: PREFIX.format(next(_prefixes)))
    names: Names = field(default_factory=Names)
    connections: dict[str, Connection] = field(default_factory=dict)

    def run(self) -> list[Outcome]:
        """Every step's outcome, in order."""
        try:
            return [self._outcome(step) for step in self.scenario.steps]
        finally:
            self._end()

    def _end(self) -> None:
        for connection in self.connections.values():
            connection.close()
        self._clean_up()

    def _outcome(self, step: Step) -> Outcome:
        deadline = time.monotonic() + UNTIL_TIMEOUT_S
        while True:
            outcome = self._attempt(step)
            if step.until is None or not isinstance(outcome.raw, dict):
                return outcome
            path, value = step.until
            found = value_at(arranged(step.api, outcome.raw, self.names), path)
            if found == value or (isinstance(value, list) and found in value):
                return outcome
            if time.monotonic() > deadline:
                return Outcome(outcome.raw, f"{NEVER}{path} is {value!r} but {outcome.compared}")
            time.sleep(0.005)

    def _attempt(self, step: Step) -> Outcome:
        try:
            if step.on not in self.connections:
                self.connections[step.on] = self.broker.connect()
            connection = self.connections[step.on]
            if step.request is not None:
                request = self._resolved(step.request)
                connection.send(step.api, step.version, request, f"{self.prefix}-{step.on}")
                if not step.is_answered:
                    return SENT
            outcome = self._received(connection, step)
        except (TimeoutError, ConnectionError) as ended:
            # What comes after it on this connection could not be told apart any more.
            self.connections.pop(step.on).close()
            return SILENT if isinstance(ended, TimeoutError) else CLOSED
        self.broker.settle(step.api, step.request or {})
        return outcome

    def _received(self, connection: Connection, step: Step) -> Outcome:
        frame = connection.receive()
        try:
            correlation_id, reply = codec.decode_reply(step.api, step.version, frame)
        except Exception as error:  # whatever kio says of bytes that it cannot read is the finding
            connection.expected.popleft()
            return Outcome(f"{UNREADABLE}{error!r}: {frame.hex()}", f"{UNREADABLE}{error!r}")
        if not connection.expected or correlation_id != connection.expected.popleft():
            return Outcome("answers another request", "answers another request")
        raw = self._without_prefix(reply)
        ordered = arranged(step.api, raw, self.names)
        for name, path in step.bind.items():
            self._bind(step.api, name, path, value_at(ordered, path))
        compared = codec.without_defaults(step.api, step.version, canonical(step.api, raw, self.names))
        return Outcome(raw, compared)

    def _bind(self, api: str, name: str, path: str, value: Any) -> None:
        masks = masks_at(api, ".".join(part for part in path.split(".") if not part.isdigit()))
        kind = next((mask.key for mask in masks if mask.key), name)
        if value not in (None, -1):  # what there is beside an error
            self.names.bind(name, kind, value)

    def _resolved(self, value: Any) -> Any:
        """A request with its names and prefixes replaced and its batches made."""
        match value:
            case str() if value.startswith("$"):
                try:
                    known = self.names.value_of(value)
                except KeyError:
                    known = next((found for kind, found in UNKNOWN.items() if kind in value), UNKNOWN["topic_id"])
                return known.replace("~", self.prefix) if isinstance(known, str) else known
            case str():
                return value.replace("~", self.prefix)
            case {"batch": spec}:
                return made(self._resolved(spec))
            case {"text": text, "times": times}:
                return text * times
            case {"subscription": topics}:
                return codec.subscription(self._resolved(topics))
            case {"hex": text}:
                return str(text).replace("~", self.prefix.encode().hex())
            case {"joined": parts}:
                return "".join(self._resolved(parts))
            case {"recorded": data, **patched}:
                return rewritten(data, **self._resolved(patched))
            case {"batches": specs}:
                return "".join(made(self._resolved(spec["batch"])) for spec in specs)
            case dict():
                return {name: self._resolved(item) for name, item in value.items()}
            case list():
                return [self._resolved(item) for item in value]
            case _:
                return value

    def _without_prefix(self, value: Any) -> Any:
        match value:
            case str():
                return value.replace(self.prefix, "~").replace(self.prefix.encode().hex(), b"~".hex())
            case dict():
                return {name: self._without_prefix(item) for name, item in value.items()}
            case list():
                return [self._without_prefix(item) for item in value]
            case _:
                return value

    def _clean_up(self) -> None:
        """Delete the topics that the scenario may have made, so that they do not gather."""
        reply = self.broker.ask("Metadata", 12, {"topics": None, "allow_auto_topic_creation": False})
        names = [topic["name"] for topic in reply["topics"] if topic["name"].startswith(self.prefix)]
        if names:
            topics = [{"name": name, "topic_id": None} for name in names]
            self.broker.ask("DeleteTopics", 6, {"topics": topics, "timeout": 20_000})
            self.broker.settle("DeleteTopics", {})


def value_at(value: Any, path: str) -> Any:
    """What a reply holds at a path; None when there is nothing."""
    for part in path.split("."):
        if isinstance(value, list):
            value = value[int(part)] if int(part) < len(value) else None
        elif isinstance(value, dict):
            value = value.get(part)
    return value
