"""JoinGroup: become a member of a classic group, and wait for its rebalance (KIP-62, KIP-345, KIP-394, KIP-814).

Served: 0 to 9. From version 4 a new dynamic member is sent away once with the id to come back with; from 9 a returning
static leader may be told not to assign anything.
"""

from __future__ import annotations

from chronik.api.request import RequestContext
from chronik.errors import ErrorCode, KafkaError
from chronik.group.classic.replies import JoinReply
from chronik.group.classic.requests import JoinRequest
from chronik.wire.apis import ApiKey
from chronik.wire.messages.join_group import JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember

API = ApiKey.JOIN_GROUP
VERSIONS = (0, 9)

_REBALANCE_TIMEOUT_SINCE = 1
_MEMBER_ID_REQUIRED_SINCE = 4
_NULL_PROTOCOL_SINCE = 7
_SKIP_ASSIGNMENT_SINCE = 9


async def handle(context: RequestContext, request: JoinGroupRequest) -> JoinGroupResponse:
    """Answered when the rebalance is complete, or with an error at once."""
    version = context.version
    session_ms, rebalance_ms = request.session_timeout_ms, request.rebalance_timeout_ms
    joining = JoinRequest(
        group_id=request.group_id,
        member_id=request.member_id,
        group_instance_id=request.group_instance_id,
        client_id=context.client_id,
        client_host=f"/{context.peer.host}",
        session_timeout_ms=session_ms,
        rebalance_timeout_ms=rebalance_ms if version >= _REBALANCE_TIMEOUT_SINCE else session_ms,
        protocol_type=request.protocol_type,
        protocols=tuple((protocol.name, protocol.metadata) for protocol in request.protocols),
        requires_known_member_id=version >= _MEMBER_ID_REQUIRED_SINCE,
        supports_skip_assignment=version >= _SKIP_ASSIGNMENT_SINCE,
    )
    try:
        reply = await context.broker.groups.join(joining)
    except KafkaError as error:
        reply = JoinReply(error.code, request.member_id)
    name = reply.protocol_name
    if name is None and (version < _NULL_PROTOCOL_SINCE or reply.error is ErrorCode.NONE):
        name = ""
    return JoinGroupResponse(
        error_code=reply.error,
        generation_id=reply.generation,
        protocol_type=reply.protocol_type,
        protocol_name=name,
        leader=reply.leader,
        skip_assignment=reply.skip_assignment,
        member_id=reply.member_id,
        members=[
            JoinGroupResponseMember(
                member_id=member.member_id, group_instance_id=member.group_instance_id, metadata=member.metadata
            )
            for member in reply.members
        ],
    )
