"""Client-side commands as processes against a broker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.cli.commands import ROOT, TIMEOUT_S, assert_one_sentence

PROGRAM = (sys.executable, "-m", "chronik")


class Commands:
    """`chronik ...` with the address of one broker."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    def run(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
        """Run a command to its end. Whatever it is, it must not show a traceback."""
        done = subprocess.run(
            [*PROGRAM, *arguments],
            input=stdin,
            capture_output=True,
            cwd=ROOT,
            env=self.environment(),
            timeout=TIMEOUT_S,
            check=False,
        )
        completed = subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode("utf-8", "surrogateescape"), done.stderr.decode()
        )
        assert "Traceback" not in completed.stderr, completed.stderr
        return completed

    def environment(self) -> dict[str, str]:
        """That of a process which finds the broker."""
        return {**os.environ, "CHRONIK_BOOTSTRAP": self.bootstrap}

    def ok(self, *arguments: str, stdin: bytes = b"") -> str:
        """What a command prints that does what it was asked and has nothing to complain of."""
        done = self.run(*arguments, stdin=stdin)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        return done.stdout

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """Its JSON lines as objects."""
        return [json.loads(line) for line in self.ok(*arguments, "--output", "json").split("\n") if line]

    def table(self, *arguments: str) -> list[list[str]]:
        """The words of its lines."""
        return [line.split() for line in self.ok(*arguments).splitlines()]

    def refused(self, code: int, *arguments: str, said: Sequence[str] = ()) -> None:
        """That a command ends with this code and one sentence, which contains these parts."""
        assert_one_sentence(self.run(*arguments), code, *said)

    @contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A command that goes on until the test is over."""
        process = subprocess.Popen(
            [*PROGRAM, *arguments],
            env=self.environment(),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                yield process
            finally:
                process.kill()
