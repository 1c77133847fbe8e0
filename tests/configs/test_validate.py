"""What cannot stand together, and what a broker's configs must be, as Apache Kafka 4.2 answered."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from chronik.configs.layers import CLUSTER, BrokerConfigs, broker_configs
from chronik.configs.validate import check_broker, check_group, check_topic
from chronik.errors import ErrorCode, KafkaError
from chronik.settings import BrokerSettings

SETTINGS = BrokerSettings(node_id=1)
PLAIN = broker_configs(SETTINGS, {})
SESSION, HEARTBEAT = "consumer.session.timeout.ms", "consumer.heartbeat.interval.ms"
WIDE = broker_configs(
    SETTINGS,
    {},
    {f"group.{kind}.max.heartbeat.interval.ms": "60000" for kind in ("consumer", "share", "streams")}
    | {"group.consumer.max.session.timeout.ms": "90000", "group.consumer.session.timeout.ms": "46000"},
)


def refusal_of_group(overrides: Mapping[str, str], broker: BrokerConfigs = PLAIN) -> str | None:
    try:
        check_group(overrides, broker)
    except KafkaError as refused:
        return refused.message if refused.code is ErrorCode.INVALID_CONFIG else repr(refused)
    return None


def refusal_of_broker(
    overrides: Mapping[str, str], now: Mapping[str, str] | None = None, scope: str = "1", broker: BrokerConfigs = PLAIN
) -> str | None:
    """Why the overrides are refused where `now` counts until now; None if they are not."""
    try:
        check_broker(scope, overrides, broker.with_overrides(scope, now or {}))
    except KafkaError as refused:
        return refused.message if refused.code is ErrorCode.INVALID_REQUEST else repr(refused)
    return None


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({}, None),
        ({SESSION: " 50000 "}, None),
        ({SESSION: "45000", HEARTBEAT: "5000"}, None),
        ({SESSION: "60000", HEARTBEAT: "15000"}, None),
        ({"nope": "5", SESSION: "x"}, "Unknown group config name: nope"),
        ({SESSION: "x"}, f"Invalid value x for configuration {SESSION}: Not a number of type INT"),
        ({SESSION: "0"}, f"Invalid value 0 for configuration {SESSION}: Value must be at least 1"),
        ({SESSION: "44999"}, f"{SESSION} must be greater than or equal to group.consumer.min.session.timeout.ms"),
        ({SESSION: "60001"}, f"{SESSION} must be less than or equal to group.consumer.max.session.timeout.ms"),
        ({HEARTBEAT: "4999"}, f"{HEARTBEAT} must be greater than or equal to group.consumer.min.heartbeat.interval.ms"),
        ({HEARTBEAT: "15001"}, f"{HEARTBEAT} must be less than or equal to group.consumer.max.heartbeat.interval.ms"),
        (
            {SESSION: "1", HEARTBEAT: "1"},
            f"{HEARTBEAT} must be greater than or equal to group.consumer.min.heartbeat.interval.ms",
        ),
        (
            {"share.record.lock.duration.ms": "999"},
            "Invalid value 999 for configuration share.record.lock.duration.ms: Value must be at least 1000",
        ),
        ({"streams.num.standby.replicas": "2"}, None),
        ({"streams.num.standby.replicas": "0"}, None),
        (
            {"streams.num.standby.replicas": "3"},
            "streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas",
        ),
        ({"streams.initial.rebalance.delay.ms": "100000000"}, None),
    ],
)
def test_a_group_stays_within_the_brokers_bounds(overrides: Mapping[str, str], message: str | None) -> None:
    assert refusal_of_group(overrides) == message


@pytest.mark.parametrize(
    ("name", "least", "greatest"),
    [
        ("share.session.timeout.ms", 45000, 60000),
        ("share.heartbeat.interval.ms", 5000, 15000),
        ("share.record.lock.duration.ms", 15000, 60000),
        ("streams.session.timeout.ms", 45000, 60000),
        ("streams.heartbeat.interval.ms", 5000, 15000),
    ],
)
def test_the_bounds_of_the_other_kinds_of_groups(name: str, least: int, greatest: int) -> None:
    kind, _, rest = name.partition(".")
    assert refusal_of_group({name: str(least)}) is None
    assert refusal_of_group({name: str(greatest)}) is None
    below, above = refusal_of_group({name: str(least - 1)}), refusal_of_group({name: str(greatest + 1)})
    assert below == f"{name} must be greater than or equal to group.{kind}.min.{rest}"
    assert above == f"{name} must be less than or equal to group.{kind}.max.{rest}"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({HEARTBEAT: "45999"}, None),
        ({HEARTBEAT: "46000"}, f"{SESSION} must be greater than {HEARTBEAT}"),
        ({SESSION: "50000", HEARTBEAT: "50000"}, f"{SESSION} must be greater than {HEARTBEAT}"),
        ({SESSION: "50001", HEARTBEAT: "50000"}, None),
        (
            {SESSION: "1", HEARTBEAT: "50000"},
            f"{SESSION} must be greater than or equal to group.consumer.min.session.timeout.ms",
        ),
        (
            {"share.heartbeat.interval.ms": "50000"},
            "share.session.timeout.ms must be greater than share.heartbeat.interval.ms",
        ),
        (
            {"streams.heartbeat.interval.ms": "50000"},
            "streams.session.timeout.ms must be greater than streams.heartbeat.interval.ms",
        ),
    ],
)
def test_a_heartbeat_comes_before_the_session_ends(overrides: Mapping[str, str], message: str | None) -> None:
    assert refusal_of_group(overrides, WIDE) == message


def test_the_bounds_are_checked_in_kafkas_order() -> None:
    low = {
        "streams.session.timeout.ms": "1",
        "streams.num.standby.replicas": "5",
        "streams.heartbeat.interval.ms": "1",
        "share.record.lock.duration.ms": "1000",
        "share.session.timeout.ms": "1",
        "share.heartbeat.interval.ms": "1",
        SESSION: "1",
        HEARTBEAT: "1",
    }
    refused = []
    while message := refusal_of_group(low):
        refused.append(message.split()[0])
        del low[refused[-1]]
    assert refused == [
        *(HEARTBEAT, SESSION),
        *("share.heartbeat.interval.ms", "share.session.timeout.ms", "share.record.lock.duration.ms"),
        *("streams.heartbeat.interval.ms", "streams.session.timeout.ms", "streams.num.standby.replicas"),
    ]


@pytest.mark.parametrize(
    ("overrides", "dynamic", "message"),
    [
        ({"min.compaction.lag.ms": "5", "max.compaction.lag.ms": "5"}, {}, None),
        ({"min.compaction.lag.ms": "10"}, {}, None),
        ({"min.compaction.lag.ms": "10"}, {"log.cleaner.max.compaction.lag.ms": "10"}, None),
        (
            {"min.compaction.lag.ms": "10"},
            {"log.cleaner.max.compaction.lag.ms": "5"},
            "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)",
        ),
        (
            {"max.compaction.lag.ms": "5"},
            {"log.cleaner.min.compaction.lag.ms": "10"},
            "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)",
        ),
        # As for Kafka, local retention is not compared where there is no remote storage.
        ({"local.retention.ms": "10", "retention.ms": "5"}, {}, None),
        ({"local.retention.bytes": "10", "retention.bytes": "5"}, {}, None),
        ({"min.insync.replicas": "10"}, {}, None),
        ({"remote.storage.enable": "false", "remote.log.copy.disable": "true"}, {}, None),
    ],
)
def test_a_topics_lags_include_the_brokers(
    overrides: Mapping[str, str], dynamic: Mapping[str, str], message: str | None
) -> None:
    broker = PLAIN.with_overrides(CLUSTER, dynamic)
    if message is None:
        check_topic(overrides, broker)
        return
    with pytest.raises(KafkaError) as refused:
        check_topic(overrides, broker)
    assert (refused.value.code, refused.value.message) == (ErrorCode.INVALID_CONFIG, message)


FIXED = "Cannot update these configs dynamically: Set({})"
DEDUPE = "requirement failed: log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread."
RETENTION = "requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to 1"
PER_IP = (
    "requirement failed: max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property "
    "is set."
)
LOCAL = "Invalid value {} for configuration log.local.retention.{}: Value must not be "


@pytest.mark.parametrize("scope", ["1", CLUSTER])
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({}, None),
        ({"message.max.bytes": " 5000 "}, None),
        ({"message.max.bytes": "-5"}, "Invalid value -5 for configuration message.max.bytes: Value must be at least 0"),
        ({"message.max.bytes": "x"}, "Invalid value x for configuration message.max.bytes: Not a number of type INT"),
        ({"num.partitions": "x"}, FIXED.format("num.partitions")),
        (
            {"num.partitions": "5", "default.replication.factor": "2"},
            FIXED.format("num.partitions, default.replication.factor"),
        ),
        ({"message.max.bytes": "x", "num.partitions": "5"}, FIXED.format("num.partitions")),
        ({"ssl.keystore.password": "x"}, FIXED.format("ssl.keystore.password")),
        ({"nope": "5", "retention.ms": "x", "inter.broker.protocol.version": "3.0"}, None),
        (
            {"nope": "5", "message.max.bytes": "x"},
            "Invalid value x for configuration message.max.bytes: Not a number of type INT",
        ),
        ({"log.cleanup.policy": ""}, None),
        ({"log.cleanup.policy": "compact,"}, "Configuration 'log.cleanup.policy' values must not be empty."),
        (
            {"log.cleanup.policy": "x"},
            "Invalid value x for configuration log.cleanup.policy: String must be one of: compact, delete",
        ),
        ({"log.retention.ms": "-2"}, None),
        ({"log.retention.ms": "-1"}, None),
        ({"log.retention.ms": "1"}, None),
        ({"log.retention.ms": "0"}, RETENTION),
        ({"log.retention.bytes": "-7"}, None),
        ({"log.roll.ms": "1"}, None),
        ({"log.roll.ms": "0"}, "requirement failed: log.roll.ms must be greater than or equal to 1"),
        ({"log.roll.jitter.ms": "0"}, None),
        ({"log.roll.jitter.ms": "-1"}, "requirement failed: log.roll.jitter.ms must be greater than or equal to 0"),
        ({"log.flush.interval.ms": "0"}, None),
        (
            {"log.flush.interval.ms": "-1"},
            "requirement failed: log.flush.interval.ms must be greater than or equal to 0",
        ),
        ({"log.cleaner.dedupe.buffer.size": "1048576"}, DEDUPE),
        ({"log.cleaner.dedupe.buffer.size": "1048577"}, None),
        ({"log.cleaner.threads": "0"}, DEDUPE),
        ({"log.cleaner.io.buffer.load.factor": "5"}, None),
        ({"log.cleaner.min.compaction.lag.ms": "10", "log.cleaner.max.compaction.lag.ms": "5"}, None),
        ({"max.connections.per.ip": "0"}, PER_IP),
        ({"max.connections.per.ip": "0", "max.connections.per.ip.overrides": "127.0.0.1:5"}, None),
        ({"max.connections": "1"}, None),
        ({"max.connections": "0"}, "Invalid max.connections 0"),
        ({"max.connection.creation.rate": "1"}, None),
        ({"max.connection.creation.rate": "0"}, "Invalid max.connection.creation.rate 0"),
        ({"producer.id.expiration.ms": "1"}, None),
        ({"leader.replication.throttled.rate": " 10 "}, None),
        (
            {"leader.replication.throttled.rate": "-1"},
            "Invalid value -1 for configuration leader.replication.throttled.rate: Value must be at least 0",
        ),
        ({"log.local.retention.ms": "1000"}, None),
        ({"log.local.retention.ms": "604800000"}, None),
        (
            {"log.local.retention.ms": "604800001"},
            LOCAL.format("604800001", "ms") + "more than log.retention.ms property value: 604800000",
        ),
        (
            {"log.local.retention.ms": "-1"},
            LOCAL.format("-1", "ms") + "-1 as log.retention.ms value is set as 604800000.",
        ),
        ({"log.local.retention.ms": "-1", "log.retention.ms": "-1"}, None),
        ({"log.local.retention.bytes": "6", "log.retention.bytes": "-1"}, None),
        (
            {"log.local.retention.bytes": "6", "log.retention.bytes": "5"},
            LOCAL.format("6", "bytes") + "more than log.retention.bytes property value: 5",
        ),
        (
            {"log.local.retention.bytes": "1", "log.retention.bytes": "0"},
            LOCAL.format("1", "bytes") + "more than log.retention.bytes property value: 0",
        ),
        (
            {"log.local.retention.bytes": "-1", "log.retention.bytes": "0"},
            LOCAL.format("-1", "bytes") + "-1 as log.retention.bytes value is set as 0.",
        ),
        # In Kafka's order.
        (
            {"log.roll.ms": "0", "log.retention.ms": "0"},
            "requirement failed: log.roll.ms must be greater than or equal to 1",
        ),
        ({"log.retention.ms": "0", "num.io.threads": "100", "log.cleaner.dedupe.buffer.size": "1"}, RETENTION),
        ({"max.connections.per.ip": "0", "num.io.threads": "100", "log.cleaner.dedupe.buffer.size": "1"}, DEDUPE),
    ],
)
def test_a_brokers_configs(overrides: Mapping[str, str], message: str | None, scope: str) -> None:
    assert refusal_of_broker(overrides, scope=scope) == message


THREADS = "Dynamic thread count update validation failed for {}={}, value should {} the current value {}"
HALF, DOUBLE = "be at least half", "not be greater than double"


@pytest.mark.parametrize(
    ("overrides", "now", "message"),
    [
        ({"num.io.threads": "4"}, {}, None),
        ({"num.io.threads": "16"}, {}, None),
        ({"num.io.threads": "3"}, {}, THREADS.format("num.io.threads", 3, HALF, 8)),
        ({"num.io.threads": "17"}, {}, THREADS.format("num.io.threads", 17, DOUBLE, 8)),
        ({"num.io.threads": "32"}, {"num.io.threads": "16"}, None),
        ({}, {"num.io.threads": "17"}, None),
        ({}, {"num.io.threads": "18"}, THREADS.format("num.io.threads", 8, HALF, 18)),
        ({"num.network.threads": "1"}, {}, None),
        ({"num.network.threads": "7"}, {}, THREADS.format("num.network.threads", 7, DOUBLE, 3)),
        ({"num.replica.fetchers": "3"}, {}, THREADS.format("num.replica.fetchers", 3, DOUBLE, 1)),
        (
            {"num.recovery.threads.per.data.dir": "5"},
            {},
            THREADS.format("num.recovery.threads.per.data.dir", 5, DOUBLE, 2),
        ),
        ({"background.threads": "50"}, {}, THREADS.format("background.threads", 50, DOUBLE, 10)),
        ({"log.cleaner.threads": "2"}, {}, None),
        (
            {"log.cleaner.threads": "3"},
            {},
            "Log cleaner threads cannot be increased to more than double the current value 1",
        ),
        (
            {"log.cleaner.threads": "1"},
            {"log.cleaner.threads": "4"},
            "Log cleaner threads cannot be reduced to less than half the current value 4",
        ),
        ({"log.cleaner.threads": "2"}, {"log.cleaner.threads": "4"}, None),
    ],
)
def test_threads_double_or_halve_at_most(
    overrides: Mapping[str, str], now: Mapping[str, str], message: str | None
) -> None:
    assert refusal_of_broker(overrides, now) == message


def test_what_the_node_overrides_counts_against_the_cluster() -> None:
    """The cluster's value hides behind the node's, so it cannot be too far from it."""
    node = PLAIN.with_overrides("1", {"num.io.threads": "8", "log.cleaner.dedupe.buffer.size": "2097152"})
    assert refusal_of_broker({"num.io.threads": "100"}, scope=CLUSTER, broker=node) is None
    assert refusal_of_broker({"log.cleaner.threads": "2"}, scope=CLUSTER, broker=node) == DEDUPE
    assert refusal_of_broker({"num.io.threads": "x"}, scope=CLUSTER, broker=node) is not None
