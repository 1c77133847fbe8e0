"""DescribeConfigs, API key 32: versions 0-4, flexible from 4.

- 0: base (is_default)
- 1: include_synonyms, config_source
- 2: a throttled reply is sent at once and the connection rests after it (KIP-219)
- 3: config_type + documentation
- 4: compact forms and tag sections
"""

from __future__ import annotations

from chronik.wire.schema import BOOL, INT8, INT16, INT32, STRING, array, message


@message
class DescribeConfigsResource:
    """An element of ``DescribeConfigsRequest.resources``."""

    resource_type: int = INT8()
    resource_name: str = STRING()
    configuration_keys: list[str] | None = array(STRING, null="0+")


@message
class DescribeConfigsRequest:
    """What the client sends."""

    resources: list[DescribeConfigsResource] = array(DescribeConfigsResource)
    include_synonyms: bool = BOOL("1+")
    include_documentation: bool = BOOL("3+")


@message
class DescribeConfigsSynonym:
    """An element of ``DescribeConfigsResourceResult.synonyms``."""

    name: str = STRING()
    value: str | None = STRING(null="0+")
    source: int = INT8()


@message
class DescribeConfigsResourceResult:
    """An element of ``DescribeConfigsResult.configs``."""

    name: str = STRING()
    value: str | None = STRING(null="0+")
    read_only: bool = BOOL()
    is_default: bool = BOOL("0")
    config_source: int = INT8("1+", default=-1)
    is_sensitive: bool = BOOL()
    synonyms: list[DescribeConfigsSynonym] = array(DescribeConfigsSynonym, "1+")
    config_type: int = INT8("3+")
    documentation: str | None = STRING("3+", null="3+")


@message
class DescribeConfigsResult:
    """An element of ``DescribeConfigsResponse.results``."""

    error_code: int = INT16()
    error_message: str | None = STRING(null="0+")
    resource_type: int = INT8()
    resource_name: str = STRING()
    configs: list[DescribeConfigsResourceResult] = array(DescribeConfigsResourceResult)


@message
class DescribeConfigsResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    results: list[DescribeConfigsResult] = array(DescribeConfigsResult)
