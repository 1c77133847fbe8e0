"""What DescribeConfigs answers: every config of a topic, a broker or a group, with its source and synonyms.

Kafka 4.2 shows a value as it reads it, and the synonyms as they were written. What nobody knows the name of (a plugin's
config) might be a secret: its value is never shown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from chronik.configs.definitions import BROKER, GROUP, TOPIC, Definition
from chronik.configs.layers import BrokerConfigs, ConfigSource
from chronik.configs.values import ConfigType, Value, print_value

_FAMILIES: Mapping[str, tuple[str, ...]] = {
    name: definition.synonyms
    for definition in TOPIC.values()
    if len(definition.synonyms) > 1
    for name in definition.synonyms
}
"""Broker configs that say the same in several units -> all of them, most specific first."""

_DEFAULT_OF: Mapping[str, str] = {
    name: definition.name for definition in TOPIC.values() for name in definition.synonyms
}
"""Broker config -> the topic config whose default it is."""


@dataclass(frozen=True, slots=True)
class ConfigSynonym:
    """A config that counts for another one: its text as it was written, None when that is secret."""

    name: str
    value: str | None
    source: ConfigSource


@dataclass(frozen=True, slots=True)
class ConfigEntry:
    """One config as it is described. `synonyms` are the most specific first: its own value, then what it hides."""

    name: str
    value: str | None
    read_only: bool
    source: ConfigSource
    is_sensitive: bool
    synonyms: tuple[ConfigSynonym, ...]
    type: ConfigType

    @property
    def documentation(self) -> str | None:
        """One or two sentences; None for what nobody knows."""
        from chronik.configs import documentation  # read on demand

        if self.type is ConfigType.UNKNOWN:
            return None
        return documentation.of(self.name, _DEFAULT_OF.get(self.name))


def describe_topic(
    overrides: Mapping[str, str], broker: BrokerConfigs, keys: Collection[str] | None = None
) -> tuple[ConfigEntry, ...]:
    """A topic's configs by name. `keys` asks for some only, None or none of them for all; unknown ones are left out."""
    return tuple(_topic_entry(TOPIC[name], overrides.get(name), broker) for name in _asked(TOPIC, keys))


def describe_group(
    overrides: Mapping[str, str], broker: BrokerConfigs, keys: Collection[str] | None = None
) -> tuple[ConfigEntry, ...]:
    """A group's configs by name, whether there is such a group or not; `keys` as for topics."""
    return tuple(_group_entry(GROUP[name], overrides.get(name), broker) for name in _asked(GROUP, keys))


def describe_broker(broker: BrokerConfigs, keys: Collection[str] | None = None) -> tuple[ConfigEntry, ...]:
    """This broker's configs by name; `keys` as for topics."""
    listed = [name for name, definition in BROKER.items() if definition.listed]
    names = {*listed, *broker.static, *broker.cluster, *broker.node}
    return tuple(_broker_entry(name, broker) for name in _asked(names, keys))


def describe_cluster(broker: BrokerConfigs, keys: Collection[str] | None = None) -> tuple[ConfigEntry, ...]:
    """The broker resource without a name: nothing but the dynamic configs that hold for every broker."""
    source = ConfigSource.DYNAMIC_DEFAULT_BROKER
    entries = []
    for name in _asked(broker.cluster, keys):
        text = _shown(name, broker.cluster[name])
        entries.append(_entry_of_broker(name, text, source, (ConfigSynonym(name, text, source),)))
    return tuple(entries)


def group_value(name: str, overrides: Mapping[str, str], broker: BrokerConfigs) -> Value:
    """What holds for a group: its own value, the broker's `group.` config, or the default."""
    definition = GROUP[name]
    if name in overrides:
        return definition.parse(overrides[name])
    value = broker.value(f"group.{name}") if f"group.{name}" in BROKER else None
    if value is not None:
        return value
    assert definition.default is not None, name
    return definition.parse(definition.default)


def _asked(names: Iterable[str], keys: Collection[str] | None) -> list[str]:
    return sorted(set(names).intersection(keys) if keys else names)


def _topic_entry(definition: Definition, override: str | None, broker: BrokerConfigs) -> ConfigEntry:
    synonyms = _broker_synonyms(definition.synonyms[0], broker) if definition.synonyms else ()
    if override is None:
        value = print_value(broker.topic_default(definition))
    else:
        value = definition.normalise(override)
        # Kafka shows a topic's own value as it reads it here too, unlike the broker's.
        synonyms = (ConfigSynonym(definition.name, value, ConfigSource.DYNAMIC_TOPIC), *synonyms)
    source = synonyms[0].source if synonyms else ConfigSource.DEFAULT
    return ConfigEntry(definition.name, value, False, source, definition.sensitive, synonyms, definition.type)


def _group_entry(definition: Definition, override: str | None, broker: BrokerConfigs) -> ConfigEntry:
    """A group's own value hides the default even from the synonyms: so does Kafka."""
    source = ConfigSource.DEFAULT if override is None else ConfigSource.GROUP
    overrides = {} if override is None else {definition.name: override}
    value = print_value(group_value(definition.name, overrides, broker))
    synonyms = (ConfigSynonym(definition.name, value, source),)
    return ConfigEntry(definition.name, value, False, source, definition.sensitive, synonyms, definition.type)


def _broker_entry(name: str, broker: BrokerConfigs) -> ConfigEntry:
    synonyms = _broker_synonyms(name, broker)
    source = synonyms[0].source if synonyms else ConfigSource.DEFAULT
    value = synonyms[0].value if synonyms else None
    definition = BROKER.get(name)
    if value is not None and definition is not None and definition.listed:
        value = definition.normalise(value)
    return _entry_of_broker(name, value, source, synonyms)


def _entry_of_broker(
    name: str, value: str | None, source: ConfigSource, synonyms: tuple[ConfigSynonym, ...]
) -> ConfigEntry:
    """Kafka calls read-only what it does not list, even where it can be altered."""
    definition = BROKER.get(name)
    if definition is None:
        return ConfigEntry(name, value, True, source, True, synonyms, ConfigType.UNKNOWN)
    read_only = not (definition.dynamic and definition.listed)
    return ConfigEntry(name, value, read_only, source, definition.sensitive, synonyms, definition.type)


def _broker_synonyms(name: str, broker: BrokerConfigs) -> tuple[ConfigSynonym, ...]:
    """Layer by layer, and in each the whole family; what comes before the first text of `name` itself is left out, so
    that a config which nobody has set has no synonyms, though another unit of it has a value."""
    found: Iterator[tuple[ConfigSource, int, str, str]] = (
        (source, place, member, text)
        for place, member in enumerate(_FAMILIES.get(name, (name,)))
        for source, text in broker.found(member)
    )
    synonyms = [ConfigSynonym(member, _shown(member, text), source) for source, _, member, text in sorted(found)]
    own = next((place for place, synonym in enumerate(synonyms) if synonym.name == name), len(synonyms))
    return tuple(synonyms[own:])


def _shown(name: str, text: str) -> str | None:
    definition = BROKER.get(name)
    return None if definition is None or definition.sensitive else text
