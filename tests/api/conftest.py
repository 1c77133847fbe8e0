"""What the tests of single APIs share: one broker a module, a raw client and two admin clients on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from chronik.wire.apis import ApiKey
from chronik.wire.messages.api_versions import ApiVersionsRequest
from tests.broker_process import BrokerProcess
from tests.conftest import RawFactory
from tests.kafka_python import kafka
from tests.raw_client import RawClient

VERSION_PARAMETER = "version"


@pytest.fixture
def client(module_broker: BrokerProcess, raw: RawFactory) -> RawClient:
    """A raw client of the module's broker."""
    return raw(module_broker)


@pytest.fixture(autouse=True)
def _only_versions_that_kafka_still_has(request: pytest.FixtureRequest) -> None:
    """With --broker=kafka, skip a test whose parameter `version` the broker does not serve; the module's API says of
    what."""
    callspec = getattr(request.node, "callspec", None)
    if request.config.getoption("--broker") != "kafka" or callspec is None or VERSION_PARAMETER not in callspec.params:
        return
    key: ApiKey = request.module.API
    client: RawClient = request.getfixturevalue("client")
    served = {entry.api_key: entry for entry in client.ask(ApiVersionsRequest(), 0).api_keys}[key]
    if not served.min_version <= callspec.params[VERSION_PARAMETER] <= served.max_version:
        pytest.skip("Apache Kafka has this version no more")


@pytest.fixture
def only_chronik(request: pytest.FixtureRequest) -> None:
    """Skip with --broker=kafka: the test is about something that is ours."""
    if request.config.getoption("--broker") == "kafka":
        pytest.skip("this is not Kafka's behaviour")


@pytest.fixture(scope="module")
def kafka_python(module_broker: BrokerProcess) -> Iterator[Any]:
    """kafka-python's admin client."""
    admin = kafka.KafkaAdminClient(bootstrap_servers=module_broker.bootstrap)
    yield admin
    admin.close()


@pytest.fixture(scope="module")
def librdkafka(module_broker: BrokerProcess) -> Any:
    """librdkafka's admin client, by way of confluent-kafka. Its calls return futures by resource."""
    return AdminClient({"bootstrap.servers": module_broker.bootstrap, "log_level": 0})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`version` is every version that is served of the module's API."""
    if VERSION_PARAMETER in metafunc.fixturenames:
        from chronik.api import HANDLERS

        (handler,) = (handler for handler in HANDLERS if handler.API == metafunc.module.API)
        first, last = handler.VERSIONS
        metafunc.parametrize(VERSION_PARAMETER, range(first, last + 1))
