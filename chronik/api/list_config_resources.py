"""ListConfigResources: what has configs that can be described (KIP-1142).

Served: 0 to 1. Version 0 asks for client metrics, which there are none of. No types means all of them; a type that
Kafka does not have is answered with UNSUPPORTED_VERSION. Of groups those are listed that override something.
"""

from __future__ import annotations

from chronik.api.describe_configs import KAFKA_RESOURCE_TYPES
from chronik.api.request import RequestContext
from chronik.configs.alter import ResourceType
from chronik.errors import ErrorCode
from chronik.wire.apis import ApiKey
from chronik.wire.messages.list_config_resources import (
    ConfigResource,
    ListConfigResourcesRequest,
    ListConfigResourcesResponse,
)

API = ApiKey.LIST_CONFIG_RESOURCES
VERSIONS = (0, 1)

_TYPES_SINCE = 1


def handle(context: RequestContext, request: ListConfigResourcesRequest) -> ListConfigResourcesResponse:
    """List the resources of the types that are asked for."""
    if context.version < _TYPES_SINCE:
        return ListConfigResourcesResponse()
    wanted = set(request.resource_types) or KAFKA_RESOURCE_TYPES
    if wanted - KAFKA_RESOURCE_TYPES:
        return ListConfigResourcesResponse(error_code=ErrorCode.UNSUPPORTED_VERSION)
    broker = context.broker
    names = {
        ResourceType.GROUP: broker.configs.group_ids,
        ResourceType.BROKER: [str(broker.node_id)],
        ResourceType.TOPIC: [topic.name for topic in broker.topics],
    }
    return ListConfigResourcesResponse(
        config_resources=[
            ConfigResource(resource_name=name, resource_type=type_)
            for type_ in names
            if type_ in wanted
            for name in names[type_]
        ]
    )
