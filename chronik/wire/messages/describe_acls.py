"""DescribeAcls, API key 29: versions 0-3, flexible from 2.

- 0: literal patterns only
- 1: pattern_type
- 2: compact forms and tag sections
- 3: USER resource type
"""

from __future__ import annotations

from chronik.wire.schema import INT8, INT16, INT32, STRING, array, message


@message
class DescribeAclsRequest:
    """What the client sends."""

    resource_type_filter: int = INT8()
    resource_name_filter: str | None = STRING(null="0+")
    pattern_type_filter: int = INT8("1+", default=3)
    principal_filter: str | None = STRING(null="0+")
    host_filter: str | None = STRING(null="0+")
    operation: int = INT8()
    permission_type: int = INT8()


@message
class AclDescription:
    """An element of ``DescribeAclsResource.acls``."""

    principal: str = STRING()
    host: str = STRING()
    operation: int = INT8()
    permission_type: int = INT8()


@message
class DescribeAclsResource:
    """An element of ``DescribeAclsResponse.resources``."""

    resource_type: int = INT8()
    resource_name: str = STRING()
    pattern_type: int = INT8("1+", default=3)
    acls: list[AclDescription] = array(AclDescription)


@message
class DescribeAclsResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    error_code: int = INT16()
    error_message: str | None = STRING(null="0+")
    resources: list[DescribeAclsResource] = array(DescribeAclsResource)
