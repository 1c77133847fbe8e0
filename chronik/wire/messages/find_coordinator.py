"""FindCoordinator, API key 10: versions 0-6, flexible from 3.

- 0: group only, single key
- 1: key_type, error_message, throttle
- 2: a throttled reply is sent at once and the connection rests after it (KIP-219)
- 3: compact forms and tag sections
- 4: several keys (key field gone)
- 5: TRANSACTION_ABORTABLE possible
- 6: key_type 2 (share)
"""

from __future__ import annotations

from chronik.wire.schema import INT8, INT16, INT32, STRING, array, message


@message
class FindCoordinatorRequest:
    """What the client sends."""

    key: str = STRING("0-3")
    key_type: int = INT8("1+")
    coordinator_keys: list[str] = array(STRING, "4+")


@message
class Coordinator:
    """An element of ``FindCoordinatorResponse.coordinators``."""

    key: str = STRING()
    node_id: int = INT32()
    host: str = STRING()
    port: int = INT32()
    error_code: int = INT16()
    error_message: str | None = STRING(null="0+")


@message
class FindCoordinatorResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32("1+")
    error_code: int = INT16("0-3")
    error_message: str | None = STRING("1-3", null="1-3")
    node_id: int = INT32("0-3")
    host: str = STRING("0-3")
    port: int = INT32("0-3")
    coordinators: list[Coordinator] = array(Coordinator, "4+")
