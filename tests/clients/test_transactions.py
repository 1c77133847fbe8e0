"""Transactions of every client that has them: what is committed is seen, what is aborted is not."""

from __future__ import annotations

import pytest

from tests.broker_process import BrokerProcess
from tests.clients.conftest import NamedClient

RECORD_COUNT = 10


@pytest.mark.parametrize("name", ["aiokafka", "confluent-kafka", "franz-go", "java", "kafka-python", "kafkajs"])
def test_only_committed_records_are_read_committed(broker: BrokerProcess, named_client: NamedClient, name: str) -> None:
    client, reader = named_client(name), named_client("confluent-kafka")
    reader.admin_create(broker.bootstrap, "orders", 2)
    client.transact(broker.bootstrap, "orders", RECORD_COUNT, "worker", commit=False)
    client.transact(broker.bootstrap, "orders", RECORD_COUNT, "worker", commit=True)

    # The committed records come after the aborted ones of their partition: whoever reads them skipped those.
    committed = reader.consume(broker.bootstrap, "orders", RECORD_COUNT, config={"isolation.level": "read_committed"})
    assert {record.value for record in committed} == {f"commit-value-{i}" for i in range(RECORD_COUNT)}

    everything = {"isolation.level": "read_uncommitted"}
    both = reader.consume(broker.bootstrap, "orders", 2 * RECORD_COUNT, config=everything)
    aborted = {record.value for record in both} - {record.value for record in committed}
    assert aborted == {f"abort-value-{i}" for i in range(RECORD_COUNT)}


@pytest.mark.parametrize("name", ["confluent-kafka", "java", "kcat", "kafka-cli"])
def test_readers_skip_aborted_records_and_markers(broker: BrokerProcess, named_client: NamedClient, name: str) -> None:
    writer, reader = named_client("confluent-kafka"), named_client(name)
    writer.admin_create(broker.bootstrap, "orders", 1)
    for commit in (True, False, True):
        writer.transact(broker.bootstrap, "orders", RECORD_COUNT, "worker", commit=commit)
    writer.produce(broker.bootstrap, "orders", RECORD_COUNT)

    records = reader.consume(broker.bootstrap, "orders", 3 * RECORD_COUNT, config={"isolation.level": "read_committed"})
    committed, plain = [f"commit-value-{i}" for i in range(RECORD_COUNT)], [f"value-{i}" for i in range(RECORD_COUNT)]
    assert [record.value for record in records] == [*committed, *committed, *plain]
    # Each transaction is followed by its marker, which takes one offset.
    block = RECORD_COUNT + 1
    starts = (0, 2 * block, 3 * block)
    assert [record.offset for record in records] == [start + i for start in starts for i in range(RECORD_COUNT)]
