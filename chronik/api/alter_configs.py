"""AlterConfigs: give a resource new configs (KIP-133). What is not listed goes back to its default.

Served: 0 to 2. Old tools use it to change one config, and lose the others: IncrementalAlterConfigs does not.
"""

from __future__ import annotations

from chronik.api.config_resources import alter_resource
from chronik.api.request import RequestContext
from chronik.broker.broker import Broker
from chronik.configs.alter import Alteration, Resource, repeated_resources, replace_overrides
from chronik.errors import ErrorCode, KafkaError
from chronik.wire.apis import ApiKey
from chronik.wire.messages.alter_configs import (
    AlterConfigsRequest,
    AlterConfigsResource,
    AlterConfigsResourceResponse,
    AlterConfigsResponse,
)

API = ApiKey.ALTER_CONFIGS
VERSIONS = (0, 2)


async def handle(context: RequestContext, request: AlterConfigsRequest) -> AlterConfigsResponse:
    """Alter one resource after the other; one that fails does not stop the rest."""
    repeated = repeated_resources(Resource(asked.resource_type, asked.resource_name) for asked in request.resources)
    response = AlterConfigsResponse()
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
    entries = [Alteration(config.name, config.value) for config in asked.configs]
    await alter_resource(
        broker,
        resource,
        entries,
        lambda current: replace_overrides(resource, entries, broker.configs.broker),
        validate_only=validate_only,
    )
