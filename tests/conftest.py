"""Fixtures for every room: a real broker in its own process, on its own port and directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.broker_process import BrokerProcess, KafkaProcess
from tests.clients.installed import KAFKA_LIBS
from tests.raw_client import RawClient

BrokerFactory = Callable[..., BrokerProcess]
RawFactory = Callable[..., RawClient]


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
    with _brokers(tmp_path, request) as make:
        yield make


@contextmanager
def _brokers(folder: Path, request: pytest.FixtureRequest) -> Iterator[BrokerFactory]:
    made: list[BrokerProcess] = []

    def make(name: str = "broker", args: list[str] | None = None, env: dict[str, str] | None = None) -> BrokerProcess:
        process: BrokerProcess
        if request.config.getoption("--broker") == "kafka":
            if args or env:
                pytest.skip("this test gives options to chronik")
            process = KafkaProcess(folder / name, libs=KAFKA_LIBS)
        else:
            process = BrokerProcess(folder / name, args=args or [], env=env)
        made.append(process)
        return process

    problems: list[str] = []
    try:
        yield make
    finally:
        for process in made:
            try:
                process.close()
            except AssertionError as problem:
                problems.append(str(problem))
            if errors := process.unexpected_errors():
                lines = "\n".join(errors)
                problems.append(f"error lines in the broker's log:\n{lines}\n\n{process.log_tail()}")
    assert not problems, "\n".join(problems)


@pytest.fixture
def broker(broker_factory: BrokerFactory) -> BrokerProcess:
    """A started broker with its default options."""
    process = broker_factory()
    process.start()
    return process


@pytest.fixture(scope="module")
def module_broker(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[BrokerProcess]:
    """A started broker that the tests of one module share, each with topics and groups of its own."""
    with _brokers(tmp_path_factory.mktemp("module"), request) as make:
        process = make()
        process.start()
        yield process


@pytest.fixture
def raw() -> Iterator[RawFactory]:
    """Connects raw clients that end with the test: `raw(broker)`, or with options of RawClient's."""
    made: list[RawClient] = []

    def connect(broker: BrokerProcess, **options: Any) -> RawClient:
        made.append(RawClient(broker.host, broker.port, **options))
        return made[-1]

    yield connect
    for client in made:
        client.close()
