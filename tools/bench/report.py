"""A run as Markdown: the machine, a table for each group of workloads, and why what is missing is missing."""

from __future__ import annotations

import math

from tools.bench.results import Run, Shown, spread

_REASON_CHARS = 300

EXPLANATION = """\
Each cell has the median over the rounds; ± is half of the distance between the lowest and the highest round, as a share
of the median. Where a cell has several figures, the bold one is compared. A ratio is above 1 where {ours} is better:
more a second, or less time, memory or CPU. It is the median of the rounds' own ratios, as the machine is not equally
fast in each of them; behind it stand the lowest and the highest. CPU is the broker's own, all threads, user and kernel
time together; GB are 10⁹ bytes of record values, before compression."""


def markdown(run: Run) -> str:
    ours = run.brokers[0]
    parts = [_facts(run), EXPLANATION.format(ours=ours)]
    notes: list[str] = []
    for group in dict.fromkeys(one.group for one in run.shown):
        rows = [one for one in run.shown if one.group == group]
        parts.append(f"## {group[0].upper()}{group[1:]}")
        parts.append(table(run, rows, notes))
    if notes:
        parts.append("## What is missing, and why")
        parts.append("\n".join(f"{number}. {note}" for number, note in enumerate(notes, 1)))
    return "\n\n".join(parts) + "\n"


def _facts(run: Run) -> str:
    facts = {**run.options, **run.machine}
    return "\n".join(["| of this run | |", "|---|---|", *(f"| {fact} | {value} |" for fact, value in facts.items())])


def table(run: Run, rows: list[Shown], notes: list[str]) -> str:
    """A line for each workload. Reasons of failures are added to `notes`, and cells refer to their numbers."""
    ours, *others = run.brokers
    head = ["workload", "figure", *run.brokers]
    for other in others:
        head += [f"ratio to {other}", f"CPU ratio to {other}"]
    lines = ["| " + " | ".join(head) + " |", "|---|---|" + "---:|" * (len(head) - 2)]
    for one in rows:
        figures = displayed(run, one)
        cells = [one.name, " / ".join(_bold(name, name == one.main_figure, figures) for name in figures)]
        cells += [cell(run, one, figures, broker, notes) for broker in run.brokers]
        cpu = run.cpu_figure(one.name)
        for other in others:
            cells.append(_ratio(run, one, ours, other))
            cells.append("" if cpu is None else _number(run.ratio(one.name, cpu, ours, other), digits=2))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _ratio(run: Run, one: Shown, ours: str, other: str) -> str:
    text = _number(run.ratio(one.name, one.main_figure, ours, other), digits=2)
    ratios = run.ratios(one.name, one.main_figure, ours, other)
    return f"{text} ({min(ratios):.2f} to {max(ratios):.2f})" if len(ratios) > 1 else text


def displayed(run: Run, one: Shown) -> tuple[str, ...]:
    """The figures of a workload, with its CPU figure always among them."""
    cpu = run.cpu_figure(one.name)
    return one.figures if cpu is None or cpu in one.figures else (*one.figures, cpu)


def cell(run: Run, one: Shown, figures: tuple[str, ...], broker: str, notes: list[str]) -> str:
    rounds, reasons = run.rounds(one.name, broker), run.reasons(one.name, broker)
    missing = ""
    if reasons:
        missing = f"[{_note(notes, one.name, broker, reasons)}]"
    if not rounds:
        if not reasons:
            return "not run"
        return ("not supported " if reasons[0].startswith("not supported") else "failed ") + missing
    shown = []
    for name in figures:
        text = _bold(_number(run.median(one.name, broker, name)), name == one.main_figure, figures)
        swing = spread(run.values(one.name, broker, name)) if name == one.main_figure else math.nan
        shown.append(text if math.isnan(swing) else f"{text} ±{swing * 100:.0f} %")
    text = " / ".join(shown)
    return f"{text} ({len(reasons)} of {len(reasons) + len(rounds)} failed {missing})" if reasons else text


def _note(notes: list[str], workload: str, broker: str, reasons: list[str]) -> int:
    """The number of the note with these reasons, which is added; one broker's same reason is one note."""
    distinct = list(dict.fromkeys(" ".join(reason.split())[:_REASON_CHARS] for reason in reasons))
    told = f"{broker}: " + "; ".join(distinct)
    if told not in notes:
        notes.append(told)
    return notes.index(told) + 1


def _bold(text: str, is_main: bool, figures: tuple[str, ...]) -> str:
    return f"**{text}**" if is_main and len(figures) > 1 else text


def _number(value: float, digits: int | None = None) -> str:
    """Three significant digits and no exponent, or so many digits behind the point."""
    if math.isnan(value):
        return "-"
    if digits is not None:
        return f"{value:.{digits}f}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 or not value else f"{value:.1g}"
