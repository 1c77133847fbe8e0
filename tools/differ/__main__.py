"""The command line: `python -m tools.differ`."""

from __future__ import annotations

import argparse
import dataclasses
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.differ import random_world, report, sessions
from tools.differ.brokers import chronik, kafka
from tools.differ.compare import Comparison, compare
from tools.differ.known import KNOWN, plain_path
from tools.differ.masks import MASKS
from tools.differ.parking import LOOKS, PATIENT_LOOKS, ParkingPlay
from tools.differ.recording import RECORDED, Played, save, save_served
from tools.differ.runner import Broker, Play
from tools.differ.scenarios import scenarios
from tools.differ.script import Scenario, Step
from tools.differ.served import REFUSED, Served, served, shared
from tools.differ.shrink import shrunk


def main() -> int:
    """Compare, report, and say by the exit code whether everything is explained."""
    options = arguments()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="differ-") as folder,
            kafka(Path(folder)) as one,
            chronik(Path(folder)) as other,
        ):
            return Differ(one, other, options).run()
    except AssertionError as problem:
        print(problem)
        return 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.differ", description="Kafka and chronik, asked the same.")
    parser.add_argument("--api", action="append", default=[], help="only scenarios of this API (repeatable)")
    parser.add_argument("--version", type=int, action="append", default=[], help="only this version (repeatable)")
    parser.add_argument("--scenario", action="append", default=[], help="only the scenario of this name (repeatable)")
    parser.add_argument("--random", type=int, default=30, metavar="N", help="random sequences (default 30)")
    parser.add_argument("--length", type=int, default=40, metavar="N", help="steps of a random sequence (default 40)")
    parser.add_argument("--seed", type=int, help="of the first random sequence; the next have the seeds after it")
    parser.add_argument("--sequences-only", action="store_true", help="no scenarios")
    parser.add_argument("--record", action="store_true", help="keep Kafka's replies for the tests, whole APIs only")
    parser.add_argument("--known", action="store_true", help="show the explained differences too")
    parser.add_argument("--verbose", action="store_true", help="say on stderr what is being played")
    options = parser.parse_args()
    if options.record and (options.version or options.scenario):
        parser.error("--record is for whole APIs")
    return options


class Differ:
    """One run against two brokers."""

    def __init__(self, one: Broker, other: Broker, options: argparse.Namespace) -> None:
        self.one = one
        self.other = other
        self.options = options
        self.theirs, self.ours = served(one), served(other)
        self.began = time.monotonic()

    def run(self) -> int:
        comparisons = list(self.compared_scenarios())
        if comparisons:
            print(report.table(comparisons, self.theirs, self.ours), end="\n\n")
            print(f"{report.coverage(comparisons)}: {report.summary(comparisons, 'scenarios')}; {self.seconds()}")
        clients = [] if self.is_partial else list(self.compared_sessions())
        if clients:
            print(f"{report.summary(clients, 'sessions of real clients')}; {self.seconds()}")
        sequences = [] if self.is_partial else list(self.compared_sequences())
        if sequences:
            print(f"{report.summary(sequences, 'random sequences')}; {self.seconds()}")
        complaints = [*uncovered(comparisons, self.theirs, self.ours), *unused(comparisons)] if self.is_whole else []
        for complaint in complaints:
            print(complaint)
        found = [difference for one in (*comparisons, *clients, *sequences) for difference in one.differences]
        unexplained = [difference for difference in found if difference.known is None]
        for paragraph in report.differences(found if self.options.known else unexplained):
            print(f"\n{paragraph}")
        return 1 if unexplained or complaints else 0

    @property
    def is_partial(self) -> bool:
        return bool(self.options.api or self.options.version or self.options.scenario)

    @property
    def is_whole(self) -> bool:
        return not self.is_partial and not self.options.sequences_only

    def seconds(self) -> str:
        return f"{time.monotonic() - self.began:.0f} s"

    def say(self, text: object) -> None:
        if self.options.verbose:
            print(f"{time.monotonic() - self.began:6.1f} s  {text}", file=sys.stderr)

    # Scenarios

    def compared_scenarios(self) -> Iterator[Comparison]:
        """Every scenario that is wanted, on both; what is recorded is recorded at the end."""
        played: dict[str, list[Played]] = defaultdict(list)
        for scenario in self.wanted():
            self.say(scenario)
            outcomes = Play(self.one, scenario).run()
            played[scenario.api].append((scenario, [outcome.compared for outcome in outcomes]))
            yield compare(scenario, outcomes, Play(self.other, scenario).run())
        if self.options.record:
            for name, recorded in played.items():
                save(RECORDED / f"{name}.json", name, recorded)
            save_served(self.theirs)

    def wanted(self) -> Iterator[Scenario]:
        options = self.options
        if options.sequences_only:
            return
        for api, versions in shared(self.theirs, self.ours).items():
            if options.api and api not in options.api:
                continue
            for version in versions:
                if options.version and version not in options.version:
                    continue
                yield from (
                    scenario
                    for scenario in scenarios(api, version)
                    if not options.scenario or scenario.name in options.scenario
                )

    # Sessions of real clients

    def compared_sessions(self) -> Iterator[Comparison]:
        """What real clients once sent, sent to both; Kafka's replies are recorded too."""
        for scenario in sessions.sessions():
            self.say(scenario)
            outcomes = Play(self.one, scenario).run()
            yield compare(scenario, outcomes, Play(self.other, scenario).run())
            if self.options.record:
                sessions.save_session((scenario, [outcome.compared for outcome in outcomes]))

    # Random sequences

    def compared_sequences(self) -> Iterator[Comparison]:
        """Random sequences on both. One that differs is told with its seed, and made as short as it can be."""
        first = random.randrange(1 << 30) if self.options.seed is None else self.options.seed
        versions = shared(self.theirs, self.ours)
        print(f"random sequences: --seed {first} --random {self.options.random} --length {self.options.length}")
        for seed in range(first, first + self.options.random):
            sequence = random_world.sequence(seed, versions, self.options.length)
            self.say(sequence)
            comparison = self.compared_sequence(sequence)
            if comparison.status == "different":
                # Not if it was taken for waiting what was only slow.
                comparison = self.compared_sequence(sequence, PATIENT_LOOKS)
            yield self.shortest(comparison) if comparison.status == "different" else comparison

    def compared_sequence(self, sequence: Scenario, looks: int = LOOKS) -> Comparison:
        outcomes = [ParkingPlay(broker, sequence, looks=looks).run() for broker in (self.one, self.other)]
        return compare(sequence, *outcomes)

    def shortest(self, comparison: Comparison) -> Comparison:
        """The comparison of the shortest sequence that differs in the same field of the same API; the one that there
        is, if that does so no more."""
        sequence, wanted = comparison.scenario, unexplained_fields(comparison)

        def differs(steps: Sequence[Step]) -> bool:
            return bool(
                wanted & unexplained_fields(self.compared_sequence(dataclasses.replace(sequence, steps=tuple(steps))))
            )

        print(f"seed {sequence.version} differs; looking for the shortest sequence that does", flush=True)
        shortest = dataclasses.replace(sequence, steps=tuple(shrunk(sequence.steps, differs)))
        found = self.compared_sequence(shortest, PATIENT_LOOKS)
        return found if wanted & unexplained_fields(found) else comparison


def unexplained_fields(comparison: Comparison) -> set[tuple[str, str]]:
    """The APIs and fields in which there are unexplained differences."""
    return {
        (comparison.scenario.steps[one.step].api, plain_path(one.path))
        for one in comparison.differences
        if one.known is None
    }


def uncovered(comparisons: Sequence[Comparison], theirs: Served, ours: Served) -> list[str]:
    """Versions that both serve and no scenario asks for."""
    covered = {(comparison.scenario.api, comparison.scenario.version) for comparison in comparisons}
    return [
        f"{api} {version} has no scenario"
        for api, versions in ours.items()
        for version in versions
        if version in theirs.get(api, ()) and (api, version) not in covered | REFUSED
    ]


def unused(comparisons: Sequence[Comparison]) -> list[str]:
    """What is declared and explains nothing."""
    masks = {mask for comparison in comparisons for mask in comparison.masks}
    reasons = {difference.known for comparison in comparisons for difference in comparison.differences}
    needless = [mask for mask in MASKS if mask not in masks and not mask.is_needed_by_chance]
    rare = [one for one in KNOWN if one not in reasons and not one.by_chance]
    return [
        *(f"the mask {mask.api} {mask.path} {mask.kind.value} is not needed" for mask in needless),
        *(f"known, but does not happen: {one.title} ({one.api} {one.path})" for one in rare),
    ]


if __name__ == "__main__":
    raise SystemExit(main())
