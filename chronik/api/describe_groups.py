"""DescribeGroups: the state and the members of classic groups (KIP-430, KIP-1043).

Served: 0 to 6. A group that does not exist is "Dead" without an error up to version 5, GROUP_ID_NOT_FOUND after.
"""

from __future__ import annotations

from chronik.api.request import RequestContext
from chronik.errors import ErrorCode
from chronik.wire.apis import ApiKey
from chronik.wire.messages.describe_groups import (
    DescribedGroup,
    DescribedGroupMember,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
)

API = ApiKey.DESCRIBE_GROUPS
VERSIONS = (0, 6)

_NOT_FOUND_SINCE = 6
_ALL_OPERATIONS = sum(1 << operation for operation in (3, 6, 8, 10, 11))
"""READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS and ALTER_CONFIGS: everything that can be done to a group."""


def handle(context: RequestContext, request: DescribeGroupsRequest) -> DescribeGroupsResponse:
    """Describe every group that is asked for, in order."""
    response = DescribeGroupsResponse()
    for group_id in request.groups:
        group = context.broker.groups.describe(group_id)
        told = DescribedGroup(
            error_code=group.error,
            group_id=group_id,
            group_state=group.state,
            protocol_type=group.protocol_type,
            protocol_data=group.protocol_name,
            members=[
                DescribedGroupMember(
                    member_id=member.member_id,
                    group_instance_id=member.group_instance_id,
                    client_id=member.client_id,
                    client_host=member.client_host,
                    member_metadata=member.metadata,
                    member_assignment=member.assignment,
                )
                for member in group.members
            ],
        )
        if group.error is ErrorCode.GROUP_ID_NOT_FOUND and context.version < _NOT_FOUND_SINCE:
            told.error_code = ErrorCode.NONE
        if told.error_code is ErrorCode.GROUP_ID_NOT_FOUND:
            told.error_message = f"Group {group_id} not found."
        elif request.include_authorized_operations:
            told.authorized_operations = _ALL_OPERATIONS
        response.groups.append(told)
    return response
