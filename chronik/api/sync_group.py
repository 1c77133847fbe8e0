"""SyncGroup: the leader gives the assignments, everybody gets theirs (KIP-345, KIP-559).

Served: 0 to 5.
"""

from __future__ import annotations

from chronik.api.request import RequestContext
from chronik.errors import KafkaError
from chronik.group.classic.replies import SyncReply
from chronik.group.classic.requests import SyncRequest
from chronik.wire.apis import ApiKey
from chronik.wire.messages.sync_group import SyncGroupRequest, SyncGroupResponse

API = ApiKey.SYNC_GROUP
VERSIONS = (0, 5)

_PROTOCOL_SINCE = 5


async def handle(context: RequestContext, request: SyncGroupRequest) -> SyncGroupResponse:
    """A follower is answered when the leader has assigned, and that is durable."""
    syncing = SyncRequest(
        group_id=request.group_id,
        member_id=request.member_id,
        group_instance_id=request.group_instance_id,
        generation=request.generation_id,
        protocol_type=request.protocol_type,
        protocol_name=request.protocol_name,
        requires_protocol=context.version >= _PROTOCOL_SINCE,
        assignments=tuple((given.member_id, given.assignment) for given in request.assignments),
    )
    try:
        reply = await context.broker.groups.sync(syncing)
    except KafkaError as error:
        reply = SyncReply(error.code)
    return SyncGroupResponse(
        error_code=reply.error,
        protocol_type=reply.protocol_type,
        protocol_name=reply.protocol_name,
        assignment=reply.assignment,
    )
