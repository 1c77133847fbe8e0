"""FindCoordinator: which broker coordinates a group or a transactional id (KIP-98, KIP-699).

Served: 0 to 5. On one node it is always this one, under exactly the address that Metadata gives.
"""

from __future__ import annotations

from chronik.api.request import RequestContext
from chronik.errors import ErrorCode
from chronik.wire.apis import ApiKey
from chronik.wire.messages.find_coordinator import Coordinator, FindCoordinatorRequest, FindCoordinatorResponse

API = ApiKey.FIND_COORDINATOR
VERSIONS = (0, 5)

_GROUP, _TRANSACTION = 0, 1
_MANY_SINCE = 4


def handle(context: RequestContext, request: FindCoordinatorRequest) -> FindCoordinatorResponse:
    """Answer for every key; none is looked at, as an unknown group has a coordinator too."""
    if context.version >= _MANY_SINCE:
        return FindCoordinatorResponse(
            coordinators=[_coordinator(context, request.key_type, key) for key in request.coordinator_keys]
        )
    found = _coordinator(context, request.key_type, request.key)
    return FindCoordinatorResponse(
        error_code=found.error_code,
        error_message=found.error_message or "NONE",
        node_id=found.node_id,
        host=found.host,
        port=found.port,
    )


def _coordinator(context: RequestContext, key_type: int, key: str) -> Coordinator:
    if key_type not in (_GROUP, _TRANSACTION):
        code = ErrorCode.INVALID_REQUEST
        return Coordinator(
            key=key, node_id=-1, host="", port=-1, error_code=code, error_message=f"Key type {key_type} is unknown."
        )
    host, port = context.peer.advertised
    return Coordinator(key=key, node_id=context.broker.node_id, host=host, port=port, error_message="")
