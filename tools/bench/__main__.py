"""chronik, Apache Kafka and Tansu on the same work in the same run.

    python -m tools.bench [--brokers chronik,kafka,kafka-fsync] [--rounds 4] [--only TEXT] [--scale 1.0]
                          [--json FILE] [--markdown FILE] [--plots DIR]
    python -m tools.bench --from FILE [FILE ...] [--json FILE] [--markdown FILE] [--plots DIR]

Each round starts all brokers on fresh directories; then they take turns at each workload, A B A B over the rounds,
while the others do nothing (it is waited for that), every second round in the other order. What fails is shown as
failed with its reason, and the rest goes on. The report has medians over the rounds, their spread, and the ratios of
the first broker to each other one. --from makes the report from what earlier runs wrote with --json, several of them
put together, and measures nothing.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from tools.bench import report, results
from tools.bench.brokers import Broker, Chronik, Kafka, KafkaFsync, Tansu
from tools.bench.results import Run
from tools.bench.rounds import run_rounds
from tools.bench.workloads import Bench, all_benches

BROKERS: dict[str, type[Broker]] = {"chronik": Chronik, "kafka": Kafka, "kafka-fsync": KafkaFsync, "tansu": Tansu}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--brokers", default="chronik,kafka,kafka-fsync", help=", ".join(BROKERS))
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--only", default="", help="workloads whose name contains one of these texts, split by |")
    parser.add_argument("--scale", type=float, default=1.0, help="of every workload's size or time")
    parser.add_argument("--json", type=Path, help="write all figures there, after each round")
    parser.add_argument("--markdown", type=Path, help="write the tables there")
    parser.add_argument("--plots", type=Path, help="draw plots into this folder (needs the extra `bench`)")
    parser.add_argument("--from", dest="earlier", type=Path, nargs="+", help="measure nothing, read these files")
    parser.add_argument("--list", action="store_true", help="list the workloads")
    return parser.parse_args()


def chosen(only: str) -> list[Bench]:
    wanted = [text for text in only.split("|") if text]
    return [bench for bench in all_benches() if not wanted or any(text in bench.name for text in wanted)]


def measured(options: argparse.Namespace) -> Run:
    names = options.brokers.split(",")
    if unknown := set(names) - set(BROKERS):
        raise SystemExit(f"no broker is called {', '.join(sorted(unknown))}: {', '.join(BROKERS)}")
    run = Run(
        options={
            "begun": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "rounds": str(options.rounds),
            "scale": f"{options.scale:g}",
        },
        brokers=names,
    )
    run_rounds(run, {name: BROKERS[name] for name in names}, chosen(options.only), options)
    return run


def main() -> None:
    options = arguments()
    if options.list:
        print("\n".join(f"{bench.shown.group}: {bench.name}" for bench in chosen(options.only)))
        return
    if options.plots is not None and find_spec("matplotlib") is None:
        raise SystemExit("plots need matplotlib: pip install -e '.[bench]'")
    run = results.merged([results.read(path) for path in options.earlier]) if options.earlier else measured(options)
    text = report.markdown(run)
    print(f"\n{text}")
    if options.json is not None:
        results.write(run, options.json)
    if options.markdown is not None:
        options.markdown.parent.mkdir(parents=True, exist_ok=True)
        options.markdown.write_text(text)
    if options.plots is not None:
        from tools.bench import plots

        for path in plots.draw(run, options.plots):
            print(f"drawn: {path}")


if __name__ == "__main__":
    main()
