"""`chronik config`: the settings that `chronik run` would start a broker with, and where each of them comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import typer

from chronik.cli.output import Output, Row, View, show
from chronik.cli.run_options import OPTIONS, Given, Option, Source, given_options

COLUMNS = ("NAME", "VALUE", "FROM")


def config(output: Output, show_all: bool, values: Mapping[str, Any]) -> None:
    """Show the settings. `values` is what typer read of the options of `run`, by their names; None: not given.

    BadOption for what `chronik run` would refuse; only the data directory may be missing.
    """
    given = given_options(list(_arguments(values)), os.environ)
    show(View(COLUMNS, [*_option_rows(given), *_setting_rows(given, show_all)]), output)
    raise typer.Exit


def _arguments(values: Mapping[str, Any]) -> Iterator[str]:
    for option in OPTIONS:
        value = values.get(option.name.replace("-", "_"))
        if option.is_flag:
            if value is not None:
                yield f"--{option.name}={'true' if value else 'false'}"
        elif option.repeatable:
            yield from (f"--{option.name}={text}" for text in value or ())
        elif value is not None:
            yield f"--{option.name}={value}"


def _option_rows(given: Given) -> Iterator[Row]:
    for option in OPTIONS:
        found = given.texts.get(option.name)
        if found is None:
            yield _row(option.name, option.default or None, Source.DEFAULT, None)
        else:
            texts = found.texts if option.repeatable else found.texts[-1:]
            yield _row(option.name, ",".join(texts), found.source, found.place)


def _row(name: str, value: str | None, source: Source, place: str | None) -> Row:
    facts = {"name": name, "value": value, "source": source.value, "place": place}
    return Row(facts, [(name, "" if value is None else value, place or source.value)])


def _setting_rows(given: Given, show_all: bool) -> Iterator[Row]:
    """What the file says under Kafka's names; or every setting that could stand there."""
    values = _effective(given)
    covered = {name for option in OPTIONS for name in _names_of(option)}
    for name in sorted(values):
        if name in given.file_texts:
            yield _row(name, values[name], Source.FILE, f"{given.file}: {name}")
        elif show_all and name not in covered:
            yield _row(name, values[name], Source.DEFAULT, None)


def _names_of(option: Option) -> tuple[str, ...]:
    return (option.name.replace("-", "."), *option.kafka_names)


def _effective(given: Given) -> dict[str, str | None]:
    from chronik.configs.static import setting_texts

    return {**setting_texts(given.settings), **given.file_texts}
