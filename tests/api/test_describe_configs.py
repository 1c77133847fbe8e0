"""DescribeConfigs: every config of topics, brokers and groups, with its source, type and synonyms."""

from __future__ import annotations

from typing import Any

import pytest

from chronik.errors import ErrorCode
from chronik.wire.apis import ApiKey
from tests.api.configs import (
    ALL_BROKERS,
    BROKER,
    CLIENT_METRICS,
    DEFAULT,
    FROM_CLUSTER,
    FROM_TOPIC,
    GROUP,
    LOGGER,
    STATIC,
    TOPIC,
    describe,
    describe_all,
)
from tests.api.topics import create_topic, node_id, unique
from tests.kafka_python import kafka
from tests.librdkafka import admin
from tests.raw_client import RawClient

API = ApiKey.DESCRIBE_CONFIGS

BOOLEAN, STRING, INT, SHORT, LONG, DOUBLE, LIST = range(1, 8)

LONG_MAX = "9223372036854775807"

TOPIC_CONFIGS = {
    "cleanup.policy": (LIST, "delete"),
    "compression.type": (STRING, "producer"),
    "compression.gzip.level": (INT, "-1"),
    "compression.lz4.level": (INT, "9"),
    "compression.zstd.level": (INT, "3"),
    "delete.retention.ms": (LONG, "86400000"),
    "file.delete.delay.ms": (LONG, "60000"),
    "flush.messages": (LONG, LONG_MAX),
    "flush.ms": (LONG, LONG_MAX),
    "follower.replication.throttled.replicas": (LIST, ""),
    "leader.replication.throttled.replicas": (LIST, ""),
    "index.interval.bytes": (INT, "4096"),
    "local.retention.bytes": (LONG, "-2"),
    "local.retention.ms": (LONG, "-2"),
    "max.compaction.lag.ms": (LONG, LONG_MAX),
    "max.message.bytes": (INT, "1048588"),
    "message.timestamp.after.max.ms": (LONG, "3600000"),
    "message.timestamp.before.max.ms": (LONG, LONG_MAX),
    "message.timestamp.type": (STRING, "CreateTime"),
    "min.cleanable.dirty.ratio": (DOUBLE, "0.5"),
    "min.compaction.lag.ms": (LONG, "0"),
    "min.insync.replicas": (INT, "1"),
    "preallocate": (BOOLEAN, "false"),
    "remote.log.copy.disable": (BOOLEAN, "false"),
    "remote.log.delete.on.disable": (BOOLEAN, "false"),
    "remote.storage.enable": (BOOLEAN, "false"),
    "retention.bytes": (LONG, "-1"),
    "retention.ms": (LONG, "604800000"),
    "segment.bytes": (INT, "1073741824"),
    "segment.index.bytes": (INT, "10485760"),
    "segment.jitter.ms": (LONG, "0"),
    "segment.ms": (LONG, "604800000"),
    "unclean.leader.election.enable": (BOOLEAN, "false"),
}
"""Name -> (type, default)."""

READ_BY_TOOLS = (
    *("advertised.listeners", "auto.create.topics.enable", "broker.id", "connections.max.idle.ms"),
    *("default.replication.factor", "delete.topic.enable", "fetch.max.bytes", "group.initial.rebalance.delay.ms"),
    *("group.max.session.timeout.ms", "listeners", "log.cleaner.enable", "log.dirs", "log.retention.bytes"),
    *("log.retention.check.interval.ms", "log.retention.hours", "log.segment.bytes", "message.max.bytes"),
    *("min.insync.replicas", "node.id", "num.partitions", "offsets.retention.minutes", "process.roles"),
    *("offsets.topic.replication.factor", "socket.request.max.bytes", "transaction.max.timeout.ms"),
)
"""Broker configs that graphical tools look for."""


def test_describes_a_topic_in_every_version(client: RawClient, version: int) -> None:
    name = create_topic(client, configs={"retention.ms": "1000"}).name
    configs = describe(client, TOPIC, name, None, version, synonyms=True, documentation=True)
    assert configs.keys() == TOPIC_CONFIGS.keys()
    own, default = configs["retention.ms"], configs["max.message.bytes"]
    assert (own.value, default.value) == ("1000", "1048588")
    assert not any(config.read_only or config.is_sensitive for config in configs.values())
    if version == 0:
        assert (own.is_default, default.is_default) == (False, True)
        return
    assert (own.config_source, default.config_source) == (FROM_TOPIC, DEFAULT)
    assert [(synonym.name, synonym.value, synonym.source) for synonym in default.synonyms] == [
        ("message.max.bytes", "1048588", DEFAULT)
    ]
    assert (own.synonyms[0].name, own.synonyms[0].source) == ("retention.ms", FROM_TOPIC)
    expected = (own.config_type, default.config_type) if version >= 3 else (0, 0)
    assert expected == ((LONG, INT) if version >= 3 else (0, 0))
    assert all(bool(config.documentation) == (version >= 3) for config in configs.values())


@pytest.mark.parametrize("keys", [None, []], ids=["null", "empty"])
def test_a_topic_has_all_configs_with_their_types_and_defaults(client: RawClient, keys: list[str] | None) -> None:
    name = create_topic(client).name
    configs = describe(client, TOPIC, name, keys)
    assert {key: (config.config_type, config.value) for key, config in configs.items()} == TOPIC_CONFIGS
    # A cluster of Kafka's has min.insync.replicas set for all brokers from the beginning.
    assert {config.config_source for config in configs.values()} <= {DEFAULT, FROM_CLUSTER}
    assert not any(config.synonyms or config.documentation for config in configs.values())


def test_describes_only_the_keys_that_are_asked_for(client: RawClient) -> None:
    name = create_topic(client).name
    keys = ["retention.ms", "nobody", "cleanup.policy", "retention.ms"]
    assert describe(client, TOPIC, name, keys).keys() == {"retention.ms", "cleanup.policy"}
    assert describe(client, TOPIC, name, ["nobody"]) == {}


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("nobody", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("a b", ErrorCode.INVALID_TOPIC_EXCEPTION),
        ("", ErrorCode.INVALID_TOPIC_EXCEPTION),
    ],
)
def test_refuses_topics(client: RawClient, name: str, error: ErrorCode) -> None:
    there = create_topic(client).name
    bad, good = describe_all(client, [(TOPIC, name, None), (TOPIC, there, ["retention.ms"])])
    assert (bad.error_code, bad.configs) == (error, [])
    assert (good.error_code, len(good.configs)) == (0, 1)


def test_a_resource_may_be_asked_for_twice(client: RawClient) -> None:
    name = create_topic(client).name
    first, second = describe_all(client, [(TOPIC, name, ["retention.ms"]), (TOPIC, name, ["segment.ms"])])
    assert [config.name for config in (*first.configs, *second.configs)] == ["retention.ms", "segment.ms"]


def test_describes_the_broker_in_every_version(client: RawClient, version: int) -> None:
    me = str(node_id(client))
    configs = describe(client, BROKER, me, None, version, synonyms=True, documentation=True)
    assert set(READ_BY_TOOLS) <= configs.keys()
    assert configs["node.id"].value == me
    assert configs["node.id"].read_only
    assert not configs["message.max.bytes"].read_only
    assert configs["log.retention.ms"].value is None
    hours = configs["log.retention.hours"]
    assert (hours.value, hours.read_only) == ("168", True)
    if version == 0:
        assert hours.is_default
    else:
        assert [(synonym.name, synonym.value, synonym.source) for synonym in hours.synonyms] == [
            ("log.retention.hours", "168", DEFAULT)
        ]


def test_tells_where_the_broker_was_told_its_settings(client: RawClient, only_chronik: None) -> None:
    me = str(node_id(client))
    configs = describe(client, BROKER, me)
    assert (configs["listeners"].value or "").startswith("PLAINTEXT://127.0.0.1:")
    assert configs["listeners"].config_source == STATIC
    assert (configs["log.dirs"].value or "").startswith("/")
    assert configs["process.roles"].value == "broker,controller"


def test_the_nameless_broker_has_only_what_was_set_for_all(client: RawClient, only_chronik: None) -> None:
    assert describe(client, BROKER, ALL_BROKERS) == {}


@pytest.mark.parametrize("name", ["99", "-1", "broker", " "])
def test_refuses_other_brokers(client: RawClient, name: str) -> None:
    (result,) = describe_all(client, [(BROKER, name, None)])
    assert (result.error_code, result.configs) == (ErrorCode.INVALID_REQUEST, [])
    assert result.error_message


def test_describes_a_group_whether_it_exists_or_not(client: RawClient) -> None:
    configs = describe(client, GROUP, unique("group"))
    assert len(configs) == 11
    session = configs["consumer.session.timeout.ms"]
    assert (session.value, session.config_source, session.config_type) == ("45000", DEFAULT, INT)
    (nameless,) = describe_all(client, [(GROUP, "", None)])
    assert nameless.error_code == ErrorCode.INVALID_REQUEST


@pytest.mark.parametrize("type_", [0, 1, 3, 99, -1])
def test_an_unknown_type_fails_the_whole_request(client: RawClient, type_: int) -> None:
    name = create_topic(client).name
    results = describe_all(client, [(type_, name, None), (TOPIC, name, None)])
    assert [(result.error_code, result.configs) for result in results] == [(ErrorCode.INVALID_REQUEST, [])] * 2


def test_loggers_and_client_metrics_fail_alone(client: RawClient, only_chronik: None) -> None:
    name, me = create_topic(client).name, str(node_id(client))
    results = describe_all(client, [(LOGGER, me, None), (CLIENT_METRICS, "x", None), (TOPIC, name, None)])
    assert [result.error_code for result in results] == [ErrorCode.INVALID_REQUEST, ErrorCode.INVALID_REQUEST, 0]


def test_an_empty_request_has_an_empty_answer(client: RawClient) -> None:
    assert describe_all(client, []) == []


def test_admin_clients_describe(kafka_python: Any, librdkafka: Any, client: RawClient) -> None:
    name, me = create_topic(client, configs={"retention.ms": "1000"}).name, str(node_id(client))
    resources = [
        kafka.admin.ConfigResource(kafka.admin.ConfigResourceType.TOPIC, name),
        kafka.admin.ConfigResource(kafka.admin.ConfigResourceType.BROKER, me),
    ]
    theirs = repr(kafka_python.describe_configs(resources, include_synonyms=True, config_filter="all"))
    assert "retention.ms" in theirs
    assert "message.max.bytes" in theirs
    topic, broker = (
        admin.ConfigResource(admin.ConfigResource.Type.TOPIC, name),
        admin.ConfigResource(admin.ConfigResource.Type.BROKER, me),
    )
    answers = librdkafka.describe_configs([topic, broker])
    entry = answers[topic].result()["retention.ms"]
    assert (entry.value, entry.source, entry.is_default) == ("1000", FROM_TOPIC, False)
    assert answers[broker].result()["node.id"].value == me
