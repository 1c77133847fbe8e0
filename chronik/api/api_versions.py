"""ApiVersions: which APIs are served, computed from the handlers (KIP-35, KIP-511, KIP-584).

Served: 0 to 4. From 3 on the features are told: transaction version 2, which makes clients of Kafka 4 end transactions
with a higher epoch; a supported feature whose range begins at 0 is left out of 3, as old Java clients cannot read it
(KAFKA-17011). The reply to a version that is not served has the form of version 0, error UNSUPPORTED_VERSION and the
one entry that tells the client which version to ask with; its connection stays open.
"""

from __future__ import annotations

import re

from chronik.api.request import RequestContext
from chronik.errors import ErrorCode
from chronik.wire.apis import ApiKey
from chronik.wire.messages.api_versions import (
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
    FinalizedFeatureKey,
    SupportedFeatureKey,
)

API = ApiKey.API_VERSIONS
VERSIONS = (0, 4)

SUPPORTED = (("transaction.version", 0, 2),)
"""(name, lowest, highest level) of the features that this broker knows."""
FINALIZED = (("transaction.version", 2, 2),)
"""(name, highest, lowest level) of the features that are in use."""
FEATURES_EPOCH = 0
"""Of the finalized features: they never change. A negative one would mean that they are unknown."""

_SOFTWARE_SINCE = 3
_ZERO_FEATURES_SINCE = 4
_SOFTWARE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?\Z")


def handle(context: RequestContext, request: ApiVersionsRequest) -> ApiVersionsResponse:
    """List every API that has a handler."""
    software = (request.client_software_name, request.client_software_version)
    if context.version >= _SOFTWARE_SINCE and not all(map(_SOFTWARE.match, software)):
        return ApiVersionsResponse(error_code=ErrorCode.INVALID_REQUEST)
    response = ApiVersionsResponse(api_keys=_served())
    if context.version >= _SOFTWARE_SINCE:
        is_readable = context.version >= _ZERO_FEATURES_SINCE
        response.supported_features = [
            SupportedFeatureKey(*found) for found in SUPPORTED if found[1] > 0 or is_readable
        ]
        response.finalized_features = [FinalizedFeatureKey(*found) for found in FINALIZED]
        response.finalized_features_epoch = FEATURES_EPOCH
    return response


def unsupported() -> ApiVersionsResponse:
    """The reply to a version of ApiVersions that is not served; to be encoded as version 0."""
    return ApiVersionsResponse(error_code=ErrorCode.UNSUPPORTED_VERSION, api_keys=[_entry(API, VERSIONS)])


def _served() -> list[ApiVersion]:
    from chronik.api import HANDLERS  # the list names this module too

    return [_entry(handler.API, handler.VERSIONS) for handler in sorted(HANDLERS, key=lambda handler: handler.API)]


def _entry(key: ApiKey, versions: tuple[int, int]) -> ApiVersion:
    return ApiVersion(api_key=key, min_version=versions[0], max_version=versions[1])
