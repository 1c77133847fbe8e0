"""ListPartitionReassignments: what is on its way to other brokers (KIP-455).

Served: 0. Always nothing: there is one broker.
"""

from __future__ import annotations

from chronik.api.request import RequestContext
from chronik.wire.apis import ApiKey
from chronik.wire.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
)

API = ApiKey.LIST_PARTITION_REASSIGNMENTS
VERSIONS = (0, 0)


def handle(context: RequestContext, request: ListPartitionReassignmentsRequest) -> ListPartitionReassignmentsResponse:
    """Answer that nothing moves."""
    return ListPartitionReassignmentsResponse(error_message=None)
