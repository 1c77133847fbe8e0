"""DescribeConfigs, AlterConfigs, IncrementalAlterConfigs and ListConfigResources."""

from __future__ import annotations

from typing import Any

from tools.differ.script import Script, scenario

TOPIC, BROKER, LOGGER, CLIENT_METRICS, GROUP = 2, 4, 8, 16, 32
SET, DELETE, APPEND, SUBTRACT = 0, 1, 2, 3


def describe(s: Script, kind: int, name: str, *keys: str, every: bool = False, **fields: Any) -> None:
    """Describe the configs of one resource that have these keys."""
    resource = {"resource_type": kind, "resource_name": name, "configuration_keys": None if every else list(keys)}
    s.ask("DescribeConfigs", resources=[resource], **fields)


@scenario("DescribeConfigs")
def of_a_topic(s: Script) -> None:
    s.ask("CreateTopics", topics=[{"name": "~a", "num_partitions": 1, "replication_factor": 1}], timeout=20_000)
    describe(s, TOPIC, "~a", every=True)
    describe(s, TOPIC, "~a", "retention.ms")
    describe(s, TOPIC, "~a", "retention.ms", "segment.ms", include_synonyms=True)
    describe(s, TOPIC, "~a", "retention.ms", "no.such.config")
    describe(s, TOPIC, "~a", "no.such.config")
    wanted = {"name": "~b", "num_partitions": 1, "replication_factor": 1}
    configs = [{"name": "retention.ms", "value": "5000"}, {"name": "cleanup.policy", "value": "compact"}]
    s.ask("CreateTopics", topics=[wanted | {"configs": configs}], timeout=20_000)
    describe(s, TOPIC, "~b", "retention.ms", "cleanup.policy", include_synonyms=True)


@scenario("DescribeConfigs", since=3)
def with_documentation(s: Script) -> None:
    s.topic("~a")
    describe(s, TOPIC, "~a", "retention.ms", include_documentation=True)
    describe(s, BROKER, "1", "num.partitions", include_documentation=True)


@scenario("DescribeConfigs", since=4)
def with_every_synonym(s: Script) -> None:
    s.ask("CreateTopics", topics=[{"name": "~a", "num_partitions": 1, "replication_factor": 1}], timeout=20_000)
    describe(s, TOPIC, "~a", every=True, include_synonyms=True)


@scenario("DescribeConfigs")
def of_the_broker(s: Script) -> None:
    keys = (
        "num.partitions",
        "log.retention.ms",
        "log.retention.hours",
        "message.max.bytes",
        "auto.create.topics.enable",
    )
    for name in ("1", "", "7", "-1", "x", "01", " 1"):
        describe(s, BROKER, name, *keys)
    describe(s, BROKER, "1", "log.retention.ms", "log.retention.hours", include_synonyms=True)
    describe(s, BROKER, "1", "no.such.config")


@scenario("DescribeConfigs", since=4)
def of_the_broker_everything(s: Script) -> None:
    describe(s, BROKER, "1", every=True)
    describe(s, BROKER, "", every=True)


@scenario("DescribeConfigs")
def of_a_group(s: Script) -> None:
    for name in ("~g", ""):
        describe(s, GROUP, name, every=True)
        describe(s, GROUP, name, "consumer.session.timeout.ms", include_synonyms=True)


@scenario("DescribeConfigs")
def of_nothing(s: Script) -> None:
    for kind, name in (
        *((TOPIC, "~missing"), (TOPIC, ""), (TOPIC, "~wrong name"), (LOGGER, "7"), (LOGGER, "")),
        *((CLIENT_METRICS, ""), (0, "~x"), (1, "~x"), (3, "~x"), (64, "~x"), (-1, "~x")),
    ):
        describe(s, kind, name, "retention.ms")
    s.ask("DescribeConfigs", resources=[])
    s.topic("~a")
    known = {"resource_type": TOPIC, "resource_name": "~a", "configuration_keys": ["retention.ms"]}
    s.ask("DescribeConfigs", resources=[known, known])
    s.ask("DescribeConfigs", resources=[known, known | {"resource_name": "~missing"}])
    s.ask("DescribeConfigs", resources=[known, known | {"resource_type": 3}])


@scenario("DescribeConfigs")
def of_loggers_and_client_metrics(s: Script) -> None:
    describe(s, LOGGER, "1", "root")
    describe(s, CLIENT_METRICS, "~m", "interval.ms")


def replace(s: Script, kind: int, name: str, *configs: tuple[str, str | None], validate_only: bool = False) -> None:
    named = [{"name": key, "value": value} for key, value in configs]
    resource = {"resource_type": kind, "resource_name": name, "configs": named}
    s.ask("AlterConfigs", resources=[resource], validate_only=validate_only)


def show(s: Script, *keys: str, topic: str = "~a") -> None:
    describe(s, TOPIC, topic, *keys)


@scenario("AlterConfigs")
def replaced(s: Script) -> None:
    s.topic("~a")
    replace(s, TOPIC, "~a", ("retention.ms", "7000"), ("segment.ms", "9000"))
    show(s, "retention.ms", "segment.ms")
    replace(s, TOPIC, "~a", ("segment.ms", "8000"))
    show(s, "retention.ms", "segment.ms")
    replace(s, TOPIC, "~a", ("segment.ms", "1"), validate_only=True)
    show(s, "segment.ms")
    replace(s, TOPIC, "~a")
    show(s, "segment.ms")
    for configs in (
        [("retention.ms", None)],
        [("retention.ms", "abc")],
        [("retention.ms", "-5")],
        [("no.such.config", "1")],
        [("", "1")],
        [("retention.ms", "1"), ("retention.ms", "2")],
        [("retention.ms", "1"), ("segment.bytes", "1")],
        [("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "5")],
    ):
        replace(s, TOPIC, "~a", *configs)
    show(s, "retention.ms")


@scenario("AlterConfigs")
def replaced_for_nothing(s: Script) -> None:
    for kind, name in (
        *((TOPIC, "~missing"), (TOPIC, ""), (TOPIC, "~wrong name"), (BROKER, "7"), (BROKER, "x"), (BROKER, "-1")),
        *((GROUP, ""), (CLIENT_METRICS, ""), (0, "~x"), (1, "~x"), (3, "~x"), (64, "~x")),
    ):
        replace(s, kind, name, ("retention.ms", "1"), validate_only=True)
    s.topic("~a")
    known = {"resource_type": TOPIC, "resource_name": "~a", "configs": [{"name": "retention.ms", "value": "1"}]}
    s.ask("AlterConfigs", resources=[], validate_only=False)
    s.ask("AlterConfigs", resources=[known, known | {"resource_name": "~missing"}], validate_only=True)


@scenario("AlterConfigs", since=2)
def replaced_twice(s: Script) -> None:
    s.topic("~a")
    known = {"resource_type": TOPIC, "resource_name": "~a", "configs": [{"name": "retention.ms", "value": "1"}]}
    s.ask("AlterConfigs", resources=[known, known], validate_only=True)


@scenario("AlterConfigs")
def replaced_for_the_broker(s: Script) -> None:
    for name in ("1", ""):
        for config in (
            ("log.cleaner.threads", "2"),
            ("num.partitions", "3"),
            ("no.such.config", "1"),
            ("node.id", "2"),
        ):
            replace(s, BROKER, name, config, validate_only=True)
        replace(s, BROKER, name, ("message.max.bytes", "x"), validate_only=True)
        replace(s, BROKER, name, ("message.max.bytes", None), validate_only=True)


Change = tuple[str, int, str | None]


def alter(s: Script, kind: int, name: str, *configs: Change, validate_only: bool = False) -> None:
    named = [{"name": key, "config_operation": operation, "value": value} for key, operation, value in configs]
    resource = {"resource_type": kind, "resource_name": name, "configs": named}
    s.ask("IncrementalAlterConfigs", resources=[resource], validate_only=validate_only)


@scenario("IncrementalAlterConfigs")
def altered(s: Script) -> None:
    s.topic("~a")
    shown = ("retention.ms", "segment.ms", "cleanup.policy")
    alter(s, TOPIC, "~a", ("retention.ms", SET, "7000"), ("segment.ms", SET, "9000"))
    show(s, *shown)
    alter(s, TOPIC, "~a", ("segment.ms", DELETE, None))
    show(s, *shown)
    alter(s, TOPIC, "~a", ("cleanup.policy", APPEND, "compact"))
    show(s, *shown)
    alter(s, TOPIC, "~a", ("cleanup.policy", APPEND, "compact"))
    alter(s, TOPIC, "~a", ("cleanup.policy", SUBTRACT, "delete"))
    show(s, *shown)
    alter(s, TOPIC, "~a", ("cleanup.policy", SUBTRACT, "delete"))
    alter(s, TOPIC, "~a", ("cleanup.policy", SUBTRACT, "compact"))
    show(s, *shown)
    alter(s, TOPIC, "~a", ("retention.ms", SET, "1"), validate_only=True)
    show(s, *shown)
    alter(s, TOPIC, "~a")


@scenario("IncrementalAlterConfigs")
def altered_wrongly(s: Script) -> None:
    s.topic("~a")
    for configs in (
        [("retention.ms", SET, None)],
        [("retention.ms", SET, "abc")],
        [("retention.ms", SET, "-5")],
        [("retention.ms", APPEND, "1")],
        [("retention.ms", SUBTRACT, "1")],
        [("no.such.config", SET, "1")],
        [("no.such.config", DELETE, None)],
        [("no.such.config", APPEND, "1")],
        [("", SET, "1")],
        [("segment.jitter.ms", DELETE, None)],
        [("retention.ms", DELETE, "1")],
        [("retention.ms", SET, "1"), ("retention.ms", SET, "2")],
        [("retention.ms", SET, "1"), ("retention.ms", DELETE, None)],
        [("retention.ms", SET, "1"), ("segment.bytes", SET, "1")],
        [("cleanup.policy", APPEND, "shred")],
        [("cleanup.policy", APPEND, None)],
        [("cleanup.policy", SUBTRACT, "shred")],
        [("cleanup.policy", APPEND, "compact,delete")],
        [("min.compaction.lag.ms", SET, "10"), ("max.compaction.lag.ms", SET, "5")],
    ):
        alter(s, TOPIC, "~a", *configs)
    show(s, "retention.ms", "cleanup.policy")


@scenario("IncrementalAlterConfigs")
def nonsense(s: Script) -> None:
    s.topic("~a")
    alter(s, TOPIC, "~a", ("retention.ms", 4, "1"))
    alter(s, TOPIC, "~a", ("retention.ms", -1, "1"))


@scenario("IncrementalAlterConfigs")
def altered_for_nothing(s: Script) -> None:
    for kind, name in (
        *((TOPIC, "~missing"), (TOPIC, ""), (TOPIC, "~wrong name"), (BROKER, "7"), (BROKER, "x"), (BROKER, "-1")),
        *((GROUP, ""), (CLIENT_METRICS, ""), (LOGGER, "7"), (LOGGER, ""), (LOGGER, "x")),
        *((0, "~x"), (1, "~x"), (3, "~x"), (64, "~x"), (-1, "~x")),
    ):
        alter(s, kind, name, ("retention.ms", SET, "1"), validate_only=True)
    s.topic("~a")
    one = [{"name": "retention.ms", "config_operation": SET, "value": "1"}]
    known = {"resource_type": TOPIC, "resource_name": "~a", "configs": one}
    s.ask("IncrementalAlterConfigs", resources=[], validate_only=False)
    s.ask("IncrementalAlterConfigs", resources=[known, known], validate_only=True)
    s.ask("IncrementalAlterConfigs", resources=[known, known | {"resource_name": "~missing"}], validate_only=True)


@scenario("IncrementalAlterConfigs")
def altered_for_a_group(s: Script) -> None:
    alter(s, GROUP, "~g", ("consumer.session.timeout.ms", SET, "50000"))
    describe(s, GROUP, "~g", "consumer.session.timeout.ms", include_synonyms=True)
    for value in ("1", "x", "", "99999999"):
        alter(s, GROUP, "~g", ("consumer.session.timeout.ms", SET, value))
    alter(s, GROUP, "~g", ("no.such.config", SET, "1"))
    alter(s, GROUP, "~g", ("consumer.heartbeat.interval.ms", SET, "60000"))
    alter(s, GROUP, "~g", ("consumer.session.timeout.ms", DELETE, None))
    describe(s, GROUP, "~g", "consumer.session.timeout.ms")


@scenario("IncrementalAlterConfigs")
def altered_for_the_broker(s: Script) -> None:
    for name in ("1", ""):
        for config in (
            *(("log.cleaner.threads", SET, "2"), ("num.partitions", SET, "3"), ("no.such.config", SET, "1")),
            *(("node.id", SET, "2"), ("message.max.bytes", SET, "x"), ("message.max.bytes", SET, None)),
            *(("message.max.bytes", SET, "-1"), ("log.cleanup.policy", APPEND, "compact")),
        ):
            alter(s, BROKER, name, config, validate_only=True)


@scenario("ListConfigResources")
def resources(s: Script) -> None:
    s.topic("~a")
    alter(s, GROUP, "~g", ("consumer.session.timeout.ms", SET, "50000"))
    for kinds in ([TOPIC], [GROUP], [BROKER], [CLIENT_METRICS], [TOPIC, GROUP], [99], [0], [TOPIC, 99]):
        s.ask("ListConfigResources", resource_types=kinds)
    alter(s, GROUP, "~g", ("consumer.session.timeout.ms", DELETE, None))


@scenario("ListConfigResources", since=1)
def loggers(s: Script) -> None:
    s.ask("ListConfigResources", resource_types=[LOGGER])
    s.ask("ListConfigResources", resource_types=[])
