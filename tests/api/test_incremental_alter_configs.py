"""IncrementalAlterConfigs: single configs set, deleted, appended to and subtracted from."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaException

from chronik.errors import ErrorCode
from chronik.wire.apis import ApiKey
from chronik.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from tests.api.configs import (
    APPEND,
    BROKER,
    DEFAULT,
    DELETE,
    FROM_GROUP,
    FROM_TOPIC,
    GROUP,
    SET,
    SUBTRACT,
    TOPIC,
    change,
    value_of,
)
from tests.api.test_alter_configs import becomes
from tests.api.topics import create_topic, node_id, unique
from tests.broker_process import BrokerProcess
from tests.conftest import RawFactory
from tests.kafka_python import kafka
from tests.librdkafka import admin
from tests.raw_client import RawClient

API = ApiKey.INCREMENTAL_ALTER_CONFIGS


def test_changes_single_configs_in_every_version(client: RawClient, version: int) -> None:
    name = create_topic(client, configs={"segment.ms": "5000"}).name
    assert change(client, (TOPIC, name, [("retention.ms", SET, "1000")]), version=version) == [0]
    becomes(client, TOPIC, name, "retention.ms", "1000", FROM_TOPIC)
    assert value_of(client, TOPIC, name, "segment.ms") == ("5000", FROM_TOPIC)
    assert change(client, (TOPIC, name, [("retention.ms", DELETE, None)]), version=version) == [0]
    becomes(client, TOPIC, name, "retention.ms", "604800000", DEFAULT)


def test_appends_and_subtracts(client: RawClient) -> None:
    name, key = create_topic(client).name, "cleanup.policy"

    def policy_after(operation: int, value: str | None) -> tuple[str | None, int]:
        assert change(client, (TOPIC, name, [(key, operation, value)])) == [0]
        expected = steps[operation, value]
        becomes(client, TOPIC, name, key, *expected)
        return value_of(client, TOPIC, name, key)

    steps: dict[tuple[int, str | None], tuple[str, int]] = {
        # What is not overridden begins with the default.
        (APPEND, "compact"): ("delete,compact", FROM_TOPIC),
        (APPEND, "delete,compact"): ("delete,compact", FROM_TOPIC),
        (SUBTRACT, "delete"): ("compact", FROM_TOPIC),
        (SUBTRACT, "delete,delete"): ("compact", FROM_TOPIC),
        (DELETE, "whatever"): ("delete", DEFAULT),
        (DELETE, None): ("delete", DEFAULT),
    }
    for operation, value in steps:
        assert policy_after(operation, value) == steps[operation, value]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ([("retention.ms", APPEND, "1")], ErrorCode.INVALID_CONFIG),
        ([("retention.ms", SUBTRACT, "1")], ErrorCode.INVALID_CONFIG),
        ([("nobody", SET, "1")], ErrorCode.INVALID_CONFIG),
        ([("nobody", APPEND, "1")], ErrorCode.INVALID_CONFIG),
        ([("nobody", DELETE, None)], 0),
        ([("retention.ms", SET, "soon")], ErrorCode.INVALID_CONFIG),
        ([("cleanup.policy", APPEND, "shred")], ErrorCode.INVALID_CONFIG),
        ([("retention.ms", SET, None)], ErrorCode.INVALID_REQUEST),
        ([("cleanup.policy", APPEND, None)], ErrorCode.INVALID_REQUEST),
        ([("cleanup.policy", SUBTRACT, None)], ErrorCode.INVALID_REQUEST),
        ([("retention.ms", SET, "1"), ("retention.ms", DELETE, None)], ErrorCode.INVALID_REQUEST),
        ([("retention.ms", SET, "1"), ("segment.ms", SET, "soon")], ErrorCode.INVALID_CONFIG),
    ],
    ids=str,
)
@pytest.mark.parametrize("validate_only", [True, False])
def test_refuses_changes(
    client: RawClient, changes: list[tuple[str, int, str | None]], error: int, validate_only: bool
) -> None:
    name = create_topic(client, configs={"segment.ms": "5000"}).name
    assert change(client, (TOPIC, name, changes), validate_only=validate_only) == [error]
    assert value_of(client, TOPIC, name, "segment.ms") == ("5000", FROM_TOPIC)
    assert value_of(client, TOPIC, name, "retention.ms") == ("604800000", DEFAULT)


@pytest.mark.parametrize("operation", [4, -1, 127])
def test_refuses_unknown_operations(client: RawClient, only_chronik: None, operation: int) -> None:
    """Kafka 4.2 answers UNKNOWN_SERVER_ERROR, as for a mistake of its own."""
    name = create_topic(client).name
    assert change(client, (TOPIC, name, [("retention.ms", operation, "1")])) == [ErrorCode.INVALID_REQUEST]


def test_validates_without_changing(client: RawClient) -> None:
    name = create_topic(client).name
    assert change(client, (TOPIC, name, [("retention.ms", SET, "1000")]), validate_only=True) == [0]
    assert value_of(client, TOPIC, name, "retention.ms") == ("604800000", DEFAULT)


def test_refuses_a_list_that_grows_too_long(client: RawClient, only_chronik: None) -> None:
    name, key = create_topic(client).name, "leader.replication.throttled.replicas"
    replicas = [f"{partition}:1" for partition in range(6000)]
    half, rest = ",".join(replicas[:4000]), ",".join(replicas[4000:])
    assert len(f"{half},{rest}") > 32_767 > len(half)
    assert change(client, (TOPIC, name, [(key, SET, half)])) == [0]
    assert change(client, (TOPIC, name, [(key, APPEND, rest)])) == [ErrorCode.INVALID_CONFIG]
    assert value_of(client, TOPIC, name, key) == (half, FROM_TOPIC)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("nobody", "1", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("nobody", "soon", ErrorCode.INVALID_CONFIG),
        ("a b", "soon", ErrorCode.INVALID_TOPIC_EXCEPTION),
        ("a b", None, ErrorCode.INVALID_REQUEST),
        ("", "1", ErrorCode.INVALID_REQUEST),
    ],
)
def test_the_first_thing_that_is_wrong_counts(
    client: RawClient, name: str, value: str | None, error: ErrorCode
) -> None:
    there = create_topic(client).name
    codes = change(client, (TOPIC, name, [("retention.ms", SET, value)]), (TOPIC, there, [("retention.ms", SET, "7")]))
    assert codes == [error, 0]
    becomes(client, TOPIC, there, "retention.ms", "7", FROM_TOPIC)


def test_refuses_a_resource_twice(client: RawClient) -> None:
    twice, once = create_topic(client).name, create_topic(client).name
    resources = [
        AlterConfigsResource(resource_type=TOPIC, resource_name=name, configs=[AlterableConfig(name=key, value="1000")])
        for name, key in ((twice, "retention.ms"), (once, "retention.ms"), (twice, "segment.ms"))
    ]
    responses = client.ask(IncrementalAlterConfigsRequest(resources=resources), 1).responses
    assert sorted((result.resource_name, result.error_code) for result in responses) == sorted(
        [(twice, ErrorCode.INVALID_REQUEST), (twice, ErrorCode.INVALID_REQUEST), (once, 0)]
    )
    assert value_of(client, TOPIC, twice, "retention.ms") == ("604800000", DEFAULT)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("99", "log.retention.ms", "1"),
        ("broker", "log.retention.ms", "1"),
        ("me", "num.partitions", "2"),
        ("me", "log.retention.ms", "soon"),
        ("", "num.partitions", "2"),
        ("", "log.retention.ms", "soon"),
    ],
)
def test_refuses_for_brokers(client: RawClient, name: str, key: str, value: str) -> None:
    name = str(node_id(client)) if name == "me" else name
    assert change(client, (BROKER, name, [(key, SET, value)])) == [ErrorCode.INVALID_REQUEST]


@pytest.mark.parametrize("type_", [0, 1, 3, 99])
def test_refuses_other_types(client: RawClient, type_: int) -> None:
    assert change(client, (type_, "x", [])) == [ErrorCode.INVALID_REQUEST]


def test_changes_a_group(client: RawClient) -> None:
    group, key = unique("group"), "consumer.session.timeout.ms"
    assert change(client, (GROUP, group, [(key, SET, "50000")])) == [0]
    becomes(client, GROUP, group, key, "50000", FROM_GROUP)
    assert change(client, (GROUP, group, [(key, SET, "1")])) == [ErrorCode.INVALID_CONFIG]
    assert change(client, (GROUP, "", [(key, SET, "50000")])) == [ErrorCode.INVALID_REQUEST]
    assert change(client, (GROUP, group, [(key, DELETE, None)])) == [0]
    becomes(client, GROUP, group, key, "45000", DEFAULT)


def test_changes_from_many_clients_do_not_overwrite_each_other(
    module_broker: BrokerProcess, raw: RawFactory, client: RawClient
) -> None:
    name = create_topic(client).name
    wanted = {"retention.ms": "1", "segment.ms": "2", "flush.ms": "3", "delete.retention.ms": "4"}
    clients = [raw(module_broker) for _ in wanted]
    for other, (key, value) in zip(clients, wanted.items(), strict=True):
        resource = AlterConfigsResource(
            resource_type=TOPIC, resource_name=name, configs=[AlterableConfig(name=key, value=value)]
        )
        other.send(IncrementalAlterConfigsRequest(resources=[resource]), 1)
    assert [other.receive().responses[0].error_code for other in clients] == [0] * len(wanted)
    for key, value in wanted.items():
        becomes(client, TOPIC, name, key, value, FROM_TOPIC)


def test_an_empty_request_has_an_empty_answer(client: RawClient) -> None:
    assert change(client) == []


def test_admin_clients_change(kafka_python: Any, librdkafka: Any, client: RawClient) -> None:
    name = create_topic(client, configs={"segment.ms": "5000"}).name
    resource = kafka.admin.ConfigResource(kafka.admin.ConfigResourceType.TOPIC, name, {"retention.ms": "1111"})
    kafka_python.alter_configs([resource])
    becomes(client, TOPIC, name, "retention.ms", "1111", FROM_TOPIC)
    becomes(client, TOPIC, name, "segment.ms", "5000", FROM_TOPIC)

    def altered(key: str, value: str, operation: Any) -> Any:
        entry = admin.ConfigEntry(key, value, incremental_operation=operation)
        wanted = admin.ConfigResource(admin.ConfigResource.Type.TOPIC, name, incremental_configs=[entry])
        return librdkafka.incremental_alter_configs([wanted])[wanted].result()

    altered("cleanup.policy", "compact", admin.AlterConfigOpType.APPEND)
    becomes(client, TOPIC, name, "cleanup.policy", "delete,compact", FROM_TOPIC)
    with pytest.raises(KafkaException, match="INVALID_CONFIG"):
        altered("retention.ms", "1", admin.AlterConfigOpType.APPEND)
