"""A run as pictures for the documentation: bars by broker, with the lowest and the highest round as whiskers."""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib
from matplotlib import pyplot
from matplotlib.axes import Axes

from tools.bench.results import CPU_FIGURES, Run, Shown

COLORS = ("#0b7a75", "#d1495b", "#edae49", "#66718a")
"""In the order of the brokers."""

_ROW_INCHES = 0.17
_PERCENTILES = ("p50 ms", "p99 ms", "p99.9 ms")


def draw(run: Run, folder: Path) -> list[Path]:
    """The files made: bulk throughput and its CPU, latencies, requests, and all ratios to each other broker.

    What has no figures is left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    matplotlib.use("Agg")
    # The same figures shall give the same file.
    matplotlib.rcParams.update({"svg.hashsalt": "chronik", "font.size": 8, "svg.fonttype": "none"})
    bulk = [one for one in run.shown if one.main_figure == "MB/s"]
    latency = [one for one in run.shown if one.group == "latency"]
    requests = [one for one in run.shown if one.main_figure == "requests/s"]
    made = [
        *_bars(run, bulk, "MB/s", folder / "throughput.svg"),
        *_bars(run, bulk, "CPU s/GB", folder / "cpu-per-gb.svg"),
        *_bars(run, requests, "requests/s", folder / "requests.svg"),
        *_bars(run, requests, "CPU us/request", folder / "cpu-per-request.svg"),
        *_latencies(run, latency, folder / "latency.svg"),
    ]
    for other in run.brokers[1:]:
        made += _ratios(run, other, folder / f"ratio-to-{other}.svg")
    return made


def _bars(run: Run, rows: list[Shown], figure: str, path: Path) -> list[Path]:
    rows = [one for one in rows if any(run.values(one.name, broker, figure) for broker in run.brokers)]
    if not rows:
        return []
    picture, axes = pyplot.subplots(figsize=(8, 1.2 + len(rows) * len(run.brokers) * _ROW_INCHES))
    _grouped(axes, run, rows, figure)
    better = "more" if figure.endswith("/s") else "less"
    axes.set_xlabel(f"{figure}, median; whiskers: lowest and highest round; {better} is better")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(run.brokers), frameon=False)
    return _save(picture, path)


def _grouped(axes: Axes, run: Run, rows: list[Shown], figure: str) -> None:
    height = 0.8 / len(run.brokers)
    for index, broker in enumerate(run.brokers):
        found = [run.values(one.name, broker, figure) for one in rows]
        medians = [run.median(one.name, broker, figure) for one in rows]
        places = [number + (index - (len(run.brokers) - 1) / 2) * height for number in range(len(rows))]
        below = [middle - min(values) if values else 0.0 for values, middle in zip(found, medians, strict=True)]
        above = [max(values) - middle if values else 0.0 for values, middle in zip(found, medians, strict=True)]
        widths = [0.0 if math.isnan(middle) else middle for middle in medians]
        axes.barh(places, widths, height, color=COLORS[index % len(COLORS)], label=broker, xerr=[below, above])
    _name_rows(axes, [one.name for one in rows])


def _latencies(run: Run, rows: list[Shown], path: Path) -> list[Path]:
    """One panel for each percentile, on a logarithmic scale."""
    rows = [one for one in rows if any(run.values(one.name, broker, "p50 ms") for broker in run.brokers)]
    if not rows:
        return []
    size = (10, 1.2 + len(rows) * len(run.brokers) * _ROW_INCHES)
    picture, panels = pyplot.subplots(1, len(_PERCENTILES), figsize=size, sharey=True)
    for axes, figure in zip(panels, _PERCENTILES, strict=True):
        _grouped(axes, run, rows, figure)
        axes.set_xscale("log")
        axes.set_xlabel(f"{figure}, less is better")
    # The panels share their rows: naming them in each has turned the axis round as often.
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    panels[-1].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(run.brokers), frameon=False)
    return _save(picture, path)


def _ratios(run: Run, other: str, path: Path) -> list[Path]:
    """Every workload's main figure, and the CPU where there is one, as ratios; the line is 1."""
    ours = run.brokers[0]
    rows = [one for one in run.shown if not math.isnan(run.ratio(one.name, one.main_figure, ours, other))]
    if not rows:
        return []
    picture, axes = pyplot.subplots(figsize=(8, 1.2 + len(rows) * 2 * _ROW_INCHES))
    main = [run.ratio(one.name, one.main_figure, ours, other) for one in rows]
    cpu = [_cpu_ratio(run, one, ours, other) for one in rows]
    for values, shift, color, label in ((main, -0.2, COLORS[0], "the figure"), (cpu, 0.2, COLORS[3], "CPU")):
        # Bars begin at 1, to the right where we are better.
        widths = [0.0 if math.isnan(value) else value - 1 for value in values]
        axes.barh([number + shift for number in range(len(rows))], widths, 0.4, left=1.0, color=color, label=label)
    axes.set_xscale("log")
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_xlabel(f"{ours} to {other}: right of 1 {ours} is better")
    _name_rows(axes, [f"{one.name}: {one.main_figure}" for one in rows])
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)
    return _save(picture, path)


def _cpu_ratio(run: Run, one: Shown, ours: str, other: str) -> float:
    figure = run.cpu_figure(one.name)
    if figure is None or figure == one.main_figure or figure not in CPU_FIGURES:
        return math.nan
    return run.ratio(one.name, figure, ours, other)


def _name_rows(axes: Axes, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.spines[["top", "right"]].set_visible(False)


def _save(picture: matplotlib.figure.Figure, path: Path) -> list[Path]:
    picture.savefig(path, bbox_inches="tight", metadata={"Date": None})
    pyplot.close(picture)
    # Lines of an SVG end with blanks otherwise, which hooks of a repository take away.
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")
    return [path]
