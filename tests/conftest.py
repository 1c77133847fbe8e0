"""Fixtures for every room: a real broker in its own process, on its own port and directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.broker_process import BrokerProcess, KafkaProcess
from tests.clients.installed import KAFKA_LIBS

BrokerFactory = Callable[..., BrokerProcess]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--broker",
        choices=["chronik", "kafka"],
        default="chronik",
        help="what the fixture `broker` starts: ours, or Apache Kafka to prove a test right (needs `make clients`)",
    )


@pytest.fixture
def broker_factory(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[BrokerFactory]:
    """Makes brokers (not started) that end with the test: `broker_factory(name="a", args=[...], env={...})`.

    At the end of the test no broker's log may hold an error line or a traceback, unless `allow_errors` expected it.
    """
    made: list[BrokerProcess] = []

    def make(name: str = "broker", args: list[str] | None = None, env: dict[str, str] | None = None) -> BrokerProcess:
        process: BrokerProcess
        if request.config.getoption("--broker") == "kafka":
            if args or env:
                pytest.skip("this test gives options to chronik")
            process = KafkaProcess(tmp_path / name, libs=KAFKA_LIBS)
        else:
            process = BrokerProcess(tmp_path / name, args=args or [], env=env)
        made.append(process)
        return process

    yield make
    problems: list[str] = []
    for process in made:
        try:
            process.close()
        except AssertionError as problem:
            problems.append(str(problem))
        if errors := process.unexpected_errors():
            problems.append("error lines in the broker's log:\n" + "\n".join(errors) + "\n\n" + process.log_tail())
    assert not problems, "\n".join(problems)


@pytest.fixture
def broker(broker_factory: BrokerFactory) -> BrokerProcess:
    """A started broker with its default options."""
    process = broker_factory()
    process.start()
    return process
