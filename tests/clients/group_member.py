"""A running consumer-group member: a client program whose output is read as it comes."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from tests.broker_process import wait_until

Translate = Callable[[str], "Assignment | Record | None"]

GROUP_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Record:
    """A record as a client program tells of it. kafkajs acknowledges batches: key and value are None there."""

    partition: int
    offset: int
    key: str | None
    value: str | None


@dataclass(frozen=True, slots=True)
class Assignment:
    """The partitions that a member owns from now on."""

    partitions: tuple[int, ...]


def translate_json(line: str) -> Assignment | Record | None:
    """One line of a program that writes JSON lines; None for anything else (libraries' own warnings)."""
    if not line.startswith("{"):
        return None
    fields = json.loads(line)
    if fields.get("event") == "assignment":
        return Assignment(tuple(fields["partitions"]))
    return record_of(fields) if "offset" in fields else None


def record_of(fields: Mapping[str, object]) -> Record:
    partition, offset, key, value = (fields[name] for name in ("partition", "offset", "key", "value"))
    assert isinstance(partition, int)
    assert isinstance(offset, int)
    return Record(partition, offset, None if key is None else str(key), None if value is None else str(value))


class GroupMember:
    """Joins the group when made; ends with `stop` (leaves and commits) or `kill` (the session has to time out)."""

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        translate: Translate = translate_json,
        clean_exit_code: int = 0,
    ) -> None:
        self._clean_exit_code = clean_exit_code
        self._translate = translate
        self._changed = threading.Condition()
        self._assignment: tuple[int, ...] | None = None
        self._assignment_count = 0
        self._records: list[Record] = []
        self._output: list[str] = []
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(env),
            text=True,
            errors="replace",
        )
        self._readers = [
            threading.Thread(target=self._read, args=(stream,), daemon=True)
            for stream in (self._process.stdout, self._process.stderr)
            if stream is not None
        ]
        for reader in self._readers:
            reader.start()

    @property
    def assignment(self) -> tuple[int, ...] | None:
        """The partitions that it owns now, in ascending order; None before it first told."""
        with self._changed:
            return self._assignment

    @property
    def assignment_count(self) -> int:
        """How many times it told of a change of its partitions."""
        with self._changed:
            return self._assignment_count

    @property
    def records(self) -> list[Record]:
        """What it consumed so far, in its order."""
        with self._changed:
            return list(self._records)

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def output(self) -> str:
        """What the program wrote, stdout and stderr together."""
        with self._changed:
            return "\n".join(self._output)

    def wait_assignment(
        self, wanted: Sequence[int] | Callable[[tuple[int, ...]], bool], timeout_s: float = GROUP_TIMEOUT_S
    ) -> tuple[int, ...]:
        """Wait until it owns exactly the `wanted` partitions (or ones that satisfy it); AssertionError if late."""
        fits = wanted if callable(wanted) else (lambda owned: owned == tuple(sorted(wanted)))
        self._wait(lambda: self._assignment is not None and fits(self._assignment), timeout_s, f"owns {wanted}")
        owned = self.assignment
        assert owned is not None
        return owned

    def wait_records(self, count: int, timeout_s: float = GROUP_TIMEOUT_S) -> list[Record]:
        """Wait until it consumed at least `count` records; all that it consumed."""
        self._wait(lambda: len(self._records) >= count, timeout_s, f"consumed {count} records")
        return self.records

    def stop(self, timeout_s: float = GROUP_TIMEOUT_S) -> None:
        """SIGTERM: it commits, leaves the group and ends. AssertionError when it fails or does not end."""
        self._process.send_signal(signal.SIGTERM)
        wait_until(lambda: not self.running, timeout_s, lambda: f"the member did not end\n{self.output()}")
        self._join()
        assert self._process.returncode == self._clean_exit_code, (
            f"exit code {self._process.returncode}\n{self.output()}"
        )

    def kill(self) -> None:
        """SIGKILL: the broker sees a closed connection and no LeaveGroup."""
        self._process.kill()
        self._process.wait()
        self._join()

    def _join(self) -> None:
        for reader in self._readers:
            reader.join()

    def _wait(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        ended = threading.Event()

        def done() -> bool:
            if not self.running:
                ended.set()
            return condition() or ended.is_set()

        with self._changed:
            # The pause bounds how late the end of the process is seen; output wakes the wait at once.
            deadline_steps = max(1, int(timeout_s / 0.1))
            for _ in range(deadline_steps):
                if self._changed.wait_for(done, timeout=0.1):
                    break
            fulfilled = condition()
        assert fulfilled, f"the member never {what} within {timeout_s} s (running: {self.running})\n{self.output()}"

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                told = self._translate(line.rstrip("\n"))
                with self._changed:
                    self._output.append(line.rstrip("\n"))
                    match told:
                        case Assignment():
                            self._assignment = told.partitions
                            self._assignment_count += 1
                        case Record():
                            self._records.append(told)
                        case None:
                            pass
                    self._changed.notify_all()
