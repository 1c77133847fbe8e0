"""What a handler is given beside the request, and the ways in which it can answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chronik.broker.broker import Broker


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection, and how it reached us."""

    host: str
    """The client's address, as it appears in group descriptions (with a "/" in front there)."""
    advertised: tuple[str, int]
    """Host and port under which this client finds the broker again: in Metadata and FindCoordinator alike."""


class Memory:
    """What a connection remembers of its last Fetch, because a consumer that waits asks the same again and again.

    `body` is the request as it came, for `version`, and `request` what it was decoded to. The handler keeps what it
    made of it in `fetch` and `partitions`; while it answers with the very `response` object, the bytes in `encoded` are
    that response's.
    """

    __slots__ = ("body", "encoded", "fetch", "partitions", "request", "response", "version")

    def __init__(self) -> None:
        self.body: bytes | None = None
        self.version = -1
        self.request: Any = None
        self.fetch: Any = None
        self.partitions: dict[Any, Any] = {}
        self.response: Any = None
        self.encoded: list[Any] | None = None

    def decoded(self, version: int, body: bytes, request: Any) -> None:
        """Another request came."""
        self.body, self.version, self.request = body, version, request
        self.fetch = self.response = self.encoded = None


class RequestContext:
    """One request's surroundings."""

    __slots__ = ("broker", "client_id", "memory", "peer", "version")

    def __init__(self, broker: Broker, peer: Peer, version: int, client_id: str, memory: Memory) -> None:
        self.broker = broker
        self.peer = peer
        self.version = version
        self.client_id = client_id
        self.memory = memory


class Deferred:
    """An answer that comes later although the request's effects are there already: Produce waiting for its fsync.

    The connection may begin the next request of the same kind meanwhile. Resolved once, on the loop.
    """

    __slots__ = ("_ready", "_response")

    def __init__(self) -> None:
        self._ready: Callable[[Any], None] | None = None
        self._response: Any = None

    def resolve(self, response: Any) -> None:
        """Give the response (or NO_RESPONSE)."""
        if self._ready is not None:
            self._ready(response)
        else:
            self._response = response

    def when_ready(self, ready: Callable[[Any], None]) -> None:
        """Call `ready` with the response: at once if it is there already."""
        if self._response is not None:
            ready(self._response)
        else:
            self._ready = ready


class NoResponse:
    """The type of NO_RESPONSE."""


NO_RESPONSE = NoResponse()
"""The answer to Produce with acks=0: nothing is sent, and the next reply belongs to the next request."""


class CloseConnection(Exception):
    """The request cannot be answered in any form that the peer expects; the message is for the log."""
