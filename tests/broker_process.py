"""A broker in a process of its own: what a client sees, with a real port, real signals and a real directory.

`BrokerProcess` is `chronik run`. `KafkaProcess` is Apache Kafka behind the same methods, for `pytest --broker=kafka`: a
test of behaviour that Kafka itself does not pass is a test of the wrong thing.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ERROR_LINE = re.compile(
    r"Traceback \(most recent call last\)"
    r"|\[(?:error|critical)\s*\]"
    r"|\"level\":\s*\"(?:error|critical)\""
    r"|\blevel=(?:error|critical)\b"
    r"|^(?:ERROR|CRITICAL)\b",
    re.IGNORECASE,
)
ANSI = re.compile(r"\x1b\[[0-9;]*m")

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0


class BrokerProcess:
    """`chronik run` on a directory, started and ended as often as a test likes; the port stays the same over restarts.

    After `start` the broker answers at `bootstrap`. What it writes on stdout and stderr gathers in `log_path` over all
    starts. Whoever makes one calls `close` in the end, which also ends a process that a failed test left behind.
    """

    def __init__(
        self,
        folder: Path,
        *,
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        listen: str = "127.0.0.1:0",
    ) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.ready_file = folder / "ready"
        self.log_path = folder / "broker.log"
        self.args = list(args)
        self.env = dict(env or {})
        self.listen = listen
        self.bootstrap = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._allowed: list[re.Pattern[str]] = []
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def host(self) -> str:
        return self.bootstrap.rpartition(":")[0]

    @property
    def port(self) -> int:
        return int(self.bootstrap.rpartition(":")[2])

    @property
    def pid(self) -> int:
        """The broker's process id; AssertionError when it does not run."""
        assert self._process is not None, "the broker was not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def command(self) -> list[str]:
        """The command line of the next start."""
        return [
            *(sys.executable, "-m", "chronik", "run", "--data-dir", str(self.data_dir)),
            *("--listen", self.listen, "--ready-file", str(self.ready_file)),
            *self.args,
        ]

    def start(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Start the broker and return when it is ready. AssertionError with its log when it ends or is late."""
        self.launch()
        self._wait_until_ready(timeout_s)

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the process without waiting for anything: for starts that are meant to be refused."""
        assert not self.running, "the broker runs already"
        self.ready_file.unlink(missing_ok=True)
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.env},
                cwd=Path(__file__).resolve().parent.parent,
            )
        return self._process

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """End the broker as an operator does, with SIGTERM; its exit code."""
        return self._signal(signal.SIGTERM, timeout_s)

    def kill(self) -> None:
        """End the broker as a crash does, with SIGKILL."""
        self._signal(signal.SIGKILL, STOP_TIMEOUT_S)

    def restart(self) -> None:
        """Stop (when it still runs) and start again, on the same directory and port."""
        if self.running:
            code = self.stop()
            assert code == 0, f"the broker stopped with exit code {code}\n{self.log_tail()}"
        self.start()

    def close(self) -> None:
        """End the process, whatever its state."""
        if self.running:
            try:
                self.stop()
            except AssertionError:
                self.kill()
                raise

    def log(self) -> str:
        """Everything that the broker wrote so far, without colours."""
        return ANSI.sub("", self.log_path.read_text(errors="replace")) if self.log_path.exists() else ""

    def log_tail(self, line_count: int = 60) -> str:
        return "\n".join(self.log().splitlines()[-line_count:])

    def allow_errors(self, pattern: str) -> None:
        """Expect error lines that match `pattern` (a regular expression, searched for in the line)."""
        self._allowed.append(re.compile(pattern))

    def unexpected_errors(self) -> list[str]:
        """Lines of the log that tell of an error or begin a traceback, and that no test allowed."""
        return [
            line
            for line in self.log().splitlines()
            if ERROR_LINE.search(line) and not any(pattern.search(line) for pattern in self._allowed)
        ]

    def _wait_until_ready(self, timeout_s: float) -> None:
        process = self._process
        assert process is not None

        def ready() -> bool:
            code = process.poll()
            assert code is None, f"the broker ended with exit code {code} before it was ready\n{self.log_tail()}"
            return self._read_ready()

        wait_until(ready, timeout_s, lambda: f"the broker is not ready\n{self.log_tail()}")
        self.listen = self.bootstrap

    def _read_ready(self) -> bool:
        """Whether the ready file is complete; then `bootstrap` is its address."""
        content = self.ready_file.read_text().strip() if self.ready_file.exists() else ""
        if content:
            self.bootstrap = content.split(",")[0]
        return bool(content)

    def _signal(self, number: signal.Signals, timeout_s: float) -> int:
        assert self._process is not None, "the broker was not started"
        self._process.send_signal(number)
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"the broker still runs {timeout_s} s after {number.name}\n{self.log_tail()}"
            ) from None


class KafkaProcess(BrokerProcess):
    """Apache Kafka, one node in KRaft mode, from the jars in `libs`.

    It has no options of ours: `args` are lines of its server.properties.
    """

    def __init__(self, folder: Path, *, libs: Path, args: Sequence[str] = ()) -> None:
        super().__init__(folder, args=args, listen=f"127.0.0.1:{free_port()}")
        self.libs = libs
        self._controller_port = free_port()

    def command(self) -> list[str]:
        properties = self.folder / "server.properties"
        properties.write_text(self._properties())
        java = [
            *("java", "-Xms256m", "-Xmx768m", "-Djava.awt.headless=true"),
            *("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{self.libs}/*"),
        ]
        if not self.data_dir.exists():
            storage_tool = [*java, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c"]
            subprocess.run([*storage_tool, str(properties)], check=True, capture_output=True)
        return [*java, "kafka.Kafka", str(properties)]

    def unexpected_errors(self) -> list[str]:
        """None: Kafka's log is Kafka's."""
        return []

    def _read_ready(self) -> bool:
        self.bootstrap = self.listen
        try:
            socket.create_connection((self.host, self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def _properties(self) -> str:
        return "\n".join(
            [
                "process.roles=broker,controller",
                "node.id=1",
                f"controller.quorum.voters=1@127.0.0.1:{self._controller_port}",
                f"listeners=PLAINTEXT://{self.listen},CONTROLLER://127.0.0.1:{self._controller_port}",
                f"advertised.listeners=PLAINTEXT://{self.listen}",
                "controller.listener.names=CONTROLLER",
                "inter.broker.listener.name=PLAINTEXT",
                f"log.dirs={self.data_dir}",
                "offsets.topic.replication.factor=1",
                "offsets.topic.num.partitions=4",
                "transaction.state.log.replication.factor=1",
                "transaction.state.log.min.isr=1",
                "transaction.state.log.num.partitions=4",
                "share.coordinator.state.topic.replication.factor=1",
                "share.coordinator.state.topic.min.isr=1",
                "group.initial.rebalance.delay.ms=0",
                *self.args,
            ]
        )


def wait_until(condition: Callable[[], bool], timeout_s: float, message: Callable[[], str] | str) -> None:
    """Return as soon as `condition` holds; AssertionError with `message` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    pause_s = 0.005
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {message() if callable(message) else message}")
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.1)


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
