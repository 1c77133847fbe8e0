"""chronik and Apache Kafka on the same work in the same run.

    python -m tools.bench [--brokers chronik,kafka,kafka-fsync] [--rounds 4] [--only TEXT] [--scale 1.0] [--json FILE]

Each round starts every broker once, on a fresh directory, and runs all workloads on it; rounds alternate the
brokers. The table has medians over the rounds, their spread, and the ratio to the first other broker (above 1 is
better).
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path

from tools.bench.brokers import Broker, Chronik, Kafka, KafkaFsync
from tools.bench.machine import facts
from tools.bench.workloads import Bench, Figures, all_benches

BROKERS: dict[str, type[Broker]] = {"chronik": Chronik, "kafka": Kafka, "kafka-fsync": KafkaFsync}

Results = dict[str, dict[str, list[Figures]]]
"""Workload -> broker -> the figures of each round."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("--brokers", default="chronik,kafka", help=", ".join(BROKERS))
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--only", default="", help="workloads whose name contains one of these texts, split by |")
    parser.add_argument("--scale", type=float, default=1.0, help="of every workload's size or time")
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument("--list", action="store_true", help="list the workloads")
    return parser.parse_args()


def chosen(only: str) -> list[Bench]:
    wanted = [text for text in only.split("|") if text]
    return [bench for bench in all_benches() if not wanted or any(text in bench.name for text in wanted)]


def run_round(name: str, benches: list[Bench], scale: float, number: int, results: Results) -> None:
    with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as folder:
        broker = BROKERS[name](Path(folder))
        broker.start()
        try:
            for bench in benches:
                try:
                    found = bench.run(broker, scale)
                except SystemExit as problem:
                    print(f"  round {number} {name:<12} {bench.name}: {problem}", flush=True)
                    continue
                results[bench.name][name].append(found)
                told = "  ".join(f"{figure} {value:.4g}" for figure, value in found.items())
                print(f"  round {number} {name:<12} {bench.name}: {told}", flush=True)
        finally:
            broker.stop()


def is_better_high(figure: str) -> bool:
    return figure.endswith("/s")


def ratio(figure: str, ours: float, theirs: float) -> float:
    if not ours or not theirs:
        return float("nan")
    return ours / theirs if is_better_high(figure) else theirs / ours


def table(benches: list[Bench], brokers: list[str], results: Results) -> str:
    """A Markdown table: for each workload its main figure by broker, the ratio, and the CPU's ratio where there is
    one."""
    others = brokers[1:]
    head = [
        "workload",
        "figure",
        *brokers,
        *(f"ratio to {other}" for other in others),
        *(f"CPU vs {o}" for o in others),
    ]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for bench in benches:
        found = results[bench.name]
        if not found.get(brokers[0]):
            continue
        figure = bench.main_figure
        cells = [bench.name, figure]
        medians = {name: median(found.get(name, []), figure) for name in brokers}
        for name in brokers:
            values = [row[figure] for row in found.get(name, [])]
            cells.append(f"{medians[name]:.4g} ({min(values):.3g}-{max(values):.3g})" if values else "-")
        cells += [f"{ratio(figure, medians[brokers[0]], medians[other]):.2f}" for other in others]
        cpu = next((name for name in found[brokers[0]][0] if name.startswith("CPU")), None)
        for other in others:
            if cpu is None or not found.get(other):
                cells.append("")
            else:
                cells.append(f"{ratio(cpu, median(found[brokers[0]], cpu), median(found[other], cpu)):.2f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def median(rows: list[Figures], figure: str) -> float:
    return statistics.median(row[figure] for row in rows) if rows else 0.0


def main() -> None:
    options = arguments()
    benches = chosen(options.only)
    if options.list:
        print("\n".join(bench.name for bench in benches))
        return
    brokers = options.brokers.split(",")
    results: Results = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory(prefix="bench-machine-") as folder:
        machine = facts(Path(folder))
    for fact, value in machine.items():
        print(f"{fact}: {value}")
    for number in range(1, options.rounds + 1):
        for name in brokers:
            run_round(name, benches, options.scale, number, results)
    print()
    print(table(benches, brokers, results))
    if options.json is not None:
        options.json.write_text(json.dumps({"machine": machine, "results": results}, indent=1))


if __name__ == "__main__":
    main()
