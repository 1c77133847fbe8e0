"""Kafka's replies, kept as files, so that they can be compared with chronik's where there is no Kafka.

A file holds the scenarios of one API. Versions whose steps are the same share them (a step's version None is the one
under test). Each step, each reply, and each element of a long list is there once; elsewhere stand their numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tools.differ.brokers import KAFKA_VERSION
from tools.differ.compare import Comparison, compare
from tools.differ.runner import Broker, Outcome, Play
from tools.differ.script import Scenario, Step
from tools.differ.served import Served

RECORDED = Path(__file__).resolve().parent.parent.parent / "tests" / "differ" / "recorded"

SERVED = RECORDED.parent / "served.json"
_PARTS, _LONG = "_parts", 5

Reply = Any
"""A message, or the word for what came instead (see `Outcome`)."""
Played = tuple[Scenario, list[Reply]]


class _Table:
    """Texts, each once, by number."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def number(self, value: Any) -> int:
        return self.numbers.setdefault(_text(value), len(self.numbers))


def save(file: Path, api: str, played: Iterable[Played]) -> None:
    """Write the replies of Kafka to these scenarios of one API to a file."""
    steps, replies, parts = _Table(), _Table(), _Table()
    groups: dict[str, dict[str, Any]] = {}
    for scenario, compared in played:
        numbers = [steps.number(_written(scenario, step)) for step in scenario.steps]
        group = groups.setdefault(
            _text([scenario.name, numbers]), {"name": scenario.name, "steps": numbers, "replies": {}}
        )
        group["replies"][str(scenario.version)] = [replies.number(_divided(reply, parts)) for reply in compared]
    lists = [
        _lines("parts", parts.numbers),
        _lines("steps", steps.numbers),
        _lines("replies", replies.numbers),
        _lines("scenarios", map(_text, groups.values())),
    ]
    head = [f'"broker":{_text(KAFKA_VERSION)}', f'"api":{_text(api)}']
    file.write_text("{" + ",\n".join([*head, *lists]) + "}\n")


def _lines(name: str, elements: Iterable[str]) -> str:
    """A list of a JSON object, one element a line."""
    return f'"{name}":[\n' + ",\n".join(elements) + "\n]"


def load(file: Path) -> Iterator[Played]:
    """The scenarios of a file, each with Kafka's replies."""
    document = json.loads(file.read_text())
    api, written = document["api"], document["steps"]
    replies = [_joined(reply, document["parts"]) for reply in document["replies"]]
    for group in document["scenarios"]:
        for version, numbers in group["replies"].items():
            steps = tuple(_read(int(version), api, written[number]) for number in group["steps"])
            yield Scenario(api, int(version), group["name"], steps), [replies[number] for number in numbers]


def _divided(value: Any, parts: _Table) -> Any:
    """A reply whose long lists (of configs) are numbers of their elements."""
    if isinstance(value, dict):
        return {name: _divided(item, parts) for name, item in value.items()}
    if not isinstance(value, list):
        return value
    if len(value) > _LONG and all(isinstance(item, dict) for item in value):
        return {_PARTS: [parts.number(item) for item in value]}
    return [_divided(item, parts) for item in value]


def _joined(value: Any, parts: list[Any]) -> Any:
    """What `_divided` made, whole again."""
    match value:
        case {"_parts": numbers}:
            return [parts[number] for number in numbers]
        case dict():
            return {name: _joined(item, parts) for name, item in value.items()}
        case list():
            return [_joined(item, parts) for item in value]
        case _:
            return value


def save_served(served: Served) -> None:
    """Write down which versions Kafka serves."""
    versions = {api: [versions.start, versions.stop - 1] for api, versions in served.items()}
    SERVED.write_text(json.dumps({"broker": KAFKA_VERSION, "versions": versions}, indent=1) + "\n")


def load_served() -> Served:
    """Which versions Kafka served."""
    versions: dict[str, list[int]] = json.loads(SERVED.read_text())["versions"]
    return {api: range(first, last + 1) for api, (first, last) in versions.items()}


def compare_with_recorded(played: Played, broker: Broker) -> Comparison:
    """Play a recorded scenario, and compare the replies with Kafka's."""
    scenario, replies = played
    return compare(scenario, [Outcome(reply, reply) for reply in replies], Play(broker, scenario).run())


def _written(scenario: Scenario, step: Step) -> list[Any]:
    """A step as a list: API (None: the one under test), version, request, and what is not usual."""
    unusual: dict[str, Any] = {}
    if step.on != "main":
        unusual["on"] = step.on
    if not step.is_answered:
        unusual["is_answered"] = False
    if step.until is not None:
        unusual["until"] = list(step.until)
    if step.bind:
        unusual["bind"] = step.bind
    under_test = step.api == scenario.api and step.version == scenario.version
    front = [None, None] if under_test else [step.api, step.version]
    return [*front, step.request, unusual] if unusual else [*front, step.request]


def _read(version: int, api: str, written: list[Any]) -> Step:
    unusual = dict(written[3]) if len(written) > 3 else {}
    if "until" in unusual:
        unusual["until"] = tuple(unusual["until"])
    return Step(written[0] or api, version if written[1] is None else written[1], written[2], **unusual)


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
