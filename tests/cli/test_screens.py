"""What people see on a terminal, kept as text in the folder screens; CHRONIK_WRITE_SCREENS=1 writes it anew."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker_process import BrokerProcess, wait_until
from tests.cli.client_commands import Commands
from tests.cli.commands import batch_of, produce
from tests.cli.terminal import Terminal, masked, terminal
from tests.raw_client import RawClient

SCREENS = Path(__file__).resolve().parent / "screens"
NUMBERS = re.compile(r"\d+(?:[.,]\d+)*")
RUNNING = re.compile(r"/s \d:\d\d:\d\d")
BAR = re.compile(r"[━╸╺]+")


@pytest.fixture(scope="module")
def filled(module_broker: BrokerProcess) -> Commands:
    """Topic orders with values of every kind, and a topic of one partition."""
    commands = Commands(module_broker.bootstrap)
    commands.ok("topic", "create", "orders", "-p", "3", "-c", "retention.ms=86400000", "-c", "cleanup.policy=delete")
    commands.ok("topic", "create", "long-names-of-topics-are-folded-in-narrow-terminals")
    with RawClient(module_broker.host, module_broker.port) as client:
        produce(client, "orders", 0, batch_of([b"two apples", None], key=b"7", headers=(("trace", b"abc"),)))
        produce(client, "orders", 1, batch_of([b"\xff\xff", b"tab\tand \x1b[31mcolour\nand a second line"]))
        produce(client, "orders", 2, batch_of([b"long " * 30], key="größer".encode()))
    commands.ok("consume", "orders", "-g", "billing", "--exit")
    commands.ok("group", "reset", "billing", "-t", "orders:1,2", "--shift", "-1", "--execute")
    return commands


@pytest.fixture(scope="module")
def screen(filled: Commands, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    bin_folder = Path(sys.executable).parent
    environment = {"CHRONIK_BOOTSTRAP": filled.bootstrap, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}
    with terminal(tmp_path_factory.mktemp("tmux"), environment) as made:
        yield made


def check(name: str, shown: str) -> None:
    """That a screen is the one that was read by eye and kept."""
    file = SCREENS / f"{name}.txt"
    if os.environ.get("CHRONIK_WRITE_SCREENS"):
        SCREENS.mkdir(exist_ok=True)
        file.write_text(shown, encoding="utf-8")
    assert shown == file.read_text(encoding="utf-8")


def test_topic_list(screen: Terminal) -> None:
    screen.show("chronik", "topic", "list")
    check("topic-list", masked(screen.finished()))


def test_topic_describe(screen: Terminal) -> None:
    screen.show("chronik", "topic", "describe", "orders")
    check("topic-describe", masked(screen.finished()))


def test_nothing_to_list(screen: Terminal) -> None:
    screen.show("chronik", "txn", "list")
    check("txn-list-empty", masked(screen.finished()))


def test_group_describe(screen: Terminal, filled: Commands) -> None:
    with filled.running("consume", "orders", "-g", "packers") as member:
        wait_until(lambda: is_stable(filled, "packers"), 30, "the member has not joined and committed")
        screen.show("chronik", "group", "describe", "packers", "billing")
        shown = screen.finished()
        end(member)
    check("group-describe", masked(shown))


def is_stable(commands: Commands, group: str) -> bool:
    found = {row["group"] for row in commands.rows("group", "list", "--state", "stable")}
    if group not in found:
        return False
    (facts,) = commands.rows("group", "describe", group)
    return all(place["lag"] == 0 for place in facts["partitions"])


def end(member: subprocess.Popen[str]) -> None:
    member.terminate()
    member.wait(30)


@pytest.mark.parametrize("form", ["value", "table"])
def test_consume(screen: Terminal, form: str) -> None:
    """Nothing that a record holds does anything to the terminal."""
    shown = []
    for partition in ("0", "1", "2"):
        screen.show("chronik", "consume", "orders", "--exit", "-p", partition, "--output", form)
        shown.append(screen.finished())
    check(f"consume-{form}", masked("\n".join(shown)))


def test_dump(screen: Terminal, module_broker: BrokerProcess) -> None:
    data_dir = str(module_broker.data_dir)
    screen.show("chronik", "dump", "--data-dir", data_dir, "--topics")
    topics = screen.finished()
    screen.show("chronik", "dump", "--data-dir", data_dir, "--topic", "orders", "--partition", "0")
    check("dump", masked(topics + "\n" + screen.finished()))


def test_perf(screen: Terminal, filled: Commands) -> None:
    """A bar while it goes on, and nothing of it afterwards."""
    filled.ok("topic", "create", "measured")
    screen.show("chronik", "perf", "produce", "measured", "--count", "5000", "--size", "100", "--rate", "2000")
    wait_until(lambda: bool(RUNNING.search(screen.screen())), 30, screen.screen)
    shown = squeezed(screen.screen()) + "\n" + squeezed(screen.finished())
    check("perf", shown)


def squeezed(screen: str) -> str:
    """Without numbers, lengths of bars, and columns."""
    lines = [re.sub(r" +", " ", BAR.sub("━", NUMBERS.sub("N", line))) for line in screen.splitlines()]
    return "\n".join(lines) + "\n"


def test_an_error(screen: Terminal) -> None:
    screen.show("chronik", "topic", "describe", "nope")
    check("error", masked(screen.finished()))
