"""The settings that a broker is started with, given by their Kafka names: in a file, or by a program."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

from chronik.configs.definitions import BROKER
from chronik.configs.layers import broker_configs, effective_settings
from chronik.settings import BrokerSettings, StoreSettings

_FIELDS = {
    field.name.replace("_", "."): field.name
    for field in fields(BrokerSettings)
    if field.name not in ("rack", "listeners", "advertised", "durability", "topic_defaults", "store")
} | {"broker.rack": "rack"}
"""Kafka's name, or ours in Kafka's form -> the field of BrokerSettings."""

_STORE_FIELDS = {f"store.{field.name.replace('_', '.')}": field.name for field in fields(StoreSettings)}


class UnknownSetting(ValueError):
    """There is no setting of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no setting {name}")
        self.name = name


def setting_names() -> Iterable[str]:
    """All that `static_settings` knows."""
    return {*BROKER, *_FIELDS, *_STORE_FIELDS}


def static_settings(texts: Mapping[str, str]) -> BrokerSettings:
    """The settings of these broker configs, each a text as in Kafka's server.properties. KafkaError INVALID_CONFIG or
    ValueError (UnknownSetting) says what is wrong."""
    changed: dict[str, Any] = {}
    store: dict[str, int] = {}
    static: dict[str, str] = {}
    for name, text in texts.items():
        if name in _STORE_FIELDS:
            store[_STORE_FIELDS[name]] = _size(name, text)
        elif name in BROKER:
            value = BROKER[name].parse(text)
            static[name] = text
            if name in _FIELDS:
                changed[_FIELDS[name]] = value
        elif name in _FIELDS:
            changed[_FIELDS[name]] = _size(name, text)
        else:
            raise UnknownSetting(name)
    settings = replace(BrokerSettings(), **changed)
    defaults = effective_settings(settings, broker_configs(settings, {}, static)).topic_defaults
    return replace(settings, topic_defaults=defaults, store=replace(settings.store, **store))


def setting_texts(settings: BrokerSettings) -> dict[str, str | None]:
    """The opposite of `static_settings`: every setting by its Kafka name, as a text; None where nothing is set."""
    from chronik.configs.describe import describe_broker  # a start does without it

    texts = {entry.name: entry.value for entry in describe_broker(broker_configs(settings, {}))}
    for name, field in _FIELDS.items():
        if name not in BROKER:
            texts[name] = str(getattr(settings, field))
    for name, field in _STORE_FIELDS.items():
        texts[name] = str(getattr(settings.store, field))
    known = set(setting_names())
    return {name: text for name, text in texts.items() if name in known}


def _size(name: str, text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) < 2**63:
        raise ValueError(f"{name}: {text!r} is not a whole number above 0")
    return int(text)
