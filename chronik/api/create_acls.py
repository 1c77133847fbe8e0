"""CreateAcls: add to the access control list (KIP-140, KIP-290).

Served: 0 to 3. There is no authorizer: every creation is answered with SECURITY_DISABLED.
"""

from __future__ import annotations

from chronik.api.describe_acls import NO_AUTHORIZER
from chronik.api.request import RequestContext
from chronik.errors import ErrorCode
from chronik.wire.apis import ApiKey
from chronik.wire.messages.create_acls import AclCreationResult, CreateAclsRequest, CreateAclsResponse

API = ApiKey.CREATE_ACLS
VERSIONS = (0, 3)


def handle(context: RequestContext, request: CreateAclsRequest) -> CreateAclsResponse:
    """Refuse every creation, in order."""
    return CreateAclsResponse(
        results=[
            AclCreationResult(error_code=ErrorCode.SECURITY_DISABLED, error_message=NO_AUTHORIZER)
            for _ in request.creations
        ]
    )
