"""No command without a test that runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.command_reference import commands

SOURCES = "\n".join(
    path.read_text(encoding="utf-8")
    for path in [*Path(__file__).parent.glob("*.py"), Path(__file__).parent.parent / "broker_process.py"]
)


@pytest.mark.parametrize("name", [command.name.removeprefix("chronik ") for command in commands()])
def test_a_test_runs_the_command(name: str) -> None:
    """As arguments of a process: "topic", "list"."""
    assert ", ".join(f'"{word}"' for word in name.split()) in SOURCES
