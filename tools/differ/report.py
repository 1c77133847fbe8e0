"""The report: a table of APIs and versions, and the differences so that one can read them."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tools.differ.compare import Comparison, Difference
from tools.differ.script import Scenario
from tools.differ.served import REFUSED, Served

SIGNS = {"same": "=", "masked": "m", "known": "k", "different": "X"}
LEGEND = (
    "= same   m same under the masks   k differs for a reason in docs/differences.md   X different\n"
    "! not covered   . refused by both   + only chronik serves it   - only Kafka serves it"
)
_WORST = ("same", "masked", "known", "different")


def table(comparisons: Iterable[Comparison], kafka: Served, chronik: Served) -> str:
    """A row for each API that chronik serves, a column for each version."""
    worst: dict[tuple[str, int], str] = {}
    for comparison in comparisons:
        which = comparison.scenario.api, comparison.scenario.version
        worst[which] = max(worst.get(which, "same"), comparison.status, key=_WORST.index)
    last = max(versions.stop for versions in [*chronik.values(), *(kafka[api] for api in chronik if api in kafka)])
    lines = [f"{'':28}" + "".join(f"{version:>3}" for version in range(last))]
    for api, ours in chronik.items():
        theirs = kafka.get(api, range(0))
        cells = [_cell(api, version, worst, theirs, ours) for version in range(last)]
        lines.append(f"{api:28}" + "".join(f"{cell:>3}" for cell in cells).rstrip())
    return "\n".join([*lines, "", LEGEND])


def _cell(api: str, version: int, worst: dict[tuple[str, int], str], theirs: range, ours: range) -> str:
    if (api, version) in worst:
        return SIGNS[worst[api, version]]
    if version in theirs and version in ours:
        return "." if (api, version) in REFUSED else "!"
    return "-" if version in theirs else "+" if version in ours else ""


def differences(found: Sequence[Difference]) -> Iterator[str]:
    """One paragraph for each step whose replies differ; versions in which it differs alike are told together."""
    steps: dict[tuple[Scenario, int], list[str]] = defaultdict(list)
    for one in found:
        values = f"kafka {_short(one.kafka, 300)}   chronik {_short(one.chronik, 300)}"
        steps[one.scenario, one.step].append(f"      {one.path or 'the reply'}:   {values}")
    versions: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for (scenario, number), lines in steps.items():
        step = scenario.steps[number]
        version = "" if step.api == scenario.api else f" v{step.version}"
        asked = "(its reply)" if step.request is None else _short(step.request, 400)
        first = f"{scenario.name}, step {number}\n    {step.api}{version} on {step.on}: {asked}"
        versions[scenario.api, first, *lines].append(scenario.version)
    for (api, *lines), where in versions.items():
        yield f"{api} v{_ranges(where)}, " + "\n".join(lines)


def _short(value: Any, limit: int) -> str:
    text = value if isinstance(value, str) and value.startswith("(") else json.dumps(value)
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"


def _ranges(versions: Iterable[int]) -> str:
    """Numbers as ranges: 4-7, 9."""
    parts: list[list[int]] = []
    for version in sorted(set(versions)):
        if parts and parts[-1][1] == version - 1:
            parts[-1][1] = version
        else:
            parts.append([version, version])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


def coverage(comparisons: Sequence[Comparison]) -> str:
    """How many APIs and versions there were scenarios for."""
    pairs = {(comparison.scenario.api, comparison.scenario.version) for comparison in comparisons}
    return f"{len({api for api, _ in pairs})} APIs in {len(pairs)} versions"


def summary(comparisons: Sequence[Comparison], what: str) -> str:
    """How many of these there were, of how many exchanges, and what they came to."""
    counts = Counter(comparison.status for comparison in comparisons)
    exchanges = sum(len(comparison.scenario.steps) for comparison in comparisons)
    told = ", ".join(f"{counts[status]} {status}" for status in _WORST if counts[status])
    return f"{len(comparisons)} {what} of {exchanges} exchanges: {told or '-'}"
