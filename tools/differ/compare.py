"""Compares what a scenario came to on two brokers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tools.differ.canonical import needed
from tools.differ.known import ABSENT, Known, known
from tools.differ.masks import Mask
from tools.differ.runner import NEVER, UNREADABLE, Outcome
from tools.differ.script import Scenario

_LONG = 5


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that two replies to the same step do not agree on."""

    scenario: Scenario
    step: int
    path: str
    """As in `masks`, but with the numbers of list elements (`topics.0.error_code`)."""
    kafka: Any
    chronik: Any
    known: Known | None


@dataclass(slots=True)
class Comparison:
    """One scenario, compared."""

    scenario: Scenario
    differences: list[Difference]
    masks: frozenset[Mask]
    """Those without which there would be more differences."""

    @property
    def status(self) -> str:
        """The worst that there is: `different`, `known`, `masked` or `same`."""
        if any(difference.known is None for difference in self.differences):
            return "different"
        if self.differences:
            return "known"
        return "masked" if self.masks else "same"


def compare(scenario: Scenario, kafka: Sequence[Outcome], chronik: Sequence[Outcome]) -> Comparison:
    """Compare a scenario's outcomes, step by step."""
    differences: list[Difference] = []
    masks: set[Mask] = set()
    for number, (step, one, other) in enumerate(zip(scenario.steps, kafka, chronik, strict=True)):
        for path, kafkas, ours in unequal(one.compared, other.compared):
            reason = known(scenario, step.api, step.version, path, kafkas, ours)
            differences.append(Difference(scenario, number, path, kafkas, ours, reason))
        if one.compared == other.compared and str(one.compared).startswith((NEVER, UNREADABLE)):
            differences.append(Difference(scenario, number, "", one.compared, other.compared, None))
        if isinstance(one.raw, dict) and isinstance(other.raw, dict):
            masks |= needed(step.api, one.raw, other.raw)
    return Comparison(scenario, differences, frozenset(masks))


def unequal(one: Any, other: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The fields in which two values differ, by their paths."""
    if one == other and type(one) is type(other):
        return
    if isinstance(one, dict) and isinstance(other, dict):
        for name in {**one, **other}:
            yield from unequal(one.get(name, ABSENT), other.get(name, ABSENT), f"{path}.{name}" if path else name)
    elif (left_named := _by_name(one)) is not None and (right_named := _by_name(other)) is not None:
        for name in sorted({*left_named, *right_named}):
            there, here = left_named.get(name, ABSENT), right_named.get(name, ABSENT)
            yield from unequal(there, here, f"{path}[{name}]")
    elif isinstance(one, list) and isinstance(other, list):
        for number in range(max(len(one), len(other))):
            left = one[number] if number < len(one) else ABSENT
            right = other[number] if number < len(other) else ABSENT
            yield from unequal(left, right, f"{path}.{number}" if path else str(number))
    else:
        yield path, one, other


def _by_name(value: Any) -> dict[str, Any] | None:
    """A long list of named things (configs) by their names, if it is one: its differences are then told by name."""
    if not isinstance(value, list) or not all(isinstance(item, dict) and "name" in item for item in value):
        return None
    named = {item["name"]: item for item in value}
    return named if len(named) == len(value) > _LONG else None
