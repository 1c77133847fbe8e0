"""The rounds of a run: brokers are started, take turns at each workload, and are ended, whatever fails on the way."""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from tools.bench import results
from tools.bench.brokers import Broker
from tools.bench.machine import facts
from tools.bench.results import Figures, Run
from tools.bench.workloads import FAILED_AFTER_S, Bench

_QUIET_CORES = 0.1
_QUIET_S = 0.3
"""Nothing is measured before all brokers together used less than so much CPU for so long: while chronik worked, Kafka
was seen to go on with up to 64 % of a core."""
_LONGEST_WAIT_S = 15.0
IN_MEMORY = "not supported: it has memory only, nothing is on the disk or there after a restart"


def run_rounds(
    run: Run, kinds: Mapping[str, type[Broker]], benches: Sequence[Bench], options: argparse.Namespace
) -> None:
    """Fill in `run`; with `options.json` it is written after each round, so that an end halfway loses one round."""
    run.shown = [bench.shown for bench in benches]
    with tempfile.TemporaryDirectory(prefix="bench-machine-") as folder:
        run.machine = facts(Path(folder))
    for fact, value in run.machine.items():
        print(f"{fact}: {value}")
    began = time.monotonic()
    busiest = 0.0
    for number in range(1, options.rounds + 1):
        busiest = max(busiest, _round(run, kinds, benches, options.scale, number))
        run.options["took"] = f"{(time.monotonic() - began) / 60:.1f} minutes"
        run.options["CPU of the brokers that waited, at most"] = f"{busiest * 100:.1f} % of a core"
        if options.json is not None:
            results.write(run, options.json)


def _round(run: Run, kinds: Mapping[str, type[Broker]], benches: Sequence[Bench], scale: float, number: int) -> float:
    """Returns the most CPU, in cores, that the waiting brokers used during a workload."""
    busiest = 0.0
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ExitStack() as ends:
        brokers: dict[str, Broker | str] = {}
        for name, kind in kinds.items():
            broker = kind(Path(folder) / name)
            ends.callback(broker.stop)
            brokers[name] = broker
            try:
                broker.start()
                run.machine[name] = broker.version()
            except (Exception, SystemExit) as problem:
                brokers[name] = f"did not start: {problem}"
        for bench in benches:
            # Who is first finds another machine than who is second.
            for name, one in brokers.items() if number % 2 else reversed(brokers.items()):
                if isinstance(one, str):
                    run.fail(bench.name, name, one)
                    continue
                others = [other for other in brokers.values() if isinstance(other, Broker) and other is not one]
                _wait_until_quiet([*others, one])
                used, began = _cpu(others), time.monotonic()
                _attempt(run, bench, name, one, scale, number)
                took = time.monotonic() - began
                if took > 0.5:
                    busiest = max(busiest, (_cpu(others) - used) / took)
                # What this one wrote shall not be written back while the next one is measured.
                os.sync()
    return busiest


def _cpu(brokers: Sequence[Broker]) -> float:
    return sum(broker.usage().cpu_s for broker in brokers if broker.is_alive)


def _wait_until_quiet(brokers: Sequence[Broker]) -> None:
    end = time.monotonic() + _LONGEST_WAIT_S
    while time.monotonic() < end:
        used, began = _cpu(brokers), time.monotonic()
        time.sleep(_QUIET_S)
        if _cpu(brokers) - used < _QUIET_CORES * (time.monotonic() - began):
            return


def _attempt(run: Run, bench: Bench, name: str, broker: Broker, scale: float, number: int) -> None:
    told = f"  round {number} {name:<12} {bench.name}: "
    if bench.needs_disk and not broker.keeps_on_disk:
        run.fail(bench.name, name, IN_MEMORY)
        return
    began = time.monotonic()
    try:
        with _time_limit(FAILED_AFTER_S * max(scale, 1.0)):
            found: Figures = bench.run(broker, scale)
    except (Exception, SystemExit) as problem:
        reason = f"{type(problem).__name__}: {problem}" if isinstance(problem, Exception) else str(problem)
        print(told + f"failed: {reason}", flush=True)
        run.fail(bench.name, name, reason)
        _recover(broker)
        return
    run.add(bench.name, name, found)
    figures = "  ".join(f"{figure} {value:.4g}" for figure, value in found.items())
    print(told + f"{figures}  (took {time.monotonic() - began:.1f} s)", flush=True)


def _recover(broker: Broker) -> None:
    """Whatever is wrong with it then shows in the next workload, which fails in its turn."""
    try:
        broker.recover()
    except (Exception, SystemExit) as problem:
        print(f"  {broker.name} did not come back: {problem}", flush=True)


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    def expire(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"took longer than {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
