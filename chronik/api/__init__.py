"""One file per API key: which versions are served, and `handle`. This listing is all that the broker serves.

A handler is given a `RequestContext` and the decoded request, and returns the response, a coroutine that returns it
(the connection's next request waits for it), or a `Deferred` (see there).
"""

from __future__ import annotations

from typing import Any, Protocol

from chronik.api import (
    api_versions,
    fetch,
    init_producer_id,
    list_offsets,
    metadata,
    offset_for_leader_epoch,
    produce,
)
from chronik.api.request import RequestContext
from chronik.wire.apis import ApiKey


class Handler(Protocol):
    """What every module in HANDLERS has."""

    API: ApiKey
    VERSIONS: tuple[int, int]
    """The first and the last version that is served."""

    def handle(self, context: RequestContext, request: Any, /) -> Any:
        """Answer one request; see the package's docstring."""


HANDLERS: tuple[Handler, ...] = (
    api_versions,
    fetch,
    init_producer_id,
    list_offsets,
    metadata,
    offset_for_leader_epoch,
    produce,
)
