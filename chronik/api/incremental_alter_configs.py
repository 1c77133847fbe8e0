"""IncrementalAlterConfigs: set, delete, append to or subtract from single configs of a resource (KIP-339).

Served: 0 to 1. All changes of a resource are made together, or none.
"""

from __future__ import annotations

from chronik.api.config_resources import alter_resource
from chronik.api.request import RequestContext
from chronik.broker.broker import Broker
from chronik.configs.alter import Alteration, Resource, change_overrides, repeated_resources
from chronik.errors import ErrorCode, KafkaError
from chronik.wire.apis import ApiKey
from chronik.wire.messages.incremental_alter_configs import (
    AlterConfigsResource,
    AlterConfigsResourceResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)

API = ApiKey.INCREMENTAL_ALTER_CONFIGS
VERSIONS = (0, 1)


async def handle(context: RequestContext, request: IncrementalAlterConfigsRequest) -> IncrementalAlterConfigsResponse:
    """Alter one resource after the other; one that fails does not stop the rest."""
    repeated = repeated_resources(Resource(asked.resource_type, asked.resource_name) for asked in request.resources)
    response = IncrementalAlterConfigsResponse()
    for asked in request.resources:
        result = AlterConfigsResourceResponse(
            resource_type=asked.resource_type, resource_name=asked.resource_name, error_message=None
        )
        response.responses.append(result)
        try:
            if Resource(asked.resource_type, asked.resource_name) in repeated:
                raise KafkaError(ErrorCode.INVALID_REQUEST, "The resource is listed more than once.")
            await _alter(context.broker, asked, request.validate_only)
        except KafkaError as error:
            result.error_code, result.error_message = error.code, error.message
    return response


async def _alter(broker: Broker, asked: AlterConfigsResource, validate_only: bool) -> None:
    resource = Resource(asked.resource_type, asked.resource_name)
    entries = [Alteration(config.name, config.value, config.config_operation) for config in asked.configs]
    await alter_resource(
        broker,
        resource,
        entries,
        lambda current: change_overrides(resource, current, entries, broker.configs.broker),
        validate_only=validate_only,
    )
