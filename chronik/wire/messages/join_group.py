"""JoinGroup, API key 11: versions 0-9, flexible from 6.

- 0: session timeout doubles as rebalance timeout
- 1: rebalance_timeout_ms
- 2: throttle_time
- 3: a throttled reply is sent at once and the connection rests after it (KIP-219)
- 4: MEMBER_ID_REQUIRED round trip for new dynamic members
- 5: group_instance_id
- 6: compact forms and tag sections
- 7: protocol_type in reply and protocol_name nullable
- 8: reason
- 9: skip_assignment
"""

from __future__ import annotations

from chronik.wire.schema import BOOL, BYTES, INT16, INT32, STRING, array, message


@message
class JoinGroupRequestProtocol:
    """An element of ``JoinGroupRequest.protocols``."""

    name: str = STRING()
    metadata: bytes = BYTES()


@message
class JoinGroupRequest:
    """What the client sends."""

    group_id: str = STRING()
    session_timeout_ms: int = INT32()
    rebalance_timeout_ms: int = INT32("1+", default=-1)
    member_id: str = STRING()
    group_instance_id: str | None = STRING("5+", null="5+", default=None)
    protocol_type: str = STRING()
    protocols: list[JoinGroupRequestProtocol] = array(JoinGroupRequestProtocol)
    reason: str | None = STRING("8+", null="8+", default=None)


@message
class JoinGroupResponseMember:
    """An element of ``JoinGroupResponse.members``."""

    member_id: str = STRING()
    group_instance_id: str | None = STRING("5+", null="5+", default=None)
    metadata: bytes = BYTES()


@message
class JoinGroupResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32("2+")
    error_code: int = INT16()
    generation_id: int = INT32(default=-1)
    protocol_type: str | None = STRING("7+", null="7+", default=None)
    protocol_name: str | None = STRING(null="7+")
    leader: str = STRING()
    skip_assignment: bool = BOOL("9+")
    member_id: str = STRING()
    members: list[JoinGroupResponseMember] = array(JoinGroupResponseMember)
