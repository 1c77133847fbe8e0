"""CreateAcls, API key 30: versions 0-3, flexible from 2.

- 0: the first
- 1: pattern type
- 2: compact forms and tag sections
- 3: USER resource type
"""

from __future__ import annotations

from chronik.wire.schema import INT8, INT16, INT32, STRING, array, message


@message
class AclCreation:
    """An element of ``CreateAclsRequest.creations``."""

    resource_type: int = INT8()
    resource_name: str = STRING()
    resource_pattern_type: int = INT8("1+", default=3)
    principal: str = STRING()
    host: str = STRING()
    operation: int = INT8()
    permission_type: int = INT8()


@message
class CreateAclsRequest:
    """What the client sends."""

    creations: list[AclCreation] = array(AclCreation)


@message
class AclCreationResult:
    """An element of ``CreateAclsResponse.results``."""

    error_code: int = INT16()
    error_message: str | None = STRING(null="0+")


@message
class CreateAclsResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    results: list[AclCreationResult] = array(AclCreationResult)
