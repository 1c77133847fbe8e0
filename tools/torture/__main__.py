"""Kill the broker at random under load from several real producers, and account for every acknowledged record.

    python -m tools.torture --kills 100 --data-dir DIR [--seed N] [--longest 2.0]

Ends with exit code 1 if an acknowledged acks=all record is lost, an offset is missing or an idempotent producer left a
duplicate; `chronik dump --verify` must find nothing either.
"""

from __future__ import annotations

import argparse
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tools.torture.producers import IDEMPOTENT, KINDS

TOPIC = "torture"
PARTITIONS = 6
READY_TIMEOUT_S = 60.0


@dataclass(slots=True)
class Broker:
    """A `chronik run` that is started and killed on one directory and port."""

    data_dir: Path
    log: Path
    port: int
    restart_s: list[float] = field(default_factory=list)
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it answers."""
        ready = self.data_dir.with_name(self.data_dir.name + ".ready")
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "chronik", "run", "--data-dir", str(self.data_dir)]
        command += ["--listen", f"127.0.0.1:{self.port}", "--ready-file", str(ready)]
        command += ["--topic", f"{TOPIC}:{PARTITIONS}"]
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


@dataclass(slots=True)
class Account:
    """What came out."""

    acknowledged: int = 0
    stored: int = 0
    lost: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.gaps or self.duplicates)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def read_everything(bootstrap: str) -> list[list[tuple[int, str]]]:
    """(offset, value) of every record, by partition."""
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "accounting", "enable.auto.commit": False})
    records: list[list[tuple[int, str]]] = []
    for partition in range(PARTITIONS):
        place = TopicPartition(TOPIC, partition, OFFSET_BEGINNING)
        _, end = consumer.get_watermark_offsets(place, timeout=30)
        consumer.assign([place])
        found: list[tuple[int, str]] = []
        while len(found) < end:
            batch = consumer.consume(5000, timeout=10)
            if not batch:
                break
            for message in batch:
                offset, value = message.offset(), message.value()
                if message.error() is None and offset is not None and value is not None:
                    found.append((offset, value.decode()))
        records.append(found)
    consumer.close()
    return records


def account(records: list[list[tuple[int, str]]], acks: list[Path]) -> Account:
    """Compare what is there with what was acknowledged."""
    result = Account()
    places: list[dict[int, str]] = [dict(found) for found in records]
    for partition, found in enumerate(records):
        result.stored += len(found)
        offsets = [offset for offset, _ in found]
        if offsets != list(range(len(offsets))):
            result.gaps.append(f"partition {partition}: {len(offsets)} offsets, the last {offsets[-1:]}")
    for file in acks:
        for line in file.read_text().splitlines():
            partition_text, offset, value = line.split()
            result.acknowledged += 1
            if places[int(partition_text)].get(int(offset)) != value:
                result.lost.append(line)
    counts = Counter(value for found in records for _, value in found)
    result.duplicates = [
        value for value, count in counts.items() if count > 1 and value.rpartition("-")[0] in IDEMPOTENT
    ]
    return result


def run(kills: int, data_dir: Path, seed: int, longest_s: float) -> int:
    chance = random.Random(seed)
    folder = data_dir.parent
    folder.mkdir(parents=True, exist_ok=True)
    broker = Broker(data_dir, folder / "broker.log", free_port())
    broker.start()
    bootstrap = f"127.0.0.1:{broker.port}"
    acks = [folder / f"{kind}.acks" for kind in KINDS]
    producers = [
        subprocess.Popen(
            [sys.executable, "-m", "tools.torture.producers", kind, kind, bootstrap, TOPIC, str(PARTITIONS), str(path)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for kind, path in zip(KINDS, acks, strict=True)
    ]
    began = time.monotonic()
    try:
        time.sleep(1.5)
        for _ in range(kills):
            time.sleep(chance.uniform(0.05, longest_s))
            broker.end(signal.SIGKILL)
            time.sleep(chance.choice([0.0, 0.0, chance.uniform(0.0, 0.5)]))
            broker.start()
        for producer in producers:
            producer.send_signal(signal.SIGTERM)
        told = [producer.communicate(timeout=180)[0].split() for producer in producers]
    finally:
        for producer in producers:
            producer.kill()
    failed = sum(int(fields[1]) for fields in told)
    seconds = time.monotonic() - began
    result = account(read_everything(bootstrap), acks)
    broker.end(signal.SIGTERM)
    verified = subprocess.run(
        [sys.executable, "-m", "chronik", "dump", "--data-dir", str(data_dir), "--verify"],
        capture_output=True,
        text=True,
        check=False,
    )
    restarts = sorted(broker.restart_s)
    print(f"seed {seed}: {kills} kills in {seconds:.0f} s, {result.acknowledged} acknowledged, {result.stored} stored")
    print(
        f"failed deliveries {failed}; restarts: median {restarts[len(restarts) // 2]:.2f} s, max {restarts[-1]:.2f} s"
    )
    print(f"lost {len(result.lost)}, gaps {len(result.gaps)}, duplicates {len(result.duplicates)}")
    for problem in (*result.lost[:5], *result.gaps, *result.duplicates[:5]):
        print(f"  {problem}")
    print(f"dump --verify: exit code {verified.returncode}")
    if verified.returncode:
        print(verified.stdout[-2000:], verified.stderr[-2000:])
    return 0 if result.is_clean and verified.returncode == 0 and result.acknowledged else 1


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--data-dir", type=Path, help="a new directory; a temporary one by default")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--longest", type=float, default=2.0, help="longest life of a broker, in seconds")
    options = parser.parse_args()
    if options.data_dir is not None:
        sys.exit(run(options.kills, options.data_dir, options.seed, options.longest))
    with tempfile.TemporaryDirectory(prefix="chronik-torture-") as folder:
        sys.exit(run(options.kills, Path(folder) / "data", options.seed, options.longest))


if __name__ == "__main__":
    main()
