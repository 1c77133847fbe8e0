"""DescribeConfigs: the configs of topics, brokers and groups, and where each value comes from (KIP-133, KIP-226).

Served: 0 to 4. No keys, like null, means all of them; keys that do not exist are left out. Version 0 has no sources,
but says whether a value is the default. A broker is named by its id; without a name only the dynamic configs that hold
for all brokers are described. A group has configs whether it exists or not.

Loggers (8) and client metrics (16) are resources of Kafka's that there are none of. A type that Kafka does not have
fails the whole request, as it does there.
"""

from __future__ import annotations

from chronik.api.request import RequestContext
from chronik.broker.broker import Broker
from chronik.broker.topics import check_name
from chronik.configs.alter import Resource, ResourceType, check_resource
from chronik.configs.describe import ConfigEntry, describe_broker, describe_cluster, describe_group, describe_topic
from chronik.configs.layers import ConfigSource
from chronik.errors import ErrorCode, KafkaError
from chronik.wire.apis import ApiKey
from chronik.wire.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)

API = ApiKey.DESCRIBE_CONFIGS
VERSIONS = (0, 4)

KAFKA_RESOURCE_TYPES = frozenset({*ResourceType, 8, 16})


def handle(context: RequestContext, request: DescribeConfigsRequest) -> DescribeConfigsResponse:
    """Describe every resource, in the request's order."""
    unknown = {asked.resource_type for asked in request.resources} - KAFKA_RESOURCE_TYPES
    response = DescribeConfigsResponse()
    for asked in request.resources:
        result = DescribeConfigsResult(
            resource_type=asked.resource_type, resource_name=asked.resource_name, error_message=""
        )
        response.results.append(result)
        try:
            if unknown:
                raise KafkaError(ErrorCode.INVALID_REQUEST, f"There is no resource type {min(unknown)}.")
            result.configs = [_result(entry, request) for entry in _entries(context.broker, asked)]
        except KafkaError as error:
            result.error_code, result.error_message = error.code, error.message
    return response


def _entries(broker: Broker, asked: DescribeConfigsResource) -> tuple[ConfigEntry, ...]:
    name, keys, configs = asked.resource_name, asked.configuration_keys, broker.configs
    if asked.resource_type == ResourceType.TOPIC:
        check_name(name)
        topic = broker.topics.get(name)
        if topic is None:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Topic {name!r} does not exist.")
        return describe_topic(topic.configs, configs.broker, keys)
    if check_resource(Resource(asked.resource_type, name), configs.broker) is ResourceType.GROUP:
        return describe_group(configs.group(name), configs.broker, keys)
    return describe_broker(configs.broker, keys) if name else describe_cluster(configs.broker, keys)


def _result(entry: ConfigEntry, request: DescribeConfigsRequest) -> DescribeConfigsResourceResult:
    return DescribeConfigsResourceResult(
        name=entry.name,
        value=entry.value,
        read_only=entry.read_only,
        is_default=entry.source is ConfigSource.DEFAULT,
        config_source=entry.source,
        is_sensitive=entry.is_sensitive,
        synonyms=[
            DescribeConfigsSynonym(name=synonym.name, value=synonym.value, source=synonym.source)
            for synonym in (entry.synonyms if request.include_synonyms else ())
        ],
        config_type=entry.type,
        documentation=entry.documentation if request.include_documentation else None,
    )
