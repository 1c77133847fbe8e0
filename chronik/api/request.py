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


class RequestContext:
    """One request's surroundings."""

    __slots__ = ("broker", "client_id", "peer", "version")

    def __init__(self, broker: Broker, peer: Peer, version: int, client_id: str) -> None:
        self.broker = broker
        self.peer = peer
        self.version = version
        self.client_id = client_id


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
