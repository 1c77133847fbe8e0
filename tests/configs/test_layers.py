"""Where a broker's configs come from, and the typed settings that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace

import pytest

from chronik.configs.definitions import TOPIC
from chronik.configs.layers import (
    CLUSTER,
    ON_A_SINGLE_NODE,
    BrokerConfigs,
    ConfigSource,
    broker_configs,
    effective_settings,
    topic_config,
)
from chronik.errors import ErrorCode, KafkaError
from chronik.settings import LONG_MAX, BrokerSettings, TopicConfig

SETTINGS = BrokerSettings(node_id=7, group_initial_rebalance_delay_ms=3000)
OF_EVERY_NODE = {**ON_A_SINGLE_NODE, "broker.id": "7", "node.id": "7", "listeners": "PLAINTEXT://127.0.0.1:9092"}


def effective(cluster: Mapping[str, str], node: Mapping[str, str]) -> BrokerSettings:
    return effective_settings(SETTINGS, broker_configs(SETTINGS, {CLUSTER: cluster, "7": node}))


def test_kafkas_defaults_are_not_static() -> None:
    assert broker_configs(SETTINGS, {}) == BrokerConfigs(7, OF_EVERY_NODE, {}, {})


@pytest.mark.parametrize(
    ("changed", "static"),
    [
        (replace(SETTINGS, num_partitions=3), {"num.partitions": "3"}),
        (replace(SETTINGS, auto_create_topics_enable=False), {"auto.create.topics.enable": "false"}),
        (replace(SETTINGS, group_initial_rebalance_delay_ms=0), {"group.initial.rebalance.delay.ms": "0"}),
        (replace(SETTINGS, rack="r1"), {"broker.rack": "r1"}),
        (replace(SETTINGS, advertised=("h", 1)), {"advertised.listeners": "PLAINTEXT://h:1"}),
        (
            replace(SETTINGS, listeners=(("::1", 1), ("0.0.0.0", 2))),
            {"listeners": "PLAINTEXT://[::1]:1,PLAINTEXT://0.0.0.0:2"},
        ),
        (replace(SETTINGS, message_max_bytes=5), {"message.max.bytes": "5"}),
        (replace(SETTINGS, topic_defaults=TopicConfig(retention_ms=5)), {"log.retention.ms": "5"}),
        (replace(SETTINGS, topic_defaults=TopicConfig(flush_ms=5)), {"log.flush.interval.ms": "5"}),
        (replace(SETTINGS, topic_defaults=TopicConfig(min_insync_replicas=2)), {"min.insync.replicas": "2"}),
        (
            replace(SETTINGS, topic_defaults=TopicConfig(min_cleanable_dirty_ratio=0.25)),
            {"log.cleaner.min.cleanable.ratio": "0.25"},
        ),
        (
            replace(SETTINGS, topic_defaults=TopicConfig(cleanup_compact=True)),
            {"log.cleanup.policy": "delete,compact"},
        ),
        (replace(SETTINGS, topic_defaults=TopicConfig(cleanup_delete=False)), {"log.cleanup.policy": ""}),
    ],
)
def test_a_setting_that_is_not_kafkas_default_is_static(changed: BrokerSettings, static: Mapping[str, str]) -> None:
    configs = broker_configs(changed, {})
    assert configs.static == {**OF_EVERY_NODE, **static}
    same = replace(changed, topic_defaults=replace(changed.topic_defaults, max_message_bytes=changed.message_max_bytes))
    assert effective_settings(changed, configs) == same


def test_more_static_configs_go_over_the_settings() -> None:
    more = {"log.dirs": "/data", "listeners": "SSL://:1"}
    assert broker_configs(SETTINGS, {}, more).static == {**OF_EVERY_NODE, **more}


def test_only_the_own_nodes_configs_count() -> None:
    configs = broker_configs(SETTINGS, {"8": {"message.max.bytes": "8"}, "7": {"message.max.bytes": "7"}})
    assert configs.node == {"message.max.bytes": "7"}
    assert configs.cluster == {}


def test_the_more_specific_layer_comes_first() -> None:
    settings = replace(SETTINGS, message_max_bytes=4)
    configs = broker_configs(settings, {CLUSTER: {"message.max.bytes": "3"}, "7": {"message.max.bytes": "2"}})
    assert list(configs.found("message.max.bytes")) == [
        (ConfigSource.DYNAMIC_BROKER, "2"),
        (ConfigSource.DYNAMIC_DEFAULT_BROKER, "3"),
        (ConfigSource.STATIC_BROKER, "4"),
        (ConfigSource.DEFAULT, "1048588"),
    ]
    assert list(configs.found("nope")) == []
    assert list(configs.found("log.retention.ms")) == []
    assert configs.value("log.retention.ms") is None
    assert configs.value("message.max.bytes") == 2


@pytest.mark.parametrize(
    ("cluster", "node", "field", "value"),
    [
        ({"message.max.bytes": " 6 "}, {}, "message_max_bytes", 6),
        ({"message.max.bytes": "6"}, {"message.max.bytes": "5"}, "message_max_bytes", 5),
        ({}, {"max.connections": "9"}, "max_connections", 9),
        ({"producer.id.expiration.ms": "9"}, {}, "producer_id_expiration_ms", 9),
        # It cannot be altered at run time, and if it were in the catalog it would still not count.
        ({"num.partitions": "9"}, {}, "num_partitions", 1),
        ({"my.plugin": "9"}, {}, "num_partitions", 1),
    ],
)
def test_dynamic_configs_replace_the_settings(
    cluster: Mapping[str, str], node: Mapping[str, str], field: str, value: object
) -> None:
    assert getattr(effective(cluster, node), field) == value


@pytest.mark.parametrize(
    ("name", "text", "changed"),
    [
        ("log.cleanup.policy", " compact , delete", {"cleanup_delete": True, "cleanup_compact": True}),
        ("log.cleanup.policy", "compact", {"cleanup_delete": False, "cleanup_compact": True}),
        ("log.cleanup.policy", "", {"cleanup_delete": False, "cleanup_compact": False}),
        ("compression.type", "zstd", {"compression_type": "zstd"}),
        ("compression.gzip.level", "7", {"compression_gzip_level": 7}),
        ("compression.lz4.level", "7", {"compression_lz4_level": 7}),
        ("compression.zstd.level", "7", {"compression_zstd_level": 7}),
        ("log.cleaner.delete.retention.ms", "7", {"delete_retention_ms": 7}),
        ("log.flush.interval.messages", "7", {"flush_messages": 7}),
        ("log.flush.interval.ms", "7", {"flush_ms": 7}),
        ("log.cleaner.max.compaction.lag.ms", "7", {"max_compaction_lag_ms": 7}),
        ("message.max.bytes", "7", {"max_message_bytes": 7}),
        ("log.message.timestamp.type", "LogAppendTime", {"message_timestamp_type": "LogAppendTime"}),
        ("log.message.timestamp.before.max.ms", "7", {"message_timestamp_before_max_ms": 7}),
        ("log.message.timestamp.after.max.ms", "7", {"message_timestamp_after_max_ms": 7}),
        ("log.cleaner.min.cleanable.ratio", "0.75", {"min_cleanable_dirty_ratio": 0.75}),
        ("log.cleaner.min.compaction.lag.ms", "7", {"min_compaction_lag_ms": 7}),
        ("min.insync.replicas", "7", {"min_insync_replicas": 7}),
        ("log.retention.bytes", "7", {"retention_bytes": 7}),
        ("log.retention.ms", "7", {"retention_ms": 7}),
        ("log.retention.ms", "-5", {"retention_ms": -1}),
        ("log.segment.bytes", "1048577", {"segment_bytes": 1048577}),
        ("log.roll.ms", "7", {"segment_ms": 7}),
    ],
)
def test_a_brokers_config_is_the_default_of_topics(name: str, text: str, changed: Mapping[str, object]) -> None:
    settings = effective({name: text}, {})
    expected = replace(TopicConfig(), **changed)  # type: ignore[arg-type]  # the table's values fit their fields
    assert settings.topic_defaults == expected
    assert topic_config({}, settings) is settings.topic_defaults


def test_every_field_of_a_topics_config_is_in_the_table_above() -> None:
    mark = next(m for m in test_a_brokers_config_is_the_default_of_topics.pytestmark)  # type: ignore[attr-defined]  # pytest puts it there
    changed = set[str]().union(*(row[2] for row in mark.args[1]))
    assert changed == {field.name for field in fields(TopicConfig) if field.init}


@pytest.mark.parametrize(
    ("static", "name", "value"),
    [
        ({}, "retention.ms", 604_800_000),
        ({"log.retention.hours": "5"}, "retention.ms", 18_000_000),
        ({"log.retention.hours": "5", "log.retention.minutes": "2"}, "retention.ms", 120_000),
        ({"log.retention.hours": "5", "log.retention.minutes": "2", "log.retention.ms": "3"}, "retention.ms", 3),
        ({"log.retention.hours": "-1"}, "retention.ms", -1),
        ({}, "segment.ms", 604_800_000),
        ({"log.roll.hours": "7"}, "segment.ms", 25_200_000),
        ({"log.roll.jitter.hours": "2"}, "segment.jitter.ms", 7_200_000),
        ({"log.roll.jitter.hours": "2", "log.roll.jitter.ms": "5"}, "segment.jitter.ms", 5),
        ({}, "flush.ms", LONG_MAX),
        ({"log.flush.scheduler.interval.ms": "1234"}, "flush.ms", 1234),
        ({"log.flush.scheduler.interval.ms": "1234", "log.flush.interval.ms": "5"}, "flush.ms", 5),
        ({"log.preallocate": "TRUE"}, "preallocate", True),
        ({}, "leader.replication.throttled.replicas", ()),
    ],
)
def test_the_most_specific_unit_counts(static: Mapping[str, str], name: str, value: object) -> None:
    assert broker_configs(SETTINGS, {}, static).topic_default(TOPIC[name]) == value


@pytest.mark.parametrize(
    ("overrides", "changed"),
    [
        ({"retention.ms": " 5 "}, {"retention_ms": 5}),
        ({"cleanup.policy": "compact"}, {"cleanup_delete": False, "cleanup_compact": True}),
        ({"cleanup.policy": "", "segment.ms": "1"}, {"cleanup_delete": False, "segment_ms": 1}),
        ({"max.message.bytes": "5"}, {"max_message_bytes": 5}),
        ({"min.cleanable.dirty.ratio": "1e-1"}, {"min_cleanable_dirty_ratio": 0.1}),
        ({"preallocate": "true", "unclean.leader.election.enable": "true"}, {}),
    ],
)
def test_a_topics_overrides_go_over_the_defaults(overrides: Mapping[str, str], changed: Mapping[str, object]) -> None:
    settings = effective({"compression.type": "zstd"}, {})
    expected = replace(settings.topic_defaults, **changed)  # type: ignore[arg-type]  # as above
    assert topic_config(overrides, settings) == expected


def test_an_override_that_nobody_accepted_is_an_error() -> None:
    with pytest.raises(KafkaError) as refused:
        topic_config({"retention.ms": "x"}, SETTINGS)
    assert refused.value.code is ErrorCode.INVALID_CONFIG


def test_one_scope_is_replaced_at_a_time() -> None:
    configs = broker_configs(SETTINGS, {CLUSTER: {"a": "1"}, "7": {"a": "2"}})
    assert (configs.overrides(CLUSTER), configs.overrides("7")) == ({"a": "1"}, {"a": "2"})
    assert configs.with_overrides(CLUSTER, {"b": "3"}) == replace(configs, cluster={"b": "3"})
    assert configs.with_overrides("7", {"b": "3"}) == replace(configs, node={"b": "3"})
