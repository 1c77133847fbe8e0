"""The file of `chronik run --config`: TOML, with Kafka's own names for the broker's settings, and those of the options.

    data-dir = "/var/lib/chronik"
    "num.partitions" = 3

    [log.retention]
    hours = 24

A dotted name may be quoted or be tables within each other. A value has the form of its type, or is the text that would
stand in Kafka's server.properties. A name that is not known is refused: it would be taken and nothing would come of it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from chronik.cli.run_options import BadOption, Option, nearest
from chronik.configs.static import UnknownSetting, setting_names, static_settings
from chronik.errors import KafkaError
from chronik.settings import BrokerSettings


class ConfigFile(NamedTuple):
    """What the file says."""

    options: dict[str, tuple[str, list[str]]]
    """By their names: the name that the file has for an option, and its texts."""
    settings: BrokerSettings
    """All other settings in their places."""
    texts: dict[str, str]
    """The texts of those, by their names."""


def read_config_file(path: Path, options: Sequence[Option]) -> ConfigFile:
    """BadOption when the file cannot be read, is no TOML, or holds a name or a value that makes no sense."""
    texts = dict(_flat(_parse(path), str(path)))
    found: dict[str, tuple[str, list[str]]] = {}
    for option in options:
        for name in (option.name, *option.kafka_names):
            if name not in texts or option.name == "config":
                continue
            if option.name in found:
                raise BadOption(f"{path}: {name} says again what another setting says.")
            value = texts.pop(name)
            found[option.name] = name, [item.strip() for item in value.split(",")] if option.repeatable else [value]
    try:
        return ConfigFile(found, static_settings(texts), texts)
    except UnknownSetting as error:
        raise BadOption(f"{path}: {error}{nearest(error.name, dict.fromkeys(setting_names()))}.") from None
    except KafkaError as error:
        raise BadOption(f"{path}: {(error.message or str(error)).rstrip('.')}.") from None
    except ValueError as error:
        raise BadOption(f"{path}: {error}.") from None


def _parse(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise BadOption(f"The config file {path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadOption(f"The config file {path} is no TOML: {str(error).rstrip('.')}.") from None


def _flat(table: Mapping[str, Any], place: str, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Names with all their dots, and each value as a text of Kafka's form."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, place, f"{prefix}{key}.")
        elif isinstance(value, list):
            yield prefix + key, ",".join(_text(item, f"{place}: {prefix}{key}") for item in value)
        else:
            yield prefix + key, _text(value, f"{place}: {prefix}{key}")


def _text(value: Any, place: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise BadOption(f"{place} is neither a text, nor a number, nor true or false, nor a list of them.")
