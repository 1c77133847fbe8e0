"""Configs, seen and altered through the raw client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chronik.wire.messages.alter_configs import AlterableConfig, AlterConfigsRequest, AlterConfigsResource
from chronik.wire.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResult,
)
from chronik.wire.messages.incremental_alter_configs import (
    AlterableConfig as IncrementalConfig,
)
from chronik.wire.messages.incremental_alter_configs import (
    AlterConfigsResource as IncrementalResource,
)
from chronik.wire.messages.incremental_alter_configs import IncrementalAlterConfigsRequest
from tests.raw_client import RawClient

TOPIC, BROKER, LOGGER, CLIENT_METRICS, GROUP = 2, 4, 8, 16, 32
"""Resource types."""
SET, DELETE, APPEND, SUBTRACT = 0, 1, 2, 3
"""Operations."""
FROM_TOPIC, FROM_BROKER, FROM_CLUSTER, STATIC, DEFAULT, FROM_GROUP = 1, 2, 3, 4, 5, 8
"""Sources."""
ALL_BROKERS = ""

Resource = tuple[int, str]
Changes = Sequence[tuple[str, int, str | None]]
"""(name, operation, value)."""


def describe_all(
    client: RawClient,
    resources: Sequence[tuple[int, str, list[str] | None]],
    version: int = 4,
    *,
    synonyms: bool = False,
    documentation: bool = False,
) -> list[DescribeConfigsResult]:
    """The results, in the order of the request."""
    request = DescribeConfigsRequest(
        resources=[
            DescribeConfigsResource(resource_type=type_, resource_name=name, configuration_keys=keys)
            for type_, name, keys in resources
        ],
        include_synonyms=synonyms,
        include_documentation=documentation,
    )
    response = client.ask(request, version)
    assert response.throttle_time_ms == 0
    results: list[DescribeConfigsResult] = response.results
    assert [(result.resource_type, result.resource_name) for result in results] == [
        (type_, name) for type_, name, _ in resources
    ]
    return results


def describe(
    client: RawClient,
    type_: int,
    name: str,
    keys: list[str] | None = None,
    version: int = 4,
    *,
    synonyms: bool = False,
    documentation: bool = False,
) -> dict[str, DescribeConfigsResourceResult]:
    """One resource's configs by name; AssertionError on an error, or when a name is there twice."""
    (result,) = describe_all(client, [(type_, name, keys)], version, synonyms=synonyms, documentation=documentation)
    assert result.error_code == 0, result
    configs = {config.name: config for config in result.configs}
    assert len(configs) == len(result.configs)
    return configs


def value_of(client: RawClient, type_: int, name: str, key: str) -> tuple[str | None, int]:
    """A config's value, and where it comes from."""
    config = describe(client, type_, name, [key])[key]
    return config.value, config.config_source


def replace(
    client: RawClient,
    *wanted: tuple[int, str, Mapping[str, str | None]],
    version: int = 2,
    validate_only: bool = False,
) -> list[int]:
    """AlterConfigs; the error codes in the order of the request."""
    request = AlterConfigsRequest(
        resources=[
            AlterConfigsResource(
                resource_type=type_,
                resource_name=name,
                configs=[AlterableConfig(name=key, value=value) for key, value in configs.items()],
            )
            for type_, name, configs in wanted
        ],
        validate_only=validate_only,
    )
    response = client.ask(request, version)
    assert response.throttle_time_ms == 0
    assert [(result.resource_type, result.resource_name) for result in response.responses] == [
        (type_, name) for type_, name, _ in wanted
    ]
    assert all(bool(result.error_message) == bool(result.error_code) for result in response.responses)
    return [result.error_code for result in response.responses]


def change(
    client: RawClient, *wanted: tuple[int, str, Changes], version: int = 1, validate_only: bool = False
) -> list[int]:
    """IncrementalAlterConfigs; the error codes in the order of the request."""
    request = IncrementalAlterConfigsRequest(
        resources=[
            IncrementalResource(
                resource_type=type_,
                resource_name=name,
                configs=[
                    IncrementalConfig(name=key, config_operation=operation, value=value)
                    for key, operation, value in changes
                ],
            )
            for type_, name, changes in wanted
        ],
        validate_only=validate_only,
    )
    response = client.ask(request, version)
    assert response.throttle_time_ms == 0
    answered = sorted((result.resource_type, result.resource_name) for result in response.responses)
    assert answered == sorted((type_, name) for type_, name, _ in wanted)
    codes = {(result.resource_type, result.resource_name): result.error_code for result in response.responses}
    return [codes[type_, name] for type_, name, _ in wanted]
