"""DeleteGroups: forget groups without members, and their offsets (KIP-229).

Served: 0 to 2.
"""

from __future__ import annotations

from chronik.api.request import RequestContext
from chronik.errors import ErrorCode, KafkaError
from chronik.wire.apis import ApiKey
from chronik.wire.messages.delete_groups import DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse

API = ApiKey.DELETE_GROUPS
VERSIONS = (0, 2)


async def handle(context: RequestContext, request: DeleteGroupsRequest) -> DeleteGroupsResponse:
    """Delete one after the other; one that fails does not stop the rest. Who is named twice is answered once."""
    return DeleteGroupsResponse(
        results=[
            DeletableGroupResult(group_id=group_id, error_code=await _delete(context, group_id))
            for group_id in dict.fromkeys(request.groups_names)
        ]
    )


async def _delete(context: RequestContext, group_id: str) -> ErrorCode:
    try:
        return await context.broker.groups.delete_group(group_id)
    except KafkaError as error:
        return error.code
