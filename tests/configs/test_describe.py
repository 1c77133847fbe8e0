"""What DescribeConfigs answers, as Apache Kafka 4.2 did in the same situation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from chronik.configs.definitions import GROUP, TOPIC
from chronik.configs.describe import (
    ConfigEntry,
    describe_broker,
    describe_cluster,
    describe_group,
    describe_topic,
    group_value,
)
from chronik.configs.layers import CLUSTER, BrokerConfigs, broker_configs
from chronik.configs.values import ConfigType
from chronik.settings import BrokerSettings
from tests.configs import kafka42

SETTINGS = BrokerSettings(node_id=1, group_initial_rebalance_delay_ms=3000)
PLAIN = broker_configs(SETTINGS, {})

ALTERED = broker_configs(
    SETTINGS,
    {
        "1": {
            "message.max.bytes": " 5000 ",
            "nope": "7",
            "log.cleaner.min.cleanable.ratio": "0.50",
            "log.cleanup.policy": " compact , compact",
            "leader.replication.throttled.rate": " 10 ",
            "max.connections": "+7",
            "log.retention.ms": "99",
            "log.roll.ms": "77",
        },
        CLUSTER: {"message.max.bytes": "6000", "nope": "8", "num.io.threads": "9", "log.retention.ms": "-5"},
    },
)

Told = tuple[str | None, bool, int, bool, int, list[tuple[str, str | None, int]]]


def told(entry: ConfigEntry) -> Told:
    synonyms = [(synonym.name, synonym.value, int(synonym.source)) for synonym in entry.synonyms]
    return entry.value, entry.read_only, int(entry.source), entry.is_sensitive, int(entry.type), synonyms


def of_broker(name: str, broker: BrokerConfigs) -> Told:
    (entry,) = describe_broker(broker, [name])
    assert entry.name == name
    return told(entry)


def of_topic(name: str, overrides: Mapping[str, str], broker: BrokerConfigs) -> Told:
    (entry,) = describe_topic(overrides, broker, [name])
    assert entry.name == name
    return told(entry)


def test_all_of_a_topic_is_described_by_name() -> None:
    entries = describe_topic({}, PLAIN)
    assert [entry.name for entry in entries] == sorted(TOPIC)
    assert {entry.name: entry.value for entry in entries} == {config.name: config.default for config in kafka42.TOPIC}
    assert {(entry.read_only, entry.source, entry.is_sensitive) for entry in entries} == {(False, 5, False)}


def test_all_of_a_group_is_described_by_name() -> None:
    entries = describe_group({}, PLAIN)
    assert [entry.name for entry in entries] == sorted(GROUP)
    for config, entry in zip(sorted(kafka42.GROUP), entries, strict=True):
        assert told(entry) == (config.default, False, 5, False, entry.type, [(config.name, config.default, 5)])


def test_all_of_a_broker_is_described_by_name() -> None:
    entries = describe_broker(PLAIN)
    assert [entry.name for entry in entries] == sorted(config.name for config in kafka42.BROKER)
    unlike = {*PLAIN.static, "listeners", "listener.security.protocol.map", "sasl.enabled.mechanisms"}
    for config, entry in zip(sorted(kafka42.BROKER), entries, strict=True):
        if config.name in unlike:
            assert entry.read_only
            continue
        synonyms = [] if config.default is None else [(config.name, config.default, 5)]
        assert told(entry) == (config.default, config.rest == ("fixed",), 5, False, entry.type, synonyms)


@pytest.mark.parametrize("keys", [None, [], ()])
def test_no_keys_are_all_keys(keys: list[str] | None) -> None:
    assert len(describe_topic({}, PLAIN, keys)) == len(TOPIC)
    assert len(describe_group({}, PLAIN, keys)) == len(GROUP)
    assert len(describe_broker(ALTERED, keys)) == len(kafka42.BROKER) + 2
    assert len(describe_cluster(ALTERED, keys)) == 4


def test_unknown_keys_are_left_out() -> None:
    keys = ["x", "retention.ms", "retention.ms", "log.retention.ms", "share.isolation.level"]
    assert [entry.name for entry in describe_topic({}, PLAIN, keys)] == ["retention.ms"]
    assert [entry.name for entry in describe_group({}, PLAIN, keys)] == ["share.isolation.level"]
    assert [entry.name for entry in describe_broker(PLAIN, keys)] == ["log.retention.ms"]
    assert [entry.name for entry in describe_cluster(ALTERED, keys)] == ["log.retention.ms"]
    assert describe_topic({}, PLAIN, ["x"]) == ()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "message.max.bytes",
            (
                *("5000", False, 2, False, 3),
                [
                    ("message.max.bytes", " 5000 ", 2),
                    ("message.max.bytes", "6000", 3),
                    ("message.max.bytes", "1048588", 5),
                ],
            ),
        ),
        (
            "max.connections",
            ("7", False, 2, False, 3, [("max.connections", "+7", 2), ("max.connections", "2147483647", 5)]),
        ),
        ("num.io.threads", ("9", False, 3, False, 3, [("num.io.threads", "9", 3), ("num.io.threads", "8", 5)])),
        (
            "log.cleaner.min.cleanable.ratio",
            (
                *("0.5", False, 2, False, 6),
                [("log.cleaner.min.cleanable.ratio", "0.50", 2), ("log.cleaner.min.cleanable.ratio", "0.5", 5)],
            ),
        ),
        (
            "log.cleanup.policy",
            (
                *("compact", False, 2, False, 7),
                [("log.cleanup.policy", " compact , compact", 2), ("log.cleanup.policy", "delete", 5)],
            ),
        ),
        (
            "log.retention.ms",
            (
                *("99", False, 2, False, 5),
                [("log.retention.ms", "99", 2), ("log.retention.ms", "-5", 3), ("log.retention.hours", "168", 5)],
            ),
        ),
        ("log.retention.minutes", (None, True, 5, False, 3, [])),
        ("log.retention.hours", ("168", True, 5, False, 3, [("log.retention.hours", "168", 5)])),
        ("log.roll.ms", ("77", False, 2, False, 5, [("log.roll.ms", "77", 2), ("log.roll.hours", "168", 5)])),
        ("log.flush.interval.ms", (None, False, 5, False, 5, [])),
        (
            "leader.replication.throttled.rate",
            (" 10 ", True, 2, False, 5, [("leader.replication.throttled.rate", " 10 ", 2)]),
        ),
        ("nope", (None, True, 2, True, 0, [("nope", None, 2), ("nope", None, 3)])),
        ("node.id", ("1", True, 4, False, 3, [("node.id", "1", 4)])),
        ("broker.id", ("1", True, 4, False, 3, [("broker.id", "1", 4), ("broker.id", "-1", 5)])),
        ("process.roles", ("broker,controller", True, 4, False, 7, [("process.roles", "broker,controller", 4)])),
        (
            "offsets.topic.replication.factor",
            (
                *("1", True, 4, False, 4),
                [("offsets.topic.replication.factor", "1", 4), ("offsets.topic.replication.factor", "3", 5)],
            ),
        ),
    ],
)
def test_a_brokers_config(name: str, expected: Told) -> None:
    assert of_broker(name, ALTERED) == expected


@pytest.mark.parametrize(
    ("name", "overrides", "expected"),
    [
        (
            "cleanup.policy",
            {},
            (
                *("compact", False, 2, False, 7),
                [("log.cleanup.policy", " compact , compact", 2), ("log.cleanup.policy", "delete", 5)],
            ),
        ),
        (
            "cleanup.policy",
            {"cleanup.policy": " delete , delete"},
            (
                *("delete", False, 1, False, 7),
                [
                    ("cleanup.policy", "delete", 1),
                    ("log.cleanup.policy", " compact , compact", 2),
                    ("log.cleanup.policy", "delete", 5),
                ],
            ),
        ),
        (
            "retention.ms",
            {"retention.ms": " 1000 "},
            (
                *("1000", False, 1, False, 5),
                [
                    ("retention.ms", "1000", 1),
                    ("log.retention.ms", "99", 2),
                    ("log.retention.ms", "-5", 3),
                    ("log.retention.hours", "168", 5),
                ],
            ),
        ),
        ("segment.ms", {}, ("77", False, 2, False, 5, [("log.roll.ms", "77", 2), ("log.roll.hours", "168", 5)])),
        ("segment.jitter.ms", {}, ("0", False, 5, False, 5, [])),
        ("flush.ms", {}, ("9223372036854775807", False, 5, False, 5, [])),
        ("remote.storage.enable", {}, ("false", False, 5, False, 1, [])),
        (
            "compression.type",
            {"compression.type": " gzip "},
            ("gzip", False, 1, False, 2, [("compression.type", "gzip", 1), ("compression.type", "producer", 5)]),
        ),
    ],
)
def test_a_topics_config(name: str, overrides: Mapping[str, str], expected: Told) -> None:
    assert of_topic(name, overrides, ALTERED) == expected


def test_a_default_in_other_units_has_no_synonyms() -> None:
    """Kafka looks for the first synonym only, and shows what follows from the others as if it came from nowhere."""
    static = {"log.retention.hours": "5", "log.roll.jitter.hours": "2", "log.flush.scheduler.interval.ms": "1234"}
    broker = broker_configs(SETTINGS, {}, static)
    assert of_topic("retention.ms", {}, broker) == ("18000000", False, 5, False, 5, [])
    assert of_topic("segment.jitter.ms", {}, broker) == ("7200000", False, 5, False, 5, [])
    assert of_topic("flush.ms", {}, broker) == ("1234", False, 5, False, 5, [])
    hours = [("log.retention.hours", "5", 4), ("log.retention.hours", "168", 5)]
    assert of_broker("log.retention.hours", broker) == ("5", True, 4, False, 3, hours)
    assert of_broker("log.retention.ms", broker) == (None, False, 5, False, 5, [])


def test_a_static_config_is_the_source_of_a_topics_default() -> None:
    broker = broker_configs(replace(SETTINGS, message_max_bytes=77777), {}, {"log.cleanup.policy": "compact , delete"})
    synonyms = [("message.max.bytes", "77777", 4), ("message.max.bytes", "1048588", 5)]
    assert of_topic("max.message.bytes", {}, broker) == ("77777", False, 4, False, 3, synonyms)
    synonyms = [("log.cleanup.policy", "compact , delete", 4), ("log.cleanup.policy", "delete", 5)]
    assert of_topic("cleanup.policy", {}, broker) == ("compact,delete", False, 4, False, 7, synonyms)


def test_the_cluster_has_its_own_dynamic_configs_only() -> None:
    broker = ALTERED.with_overrides(CLUSTER, {"log.cleanup.policy": " delete , delete", "nope": "8"})
    assert {entry.name: told(entry) for entry in describe_cluster(broker)} == {
        "log.cleanup.policy": (
            *(" delete , delete", False, 3, False, 7),
            [("log.cleanup.policy", " delete , delete", 3)],
        ),
        "nope": (None, True, 3, True, 0, [("nope", None, 3)]),
    }
    assert describe_cluster(PLAIN) == ()


def test_a_groups_own_value_hides_the_brokers() -> None:
    name = "consumer.session.timeout.ms"
    broker = broker_configs(SETTINGS, {}, {f"group.{name}": "46000"})
    assert [told(entry) for entry in describe_group({}, broker, [name])] == [
        ("46000", False, 5, False, 3, [(name, "46000", 5)])
    ]
    assert [told(entry) for entry in describe_group({name: " 50000 "}, broker, [name])] == [
        ("50000", False, 8, False, 3, [(name, "50000", 8)])
    ]
    assert group_value(name, {}, broker) == 46_000
    assert group_value(name, {name: " 50000 "}, broker) == 50_000
    assert group_value("share.isolation.level", {}, broker) == "read_uncommitted"


def test_a_static_config_that_nobody_knows_is_secret() -> None:
    broker = broker_configs(SETTINGS, {}, {"my.plugin.password": "x"})
    assert of_broker("my.plugin.password", broker) == (None, True, 4, True, 0, [("my.plugin.password", None, 4)])


def test_documentation_comes_with_every_config_but_the_unknown() -> None:
    for entry in (*describe_topic({}, PLAIN), *describe_group({}, PLAIN), *describe_broker(PLAIN)):
        assert entry.documentation
    (entry,) = describe_broker(ALTERED, ["nope"])
    assert entry.documentation is None
    assert entry.type is ConfigType.UNKNOWN
    (entry,) = describe_broker(PLAIN, ["log.roll.hours"])
    assert entry.documentation == "Default for topics that do not set segment.ms themselves."
