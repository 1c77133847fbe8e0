"""What the behaviours' tests share: one broker a module, raw clients of it, and brokers with configs of their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.behaviours.members import Member, settle_coordinator
from tests.broker_process import BrokerProcess, KafkaProcess
from tests.clients.conftest import named_client as named_client
from tests.conftest import BrokerFactory, RawFactory
from tests.raw_client import RawClient

ConfiguredBroker = Callable[..., BrokerProcess]
NewMember = Callable[..., Member]


@pytest.fixture
def client(module_broker: BrokerProcess, raw: RawFactory) -> RawClient:
    """A raw client of the module's broker."""
    return raw(module_broker)


@pytest.fixture
def other(module_broker: BrokerProcess, raw: RawFactory) -> RawClient:
    """Another raw client of the same broker."""
    return raw(module_broker)


@pytest.fixture
def configured(broker_factory: BrokerFactory) -> ConfiguredBroker:
    """Starts a broker with configs under Kafka's names, in a configuration file of its own."""

    def start(configs: Mapping[str, Any], name: str = "broker") -> BrokerProcess:
        process = broker_factory(name)
        configure(process, configs)
        process.start()
        return process

    return start


def configure(process: BrokerProcess, configs: Mapping[str, Any]) -> None:
    """Have the next starts of a broker use these configs."""
    if isinstance(process, KafkaProcess):
        process.args += [f"{name}={value}" for name, value in configs.items()]
        return
    file = process.folder / "chronik.toml"
    # Strings, whole numbers and booleans look the same in JSON and in TOML.
    file.write_text("".join(f'"{name}" = {json.dumps(value)}\n' for name, value in configs.items()))
    process.args += ["--config", str(file)]


@pytest.fixture
def on_kafka(request: pytest.FixtureRequest) -> bool:
    """Whether the test runs against Apache Kafka, for differences that were chosen."""
    return bool(request.config.getoption("--broker") == "kafka")


@pytest.fixture
def only_chronik(on_kafka: bool) -> None:
    """Skip with --broker=kafka: the test is about something that is ours."""
    if on_kafka:
        pytest.skip("this is not Kafka's behaviour")


@pytest.fixture(scope="module")
def coordinator(module_broker: BrokerProcess) -> BrokerProcess:
    """The module's broker, once it serves groups."""
    with RawClient(module_broker.host, module_broker.port) as client:
        settle_coordinator(client)
    return module_broker


@pytest.fixture
def new_member(coordinator: BrokerProcess, raw: RawFactory) -> NewMember:
    """Makes members with connections of their own: `new_member(group_id, ...)`, options as of Member."""

    def make(group_id: str, **options: Any) -> Member:
        return Member(raw(coordinator), group_id, **options)

    return make
