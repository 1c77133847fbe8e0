"""The fixture `client`: each real client in turn; and `named_client` for tests that want certain ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients.client_program import PROGRAM_NAMES, ClientProgram, make_program
from tests.clients.command_line import KafkaTools, Kcat
from tests.clients.installed import missing, required

CLIENT_NAMES = (*PROGRAM_NAMES, "kcat", "kafka-cli")

FOLDER = Path(__file__).resolve().parent

NamedClient = Callable[[str], ClientProgram]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == FOLDER:
            item.add_marker(pytest.mark.clients)


def make(name: str) -> ClientProgram:
    """The client, or the test's end: skipped with the reason, or failed where the client is required."""
    if reason := missing(name):
        if required(name):
            pytest.fail(f"{name} is required (CHRONIK_REQUIRE_CLIENTS) but {reason}")
        pytest.skip(reason)
    match name:
        case "kcat":
            return Kcat()
        case "kafka-cli":
            return KafkaTools()
        case _:
            return make_program(name)


@pytest.fixture
def named_client() -> Iterator[NamedClient]:
    """Gives a client by its name in CLIENT_NAMES; whatever they still run ends with the test."""
    made: list[ClientProgram] = []

    def named(name: str) -> ClientProgram:
        made.append(make(name))
        return made[-1]

    yield named
    for program in made:
        program.close()


@pytest.fixture(params=CLIENT_NAMES)
def client(request: pytest.FixtureRequest, named_client: NamedClient) -> ClientProgram:
    """Every client, one after the other."""
    return named_client(request.param)


@pytest.fixture
def kafka_tools(named_client: NamedClient) -> KafkaTools:
    """Kafka's own command-line tools."""
    tools = named_client("kafka-cli")
    assert isinstance(tools, KafkaTools)
    return tools
