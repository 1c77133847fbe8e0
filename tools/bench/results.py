"""What a run found, and its arithmetic: medians, spread and ratios; kept as JSON, and put together from several runs.

A figure whose name ends in "/s" is better high, every other one is better low. A ratio compares ours to another
broker's and is above 1 where ours is better, whichever way the figure goes.
"""

from __future__ import annotations

import json
import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

Figures = dict[str, float]
FORMAT = 1
CPU_FIGURES = ("CPU s/GB", "CPU us/request", "CPU us/record")


@dataclass(frozen=True, slots=True)
class Shown:
    """How a workload appears in a report: its group, the figures in their order, and the one that is compared."""

    name: str
    group: str
    figures: tuple[str, ...]
    main_figure: str


@dataclass(slots=True)
class Run:
    """The figures of each round by workload and broker; what failed has its reason instead, once for each round."""

    machine: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    brokers: list[str] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    results: dict[str, dict[str, list[Figures]]] = field(default_factory=dict)
    failures: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """Also of what a broker cannot do: such a reason begins with "not supported"."""

    def add(self, workload: str, broker: str, found: Figures) -> None:
        self.results.setdefault(workload, {}).setdefault(broker, []).append(found)

    def fail(self, workload: str, broker: str, reason: str) -> None:
        self.failures.setdefault(workload, {}).setdefault(broker, []).append(reason)

    def rounds(self, workload: str, broker: str) -> list[Figures]:
        return self.results.get(workload, {}).get(broker, [])

    def reasons(self, workload: str, broker: str) -> list[str]:
        return self.failures.get(workload, {}).get(broker, [])

    def values(self, workload: str, broker: str, figure: str) -> list[float]:
        """The figure in each round that has it."""
        return [found[figure] for found in self.rounds(workload, broker) if figure in found]

    def median(self, workload: str, broker: str, figure: str) -> float:
        return median(self.values(workload, broker, figure))

    def ratio(self, workload: str, figure: str, ours: str, other: str) -> float:
        """The median of the rounds' ratios: a machine's speed changes from one round to the next, and in a round both
        brokers have nearly the same. Of the medians, where a round has no pair."""
        ratios = self.ratios(workload, figure, ours, other)
        if ratios:
            return median(ratios)
        return ratio(figure, self.median(workload, ours, figure), self.median(workload, other, figure))

    def ratios(self, workload: str, figure: str, ours: str, other: str) -> list[float]:
        """Of each round; none if a broker failed in one, as it is not known then which rounds belong together."""
        if self.reasons(workload, ours) or self.reasons(workload, other):
            return []
        pairs = zip(self.values(workload, ours, figure), self.values(workload, other, figure), strict=False)
        found = [ratio(figure, our, their) for our, their in pairs]
        return [one for one in found if not math.isnan(one)]

    def cpu_figure(self, workload: str) -> str | None:
        """The CPU figure that this workload has, whoever ran it."""
        rows = [found for rounds in self.results.get(workload, {}).values() for found in rounds]
        return next((name for name in CPU_FIGURES if any(name in row for row in rows)), None)


def median(values: Sequence[float]) -> float:
    """NaN for no values."""
    return statistics.median(values) if values else math.nan


def spread(values: Sequence[float]) -> float:
    """Half of the distance between the lowest and the highest value, as a share of the median; NaN where none is."""
    middle = median(values)
    return (max(values) - min(values)) / 2 / middle if len(values) > 1 and middle else math.nan


def is_better_high(figure: str) -> bool:
    return figure.endswith("/s")


def ratio(figure: str, ours: float, other: float) -> float:
    """Above 1 where ours is better; NaN where one of them is missing or 0."""
    if not ours or not other or math.isnan(ours) or math.isnan(other):
        return math.nan
    return ours / other if is_better_high(figure) else other / ours


def percentile(ordered: Sequence[float], share: float) -> float:
    """Of values in ascending order, the one that `share` of them lie below (the nearest rank, no interpolation)."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def latencies(seconds: list[float]) -> Figures:
    """p50, p99 and p99.9 in milliseconds; sorts what it gets."""
    if not seconds:
        raise SystemExit("nothing was answered")
    seconds.sort()
    return {f"p{share:g} ms": percentile(seconds, share / 100) * 1000 for share in (50, 99, 99.9)}


def merged(runs: Sequence[Run]) -> Run:
    """The rounds of all runs together, in order. Machine and options are the first one's, and where another run
    differs, its value stands behind."""
    whole = Run()
    seen: dict[str, dict[str, list[str]]] = {"machine": defaultdict(list), "options": defaultdict(list)}
    for run in runs:
        for kind, facts in (("machine", run.machine), ("options", run.options)):
            for fact, value in facts.items():
                if value not in seen[kind][fact]:
                    seen[kind][fact].append(value)
        whole.brokers += [name for name in run.brokers if name not in whole.brokers]
        known = {one.name for one in whole.shown}
        whole.shown += [one for one in run.shown if one.name not in known]
        for workload, by_broker in run.results.items():
            for broker, rounds in by_broker.items():
                for found in rounds:
                    whole.add(workload, broker, found)
        for workload, reasons_of in run.failures.items():
            for broker, reasons in reasons_of.items():
                for reason in reasons:
                    whole.fail(workload, broker, reason)
    whole.machine = {fact: "; ".join(values) for fact, values in seen["machine"].items()}
    whole.options = {fact: "; ".join(values) for fact, values in seen["options"].items()}
    return whole


def write(run: Run, path: Path) -> None:
    document = {
        "format": FORMAT,
        "machine": run.machine,
        "options": run.options,
        "brokers": run.brokers,
        "workloads": [
            {"name": one.name, "group": one.group, "figures": list(one.figures), "main_figure": one.main_figure}
            for one in run.shown
        ],
        "results": run.results,
        "failures": run.failures,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")


def read(path: Path) -> Run:
    document = json.loads(path.read_text())
    if document.get("format") != FORMAT:
        raise SystemExit(f"{path} is not of format {FORMAT}")
    shown = [
        Shown(one["name"], one["group"], tuple(one["figures"]), one["main_figure"]) for one in document["workloads"]
    ]
    return Run(
        document["machine"],
        document["options"],
        document["brokers"],
        shown,
        document["results"],
        document["failures"],
    )
