"""DescribeGroups, API key 15: versions 0-6, flexible from 5.

- 0: the first
- 1: throttle_time
- 2: a throttled reply is sent at once and the connection rests after it (KIP-219)
- 3: authorized operations
- 4: group_instance_id
- 5: compact forms and tag sections
- 6: a missing group is GROUP_ID_NOT_FOUND, with a message
"""

from __future__ import annotations

from chronik.wire.schema import BOOL, BYTES, INT16, INT32, STRING, array, message


@message
class DescribeGroupsRequest:
    """What the client sends."""

    groups: list[str] = array(STRING)
    include_authorized_operations: bool = BOOL("3+")


@message
class DescribedGroupMember:
    """An element of ``DescribedGroup.members``."""

    member_id: str = STRING()
    group_instance_id: str | None = STRING("4+", null="4+", default=None)
    client_id: str = STRING()
    client_host: str = STRING()
    member_metadata: bytes = BYTES()
    member_assignment: bytes = BYTES()


@message
class DescribedGroup:
    """An element of ``DescribeGroupsResponse.groups``."""

    error_code: int = INT16()
    error_message: str | None = STRING("6+", null="6+", default=None)
    group_id: str = STRING()
    group_state: str = STRING()
    protocol_type: str = STRING()
    protocol_data: str = STRING()
    members: list[DescribedGroupMember] = array(DescribedGroupMember)
    authorized_operations: int = INT32("3+", default=-(2**31))


@message
class DescribeGroupsResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32("1+")
    groups: list[DescribedGroup] = array(DescribedGroup)
