"""Heartbeat, API key 12: versions 0-4, flexible from 4.

- 0: the first
- 1: throttle_time
- 2: a throttled reply is sent at once and the connection rests after it (KIP-219)
- 3: group_instance_id
- 4: compact forms and tag sections
"""

from __future__ import annotations

from chronik.wire.schema import INT16, INT32, STRING, message


@message
class HeartbeatRequest:
    """What the client sends."""

    group_id: str = STRING()
    generation_id: int = INT32()
    member_id: str = STRING()
    group_instance_id: str | None = STRING("3+", null="3+", default=None)


@message
class HeartbeatResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32("1+")
    error_code: int = INT16()
