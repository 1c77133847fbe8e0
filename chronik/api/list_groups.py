"""ListGroups: every group, also those that only ever committed offsets (KIP-518, KIP-848).

Served: 0 to 5.
"""

from __future__ import annotations

from chronik.api.request import RequestContext
from chronik.wire.apis import ApiKey
from chronik.wire.messages.list_groups import ListedGroup, ListGroupsRequest, ListGroupsResponse

API = ApiKey.LIST_GROUPS
VERSIONS = (0, 5)


def handle(context: RequestContext, request: ListGroupsRequest) -> ListGroupsResponse:
    """List the groups that pass the filters."""
    found = context.broker.groups.list_groups(request.states_filter, request.types_filter)
    return ListGroupsResponse(
        groups=[
            ListedGroup(
                group_id=group.group_id,
                protocol_type=group.protocol_type,
                group_state=group.state,
                group_type=group.group_type.value,
            )
            for group in found
        ]
    )
