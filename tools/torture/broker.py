"""The broker that is tortured: killed, started again, looked into in the end; and the command line of a torture."""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.broker_process import START_TIMEOUT_S, BrokerProcess


class Broker(BrokerProcess):
    """A `chronik run` on one directory and port. `topics` are made at the start: name:partitions."""

    def __init__(self, data_dir: Path, topics: Sequence[str]) -> None:
        super().__init__(data_dir.parent, args=[part for topic in topics for part in ("--topic", topic)])
        self.data_dir = data_dir
        self._start_s: list[float] = []

    def start(self, timeout_s: float = START_TIMEOUT_S) -> None:
        began = time.monotonic()
        super().start(timeout_s)
        self._start_s.append(time.monotonic() - began)

    def crash(self, chance: random.Random) -> None:
        """Kill it, and start it again, mostly at once."""
        self.kill()
        time.sleep(chance.choice([0.0, 0.0, chance.uniform(0.0, 0.5)]))
        self.start()

    def start_times(self) -> str:
        """For a report."""
        times = sorted(self._start_s)
        return f"median {times[len(times) // 2]:.2f} s, max {times[-1]:.2f} s"

    def verified(self) -> str:
        """Stop it: what `chronik dump --verify` finds wrong then; nothing, if all is well."""
        self.stop()
        command = [sys.executable, "-m", "chronik", "dump", "--data-dir", str(self.data_dir), "--verify"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return (
            "" if done.returncode == 0 else f"exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )


Torture = Callable[[Broker, int, int, float], int]
"""With a running broker, kills, seed, and the longest time between two kills in seconds; the exit code."""


def main(module: str, description: str | None, topics: Sequence[str], torture: Torture) -> None:
    """Carry out what the command line says, and exit."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--data-dir", type=Path, help="a new directory; a temporary one by default")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--longest", type=float, default=2.0, help="longest time between two kills, in seconds")
    options = parser.parse_args()
    with ExitStack() as ends:
        data_dir = options.data_dir
        if data_dir is None:
            data_dir = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="chronik-torture-"))) / "data"
        broker = Broker(data_dir, topics)
        ends.callback(broker.close)
        broker.start()
        sys.exit(torture(broker, options.kills, options.seed, options.longest))
