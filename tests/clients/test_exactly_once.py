"""Real clients that consume, transform and produce in transactions; that stop each other; that take too long."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition

from tests.behaviours.transactional import TransactionalProducer, settle_transactions
from tests.broker_process import BrokerProcess, wait_until
from tests.clients.client_program import ClientProgram
from tests.clients.conftest import NamedClient
from tests.conftest import RawFactory
from tests.kafka_python import kafka

COMMITTED, EVERYTHING = {"isolation.level": "read_committed"}, {"isolation.level": "read_uncommitted"}


@pytest.fixture
def reader(named_client: NamedClient) -> ClientProgram:
    return named_client("confluent-kafka")


def described(broker: BrokerProcess, raw: RawFactory, transactional_id: str) -> Any:
    return TransactionalProducer(raw(broker), transactional_id).described()


def committed_offsets(broker: BrokerProcess, group: str, topic: str, partitions: int) -> int:
    """The sum of the group's offsets, which is how many records it has done."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": group})
    places = consumer.committed([TopicPartition(topic, number) for number in range(partitions)], timeout=20)
    consumer.close()
    return sum(max(place.offset, 0) for place in places)


@pytest.mark.parametrize("name", ["confluent-kafka", "aiokafka", "kafka-python", "java"])
def test_every_input_is_in_the_output_once(
    broker: BrokerProcess, named_client: NamedClient, reader: ClientProgram, name: str
) -> None:
    """Also after aborts, and when the job goes on later under the same transactional id."""
    client = named_client(name)
    for topic in ("source", "target"):
        reader.admin_create(broker.bootstrap, topic, 2)
    expected: Counter[str] = Counter()
    for run, count in enumerate((17, 6)):
        reader.produce(broker.bootstrap, "source", count, prefix=f"{run}-")
        client.transform(broker.bootstrap, "source", "target", "job", "job-id", count)
        expected.update(f"done-{run}-value-{i}" for i in range(count))
        found = reader.consume(broker.bootstrap, "target", len(expected), config=COMMITTED)
        assert Counter(record.value for record in found) == expected
        assert committed_offsets(broker, "job", "source", 2) == len(expected)
    # There were aborts, and their records are there for those who want to see them.
    aborted = reader.consume(broker.bootstrap, "target", len(expected) + 2, config=EVERYTHING)
    assert len(aborted) >= len(expected) + 2


def test_a_kafka_4_client_raises_its_epoch_and_older_ones_keep_it(
    broker: BrokerProcess, named_client: NamedClient, reader: ClientProgram, raw: RawFactory
) -> None:
    """Transaction version 2 beside version 1."""
    settle_transactions(raw(broker))
    reader.admin_create(broker.bootstrap, "orders", 2)
    epochs: dict[str, list[int]] = {"java": [], "confluent-kafka": []}
    for _ in range(2):
        for name, seen in epochs.items():
            named_client(name).transact(broker.bootstrap, "orders", 5, name, commit=True)
            seen.append(described(broker, raw, name).producer_epoch)
    # Java's goes from 0 to 1 with the commit, and on to 2 with the next start.
    assert epochs == {"java": [1, 3], "confluent-kafka": [0, 1]}
    found = reader.consume(broker.bootstrap, "orders", 20, config=COMMITTED)
    assert Counter(record.value for record in found) == {f"commit-value-{i}": 4 for i in range(5)}


def test_committed_and_uncommitted_readers_side_by_side(broker: BrokerProcess, reader: ClientProgram) -> None:
    reader.admin_create(broker.bootstrap, "orders")
    producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": "id"})
    producer.init_transactions(30)
    readers = {
        level: Consumer({"bootstrap.servers": broker.bootstrap, "group.id": level, "isolation.level": level})
        for level in ("read_committed", "read_uncommitted")
    }
    for consumer in readers.values():
        consumer.assign([TopicPartition("orders", 0, OFFSET_BEGINNING)])
    seen: dict[str, list[bytes]] = {level: [] for level in readers}

    def read(level: str, count: int) -> list[bytes]:
        def enough() -> bool:
            for message in readers[level].consume(10, timeout=0.1):
                assert message.error() is None
                seen[level].append(message.value() or b"")
            return len(seen[level]) >= count

        wait_until(enough, 30, lambda: f"{level} sees {seen[level]}")
        return seen[level]

    for number, commits in enumerate((True, False, True)):
        producer.begin_transaction()
        producer.produce("orders", value=f"{number}")
        producer.flush(30)
        assert read("read_uncommitted", number + 1)[-1] == b"%d" % number
        assert read("read_committed", min(number, 1)) == ([b"0"] if number else [])
        assert readers["read_committed"].consume(1, timeout=0.3) == []
        producer.commit_transaction(30) if commits else producer.abort_transaction(30)
    assert read("read_committed", 2) == [b"0", b"2"]

    def has_read_everything() -> bool:
        readers["read_committed"].poll(0.1)
        (position,) = readers["read_committed"].position([TopicPartition("orders", 0)])
        return bool(position.offset == 6)

    wait_until(has_read_everything, 30, "the last marker is not read past")
    for consumer in readers.values():
        consumer.close()


def confluent(broker: BrokerProcess, **options: Any) -> Producer:
    producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": "id", **options})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce("orders", value="of the first")
    producer.flush(30)
    return producer


def test_a_second_confluent_producer_fences_the_first_one(broker: BrokerProcess, reader: ClientProgram) -> None:
    reader.admin_create(broker.bootstrap, "orders")
    first = confluent(broker)
    second = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": "id"})
    second.init_transactions(30)
    with pytest.raises(KafkaException) as fenced:
        first.commit_transaction(30)
    assert fenced.value.args[0].fatal()
    second.begin_transaction()
    second.produce("orders", value="of the second")
    second.commit_transaction(30)
    found = reader.consume(broker.bootstrap, "orders", 1, config=COMMITTED)
    assert [record.value for record in found] == ["of the second"]


@pytest.mark.anyio
async def test_a_second_aiokafka_producer_fences_the_first_one(broker: BrokerProcess, reader: ClientProgram) -> None:
    from aiokafka import AIOKafkaProducer
    from aiokafka.errors import ProducerFenced

    reader.admin_create(broker.bootstrap, "orders")
    first = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id="id")
    await first.start()
    await first.begin_transaction()
    await first.send_and_wait("orders", b"of the first")
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id="id") as second:
        with pytest.raises(ProducerFenced):
            await first.commit_transaction()
        async with second.transaction():
            await second.send("orders", b"of the second")
    await first.stop()
    found = reader.consume(broker.bootstrap, "orders", 1, config=COMMITTED)
    assert [record.value for record in found] == ["of the second"]


def test_a_second_kafka_python_producer_fences_the_first_one(broker: BrokerProcess, reader: ClientProgram) -> None:
    reader.admin_create(broker.bootstrap, "orders")
    first, second = (kafka.KafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id="id") for _ in range(2))
    first.init_transactions()
    first.begin_transaction()
    first.send("orders", b"of the first").get(30)
    second.init_transactions()
    with pytest.raises(kafka.errors.KafkaError):
        first.commit_transaction()
    second.begin_transaction()
    second.send("orders", b"of the second")
    second.commit_transaction()
    second.close()
    first.close(timeout=5)
    found = reader.consume(broker.bootstrap, "orders", 1, config=COMMITTED)
    assert [record.value for record in found] == ["of the second"]


def test_a_producer_that_takes_too_long_loses_its_transaction_and_begins_anew(
    broker: BrokerProcess, reader: ClientProgram, raw: RawFactory
) -> None:
    reader.admin_create(broker.bootstrap, "orders")
    slow = confluent(broker, **{"transaction.timeout.ms": 1000})
    wait_until(
        lambda: described(broker, raw, "id").transaction_state == "CompleteAbort", 30, "nobody aborts the transaction"
    )
    with pytest.raises(KafkaException) as late:
        slow.commit_transaction(30)
    # librdkafka takes it for a second producer; the application begins again with a new one.
    assert late.value.args[0].fatal()
    again = confluent(broker)
    again.commit_transaction(30)
    found = reader.consume(broker.bootstrap, "orders", 1, config=COMMITTED)
    assert [record.offset for record in found] == [2]


def test_an_administrator_fences_a_producer(
    broker: BrokerProcess, named_client: NamedClient, reader: ClientProgram, raw: RawFactory
) -> None:
    """As Kafka Connect does with the tasks of an older generation."""
    reader.admin_create(broker.bootstrap, "orders")
    task = confluent(broker)
    before = described(broker, raw, "id").producer_epoch
    named_client("java").fence(broker.bootstrap, "id")
    after = described(broker, raw, "id")
    assert after.producer_epoch > before
    assert after.transaction_state in ("Empty", "CompleteAbort")
    with pytest.raises(KafkaException):
        task.commit_transaction(30)
