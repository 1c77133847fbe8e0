"""A client made of one socket: requests at any version, their bytes split, joined or spoiled at will.

It is not judged by our codec alone. Request headers are written by hand here. The body of a request is encoded by ours
and by kafka-python's codec, which must agree; a response is decoded by ours, and what was understood must encode to the
very bytes that arrived when kafka-python does it. `ask_kio` goes past our codec altogether.

    with RawClient(broker.host, broker.port) as client:
        response = client.ask(DescribeClusterRequest(), version=2)

Or by the fixture `raw`: `raw(broker).ask(...)`.
"""

from __future__ import annotations

import io
import socket
import struct
from collections import deque
from types import TracebackType
from typing import Any, NamedTuple, Self

from chronik.wire.apis import APIS, Api, ApiKey
from chronik.wire.header import decode_response
from tests.wire import oracles
from tests.wire.declared import MESSAGES, Declared

TIMEOUT_S = 20.0
"""How long a response is waited for: far more than any should take, because tests share a machine."""

_API_OF = {api.name: api for api in APIS.values()}


class Reply(NamedTuple):
    """A response frame without its size: the correlation id, and what follows it (a tag section first, in v1)."""

    correlation_id: int
    rest: bytes


class _Expected(NamedTuple):
    """A request whose response has not been read."""

    api: Api
    version: int
    correlation_id: int


class RawClient:
    """One connection. Every failure is an AssertionError; `close` it, or use it as a context manager."""

    def __init__(self, host: str, port: int, *, client_id: str | None = "raw", timeout_s: float = TIMEOUT_S) -> None:
        self.client_id = client_id
        self.timeout_s = timeout_s
        self.socket = socket.create_connection((host, port), timeout=timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._next_correlation_id = 1
        self._expected: deque[_Expected] = deque()
        self._received = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Requests and responses

    def ask(self, request: Any, version: int) -> Any:
        """Send a request and read its response. No other response may be outstanding."""
        assert not self._expected, "read the earlier responses first"
        self.send(request, version)
        return self.receive()

    def send(self, request: Any, version: int, *, answered: bool = True) -> int:
        """Send a request; its correlation id. `answered=False` for one that gets no response (acks=0)."""
        self.write(self.frame(request, version, answered=answered))
        return self._next_correlation_id - 1

    def receive(self, timeout_s: float | None = None) -> Any:
        """Read the response to the oldest request that has none yet."""
        expected = self._expected.popleft()
        reply = self.read_reply(timeout_s)
        assert reply.correlation_id == expected.correlation_id, f"{reply.correlation_id} answers {expected}"
        return understood(expected.api, expected.version, reply)

    def frame(self, request: Any, version: int, *, answered: bool = True) -> bytes:
        """The bytes of a request, size first, to be sent with `write`; `receive` expects its response from now on."""
        api = _API_OF[type(request).__name__.removesuffix("Request")]
        declared = MESSAGES[type(request).__name__]
        body = declared.encode(request, version)
        assert body == independent_bytes(declared, request, version, body), f"another codec disagrees on {request}"
        header = self.header(api.key, version, flexible=api.is_flexible(version))
        if answered:
            self._expected.append(_Expected(api, version, self._next_correlation_id - 1))
        return sized(header + body)

    def header(self, api_key: int, version: int, *, flexible: bool) -> bytes:
        """A request header, v2 if flexible, else v1, with the next correlation id. For requests made by hand."""
        correlation_id = self._next_correlation_id
        self._next_correlation_id += 1
        name = b"" if self.client_id is None else self.client_id.encode()
        length = -1 if self.client_id is None else len(name)
        fixed = struct.pack(">hhih", api_key, version, correlation_id, length)
        return fixed + name + (b"\0" if flexible else b"")

    def ask_kio(self, request: Any) -> Any:
        """Send a request of kio's (its class knows key and version); the response as kio understands it, to the last
        byte."""
        from kio.serial import entity_reader, entity_writer

        key, version = int(request.__api_key__), int(request.__version__)
        out = io.BytesIO()
        entity_writer(type(request))(out, request)
        header = self.header(key, version, flexible=request.__flexible__)
        self.write(sized(header + out.getvalue()))
        reply = self.read_reply()
        assert reply.correlation_id == self._next_correlation_id - 1
        cls = oracles.kio_class(MESSAGES[APIS[key].name + "Response"], version)
        body = reply.rest
        if cls.__flexible__ and key != ApiKey.API_VERSIONS:
            assert body[0] == 0, "the response header has tags"
            body = body[1:]
        response, size = entity_reader(cls)(body, 0)
        assert size == len(body), f"{len(body) - size} bytes are left over"
        return response

    # Bytes

    def write(self, data: bytes, *, piece_bytes: int | None = None) -> None:
        """Send bytes, whatever they are; in pieces, each in a segment of its own, if asked."""
        if piece_bytes is None:
            self.socket.sendall(data)
            return
        for start in range(0, len(data), piece_bytes):
            self.socket.sendall(data[start : start + piece_bytes])

    def read_reply(self, timeout_s: float | None = None) -> Reply:
        """Read the next response frame, whatever it answers."""
        size = int.from_bytes(self._read(4, timeout_s), "big", signed=True)
        assert 4 <= size <= 1 << 30, f"a response cannot have {size} bytes"
        frame = self._read(size, timeout_s)
        return Reply(int.from_bytes(frame[:4], "big", signed=True), frame[4:])

    def receives_nothing(self, within_s: float) -> bool:
        """Whether the broker stays silent (and the connection open) for that long."""
        if self._received:
            return False
        self.socket.settimeout(within_s)
        try:
            self._received += self.socket.recv(1)
        except TimeoutError:
            return True
        return False

    def assert_closed(self, timeout_s: float | None = None) -> None:
        """Wait until the broker closes the connection, without another byte."""
        self.socket.settimeout(timeout_s or self.timeout_s)
        assert not self._received, f"unread bytes: {bytes(self._received)!r}"
        try:
            data = self.socket.recv(1)
        except ConnectionError:
            return
        except TimeoutError:
            raise AssertionError("the broker does not close the connection") from None
        assert data == b"", "the broker answers instead of closing"

    def close(self) -> None:
        """End the connection."""
        self.socket.close()

    def _read(self, size: int, timeout_s: float | None) -> bytes:
        self.socket.settimeout(timeout_s or self.timeout_s)
        while len(self._received) < size:
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                raise AssertionError("no response in time") from None
            except ConnectionError:
                data = b""
            assert data, "the broker closed the connection instead of answering"
            self._received += data
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken


def sized(frame: bytes) -> bytes:
    """A frame with its size in front."""
    return len(frame).to_bytes(4, "big") + frame


def understood(api: Api, version: int, reply: Reply) -> Any:
    """The response in a reply. AssertionError if another codec would have written it in other bytes."""
    _, response = decode_response(api.key, version, bytes(4) + reply.rest)
    body = reply.rest
    if api.is_flexible(version) and api.key != ApiKey.API_VERSIONS:
        assert body[0] == 0, "the response header has tags"
        body = body[1:]
    declared = MESSAGES[api.name + "Response"]
    assert body == independent_bytes(declared, response, version, body), f"another codec disagrees on {response}"
    return response


def independent_bytes(declared: Declared, message: Any, version: int, otherwise: bytes) -> bytes:
    """The message as kafka-python encodes it, from Kafka's schemas or from its own older ones; `otherwise` for the few
    versions that it does not have."""
    if version in oracles.kafka_python_versions(declared.name):
        return oracles.kafka_python_bytes(declared, message, version)
    if (declared.name, version) in oracles.old_classes():
        return oracles.old_bytes(declared, message, version)
    return otherwise
