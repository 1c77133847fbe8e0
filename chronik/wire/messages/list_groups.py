"""ListGroups, API key 16: versions 0-5, flexible from 3.

- 0: the first
- 1: throttle_time
- 2: a throttled reply is sent at once and the connection rests after it (KIP-219)
- 3: compact forms and tag sections
- 4: states filter + state
- 5: types filter + type
"""

from __future__ import annotations

from chronik.wire.schema import INT16, INT32, STRING, array, message


@message
class ListGroupsRequest:
    """What the client sends."""

    states_filter: list[str] = array(STRING, "4+")
    types_filter: list[str] = array(STRING, "5+")


@message
class ListedGroup:
    """An element of ``ListGroupsResponse.groups``."""

    group_id: str = STRING()
    protocol_type: str = STRING()
    group_state: str = STRING("4+")
    group_type: str = STRING("5+")


@message
class ListGroupsResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32("1+")
    error_code: int = INT16()
    groups: list[ListedGroup] = array(ListedGroup)
