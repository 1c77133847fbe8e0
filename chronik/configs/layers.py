"""The layers that a broker's configs come from, and what follows from them: one value, its source, a topic's default.

Most specific first: dynamic for this node, dynamic for the cluster, static (the command line or the file), default.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum
from typing import Any

from chronik.configs.definitions import BROKER, TOPIC, Definition
from chronik.configs.values import ConfigType, Value, print_value
from chronik.settings import BrokerSettings, TopicConfig

CLUSTER = ""
"""The scope of the dynamic configs that hold for every broker."""

ON_A_SINGLE_NODE: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "group.coordinator.rebalance.protocols": "classic,consumer",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
}
"""What is true of every chronik and not Kafka's default."""


_MS_PER_UNIT = {"hours": 3_600_000, "minutes": 60_000}


def _held(names: Iterable[str], settings: type[BrokerSettings | TopicConfig]) -> dict[str, str]:
    """Kafka's name -> the field of `settings` that holds the value, for those that have one of their own."""
    single = {field_.name for field_ in fields(settings) if field_.init} - {"listeners"}
    return {name: name.replace(".", "_") for name in names if name.replace(".", "_") in single}


_SETTINGS = _held(BROKER, BrokerSettings)
_TOPIC_FIELDS = _held(TOPIC, TopicConfig)
_CLEANUP_POLICY = "cleanup.policy"
"""Held in two fields."""


class ConfigSource(IntEnum):
    """Where a value comes from, by the number that DescribeConfigs 1+ carries."""

    DYNAMIC_TOPIC = 1
    DYNAMIC_BROKER = 2
    DYNAMIC_DEFAULT_BROKER = 3
    STATIC_BROKER = 4
    DEFAULT = 5
    GROUP = 8


@dataclass(frozen=True, slots=True)
class BrokerConfigs:
    """A broker's configs as texts by Kafka name, apart from the defaults: what `broker_configs` has put together."""

    node_id: int
    static: Mapping[str, str]
    cluster: Mapping[str, str] = field(default_factory=dict)
    node: Mapping[str, str] = field(default_factory=dict)

    def found(self, name: str) -> Iterator[tuple[ConfigSource, str]]:
        """Every layer's text for a broker config, most specific first, the default last if there is one."""
        if name in self.node:
            yield ConfigSource.DYNAMIC_BROKER, self.node[name]
        if name in self.cluster:
            yield ConfigSource.DYNAMIC_DEFAULT_BROKER, self.cluster[name]
        if name in self.static:
            yield ConfigSource.STATIC_BROKER, self.static[name]
        definition = BROKER.get(name)
        if definition is not None and definition.default is not None:
            yield ConfigSource.DEFAULT, definition.default

    def value(self, name: str) -> Value | None:
        """The typed value of a broker config that is in the table; None when no layer has one."""
        for _, text in self.found(name):
            return BROKER[name].parse(text)
        return None

    def number(self, name: str) -> int:
        """The value of a broker config that is a whole number and has a default."""
        value = self.value(name)
        assert isinstance(value, int), name
        return value

    def topic_default(self, definition: Definition) -> Value:
        """What a topic has that does not override this config.

        The first synonym that has a value counts. A negative time to keep records is "for ever", as for Kafka.
        """
        for name in definition.synonyms:
            value = self.value(name)
            if value is None:
                continue
            if isinstance(value, int) and definition.type is ConfigType.LONG:
                value *= _MS_PER_UNIT.get(name.rpartition(".")[2], 1)
                return max(value, -1) if definition.name == "retention.ms" else value
            return value
        assert definition.default is not None, definition.name
        return definition.parse(definition.default)

    def overrides(self, scope: str) -> Mapping[str, str]:
        """The dynamic configs of `CLUSTER`, or of this node, whose scope is its number."""
        return self.cluster if scope == CLUSTER else self.node

    def with_overrides(self, scope: str, overrides: Mapping[str, str]) -> BrokerConfigs:
        """The same, with other dynamic configs in one scope."""
        if scope == CLUSTER:
            return replace(self, cluster=overrides)
        return replace(self, node=overrides)


def broker_configs(
    settings: BrokerSettings,
    dynamic: Mapping[str, Mapping[str, str]],
    static: Mapping[str, str] | None = None,
) -> BrokerConfigs:
    """The layers, from the settings that the process was started with and the dynamic configs of all scopes.

    `static` adds what the settings do not say under Kafka's name, or better: log.dirs, listeners with their protocols.
    """
    return BrokerConfigs(
        settings.node_id,
        {**_static(settings), **(static or {})},
        dynamic.get(CLUSTER, {}),
        dynamic.get(str(settings.node_id), {}),
    )


def effective_settings(settings: BrokerSettings, configs: BrokerConfigs) -> BrokerSettings:
    """The settings with the dynamic configs in their places.

    `topic_defaults` is then what a topic without overrides has; its max_message_bytes is always message_max_bytes.
    """
    changed: dict[str, Any] = {
        _SETTINGS[name]: configs.value(name)
        for name in {*configs.cluster, *configs.node}
        if name in _SETTINGS and BROKER[name].dynamic
    }
    return replace(settings, **changed, topic_defaults=_topic_defaults(configs))


def topic_config(overrides: Mapping[str, str], settings: BrokerSettings) -> TopicConfig:
    """A topic's configs, typed. `settings` are the effective ones; overrides that have no field are checked elsewhere.

    INVALID_CONFIG for a value that is none: that only happens to overrides which no alteration has accepted.
    """
    changed: dict[str, Any] = {
        _TOPIC_FIELDS[name]: TOPIC[name].parse(text) for name, text in overrides.items() if name in _TOPIC_FIELDS
    }
    if _CLEANUP_POLICY in overrides:
        changed |= _cleanup(TOPIC[_CLEANUP_POLICY].parse(overrides[_CLEANUP_POLICY]))
    return replace(settings.topic_defaults, **changed) if changed else settings.topic_defaults


def _topic_defaults(configs: BrokerConfigs) -> TopicConfig:
    values: dict[str, Any] = {field_: configs.topic_default(TOPIC[name]) for name, field_ in _TOPIC_FIELDS.items()}
    return TopicConfig(**values | _cleanup(configs.topic_default(TOPIC[_CLEANUP_POLICY])))


def _cleanup(policy: Value) -> dict[str, Any]:
    assert isinstance(policy, tuple)
    return {"cleanup_delete": "delete" in policy, "cleanup_compact": "compact" in policy}


def _static(settings: BrokerSettings) -> dict[str, str]:
    """Every setting that is not Kafka's default, by Kafka's name."""
    values: dict[str, Value] = {name: getattr(settings, field_) for name, field_ in _SETTINGS.items()}
    values["broker.id"] = settings.node_id
    values["listeners"] = tuple(_address(address) for address in settings.listeners)
    if settings.advertised is not None:
        values["advertised.listeners"] = (_address(settings.advertised),)
    if settings.rack is not None:
        values["broker.rack"] = settings.rack
    static = {name: text for name, value in values.items() if (text := print_value(value)) != BROKER[name].default}
    topic: dict[str, Value] = {name: getattr(settings.topic_defaults, field_) for name, field_ in _TOPIC_FIELDS.items()}
    topic[_CLEANUP_POLICY] = tuple(
        word for word in ("delete", "compact") if getattr(settings.topic_defaults, f"cleanup_{word}")
    )
    del topic["max.message.bytes"]  # message_max_bytes says it
    for name, value in topic.items():
        if (text := print_value(value)) != TOPIC[name].default:
            static[TOPIC[name].synonyms[0]] = text
    return {**ON_A_SINGLE_NODE, **static}


def _address(address: tuple[str, int]) -> str:
    host, port = address
    return f"PLAINTEXT://[{host}]:{port}" if ":" in host else f"PLAINTEXT://{host}:{port}"
