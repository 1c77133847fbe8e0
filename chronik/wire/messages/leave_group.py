"""LeaveGroup, API key 13: versions 0-5, flexible from 4.

- 0: one member
- 1: throttle_time
- 2: a throttled reply is sent at once and the connection rests after it (KIP-219)
- 3: list of members with per-member error
- 4: compact forms and tag sections
- 5: reason
"""

from __future__ import annotations

from chronik.wire.schema import INT16, INT32, STRING, array, message


@message
class MemberIdentity:
    """An element of ``LeaveGroupRequest.members``."""

    member_id: str = STRING()
    group_instance_id: str | None = STRING(null="0+", default=None)
    reason: str | None = STRING("5+", null="5+", default=None)


@message
class LeaveGroupRequest:
    """What the client sends."""

    group_id: str = STRING()
    member_id: str = STRING("0-2")
    members: list[MemberIdentity] = array(MemberIdentity, "3+")


@message
class MemberResponse:
    """An element of ``LeaveGroupResponse.members``."""

    member_id: str = STRING()
    group_instance_id: str | None = STRING(null="0+")
    error_code: int = INT16()


@message
class LeaveGroupResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32("1+")
    error_code: int = INT16()
    members: list[MemberResponse] = array(MemberResponse, "3+")
