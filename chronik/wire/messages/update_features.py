"""UpdateFeatures, API key 57: versions 0-2, flexible from 0.

- 0: the first
- 1: upgrade_type/validate_only
- 2: no per-feature results
"""

from __future__ import annotations

from chronik.wire.schema import BOOL, INT8, INT16, INT32, STRING, array, message


@message
class FeatureUpdateKey:
    """An element of ``UpdateFeaturesRequest.feature_updates``."""

    feature: str = STRING()
    max_version_level: int = INT16()
    allow_downgrade: bool = BOOL("0")
    upgrade_type: int = INT8("1+", default=1)


@message
class UpdateFeaturesRequest:
    """What the client sends."""

    timeout_ms: int = INT32(default=60000)
    feature_updates: list[FeatureUpdateKey] = array(FeatureUpdateKey)
    validate_only: bool = BOOL("1+")


@message
class UpdatableFeatureResult:
    """An element of ``UpdateFeaturesResponse.results``."""

    feature: str = STRING()
    error_code: int = INT16()
    error_message: str | None = STRING(null="0+")


@message
class UpdateFeaturesResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    error_code: int = INT16()
    error_message: str | None = STRING(null="0+")
    results: list[UpdatableFeatureResult] = array(UpdatableFeatureResult, "0-1")
