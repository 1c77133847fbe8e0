"""Kafka's replies, kept as files, so that they can be compared with chronik's where there is no Kafka.

A file holds the scenarios of one API. Versions whose steps are the same share them (a step's version None is the one
under test), and each distinct reply is there once: a version's replies are numbers of theirs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tools.differ.brokers import KAFKA_VERSION
from tools.differ.codec import Message
from tools.differ.compare import Comparison, compare
from tools.differ.runner import Broker, Outcome, Play
from tools.differ.script import Scenario, Step

RECORDED = Path(__file__).resolve().parent.parent.parent / "tests" / "differ" / "recorded"

Reply = Message | str
Played = tuple[Scenario, list[Reply]]


def save(name: str, played: Iterable[Played]) -> None:
    """Write the replies of Kafka to these scenarios to one file."""
    replies: dict[str, int] = {}
    groups: dict[str, dict[str, Any]] = {}
    for scenario, compared in played:
        steps = [_written(scenario, step) for step in scenario.steps]
        group = groups.setdefault(_text([scenario.name, steps]), {"name": scenario.name, "steps": steps, "replies": {}})
        numbers = [replies.setdefault(_text(reply), len(replies)) for reply in compared]
        group["replies"][str(scenario.version)] = numbers
    RECORDED.mkdir(parents=True, exist_ok=True)
    parts = [
        f'"broker":{_text(KAFKA_VERSION)}',
        f'"api":{_text(name)}',
        _lines("replies", replies),
        _lines("scenarios", map(_text, groups.values())),
    ]
    (RECORDED / f"{name}.json").write_text("{" + ",\n".join(parts) + "}\n")


def _lines(name: str, elements: Iterable[str]) -> str:
    """A list of a JSON object, one element a line."""
    return f'"{name}":[\n' + ",\n".join(elements) + "\n]"


def load(file: Path) -> Iterator[Played]:
    """The scenarios of a file, each with Kafka's replies."""
    document = json.loads(file.read_text())
    for group in document["scenarios"]:
        for version, numbers in group["replies"].items():
            steps = tuple(_read(int(version), document["api"], written) for written in group["steps"])
            scenario = Scenario(document["api"], int(version), group["name"], steps)
            yield scenario, [document["replies"][number] for number in numbers]


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
