"""`chronik dump --transactions` tells which producers, partitions and groups are in a transaction, beside a broker and
after a crash; and which transaction hangs."""

from __future__ import annotations

import pytest

from tests.behaviours.conftest import configure
from tests.behaviours.partition import Partition, create_named
from tests.behaviours.transactional import TransactionalProducer
from tests.broker_process import BrokerProcess
from tests.cli.commands import dump, dump_json
from tests.conftest import BrokerFactory, RawFactory


@pytest.fixture
def lax_broker(broker_factory: BrokerFactory) -> BrokerProcess:
    """Takes transactional batches of transactions that it does not know, so that one can hang."""
    broker = broker_factory()
    configure(broker, {"transaction.partition.verification.enable": "false"})
    broker.start()
    return broker


@pytest.mark.parametrize("killed", [False, True], ids=["running", "killed"])
def test_transactions_are_shown(lax_broker: BrokerProcess, raw: RawFactory, killed: bool) -> None:
    client = raw(lax_broker)
    create_named(client, "orders", 2)
    first, second = (Partition(client, "orders", number) for number in range(2))
    busy = TransactionalProducer(client, "busy").begin()
    busy.add(first.place, second.place)
    busy.add_group("readers")
    busy.add_group("others")
    busy.send(second.place, b"open")
    busy.commit_offset("readers", first.place, 7)
    done = TransactionalProducer(client, "done").begin()
    for commits in (False, True):
        done.add(first.place)
        done.send(first.place, b"a", b"b")
        done.commit() if commits else done.abort()
    stray = TransactionalProducer(client, "stray").begin()
    assert stray.send_once(first.place, b"hangs").error_code == 0
    if killed:
        lax_broker.kill()

    rows = dump_json(lax_broker.data_dir, "--transactions")
    ids = {row["transactional_id"]: row for row in rows if "transactional_id" in row}
    places = {row["partition"]: row for row in rows if "transactional_id" not in row}
    states = {name: row["state"] for name, row in ids.items()}
    assert states == {"busy": "Ongoing", "done": "CompleteCommit", "stray": "Empty"}
    assert ids["busy"]["partitions"] == [
        {"topic": "orders", "partition": 0, "first_offset": None},
        {"topic": "orders", "partition": 1, "first_offset": 0},
    ]
    assert ids["busy"]["groups"] == ["others", "readers"]
    (staged,) = ids["busy"]["staged_offsets"]
    assert (staged["group"], staged["topic"], staged["partition"], staged["offset"]) == ("readers", "orders", 0, 7)
    assert ids["done"]["partitions"] == ids["done"]["groups"] == ids["done"]["staged_offsets"] == []

    assert places[0]["aborted"] == [{"producer_id": done.producer_id, "first_offset": 0, "marker_offset": 2}]
    (hanging,) = places[0]["open"]
    assert (hanging["producer_id"], hanging["first_offset"], hanging["hanging"]) == (stray.producer_id, 6, True)
    (opened,) = places[1]["open"]
    assert (opened["transactional_id"], opened["first_offset"], opened["hanging"]) == ("busy", 0, False)
    assert (places[0]["last_stable_offset"], places[1]["last_stable_offset"]) == (6, 0)

    batches = dump_json(lax_broker.data_dir, "--batches", "--topic", "orders", "--partition", "0")
    assert all(batch["transactional"] for batch in batches)
    assert [batch["control"] for batch in batches] == [None, "ABORT", None, "COMMIT", None]
    producers = {row["producer_id"]: row for row in dump_json(lax_broker.data_dir, "--producers", "--topic", "orders")}
    assert producers[busy.producer_id]["transaction_start_offset"] == 0
    assert producers[done.producer_id]["transaction_start_offset"] is None
    assert producers[done.producer_id]["coordinator_epoch"] == 0


def test_transactions_are_a_table_for_eyes(broker: BrokerProcess, raw: RawFactory) -> None:
    client = raw(broker)
    create_named(client, "orders")
    producer = TransactionalProducer(client, "busy").begin()
    producer.send(Partition(client, "orders").place, b"x", version=12)
    head, busy, opened = dump(broker.data_dir, "--transactions").splitlines()
    assert head.split()[:4] == ["ID", "STATE", "PRODUCER", "EPOCH"]
    assert busy.split()[:4] == ["busy", "Ongoing", str(producer.producer_id), "0"]
    assert busy.split()[-3:] == ["orders", "0", "0"]
    assert opened.split() == ["busy", "open", str(producer.producer_id), "0", "orders", "0", "0"]


def test_a_directory_without_transactions_shows_none(broker: BrokerProcess) -> None:
    assert dump_json(broker.data_dir, "--transactions") == []
