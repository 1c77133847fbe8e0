"""Whether all the overrides of one resource can stand together, and with the broker's configs.

For a topic and a group anything wrong is INVALID_CONFIG, for a broker INVALID_REQUEST. The checks of values come first,
in the order of the tables, then those across several configs, in Kafka 4.2's order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from chronik.configs.definitions import BROKER, GROUP, TOPIC, Definition, can_alter
from chronik.configs.describe import group_value
from chronik.configs.layers import BrokerConfigs
from chronik.configs.values import Value
from chronik.errors import ErrorCode, KafkaError

MAX_CUSTOM_CONFIGS = 100
"""Of one scope of broker configs: names that nobody knows. Kafka takes any number, for its plugins."""

_THREADS = (
    *("num.network.threads", "num.io.threads", "num.replica.fetchers", "num.recovery.threads.per.data.dir"),
    "background.threads",
)
_MIB = 1024 * 1024

_GROUP_BOUNDS = (
    ("consumer.heartbeat.interval.ms", "group.consumer.{}.heartbeat.interval.ms"),
    ("consumer.session.timeout.ms", "group.consumer.{}.session.timeout.ms"),
    ("share.heartbeat.interval.ms", "group.share.{}.heartbeat.interval.ms"),
    ("share.session.timeout.ms", "group.share.{}.session.timeout.ms"),
    ("share.record.lock.duration.ms", "group.share.{}.record.lock.duration.ms"),
    ("streams.heartbeat.interval.ms", "group.streams.{}.heartbeat.interval.ms"),
    ("streams.session.timeout.ms", "group.streams.{}.session.timeout.ms"),
    ("streams.num.standby.replicas", "group.streams.{}.standby.replicas"),
)
"""A group's config -> the broker configs that bound it, with min and max in the gap; not every one has a min."""


def check_topic(overrides: Mapping[str, str], broker: BrokerConfigs) -> None:
    """INVALID_CONFIG for an unknown name, a bad value, compaction lags that exclude each other, or remote storage."""
    _check_names("topic", TOPIC, overrides)
    values = _values(TOPIC, overrides)
    shortest, longest = (
        _number(values[name] if name in values else broker.topic_default(TOPIC[name]))
        for name in ("min.compaction.lag.ms", "max.compaction.lag.ms")
    )
    if shortest > longest:
        _invalid(
            f"conflict topic config setting min.compaction.lag.ms ({shortest}) > max.compaction.lag.ms ({longest})"
        )
    if values.get("remote.storage.enable"):
        _invalid(
            "Tiered Storage functionality is disabled in the broker. "
            "Topic cannot be configured with remote log storage."
        )


def check_group(overrides: Mapping[str, str], broker: BrokerConfigs) -> None:
    """INVALID_CONFIG for an unknown name, a bad value, one out of the broker's bounds, or heartbeats too rare."""
    _check_names("group", GROUP, overrides)
    _values(GROUP, overrides)
    numbers = {name: _number(group_value(name, overrides, broker)) for name, _ in _GROUP_BOUNDS}
    for name, bound in _GROUP_BOUNDS:
        least, greatest = bound.format("min"), bound.format("max")
        if least in BROKER and numbers[name] < broker.number(least):
            _invalid(f"{name} must be greater than or equal to {least}")
        if numbers[name] > broker.number(greatest):
            _invalid(f"{name} must be less than or equal to {greatest}")
    for kind in ("consumer", "share", "streams"):
        session, heartbeat = f"{kind}.session.timeout.ms", f"{kind}.heartbeat.interval.ms"
        if numbers[session] <= numbers[heartbeat]:
            _invalid(f"{session} must be greater than {heartbeat}")


def check_broker(scope: str, overrides: Mapping[str, str], broker: BrokerConfigs) -> None:
    """INVALID_REQUEST for a read-only name, a bad value, and values that cannot stand together or be reached from the
    present ones. `broker` has what counts until now, `overrides` would be all of the scope."""
    fixed = [name for name in overrides if not can_alter(name)]
    if fixed:
        _refuse(f"Cannot update these configs dynamically: Set({', '.join(fixed)})")
    if sum(name not in BROKER for name in overrides) > MAX_CUSTOM_CONFIGS:
        _refuse(f"More than {MAX_CUSTOM_CONFIGS} configs with names that the broker does not know.")
    try:
        _values(BROKER, overrides)
    except KafkaError as bad:
        raise KafkaError(ErrorCode.INVALID_REQUEST, bad.message) from None
    after = broker.with_overrides(scope, overrides)
    _check_together(after)
    _check_threads(broker, after)
    _check_local_retention(after)


def _check_together(after: BrokerConfigs) -> None:
    roll, jitter, retention = (after.value(name) for name in ("log.roll.ms", "log.roll.jitter.ms", "log.retention.ms"))
    if roll is not None and _number(roll) < 1:
        _refuse("requirement failed: log.roll.ms must be greater than or equal to 1")
    if jitter is not None and _number(jitter) < 0:
        _refuse("requirement failed: log.roll.jitter.ms must be greater than or equal to 0")
    if retention == 0:
        _refuse("requirement failed: log.retention.ms must be unlimited (-1) or, greater than or equal to 1")
    flush = after.value("log.flush.interval.ms")
    if flush is not None and _number(flush) < 0:
        # Kafka takes it, and then refuses every alteration of a topic that does not override flush.ms.
        _refuse("requirement failed: log.flush.interval.ms must be greater than or equal to 0")
    threads = after.number("log.cleaner.threads")
    if threads < 1 or after.number("log.cleaner.dedupe.buffer.size") // threads <= _MIB:
        _refuse("requirement failed: log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.")
    if after.number("max.connections.per.ip") == 0 and after.value("max.connections.per.ip.overrides") == "":
        _refuse(
            "requirement failed: max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides "
            "property is set."
        )
    for name in ("max.connections", "max.connection.creation.rate"):
        if after.number(name) == 0:
            _refuse(f"Invalid {name} 0")


def _check_threads(before: BrokerConfigs, after: BrokerConfigs) -> None:
    """A number of threads may at most double or halve in one step."""
    for name in _THREADS:
        now, wanted = before.number(name), after.number(name)
        failed = f"Dynamic thread count update validation failed for {name}={wanted}, value should"
        if wanted < now // 2:
            _refuse(f"{failed} be at least half the current value {now}")
        if wanted > now * 2:
            _refuse(f"{failed} not be greater than double the current value {now}")
    now, wanted = before.number("log.cleaner.threads"), after.number("log.cleaner.threads")
    if wanted < now // 2:
        _refuse(f"Log cleaner threads cannot be reduced to less than half the current value {now}")
    if wanted > now * 2:
        _refuse(f"Log cleaner threads cannot be increased to more than double the current value {now}")


def _check_local_retention(after: BrokerConfigs) -> None:
    """What stays on the local disk cannot be more than what is kept at all; -2 is the same, -1 no limit."""
    for unit in ("ms", "bytes"):
        name, of = f"log.local.retention.{unit}", f"log.retention.{unit}"
        local, kept = after.number(name), _number(after.topic_default(TOPIC[f"retention.{unit}"]))
        if local == -1 and kept >= 0:
            _refuse(f"Invalid value -1 for configuration {name}: Value must not be -1 as {of} value is set as {kept}.")
        if local > kept >= 0:
            _refuse(
                f"Invalid value {local} for configuration {name}: "
                f"Value must not be more than {of} property value: {kept}"
            )


def _check_names(kind: str, table: Mapping[str, Definition], overrides: Mapping[str, str]) -> None:
    for name in overrides:
        if name not in table:
            _invalid(f"Unknown {kind} config name: {name}")


def _values(table: Mapping[str, Definition], overrides: Mapping[str, str]) -> dict[str, Value]:
    """The typed values of what is in the table, read in its order, so that the first bad one there is reported."""
    return {name: definition.parse(overrides[name]) for name, definition in table.items() if name in overrides}


def _number(value: Value) -> int:
    assert isinstance(value, int)
    return value


def _invalid(reason: str) -> NoReturn:
    raise KafkaError(ErrorCode.INVALID_CONFIG, reason)


def _refuse(reason: str) -> NoReturn:
    raise KafkaError(ErrorCode.INVALID_REQUEST, reason)
