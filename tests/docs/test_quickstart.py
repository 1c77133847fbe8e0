"""Every program of docs/quickstart.md, run as it stands there against a broker."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.broker_process import BrokerProcess
from tests.clients.installed import CLIENTS, KAFKA_LIBS, PROGRAMS, missing, required

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "quickstart.md"
SECTIONS: dict[str, str] = dict(
    re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
)
ADDRESS = "127.0.0.1:9092"

Run = Callable[[str, Path], str]


def program(section: str, language: str) -> str:
    """The one block in this language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", SECTIONS[section], re.MULTILINE | re.DOTALL)
    assert isinstance(found, str)
    return found


def output(*command: str, folder: Path, env: Mapping[str, str] | None = None) -> str:
    """What a program prints that ends well and has nothing to complain of."""
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_python(text: str, folder: Path) -> str:
    return output(sys.executable, "-c", text, folder=folder)


def run_java(text: str, folder: Path) -> str:
    (folder / "Quickstart.java").write_text(text)
    return output("java", "-cp", f"{KAFKA_LIBS}/*", "Quickstart.java", folder=folder)


def run_go(module: str) -> Run:
    def run(text: str, folder: Path) -> str:
        # What is installed is the release before it changed its owner.
        (folder / "main.go").write_text(text.replace("github.com/IBM/sarama", "github.com/Shopify/sarama"))
        for name in ("go.mod", "go.sum"):
            shutil.copy(PROGRAMS / module / name, folder)
        module_file = folder / "go.mod"
        module_file.write_text(module_file.read_text().replace("\ngo 1.21\n", "\ngo 1.22\n"))  # for range over numbers
        return output("go", "run", "-mod=mod", ".", folder=folder, env={"GOFLAGS": "", "GOTOOLCHAIN": "local"})

    return run


def run_node(text: str, folder: Path) -> str:
    env = {"NODE_PATH": str(CLIENTS / "kafkajs" / "node_modules"), "KAFKAJS_NO_PARTITIONER_WARNING": "1"}
    lines = output("node", "-e", text, folder=folder, env=env).splitlines()
    return "".join(f"{line}\n" for line in lines if not line.startswith("{"))  # else its log


def run_shell(text: str, folder: Path) -> str:
    return output("sh", "-ec", text, folder=folder, env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"})


PROGRAMS_OF_SECTIONS: Mapping[str, tuple[str, str, Run]] = {
    "kafka-python": ("kafka-python", "python", run_python),
    "aiokafka": ("aiokafka", "python", run_python),
    "confluent-kafka": ("confluent-kafka", "python", run_python),
    "Java": ("kafka-cli", "java", run_java),
    "franz-go": ("franz-go", "go", run_go("franz_go")),
    "sarama": ("sarama", "go", run_go("sarama")),
    "kafkajs": ("kafkajs", "javascript", run_node),
    "kcat": ("kcat", "sh", run_shell),
    "The command line of chronik": ("chronik", "sh", run_shell),
}
"""Section -> the client as `tests.clients.installed` names it, the language of its block, and how it is run."""


def test_every_section_is_run() -> None:
    assert list(PROGRAMS_OF_SECTIONS) == list(SECTIONS)


@pytest.mark.clients
@pytest.mark.parametrize("section", PROGRAMS_OF_SECTIONS)
def test_the_program_reads_what_it_wrote(section: str, broker: BrokerProcess, tmp_path: Path) -> None:
    client, language, run = PROGRAMS_OF_SECTIONS[section]
    if reason := missing(client):
        if required(client):
            pytest.fail(f"{client} is required (CHRONIK_REQUIRE_CLIENTS) but {reason}")
        pytest.skip(reason)
    text = program(section, language)
    assert text.count(ADDRESS) >= 1
    shown = run(text.replace(ADDRESS, broker.bootstrap), tmp_path)
    assert shown == "0 hello 0\n1 hello 1\n2 hello 2\n"
