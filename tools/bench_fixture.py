"""How long the pytest fixture takes: to start (imports excluded), to be reset, to restart, to crash.

    python -m tools.bench_fixture [--rounds 30]

Each number is also given as a multiple of what starting an empty Python process takes in the same run, because a busy
machine makes both slower. Ends with exit code 1 if a start takes more than 150 ms or a reset more than 20 ms (medians).
"""

from __future__ import annotations

import argparse
import importlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

START_LIMIT_MS, RESET_LIMIT_MS = 150.0, 20.0
RESETS_A_ROUND = 10

_IMPORT = """import time; began = time.perf_counter()
from chronik import Broker
import chronik.server.hosted, chronik.store.sql.session
print((time.perf_counter() - began) * 1000)"""
_PROCESS_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def timed_ms(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def python_ms() -> float:
    """Start an empty Python process, and wait for its end."""
    return timed_ms(lambda: subprocess.run([sys.executable, "-c", ""], check=True, env=_PROCESS_ENVIRONMENT))


def import_ms() -> float:
    """What the imports take in a new process, SQLAlchemy's included."""
    done = subprocess.run([sys.executable, "-c", _IMPORT], check=True, capture_output=True, env=_PROCESS_ENVIRONMENT)
    return float(done.stdout)


def measure(rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each kind; one broker a round."""
    from chronik import Broker

    importlib.import_module("chronik.store.sql.session")  # so that no commit waits for it
    kinds = ("empty python", "imports", "start", "first reset", "reset", "restart", "crash", "close")
    found: dict[str, list[float]] = {kind: [] for kind in kinds}
    with Broker().in_thread():
        pass  # whatever is imported late
    for _ in range(rounds):
        found["empty python"].append(python_ms())
        if len(found["imports"]) < 5:
            found["imports"].append(import_ms())
        broker = Broker().in_thread()
        found["start"].append(timed_ms(broker.start))
        found["first reset"].append(timed_ms(lambda: broker.reset({"orders": 3})))  # noqa: B023 - called at once
        for number in range(RESETS_A_ROUND):
            topics = {f"orders-{number}": 3, "payments": 1}
            found["reset"].append(timed_ms(lambda: broker.reset(topics)))  # noqa: B023 - called at once
        found["restart"].append(timed_ms(broker.restart))
        found["crash"].append(timed_ms(broker.crash))
        found["close"].append(timed_ms(broker.close))
    return found


def main() -> int:
    """Print the table; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    found = measure(parser.parse_args().rounds)
    medians = {kind: statistics.median(values) for kind, values in found.items()}
    print(f"{'':14}{'median ms':>10}{'p90 ms':>10}{'max ms':>10}{'x empty python':>16}")
    for kind, values in found.items():
        ordered = sorted(values)
        p90, ratio = ordered[int(len(ordered) * 0.9)], medians[kind] / medians["empty python"]
        print(f"{kind:14}{medians[kind]:10.1f}{p90:10.1f}{ordered[-1]:10.1f}{ratio:16.2f}")
    return 0 if medians["start"] < START_LIMIT_MS and medians["reset"] < RESET_LIMIT_MS else 1


if __name__ == "__main__":
    sys.exit(main())
