"""Heartbeat: a member of a classic group is alive, and learns of a rebalance.

Served: 0 to 4.
"""

from __future__ import annotations

from chronik.api.request import RequestContext
from chronik.errors import KafkaError
from chronik.wire.apis import ApiKey
from chronik.wire.messages.heartbeat import HeartbeatRequest, HeartbeatResponse

API = ApiKey.HEARTBEAT
VERSIONS = (0, 4)


async def handle(context: RequestContext, request: HeartbeatRequest) -> HeartbeatResponse:
    """Answer at once, or when the group's change has been written down."""
    try:
        reply = await context.broker.groups.heartbeat(
            request.group_id, request.member_id, request.group_instance_id, request.generation_id
        )
    except KafkaError as error:
        return HeartbeatResponse(error_code=error.code)
    return HeartbeatResponse(error_code=reply.error)
