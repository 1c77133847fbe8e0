"""A terminal of a fixed size, in tmux: what a person sees of a command."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.broker_process import wait_until
from tests.cli.commands import ROOT

WIDTH, HEIGHT = 116, 32
_DONE = "[done]"

MASKS = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "TIME"),
    (re.compile(r"(?<=ID )[\w-]{22}\b"), "TOPIC-ID"),
    (re.compile(r"(?<=127\.0\.0\.1:)\d+"), "PORT"),
)
"""What differs from run to run, and what stands for it; followed by as many spaces as keep the columns."""


class Terminal:
    """A tmux server of its own with one window."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._socket = folder / "tmux"
        self._environment = {**os.environ, "TERM": "xterm-256color", **environment}
        size = ("-x", str(WIDTH), "-y", str(HEIGHT))
        self._tmux("-f", "/dev/null", "new-session", "-d", *size, "sleep", "1000")

    def show(self, *command: str) -> None:
        """Run a command in a cleared window."""
        line = f"{shlex.join(command)}; echo '{_DONE}'; sleep 100"
        self._tmux("respawn-pane", "-k", "-t", "0", "sh", "-c", line)

    def screen(self) -> str:
        """What is to be seen now."""
        return self._tmux("capture-pane", "-p").rstrip() + "\n"

    def finished(self) -> str:
        """The screen when the command has ended."""
        wait_until(lambda: _DONE in self.screen(), 60, self.screen)
        return self.screen().replace(_DONE, "").rstrip() + "\n"

    def close(self) -> None:
        """End the server and what runs in it."""
        self._tmux("kill-server", check=False)

    def _tmux(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self._socket), *arguments],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=self._environment,
            check=False,
        )
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout


@contextmanager
def terminal(folder: Path, environment: Mapping[str, str]) -> Iterator[Terminal]:
    """A terminal, or the test's end where there is no tmux."""
    if shutil.which("tmux") is None:
        if "tmux" in os.environ.get("CHRONIK_REQUIRE_CLIENTS", "").split(","):
            pytest.fail("tmux is required (CHRONIK_REQUIRE_CLIENTS) but it is not installed")
        pytest.skip("tmux is not installed")
    made = Terminal(folder, environment)
    try:
        yield made
    finally:
        made.close()


def masked(screen: str, more: Sequence[tuple[re.Pattern[str], str]] = ()) -> str:
    """A screen without what differs from run to run."""
    for pattern, name in (*MASKS, *more):
        screen = pattern.sub(lambda found, name=name: name.ljust(len(found[0])), screen)  # type: ignore[misc]  # mypy and default arguments of a lambda
    return "\n".join(line.rstrip() for line in screen.splitlines()) + "\n"
