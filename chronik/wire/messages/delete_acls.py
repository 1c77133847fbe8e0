"""DeleteAcls, API key 31: versions 0-3, flexible from 2.

- 0: the first
- 1: pattern type
- 2: compact forms and tag sections
- 3: USER resource type
"""

from __future__ import annotations

from chronik.wire.schema import INT8, INT16, INT32, STRING, array, message


@message
class DeleteAclsFilter:
    """An element of ``DeleteAclsRequest.filters``."""

    resource_type_filter: int = INT8()
    resource_name_filter: str | None = STRING(null="0+")
    pattern_type_filter: int = INT8("1+", default=3)
    principal_filter: str | None = STRING(null="0+")
    host_filter: str | None = STRING(null="0+")
    operation: int = INT8()
    permission_type: int = INT8()


@message
class DeleteAclsRequest:
    """What the client sends."""

    filters: list[DeleteAclsFilter] = array(DeleteAclsFilter)


@message
class DeleteAclsMatchingAcl:
    """An element of ``DeleteAclsFilterResult.matching_acls``."""

    error_code: int = INT16()
    error_message: str | None = STRING(null="0+")
    resource_type: int = INT8()
    resource_name: str = STRING()
    pattern_type: int = INT8("1+", default=3)
    principal: str = STRING()
    host: str = STRING()
    operation: int = INT8()
    permission_type: int = INT8()


@message
class DeleteAclsFilterResult:
    """An element of ``DeleteAclsResponse.filter_results``."""

    error_code: int = INT16()
    error_message: str | None = STRING(null="0+")
    matching_acls: list[DeleteAclsMatchingAcl] = array(DeleteAclsMatchingAcl)


@message
class DeleteAclsResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    filter_results: list[DeleteAclsFilterResult] = array(DeleteAclsFilterResult)
