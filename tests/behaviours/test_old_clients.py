"""Old clients with their default settings: each asks the broker in its own way what it can."""

from __future__ import annotations

import time

import pytest

from tests.behaviours.partition import Partition, create_topic, unique
from tests.broker_process import BrokerProcess
from tests.clients.conftest import NamedClient
from tests.raw_client import RawClient

COUNT = 25


def skip_what_kafka_dropped(on_kafka: bool, name: str) -> None:
    """Kafka 4 closes the connection on versions that sarama 1.38 still sends; here they are served."""
    if on_kafka and name == "sarama":
        pytest.skip("Kafka 4 no longer serves OffsetCommit 1")


@pytest.mark.parametrize("name", ["kafka-python-2.0.2", "kafkajs", "sarama", "franz-go"])
def test_an_old_or_strict_client_produces_consumes_and_joins_a_group(
    coordinator: BrokerProcess, client: RawClient, named_client: NamedClient, name: str, on_kafka: bool
) -> None:
    """kafka-python 2.0.2 infers the broker's version from a probe; kafkajs ignores the lower end of ranges; sarama 1.38
    sends the fixed versions of Kafka 1.0; franz-go the newest of all, with topic ids."""
    skip_what_kafka_dropped(on_kafka, name)
    topic, group = create_topic(client, 2), unique("group")
    program = named_client(name)
    program.produce(coordinator.bootstrap, topic, COUNT)
    wanted = sorted(f"value-{number}" for number in range(COUNT))
    assert sorted(record.value or "" for record in program.consume(coordinator.bootstrap, topic, COUNT)) == wanted
    member = program.group(coordinator.bootstrap, topic, group)
    member.wait_assignment([0, 1])
    assert sorted(record.value or "" for record in member.wait_records(COUNT)) == wanted
    member.stop()
    program.produce(coordinator.bootstrap, topic, 5, prefix="later-")
    again = program.group(coordinator.bootstrap, topic, group)
    assert {record.value for record in again.wait_records(5)} == {f"later-value-{number}" for number in range(5)}
    again.stop()


@pytest.mark.parametrize("name", ["kafka-python-2.0.2", "kafkajs"])
def test_an_old_client_creates_the_topic_that_it_writes_to(
    module_broker: BrokerProcess, client: RawClient, named_client: NamedClient, name: str
) -> None:
    topic = unique()
    began = time.monotonic()
    named_client(name).produce(module_broker.bootstrap, topic, COUNT)
    assert time.monotonic() - began < 30
    assert Partition(client, topic).end == COUNT
