"""`chronik txn`: each command as a process against a broker with transactions that are open, done and lost."""

from __future__ import annotations

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
from tests.cli.client_commands import Commands
from tests.conftest import BrokerFactory, RawFactory


@pytest.fixture
def lax_broker(broker_factory: BrokerFactory, raw: RawFactory) -> BrokerProcess:
    """A broker that takes transactional batches of transactions that it does not know, so that one can hang."""
    broker = broker_factory()
    configure(broker, {"transaction.partition.verification.enable": "false"})
    broker.start()
    settle_transactions(raw(broker))
    return broker


def test_transactions_and_producers_are_listed_and_described(module_broker: BrokerProcess, raw: RawFactory) -> None:
    commands = Commands(module_broker.bootstrap)
    client = raw(module_broker)
    settle_transactions(client)
    create_named(client, "orders", 2)
    done = TransactionalProducer(client, "done").begin()
    done.add(Partition(client, "orders", 0).place)
    done.send(Partition(client, "orders", 0).place, b"x")
    done.commit()
    busy = TransactionalProducer(client, "busy").begin()
    for number in range(2):
        busy.add(Partition(client, "orders", number).place)
    busy.send(Partition(client, "orders", 1).place, b"x", b"y")

    listed = commands.table("txn", "list")
    assert listed[0] == ["TRANSACTIONAL", "ID", "STATE", "PRODUCER", "COORDINATOR"]
    assert ["busy", "Ongoing", str(busy.producer_id)] in [row[:3] for row in listed]
    assert {row["transactional_id"] for row in commands.rows("txn", "list", "--state", "ongoing")} == {"busy"}
    states = {row["transactional_id"]: row["state"] for row in commands.rows("txn", "list")}
    assert states["done"] == "CompleteCommit"
    assert commands.rows("txn", "list", "--older-than", "1h") == []

    (facts,) = commands.rows("txn", "describe", "busy")
    assert (facts["state"], facts["producer_id"], facts["producer_epoch"]) == ("Ongoing", busy.producer_id, 0)
    assert (facts["timeout_ms"], facts["start_ms"] > 1_700_000_000_000) == (60_000, True)
    assert facts["partitions"] == [{"topic": "orders", "partition": 0}, {"topic": "orders", "partition": 1}]
    assert commands.table("txn", "describe", "busy", "done")[1][-2:] == ["orders:0", "orders:1"]

    (producer,) = commands.rows("txn", "describe", "--topic", "orders:1")
    assert (producer["producer_id"], producer["last_sequence"]) == (busy.producer_id, 1)
    assert producer["transaction_start_offset"] == 0
    (producer,) = commands.rows("txn", "describe", "--topic", "orders:0")
    assert (producer["producer_id"], producer["transaction_start_offset"]) == (done.producer_id, None)
    assert commands.rows("txn", "list", "--hanging") == []
    busy.commit()


def test_what_is_not_there_is_one_sentence(module_broker: BrokerProcess, raw: RawFactory) -> None:
    commands = Commands(module_broker.bootstrap)
    settle_transactions(raw(module_broker))
    create_named(raw(module_broker), "quiet", 1)
    commands.refused(1, "txn", "describe", "nope", said=["There is no transactional id nope."])
    commands.refused(1, "txn", "describe", "--topic", "nope", said=["There is no topic nope."])
    commands.refused(1, "txn", "describe", "--topic", "quiet:1", said=["Topic quiet has no partition 1."])
    commands.refused(2, "txn", "describe", said=["Name transactional ids, or say --topic TOPIC."])
    commands.refused(2, "txn", "list", "--state", "open", said=["--state: 'open' is none of Empty, Ongoing"])
    commands.refused(2, "txn", "list", "--older-than", "long", said=["--older-than: 'long' is no duration"])
    abort = ("txn", "abort", "--topic", "quiet", "--partition", "0")
    commands.refused(1, *abort, "--start-offset", "5", said=["No transaction of offset 5 is open in quiet[0]."])
    commands.refused(2, *abort, said=["either --start-offset or --producer-id"])


def test_a_hanging_transaction_is_found_and_aborted(lax_broker: BrokerProcess, raw: RawFactory) -> None:
    commands = Commands(lax_broker.bootstrap)
    client = raw(lax_broker)
    create_named(client, "orders", 2)
    partition = Partition(client, "orders", 1)
    partition.append(b"before")
    producer = TransactionalProducer(client, "worker").begin()
    assert producer.send_once(partition.place, b"late").error_code == NONE
    partition.append(b"held back")
    assert stable_end(partition) == 1
    assert commands.ok("consume", "orders", "--exit") == "before\n"

    (found,) = commands.rows("txn", "list", "--hanging")
    assert (found["topic"], found["partition"], found["start_offset"]) == ("orders", 1, 1)
    assert (found["producer_id"], found["transactional_id"]) == (producer.producer_id, "worker")
    assert commands.rows("txn", "list", "--hanging", "--topic", "orders:0") == []
    assert commands.rows("txn", "list", "--hanging", "--older-than", "30000d") == []
    aborted = commands.ok("txn", "abort", "--topic", "orders", "--partition", "1", "--start-offset", "1")
    assert aborted == f"aborted the transaction of producer {producer.producer_id} in orders[1] from offset 1\n"
    wait_stable(partition)
    assert read_committed(partition).values == [b"before", b"held back"]
    assert commands.ok("consume", "orders", "--exit") == "before\nheld back\n"
    assert commands.ok("consume", "orders", "--exit", "--uncommitted") == "before\nlate\nheld back\n"
    assert commands.rows("txn", "list", "--hanging") == []
