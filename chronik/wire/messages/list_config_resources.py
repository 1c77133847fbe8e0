"""ListConfigResources, API key 74: versions 0-1, flexible from 0.

- 0: client-metrics resources only
- 1: type filter + type in reply
"""

from __future__ import annotations

from chronik.wire.schema import INT8, INT16, INT32, STRING, array, message


@message
class ListConfigResourcesRequest:
    """What the client sends."""

    resource_types: list[int] = array(INT8, "1+")


@message
class ConfigResource:
    """An element of ``ListConfigResourcesResponse.config_resources``."""

    resource_name: str = STRING()
    resource_type: int = INT8("1+", default=16)


@message
class ListConfigResourcesResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    error_code: int = INT16()
    config_resources: list[ConfigResource] = array(ConfigResource)
