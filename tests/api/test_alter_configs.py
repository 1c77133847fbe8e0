"""AlterConfigs: a resource's configs replaced as a whole."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaException

from chronik.errors import ErrorCode
from chronik.wire.apis import ApiKey
from chronik.wire.messages.alter_configs import AlterableConfig, AlterConfigsRequest, AlterConfigsResource
from tests.api.configs import (
    BROKER,
    CLIENT_METRICS,
    DEFAULT,
    FROM_GROUP,
    FROM_TOPIC,
    GROUP,
    LOGGER,
    TOPIC,
    replace,
    value_of,
)
from tests.api.topics import create_topic, node_id, unique
from tests.broker_process import wait_until
from tests.librdkafka import admin
from tests.raw_client import RawClient

API = ApiKey.ALTER_CONFIGS

SETTLED_TIMEOUT_S = 20.0


def becomes(client: RawClient, type_: int, name: str, key: str, value: str | None, source: int) -> None:
    """Wait until a config has this value (Kafka's brokers learn of it a little later)."""
    wait_until(
        lambda: value_of(client, type_, name, key) == (value, source),
        SETTLED_TIMEOUT_S,
        lambda: f"{key} is {value_of(client, type_, name, key)}",
    )


def test_replaces_all_configs_in_every_version(client: RawClient, version: int) -> None:
    name = create_topic(client, configs={"segment.ms": "5000"}).name
    assert replace(client, (TOPIC, name, {"retention.ms": "1000"}), version=version) == [0]
    becomes(client, TOPIC, name, "retention.ms", "1000", FROM_TOPIC)
    becomes(client, TOPIC, name, "segment.ms", "604800000", DEFAULT)
    assert replace(client, (TOPIC, name, {})) == [0]
    becomes(client, TOPIC, name, "retention.ms", "604800000", DEFAULT)


@pytest.mark.parametrize(
    ("configs", "error"),
    [
        ({"nobody": "1"}, ErrorCode.INVALID_CONFIG),
        ({"retention.ms": "soon"}, ErrorCode.INVALID_CONFIG),
        ({"retention.ms": "-2"}, ErrorCode.INVALID_CONFIG),
        ({"cleanup.policy": "shred"}, ErrorCode.INVALID_CONFIG),
        ({"retention.ms": None}, ErrorCode.INVALID_REQUEST),
    ],
    ids=str,
)
@pytest.mark.parametrize("validate_only", [True, False])
def test_refuses_values(
    client: RawClient, configs: dict[str, str | None], error: ErrorCode, validate_only: bool
) -> None:
    name = create_topic(client, configs={"segment.ms": "5000"}).name
    assert replace(client, (TOPIC, name, configs), validate_only=validate_only) == [error]
    assert value_of(client, TOPIC, name, "segment.ms") == ("5000", FROM_TOPIC)


def test_validates_without_changing(client: RawClient) -> None:
    name = create_topic(client).name
    assert replace(client, (TOPIC, name, {"retention.ms": "1000"}), validate_only=True) == [0]
    assert value_of(client, TOPIC, name, "retention.ms") == ("604800000", DEFAULT)


@pytest.mark.parametrize(
    ("name", "configs", "error"),
    [
        ("nobody", {"retention.ms": "1"}, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("nobody", {}, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("nobody", {"retention.ms": "soon"}, ErrorCode.INVALID_CONFIG),
        ("a b", {"retention.ms": "soon"}, ErrorCode.INVALID_TOPIC_EXCEPTION),
        ("a b", {"retention.ms": None}, ErrorCode.INVALID_REQUEST),
        ("", {"retention.ms": "1"}, ErrorCode.INVALID_REQUEST),
    ],
)
def test_the_first_thing_that_is_wrong_counts(
    client: RawClient, name: str, configs: dict[str, str | None], error: ErrorCode
) -> None:
    there = create_topic(client).name
    assert replace(client, (TOPIC, name, configs), (TOPIC, there, {"retention.ms": "7"})) == [error, 0]
    becomes(client, TOPIC, there, "retention.ms", "7", FROM_TOPIC)


def test_refuses_a_key_twice(client: RawClient) -> None:
    name = create_topic(client).name
    configs = [AlterableConfig(name="retention.ms", value=value) for value in ("1", "2")]
    resource = AlterConfigsResource(resource_type=TOPIC, resource_name=name, configs=configs)
    (result,) = client.ask(AlterConfigsRequest(resources=[resource]), 2).responses
    assert result.error_code == ErrorCode.INVALID_REQUEST


def test_refuses_a_resource_twice(client: RawClient, only_chronik: None) -> None:
    """Kafka 4.2 does not answer such a request at all; IncrementalAlterConfigs there answers like this."""
    twice, once = create_topic(client).name, create_topic(client).name
    codes = replace(
        client,
        (TOPIC, twice, {"retention.ms": "1"}),
        (TOPIC, once, {"retention.ms": "2"}),
        (TOPIC, twice, {"segment.ms": "3"}),
    )
    assert codes == [ErrorCode.INVALID_REQUEST, 0, ErrorCode.INVALID_REQUEST]
    assert value_of(client, TOPIC, twice, "retention.ms") == ("604800000", DEFAULT)
    assert value_of(client, TOPIC, once, "retention.ms") == ("2", FROM_TOPIC)


@pytest.mark.parametrize(
    ("name", "configs"),
    [
        ("99", {"log.retention.ms": "1"}),
        ("broker", {"log.retention.ms": "1"}),
        ("me", {"num.partitions": "2"}),
        ("me", {"log.retention.ms": "soon"}),
        ("me", {"log.retention.ms": None}),
    ],
)
def test_refuses_for_brokers(client: RawClient, name: str, configs: dict[str, str | None]) -> None:
    name = str(node_id(client)) if name == "me" else name
    assert replace(client, (BROKER, name, configs)) == [ErrorCode.INVALID_REQUEST]


@pytest.mark.parametrize("type_", [0, 1, 3, 99, LOGGER])
def test_refuses_other_types(client: RawClient, type_: int) -> None:
    assert replace(client, (type_, "x", {})) == [ErrorCode.INVALID_REQUEST]


def test_there_are_no_client_metrics(client: RawClient, only_chronik: None) -> None:
    assert replace(client, (CLIENT_METRICS, "x", {})) == [ErrorCode.INVALID_REQUEST]


def test_alters_a_group(client: RawClient) -> None:
    group, key = unique("group"), "consumer.session.timeout.ms"
    assert replace(client, (GROUP, group, {key: "50000"})) == [0]
    becomes(client, GROUP, group, key, "50000", FROM_GROUP)
    assert replace(client, (GROUP, group, {key: "1"})) == [ErrorCode.INVALID_CONFIG]
    assert replace(client, (GROUP, group, {"nobody": "1"})) == [ErrorCode.INVALID_CONFIG]
    assert replace(client, (GROUP, "", {key: "50000"})) == [ErrorCode.INVALID_REQUEST]
    assert replace(client, (GROUP, group, {})) == [0]
    becomes(client, GROUP, group, key, "45000", DEFAULT)


def test_librdkafka_alters(librdkafka: Any, client: RawClient) -> None:
    name = create_topic(client).name
    resource = admin.ConfigResource(admin.ConfigResource.Type.TOPIC, name, set_config={"retention.ms": "1234"})
    with pytest.warns(DeprecationWarning, match="incremental_alter_configs"):
        librdkafka.alter_configs([resource])[resource].result()
    becomes(client, TOPIC, name, "retention.ms", "1234", FROM_TOPIC)
    bad = admin.ConfigResource(admin.ConfigResource.Type.TOPIC, name, set_config={"retention.ms": "soon"})
    with (
        pytest.warns(DeprecationWarning, match="incremental_alter_configs"),
        pytest.raises(KafkaException, match="INVALID_CONFIG"),
    ):
        librdkafka.alter_configs([bad])[bad].result()
