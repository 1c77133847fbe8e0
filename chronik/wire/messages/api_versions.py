"""ApiVersions, API key 18: versions 0-4, flexible from 3.

- 0: the first
- 1: throttle_time
- 2: a throttled reply is sent at once and the connection rests after it (KIP-219)
- 3: flexible body (response header stays v0), client software name/version, features
- 4: supported_features may have min 0
"""

from __future__ import annotations

from chronik.wire.schema import BOOL, INT16, INT32, INT64, STRING, array, message


@message
class ApiVersionsRequest:
    """What the client sends."""

    client_software_name: str = STRING("3+")
    client_software_version: str = STRING("3+")


@message
class ApiVersion:
    """An element of ``ApiVersionsResponse.api_keys``."""

    api_key: int = INT16()
    min_version: int = INT16()
    max_version: int = INT16()


@message
class SupportedFeatureKey:
    """An element of ``ApiVersionsResponse.supported_features``."""

    name: str = STRING()
    min_version: int = INT16()
    max_version: int = INT16()


@message
class FinalizedFeatureKey:
    """An element of ``ApiVersionsResponse.finalized_features``."""

    name: str = STRING()
    max_version_level: int = INT16()
    min_version_level: int = INT16()


@message
class ApiVersionsResponse:
    """What the client gets."""

    error_code: int = INT16()
    api_keys: list[ApiVersion] = array(ApiVersion)
    throttle_time_ms: int = INT32("1+")
    supported_features: list[SupportedFeatureKey] = array(SupportedFeatureKey, "3+", tag=0)
    finalized_features_epoch: int = INT64("3+", default=-1, tag=1)
    finalized_features: list[FinalizedFeatureKey] = array(FinalizedFeatureKey, "3+", tag=2)
    zk_migration_ready: bool = BOOL("3+", tag=3)
