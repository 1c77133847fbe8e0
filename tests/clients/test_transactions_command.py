"""Kafka's kafka-transactions: what an operator finds out about transactions, and how one that hangs is ended."""

from __future__ import annotations

import re

import pytest

from tests.behaviours.conftest import configure
from tests.behaviours.partition import Partition, create_named
from tests.behaviours.transactional import (
    NONE,
    TransactionalProducer,
    read_committed,
    settle_transactions,
    stable_end,
    wait_stable,
)
from tests.broker_process import BrokerProcess
from tests.clients.command_line import KafkaTools
from tests.conftest import BrokerFactory, RawFactory


@pytest.fixture
def lax_broker(broker_factory: BrokerFactory, raw: RawFactory) -> BrokerProcess:
    """A broker that takes transactional batches of transactions that it does not know."""
    broker = broker_factory()
    configure(broker, {"transaction.partition.verification.enable": "false"})
    broker.start()
    settle_transactions(raw(broker))
    return broker


def rows(output: str) -> list[list[str]]:
    """The lines of a table, without its head, as words."""
    return [line.split() for line in output.splitlines()[1:] if line.strip()]


def test_open_transactions_are_listed_and_described(
    broker: BrokerProcess, kafka_tools: KafkaTools, raw: RawFactory
) -> None:
    client = raw(broker)
    settle_transactions(client)
    create_named(client, "orders", 2)
    producer = TransactionalProducer(client, "worker").begin()
    for number in range(2):
        producer.add(Partition(client, "orders", number).place)
    producer.send(Partition(client, "orders", 1).place, b"x", b"y")

    listed = kafka_tools.tool(kafka_tools.TRANSACTIONS, broker.bootstrap, "list")
    assert re.search(rf"^worker\s+\d+\s+{producer.producer_id}\s+Ongoing\s*$", listed, re.MULTILINE)
    described = kafka_tools.tool(kafka_tools.TRANSACTIONS, broker.bootstrap, "describe", "--transactional-id", "worker")
    (row,) = rows(described)
    assert {"worker", str(producer.producer_id), "Ongoing", "60000"} <= set(row)
    assert "orders-0" in described
    assert "orders-1" in described
    producers = kafka_tools.tool(
        kafka_tools.TRANSACTIONS, broker.bootstrap, "describe-producers", "--topic", "orders", "--partition", "1"
    )
    (row,) = rows(producers)
    # Id, epoch, latest coordinator epoch, last sequence, last timestamp, first offset of the transaction.
    assert row[:2] == [str(producer.producer_id), "0"]
    assert (row[3], row[5]) == ("1", "0")
    producer.commit()


def test_a_hanging_transaction_is_found_and_aborted(
    lax_broker: BrokerProcess, kafka_tools: KafkaTools, raw: RawFactory
) -> None:
    client = raw(lax_broker)
    create_named(client, "orders", 2)
    partition = Partition(client, "orders", 1)
    partition.append(b"before")
    producer = TransactionalProducer(client, "worker").begin()
    assert producer.send_once(partition.place, b"late").error_code == NONE
    partition.append(b"held back")
    assert stable_end(partition) == 1

    def tool(*arguments: str) -> str:
        return kafka_tools.tool(kafka_tools.TRANSACTIONS, lax_broker.bootstrap, *arguments)

    node = "0" if type(lax_broker) is BrokerProcess else "1"
    found = tool("find-hanging", "--broker-id", node, "--max-transaction-timeout", "0")
    (row,) = rows(found)
    assert row[:3] == ["orders", "1", str(producer.producer_id)]
    tool("abort", "--topic", "orders", "--partition", "1", "--start-offset", "1")
    wait_stable(partition)
    assert read_committed(partition).values == [b"before", b"held back"]
    assert rows(tool("find-hanging", "--broker-id", node, "--max-transaction-timeout", "0")) == []


def test_a_transaction_is_terminated_by_its_id(broker: BrokerProcess, kafka_tools: KafkaTools, raw: RawFactory) -> None:
    client = raw(broker)
    settle_transactions(client)
    create_named(client, "orders")
    partition = Partition(client, "orders")
    producer = TransactionalProducer(client, "worker").begin()
    producer.add(partition.place)
    producer.send(partition.place, b"x")
    kafka_tools.tool(
        kafka_tools.TRANSACTIONS, broker.bootstrap, "forceTerminateTransaction", "--transactionalId", "worker"
    )
    wait_stable(partition)
    assert read_committed(partition).values == []
    assert producer.end_once(commits=True).error_code != NONE
