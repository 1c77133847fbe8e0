"""Shells complete commands, options, and the topics and groups of the broker that the command line names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.broker_process import BrokerProcess, free_port
from tests.cli.client_commands import PROGRAM, Commands
from tests.cli.commands import ROOT, TIMEOUT_S, chronik

BIN = Path(sys.executable).parent
"""Where the console script is, which the scripts of the shells call."""


@pytest.fixture(scope="module")
def filled(module_broker: BrokerProcess) -> Commands:
    commands = Commands(module_broker.bootstrap)
    commands.ok("topic", "create", "orders", "order-items", "users")
    commands.ok("produce", "orders", "-v", "x")
    commands.ok("consume", "orders", "-g", "packers", "--exit")
    return commands


def shell(line: list[str], commands: Commands | None, **variables: str) -> str:
    """What a shell prints that finds `chronik`."""
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **variables}
    if commands is not None:
        environment["CHRONIK_BOOTSTRAP"] = commands.bootstrap
    done = subprocess.run(
        line, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=TIMEOUT_S, check=True
    )
    assert done.stderr == ""
    return done.stdout


def bash(typed: str, commands: Commands | None = None) -> set[str]:
    """What bash offers after this has been typed."""
    script = (
        'source <(chronik completion bash); COMP_LINE="$TYPED"; COMP_POINT=${#COMP_LINE}; '
        "_chronik_completion chronik; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    return set(shell(["bash", "-c", script], commands, TYPED=typed).split("\n")) - {""}


def test_bash_completes_commands_options_and_words() -> None:
    assert bash("chronik top") == {"topic"}
    assert {"list", "create", "describe", "trim"} <= bash("chronik topic ")
    assert bash("chronik group reset --exp") == {"--export"}
    assert bash("chronik run --durability ") == {"strict", "default", "relaxed"}
    assert bash("chronik produce t --codec z") == {"zstd"}


def test_bash_completes_topics_and_groups(filled: Commands) -> None:
    assert bash("chronik topic describe ord", filled) == {"orders", "order-items"}
    assert bash("chronik consume orders -g ", filled) == {"packers"}
    assert bash("chronik group reset packers --topic u", filled) == {"users"}
    assert bash(f"chronik group describe -b {filled.bootstrap} p") == {"packers"}


def test_no_broker_completes_nothing_and_soon() -> None:
    assert bash(f"chronik topic describe -b 127.0.0.1:{free_port()} ") == set()


@pytest.mark.parametrize(
    ("name", "variables", "expected"),
    [
        ("zsh", {"_TYPER_COMPLETE_ARGS": "chronik topic describe us"}, '"users"'),
        (
            "fish",
            {"_TYPER_COMPLETE_ARGS": "chronik topic describe us", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
            "users\n",
        ),
    ],
)
def test_other_shells_ask_in_their_own_way(
    filled: Commands, name: str, variables: dict[str, str], expected: str
) -> None:
    assert "_CHRONIK_COMPLETE=complete_" + name in chronik("completion", name).stdout
    assert expected in shell([*PROGRAM], filled, _CHRONIK_COMPLETE=f"complete_{name}", **variables)


def test_fish_completes(filled: Commands) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    script = "chronik completion fish | source; complete -C 'chronik topic describe ord'"
    assert set(shell(["fish", "-c", script], filled).split()) == {"orders", "order-items"}


def test_an_unknown_shell_is_one_sentence() -> None:
    done = chronik("completion", "tcsh")
    assert (done.returncode, done.stdout) == (2, "")
    assert "bash" in done.stderr
