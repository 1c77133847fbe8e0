"""AlterConfigs, API key 33: versions 0-2, flexible from 2.

- 0: the first
- 1: a throttled reply is sent at once and the connection rests after it (KIP-219)
- 2: compact forms and tag sections
"""

from __future__ import annotations

from chronik.wire.schema import BOOL, INT8, INT16, INT32, STRING, array, message


@message
class AlterableConfig:
    """An element of ``AlterConfigsResource.configs``."""

    name: str = STRING()
    value: str | None = STRING(null="0+")


@message
class AlterConfigsResource:
    """An element of ``AlterConfigsRequest.resources``."""

    resource_type: int = INT8()
    resource_name: str = STRING()
    configs: list[AlterableConfig] = array(AlterableConfig)


@message
class AlterConfigsRequest:
    """What the client sends."""

    resources: list[AlterConfigsResource] = array(AlterConfigsResource)
    validate_only: bool = BOOL()


@message
class AlterConfigsResourceResponse:
    """An element of ``AlterConfigsResponse.responses``."""

    error_code: int = INT16()
    error_message: str | None = STRING(null="0+")
    resource_type: int = INT8()
    resource_name: str = STRING()


@message
class AlterConfigsResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    responses: list[AlterConfigsResourceResponse] = array(AlterConfigsResourceResponse)
