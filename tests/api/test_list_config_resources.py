"""ListConfigResources: topics, the broker, and groups that override something."""

from __future__ import annotations

from typing import Any

import pytest

from chronik.errors import ErrorCode
from chronik.wire.apis import ApiKey
from chronik.wire.messages.list_config_resources import ListConfigResourcesRequest
from tests.api.configs import BROKER, CLIENT_METRICS, DELETE, GROUP, LOGGER, SET, TOPIC, change
from tests.api.topics import create_topic, node_id, unique
from tests.broker_process import wait_until
from tests.raw_client import RawClient

API = ApiKey.LIST_CONFIG_RESOURCES

SESSION_TIMEOUT = "consumer.session.timeout.ms"


def listed(client: RawClient, types: list[int], version: int = 1) -> list[tuple[int, str]]:
    response = client.ask(ListConfigResourcesRequest(resource_types=types), version)
    assert (response.throttle_time_ms, response.error_code) == (0, 0)
    resources = [(resource.resource_type, resource.resource_name) for resource in response.config_resources]
    assert len(set(resources)) == len(resources)
    return resources


def test_version_0_lists_client_metrics(client: RawClient) -> None:
    create_topic(client)
    assert listed(client, [], 0) == []


def test_lists_what_is_asked_for(client: RawClient) -> None:
    name, me = create_topic(client).name, str(node_id(client))
    assert (TOPIC, name) in listed(client, [TOPIC])
    assert {type_ for type_, _ in listed(client, [TOPIC])} == {TOPIC}
    assert listed(client, [BROKER]) == listed(client, [BROKER, BROKER]) == [(BROKER, me)]
    assert {(TOPIC, name), (BROKER, me)} <= set(listed(client, []))
    assert set(listed(client, [TOPIC, BROKER])) <= set(listed(client, []))
    assert listed(client, [CLIENT_METRICS]) == []


def test_there_are_no_loggers(client: RawClient, only_chronik: None) -> None:
    assert listed(client, [LOGGER]) == []


def test_lists_groups_that_override_something(client: RawClient) -> None:
    group = unique("group")
    assert (GROUP, group) not in listed(client, [GROUP])
    change(client, (GROUP, group, [(SESSION_TIMEOUT, SET, "50000")]))
    wait_until(lambda: (GROUP, group) in listed(client, [GROUP]), 20, "the group does not appear")
    assert (GROUP, group) in listed(client, [])


def test_a_group_without_overrides_is_listed_no_more(client: RawClient, only_chronik: None) -> None:
    group = unique("group")
    change(client, (GROUP, group, [(SESSION_TIMEOUT, SET, "50000")]))
    change(client, (GROUP, group, [(SESSION_TIMEOUT, DELETE, None)]))
    assert (GROUP, group) not in listed(client, [GROUP])


@pytest.mark.parametrize("types", [[0], [1], [3], [99], [-1], [TOPIC, 99]], ids=str)
def test_refuses_unknown_types(client: RawClient, types: list[int]) -> None:
    response = client.ask(ListConfigResourcesRequest(resource_types=types), 1)
    assert (response.error_code, response.config_resources) == (ErrorCode.UNSUPPORTED_VERSION, [])


def test_kafka_python_lists(kafka_python: Any, client: RawClient) -> None:
    name = create_topic(client).name
    assert name in repr(kafka_python.list_config_resources())
