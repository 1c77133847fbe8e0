"""LeaveGroup: members go, one (versions 0 to 2) or several at once, and their group rebalances once (KIP-345).

Served: 0 to 5.
"""

from __future__ import annotations

from chronik.api.request import RequestContext
from chronik.errors import KafkaError
from chronik.group.classic.replies import LeaveReply
from chronik.group.classic.requests import LeavingMember
from chronik.wire.apis import ApiKey
from chronik.wire.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberResponse

API = ApiKey.LEAVE_GROUP
VERSIONS = (0, 5)

_MANY_SINCE = 3


async def handle(context: RequestContext, request: LeaveGroupRequest) -> LeaveGroupResponse:
    """Tell for each member what came of it; a single member's error is that of the reply."""
    many = context.version >= _MANY_SINCE
    members = [LeavingMember(one.member_id, one.group_instance_id) for one in request.members]
    try:
        reply = await context.broker.groups.leave(
            request.group_id, members if many else [LeavingMember(request.member_id)]
        )
    except KafkaError as error:
        reply = LeaveReply(error.code)
    if not many:
        return LeaveGroupResponse(error_code=reply.error or next((one.error for one in reply.members), reply.error))
    return LeaveGroupResponse(
        error_code=reply.error,
        members=[
            MemberResponse(member_id=one.member_id, group_instance_id=one.group_instance_id, error_code=one.error)
            for one in reply.members
        ],
    )
