"""ApiVersions: which APIs are served, computed from the handlers (KIP-35, KIP-511, KIP-584).

Served: 0 to 4. The reply to a version that is not served has the form of version 0, error UNSUPPORTED_VERSION and the
one entry that tells the client which version to ask with; its connection stays open.
"""

from __future__ import annotations

import re

from chronik.api.request import RequestContext
from chronik.errors import ErrorCode
from chronik.wire.apis import ApiKey
from chronik.wire.messages.api_versions import ApiVersion, ApiVersionsRequest, ApiVersionsResponse

API = ApiKey.API_VERSIONS
VERSIONS = (0, 4)

_SOFTWARE_SINCE = 3
_SOFTWARE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?\Z")


def handle(context: RequestContext, request: ApiVersionsRequest) -> ApiVersionsResponse:
    """List every API that has a handler."""
    software = (request.client_software_name, request.client_software_version)
    if context.version >= _SOFTWARE_SINCE and not all(map(_SOFTWARE.match, software)):
        return ApiVersionsResponse(error_code=ErrorCode.INVALID_REQUEST)
    return ApiVersionsResponse(api_keys=_served())


def unsupported() -> ApiVersionsResponse:
    """The reply to a version of ApiVersions that is not served; to be encoded as version 0."""
    return ApiVersionsResponse(error_code=ErrorCode.UNSUPPORTED_VERSION, api_keys=[_entry(API, VERSIONS)])


def _served() -> list[ApiVersion]:
    from chronik.api import HANDLERS  # the list names this module too

    return [_entry(handler.API, handler.VERSIONS) for handler in sorted(HANDLERS, key=lambda handler: handler.API)]


def _entry(key: ApiKey, versions: tuple[int, int]) -> ApiVersion:
    return ApiVersion(api_key=key, min_version=versions[0], max_version=versions[1])
