"""Kill the broker, and jobs that consume, transform and produce in transactions, at random; then account for it all.

    python -m tools.torture.transactions --kills 200 [--data-dir DIR] [--seed N] [--longest 2.0]

Ends with exit code 1 unless every input is in the output exactly once, nobody ever saw a record that was aborted (a
read-committed consumer watched all the time), the group's offsets never went back, and in the end the last stable
offset is the high watermark everywhere; `chronik dump --verify` must find nothing either.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition

from tools.torture.broker import Broker, main
from tools.torture.jobs import GROUP, INPUTS, OUTPUTS, STUCK_CODE, TRANSACTION_TIMEOUT_MS, place_of, text_of

PARTITIONS = 4
JOBS = 3
INPUTS_A_SECOND = 150
DRAIN_S = 180.0
"""How long the jobs may take for what is left when the killing ends."""


@dataclass(slots=True)
class Account:
    """What came out."""

    inputs: int = 0
    outputs: int = 0
    aborted_on_purpose: int = 0
    missing: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    aborted_seen: list[str] = field(default_factory=list)
    seen_otherwise: list[str] = field(default_factory=list)
    """What the consumer that watched saw, and is not what is there in the end."""
    backwards: list[str] = field(default_factory=list)
    unstable: list[str] = field(default_factory=list)

    def problems(self) -> dict[str, list[str]]:
        return {
            "missing": self.missing,
            "twice": self.twice,
            "aborted seen": self.aborted_seen,
            "seen otherwise": self.seen_otherwise,
            "offsets went back": self.backwards,
            "not stable": self.unstable,
        }


class Background:
    """A thread that does one thing over and over until it is ended, whatever the broker does meanwhile."""

    def __init__(self, step: Callable[[], None]) -> None:
        self._step = step
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join(60)

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._step()
            except KafkaException:
                self._ended.wait(0.1)  # the broker is down


class Feeder:
    """Produces numbered inputs, idempotently; `acknowledged` are those that count."""

    def __init__(self, bootstrap: str) -> None:
        self.acknowledged: list[str] = []
        self.failed: list[str] = []
        self._number = 0
        self._began = time.monotonic()
        idempotent = {"enable.idempotence": True, "message.timeout.ms": 120_000, "linger.ms": 2, "log_level": 0}
        self._producer = Producer({"bootstrap.servers": bootstrap, **idempotent})

    def step(self) -> None:
        due = int((time.monotonic() - self._began) * INPUTS_A_SECOND)
        while self._number < due:
            value = f"input-{self._number}"
            self._producer.produce(
                INPUTS, value=value, partition=self._number % PARTITIONS, on_delivery=self._noted(value)
            )
            self._number += 1
        self._producer.poll(0.05)

    def finish(self) -> None:
        if left := self._producer.flush(120):
            raise SystemExit(f"{left} inputs were not delivered")

    def _noted(self, value: str) -> Callable[[object, object], None]:
        return lambda error, _: (self.failed if error else self.acknowledged).append(value)


class Watcher:
    """A read-committed consumer that sees the outputs live, and the group's offsets as they move."""

    def __init__(self, bootstrap: str) -> None:
        options = {"bootstrap.servers": bootstrap, "enable.auto.commit": False, "log_level": 0}
        self._consumer = Consumer({**options, "group.id": "watcher", "isolation.level": "read_committed"})
        self._consumer.assign([TopicPartition(OUTPUTS, number, OFFSET_BEGINNING) for number in range(PARTITIONS)])
        self._offsets = Consumer({**options, "group.id": GROUP})
        self.seen: dict[tuple[int, int], str] = {}
        self.positions = [0] * PARTITIONS
        self.backwards: list[str] = []

    def watch_records(self) -> None:
        for message in self._consumer.consume(500, timeout=0.2):
            if message.error() is None:
                self.seen[place_of(message)] = text_of(message)

    def watch_offsets(self) -> None:
        places = [TopicPartition(INPUTS, number) for number in range(PARTITIONS)]
        for place in self._offsets.committed(places, timeout=5):
            if place.offset < 0:
                continue
            if place.offset < self.positions[place.partition]:
                self.backwards.append(
                    f"{INPUTS}-{place.partition}: {self.positions[place.partition]} to {place.offset}"
                )
            self.positions[place.partition] = place.offset
        time.sleep(0.05)

    def close(self) -> None:
        self._consumer.close()
        self._offsets.close()


class Jobs:
    """The processes, each started again whenever it has ended."""

    def __init__(self, folder: Path, bootstrap: str, chance: random.Random) -> None:
        self._folder = folder
        self._bootstrap = bootstrap
        self._chance = chance
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * JOBS
        self.gave_up = 0
        """How often one ended by itself, because of an error that cannot be retried."""
        self.stuck = 0
        """How often one ended by itself, because a call did not return."""

    def keep_running(self) -> None:
        for number, process in enumerate(self._processes):
            if process is None or process.poll() is not None:
                self.gave_up += process is not None and process.returncode == 1
                self.stuck += process is not None and process.returncode == STUCK_CODE
                self._start(number)

    def kill_one(self) -> None:
        number = self._chance.randrange(JOBS)
        process = self._processes[number]
        if process is not None:
            process.kill()
            process.wait()

    def end(self, *, gently: bool) -> None:
        for process in self._processes:
            if process is not None and process.poll() is None:
                process.send_signal(signal.SIGTERM if gently else signal.SIGKILL)
        for process in self._processes:
            if process is not None:
                self._wait(process)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGUSR1)  # tells in its log where it is
            time.sleep(1)
            raise

    def aborted_on_purpose(self) -> set[str]:
        files = self._folder.glob("job-*.attempts")
        return {line for file in files for line in file.read_text().split()}

    def _start(self, number: int) -> None:
        command = [sys.executable, "-m", "tools.torture.jobs", str(number), self._bootstrap]
        command += [str(self._folder / f"job-{number}.attempts"), str(self._chance.getrandbits(32))]
        with (self._folder / "jobs.log").open("ab") as log:
            self._processes[number] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def kill_at_random(broker: Broker, jobs: Jobs, kills: int, longest_s: float, chance: random.Random) -> Counter[str]:
    """Kill so many times, half of the times the broker; what was killed how often."""
    killed: Counter[str] = Counter()
    for _ in range(kills):
        end = time.monotonic() + chance.uniform(0.1, longest_s)
        while time.monotonic() < end:
            jobs.keep_running()
            time.sleep(0.02)
        if chance.random() < 0.5:
            broker.crash(chance)
            killed["broker"] += 1
        else:
            jobs.kill_one()
            killed["job"] += 1
    return killed


def wait_until(done: Callable[[], bool], timeout_s: float) -> bool:
    end = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def ends_of(bootstrap: str, topic: str, isolation: str) -> list[int]:
    """The ends of all partitions: high watermarks, or last stable offsets."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "ends", "isolation.level": isolation, "log_level": 0}
    )
    found = [
        consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=30)[1] for number in range(PARTITIONS)
    ]
    consumer.close()
    return found


def is_stable(bootstrap: str) -> bool:
    levels = ("read_committed", "read_uncommitted")
    stable, high = (ends_of(bootstrap, OUTPUTS, level) for level in levels)
    return stable == high


def read_committed(bootstrap: str) -> dict[tuple[int, int], str]:
    """Every output that is committed, by its place."""
    options = {"bootstrap.servers": bootstrap, "group.id": "accounting", "isolation.level": "read_committed"}
    consumer = Consumer({**options, "enable.partition.eof": True, "log_level": 0})
    consumer.assign([TopicPartition(OUTPUTS, number, OFFSET_BEGINNING) for number in range(PARTITIONS)])
    found: dict[tuple[int, int], str] = {}
    at_end: set[int | None] = set()
    while len(at_end) < PARTITIONS:
        for message in consumer.consume(2000, timeout=10):
            if message.error() is None:
                found[place_of(message)] = text_of(message)
            else:
                at_end.add(message.partition())
    consumer.close()
    return found


def account(feeder: Feeder, watcher: Watcher, jobs: Jobs, outputs: dict[tuple[int, int], str]) -> Account:
    """Compare what is there with what went in, and with what was seen on the way."""
    aborted = jobs.aborted_on_purpose()
    counts = Counter(value.split()[0] for value in outputs.values())
    return Account(
        inputs=len(feeder.acknowledged),
        outputs=len(outputs),
        aborted_on_purpose=len(aborted),
        missing=sorted(set(feeder.acknowledged) - set(counts)),
        twice=sorted(value for value, count in counts.items() if count > 1),
        aborted_seen=[value for value in outputs.values() if value.split()[1] in aborted],
        seen_otherwise=[value for place, value in watcher.seen.items() if outputs.get(place) != value],
        backwards=watcher.backwards,
    )


def torture(broker: Broker, kills: int, seed: int, longest_s: float) -> int:
    chance, bootstrap = random.Random(seed), broker.bootstrap
    feeder, watcher, jobs = Feeder(bootstrap), Watcher(bootstrap), Jobs(broker.folder, bootstrap, chance)
    feeding = Background(feeder.step)
    watching = [Background(watcher.watch_records), Background(watcher.watch_offsets)]
    began = time.monotonic()
    try:
        killed = kill_at_random(broker, jobs, kills, longest_s, chance)
        took_s = time.monotonic() - began
        feeding.end()
        feeder.finish()
        ends = ends_of(bootstrap, INPUTS, "read_committed")

        def all_moved() -> bool:
            jobs.keep_running()
            return watcher.positions == ends

        moved = wait_until(all_moved, DRAIN_S)
        jobs.end(gently=True)
        stable = wait_until(lambda: is_stable(bootstrap), TRANSACTION_TIMEOUT_MS / 1000 + 30)
        outputs = read_committed(bootstrap)
        wait_until(lambda: len(watcher.seen) >= len(outputs), 30)
    finally:
        jobs.end(gently=False)
        for background in watching:
            background.end()
    watcher.close()
    result = account(feeder, watcher, jobs, outputs)
    if not moved:
        result.missing.insert(0, f"the jobs stand at {watcher.positions} of {ends}")
    if not stable:
        result.unstable.append(f"{ends_of(bootstrap, OUTPUTS, 'read_committed')} of the outputs are stable")
    return report(seed, killed, took_s, broker, jobs, result)


def report(seed: int, killed: Counter[str], took_s: float, broker: Broker, jobs: Jobs, result: Account) -> int:
    problems = broker.verified()
    print(f"seed {seed}: {killed['broker']} kills of the broker and {killed['job']} of jobs in {took_s:.0f} s")
    print(
        f"{result.inputs} inputs, {result.outputs} outputs; {result.aborted_on_purpose} transactions aborted on purpose"
    )
    print(f"jobs gave up {jobs.gave_up} times, and {jobs.stuck} times a call of librdkafka did not return")
    print(f"restarts of the broker: {broker.start_times()}")
    print(", ".join(f"{name} {len(found)}" for name, found in result.problems().items()))
    for name, found in result.problems().items():
        for problem in found[:5]:
            print(f"  {name}: {problem}")
    print(f"dump --verify: {problems or 'clean'}")
    return 0 if not any(result.problems().values()) and not problems and result.inputs else 1


if __name__ == "__main__":
    main("tools.torture.transactions", __doc__, [f"{topic}:{PARTITIONS}" for topic in (INPUTS, OUTPUTS)], torture)
