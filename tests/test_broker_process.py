"""The broker process that other tests rely on must itself notice what goes wrong. A small script plays the broker."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker_process import BrokerProcess

PLAYED_BROKER = """
import os, pathlib, signal, socket, sys, threading
ready_file, listen, *script = sys.argv[1:]
stop = threading.Event()
signal.signal(signal.SIGTERM, (lambda *_: None) if "deaf" in script else lambda *_: stop.set())
host, port = listen.split(":")
server = socket.create_server((host, int(port)))
for line in script:
    print(line, flush=True)
if "refuse" in script:
    sys.exit(3)
pathlib.Path(ready_file).write_text("%s:%d" % server.getsockname())
stop.wait()
sys.exit(4 if "badly" in script else 0)
"""


class Played(BrokerProcess):
    """Runs the script above; its `args` are the lines that it prints, and a few of them steer it."""

    def command(self) -> list[str]:
        return [sys.executable, "-c", PLAYED_BROKER, str(self.ready_file), self.listen, *self.args]


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Played]:
    process = Played(tmp_path / "played")
    yield process
    if process.running:
        process.kill()


def test_it_starts_answers_and_stops(played: Played) -> None:
    played.start()
    assert played.bootstrap == f"127.0.0.1:{played.port}"
    assert played.port > 0
    assert played.running
    assert played.stop() == 0
    assert not played.running


def test_a_restart_keeps_the_port_and_the_log(played: Played) -> None:
    played.args = ["hello"]
    played.start()
    before, pid = played.bootstrap, played.pid
    played.restart()
    assert (played.bootstrap, played.pid == pid) == (before, False)
    played.kill()
    played.restart()
    assert played.bootstrap == before
    assert played.log().count("hello") == 3


def test_a_broker_that_ends_before_it_is_ready_fails_with_its_log(played: Played) -> None:
    played.args = ["the disk is full", "refuse"]
    with pytest.raises(AssertionError, match=r"exit code 3 before it was ready\n(?s:.*)the disk is full"):
        played.start()


def test_a_stop_that_is_ignored_is_a_failure(played: Played) -> None:
    played.args = ["deaf"]
    played.start()
    with pytest.raises(AssertionError, match=r"still runs 0\.2 s after SIGTERM"):
        played.stop(timeout_s=0.2)


def test_a_bad_exit_code_fails_the_restart(played: Played) -> None:
    played.args = ["badly"]
    played.start()
    with pytest.raises(AssertionError, match="exit code 4"):
        played.restart()


@pytest.mark.parametrize(
    "line",
    [
        "Traceback (most recent call last):",
        "2026-01-01 [error    ] cannot write",
        "2026-01-01 [\x1b[31m\x1b[1merror    \x1b[0m] cannot write",
        '{"event": "cannot write", "level": "error"}',
        "event=x level=critical",
        "ERROR: cannot write",
    ],
)
def test_an_error_line_is_found_unless_it_is_allowed(played: Played, line: str) -> None:
    played.args = ["2026-01-01 [info     ] no error here", line]
    played.start()
    played.stop()
    assert len(played.unexpected_errors()) == 1
    played.allow_errors("cannot write|Traceback|level=critical")
    assert played.unexpected_errors() == []
