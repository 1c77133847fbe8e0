"""DeleteGroups, API key 42: versions 0-2, flexible from 2.

- 0: the first
- 1: a throttled reply is sent at once and the connection rests after it (KIP-219)
- 2: compact forms and tag sections
"""

from __future__ import annotations

from chronik.wire.schema import INT16, INT32, STRING, array, message


@message
class DeleteGroupsRequest:
    """What the client sends."""

    groups_names: list[str] = array(STRING)


@message
class DeletableGroupResult:
    """An element of ``DeleteGroupsResponse.results``."""

    group_id: str = STRING()
    error_code: int = INT16()


@message
class DeleteGroupsResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    results: list[DeletableGroupResult] = array(DeletableGroupResult)
