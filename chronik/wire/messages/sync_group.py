"""SyncGroup, API key 14: versions 0-5, flexible from 4.

- 0: the first
- 1: throttle_time
- 2: a throttled reply is sent at once and the connection rests after it (KIP-219)
- 3: group_instance_id
- 4: compact forms and tag sections
- 5: protocol type/name echoed and checked
"""

from __future__ import annotations

from chronik.wire.schema import BYTES, INT16, INT32, STRING, array, message


@message
class SyncGroupRequestAssignment:
    """An element of ``SyncGroupRequest.assignments``."""

    member_id: str = STRING()
    assignment: bytes = BYTES()


@message
class SyncGroupRequest:
    """What the client sends."""

    group_id: str = STRING()
    generation_id: int = INT32()
    member_id: str = STRING()
    group_instance_id: str | None = STRING("3+", null="3+", default=None)
    protocol_type: str | None = STRING("5+", null="5+", default=None)
    protocol_name: str | None = STRING("5+", null="5+", default=None)
    assignments: list[SyncGroupRequestAssignment] = array(SyncGroupRequestAssignment)


@message
class SyncGroupResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32("1+")
    error_code: int = INT16()
    protocol_type: str | None = STRING("5+", null="5+", default=None)
    protocol_name: str | None = STRING("5+", null="5+", default=None)
    assignment: bytes = BYTES()
