"""DescribeAcls: the access control list (KIP-140, KIP-290).

Served: 0 to 3. There is no authorizer, which is what SECURITY_DISABLED says; tools show it as "no ACLs here".
"""

from __future__ import annotations

from chronik.api.request import RequestContext
from chronik.errors import ErrorCode
from chronik.wire.apis import ApiKey
from chronik.wire.messages.describe_acls import DescribeAclsRequest, DescribeAclsResponse

API = ApiKey.DESCRIBE_ACLS
VERSIONS = (0, 3)

NO_AUTHORIZER = "This broker has no authorizer."


def handle(context: RequestContext, request: DescribeAclsRequest) -> DescribeAclsResponse:
    """Answer that there is no authorizer."""
    return DescribeAclsResponse(error_code=ErrorCode.SECURITY_DISABLED, error_message=NO_AUTHORIZER)
