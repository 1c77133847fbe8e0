"""The command line: `python -m tools.differ`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from tools.differ import report
from tools.differ.brokers import chronik, kafka
from tools.differ.compare import Comparison, compare
from tools.differ.known import KNOWN
from tools.differ.masks import MASKS, Kind
from tools.differ.recording import Played, save, save_served
from tools.differ.runner import Broker, Play
from tools.differ.scenarios import scenarios
from tools.differ.script import Scenario
from tools.differ.served import served, shared


def main() -> int:
    """Compare, report, and say by the exit code whether everything is explained."""
    options = arguments()
    with (
        tempfile.TemporaryDirectory(prefix="differ-") as folder,
        kafka(Path(folder)) as one,
        chronik(Path(folder)) as other,
    ):
        return run(one, other, options)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.differ", description=__doc__)
    parser.add_argument("--api", action="append", default=[], help="only this API (repeatable)")
    parser.add_argument("--version", type=int, action="append", default=[], help="only this version (repeatable)")
    parser.add_argument("--scenario", action="append", default=[], help="only the scenario of this name (repeatable)")
    parser.add_argument("--record", action="store_true", help="keep Kafka's replies for the tests, whole APIs only")
    parser.add_argument("--verbose", action="store_true", help="say on stderr what is being played")
    parser.add_argument("--known", action="store_true", help="show the explained differences too")
    options = parser.parse_args()
    if options.record and (options.version or options.scenario):
        parser.error("--record is for whole APIs")
    return options


def run(one: Broker, other: Broker, options: argparse.Namespace) -> int:
    theirs, ours = served(one), served(other)
    wanted = [
        scenario
        for api, versions in shared(theirs, ours).items()
        for version in versions
        for scenario in scenarios(api, version)
        if is_wanted(scenario, options)
    ]
    began = time.monotonic()
    comparisons = []
    played: dict[str, list[Played]] = defaultdict(list)
    for scenario in wanted:
        if options.verbose:
            print(f"{time.monotonic() - began:6.1f} s  {scenario}", file=sys.stderr)
        outcomes = Play(one, scenario).run()
        played[scenario.api].append((scenario, [outcome.compared for outcome in outcomes]))
        comparisons.append(compare(scenario, outcomes, Play(other, scenario).run()))
    if options.record:
        for name, recorded in played.items():
            save(name, recorded)
        save_served(theirs)
    found = [difference for comparison in comparisons for difference in comparison.differences]
    unexplained = [difference for difference in found if difference.known is None]
    for paragraph in report.differences(found if options.known else unexplained):
        print(paragraph, end="\n\n")
    print(report.table(comparisons, theirs, ours), end="\n\n")
    print(f"{report.summary(comparisons)}; {time.monotonic() - began:.0f} s")
    complaints = [] if is_partial(options) else unused(comparisons)
    for complaint in complaints:
        print(complaint)
    return 1 if unexplained or complaints else 0


def is_partial(options: argparse.Namespace) -> bool:
    return bool(options.api or options.version or options.scenario)


def is_wanted(scenario: Scenario, options: argparse.Namespace) -> bool:
    return (
        (not options.api or scenario.api in options.api)
        and (not options.version or scenario.version in options.version)
        and (not options.scenario or scenario.name in options.scenario)
    )


def unused(comparisons: list[Comparison]) -> list[str]:
    """What is declared and explains nothing."""
    masks = {mask for comparison in comparisons for mask in comparison.masks}
    reasons = {difference.known for comparison in comparisons for difference in comparison.differences}
    return [
        *(
            f"the mask {mask.api} {mask.path} {mask.kind.value} is not needed"
            for mask in MASKS
            if mask not in masks and mask.kind is not Kind.ORDER  # by chance, an order can be the same
        ),
        *(
            f"a known difference does not happen: {one.title} ({one.api} {one.path})"
            for one in KNOWN
            if one not in reasons
        ),
    ]


if __name__ == "__main__":
    raise SystemExit(main())
