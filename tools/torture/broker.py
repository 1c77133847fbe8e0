"""The broker that is tortured: a process that is started and killed, and what is left of it in the end."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

READY_TIMEOUT_S = 60.0


@dataclass(slots=True)
class Broker:
    """A `chronik run` that is started and killed on one directory and port."""

    data_dir: Path
    log: Path
    port: int
    topics: Sequence[str]
    """Made at the start: name:partitions."""
    restart_s: list[float] = field(default_factory=list)
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it answers."""
        ready = self.data_dir.with_name(self.data_dir.name + ".ready")
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "chronik", "run", "--data-dir", str(self.data_dir)]
        command += ["--listen", f"127.0.0.1:{self.port}", "--ready-file", str(ready)]
        for topic in self.topics:
            command += ["--topic", topic]
        began = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        while not (ready.exists() and ready.read_text()):
            if self._process.poll() is not None or time.monotonic() - began > READY_TIMEOUT_S:
                raise SystemExit(f"the broker did not start:\n{self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.005)
        self.restart_s.append(time.monotonic() - began)

    def end(self, number: signal.Signals) -> None:
        """Send the signal and wait for the end."""
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def verified(data_dir: Path) -> str:
    """What `chronik dump --verify` finds wrong; nothing, if all is well."""
    command = [sys.executable, "-m", "chronik", "dump", "--data-dir", str(data_dir), "--verify"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
