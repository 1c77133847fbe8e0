"""DeleteAcls: take from the access control list what matches filters (KIP-140, KIP-290).

Served: 0 to 3. There is no authorizer: every filter is answered with SECURITY_DISABLED.
"""

from __future__ import annotations

from chronik.api.describe_acls import NO_AUTHORIZER
from chronik.api.request import RequestContext
from chronik.errors import ErrorCode
from chronik.wire.apis import ApiKey
from chronik.wire.messages.delete_acls import DeleteAclsFilterResult, DeleteAclsRequest, DeleteAclsResponse

API = ApiKey.DELETE_ACLS
VERSIONS = (0, 3)


def handle(context: RequestContext, request: DeleteAclsRequest) -> DeleteAclsResponse:
    """Refuse every filter, in order."""
    return DeleteAclsResponse(
        filter_results=[
            DeleteAclsFilterResult(error_code=ErrorCode.SECURITY_DISABLED, error_message=NO_AUTHORIZER)
            for _ in request.filters
        ]
    )
