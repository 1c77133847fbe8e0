"""confluent-kafka (librdkafka) behind the commands of `tests/clients/client_program.py`."""

from __future__ import annotations

import sys
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from lines import TRANSACTION_RECORDS, StopFlag, client_config, emit, emit_record, is_to_be_aborted


def produce(bootstrap: str, topic: str, count: int, codec: str, prefix: str) -> None:
    options = {} if codec == "default" else {"compression.type": codec}
    send(Producer({"bootstrap.servers": bootstrap, **options, **client_config()}), topic, count, prefix)


def send(producer: Producer, topic: str, count: int, prefix: str) -> None:
    failures: list[KafkaError] = []

    def delivered(error: KafkaError | None, message: Any) -> None:
        if error is not None:
            failures.append(error)
        else:
            emit_record(None, message.partition(), message.offset(), message.key(), message.value())

    for i in range(count):
        producer.produce(topic, key=f"{prefix}key-{i}", value=f"{prefix}value-{i}", on_delivery=delivered)
        producer.poll(0)
    if left := producer.flush(30):
        sys.exit(f"{left} records were not delivered")
    if failures:
        sys.exit(f"{len(failures)} records failed, the first with {failures[0]}")


def transact(bootstrap: str, topic: str, count: int, transactional_id: str, outcome: str) -> None:
    options = {"transactional.id": transactional_id}
    producer = Producer({"bootstrap.servers": bootstrap, **options, **client_config()})
    producer.init_transactions(30)
    producer.begin_transaction()
    send(producer, topic, count, f"{outcome}-")
    if outcome == "commit":
        producer.commit_transaction(30)
    else:
        producer.abort_transaction(30)


def transform(bootstrap: str, source: str, target: str, group_id: str, transactional_id: str, count: int) -> None:
    reading = {"group.id": group_id, "auto.offset.reset": "earliest", "enable.auto.commit": "false"}
    consumer = Consumer({"bootstrap.servers": bootstrap, **reading, "isolation.level": "read_committed"})
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": transactional_id, **client_config()})
    producer.init_transactions(30)
    consumer.subscribe([source])
    moved = transactions = 0
    while moved < count:
        messages: list[Any] = [one for one in consumer.consume(TRANSACTION_RECORDS, timeout=0.5) if one.error() is None]
        if not messages:
            continue
        producer.begin_transaction()
        for message in messages:
            producer.produce(target, key=message.key(), value=b"done-" + message.value())
        ends = {one.partition(): TopicPartition(source, one.partition(), one.offset() + 1) for one in messages}
        producer.send_offsets_to_transaction(list(ends.values()), consumer.consumer_group_metadata(), 30)
        if is_to_be_aborted(transactions):
            producer.flush(30)
            producer.abort_transaction(30)
            for message in reversed(messages):
                consumer.seek(TopicPartition(source, message.partition() or 0, message.offset() or 0))
        else:
            producer.commit_transaction(30)
            moved += len(messages)
        transactions += 1
    consumer.close()


def consume(bootstrap: str, topic: str, count: int) -> None:
    group = {"group.id": "unused", "enable.auto.commit": "false"}
    consumer = Consumer({"bootstrap.servers": bootstrap, **group, **client_config()})
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
    seen = 0
    while seen < count:
        seen += poll(consumer, None)
    consumer.close()


def poll(consumer: Consumer, event: str | None) -> int:
    """Wait up to 0.2 s for a record and write it; how many there were (0 or 1)."""
    message = consumer.poll(0.2)
    if message is None:
        return 0
    if (error := message.error()) is not None:
        if error.retriable() or error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return 0
        raise KafkaException(error)
    emit_record(event, message.partition(), message.offset(), message.key(), message.value())
    return 1


def group(bootstrap: str, topic: str, group_id: str) -> None:
    stop = StopFlag()
    start = {"group.id": group_id, "auto.offset.reset": "earliest"}
    consumer = Consumer({"bootstrap.servers": bootstrap, **start, **client_config()})
    owned: set[int] = set()

    def assigned(_: Consumer, partitions: list[TopicPartition]) -> None:
        owned.update(partition.partition for partition in partitions)
        emit(event="assignment", partitions=sorted(owned))

    def revoked(_: Consumer, partitions: list[TopicPartition]) -> None:
        owned.difference_update(partition.partition for partition in partitions)
        emit(event="assignment", partitions=sorted(owned))

    consumer.subscribe([topic], on_assign=assigned, on_revoke=revoked, on_lost=revoked)
    while not stop:
        poll(consumer, "record")
    consumer.close()
    emit(event="closed")


def admin(bootstrap: str, verb: str, arguments: list[str]) -> None:
    client = AdminClient({"bootstrap.servers": bootstrap, **client_config()})
    if verb == "create":
        topic = NewTopic(arguments[0], num_partitions=int(arguments[1]), replication_factor=1)
        client.create_topics([topic])[arguments[0]].result()
    elif verb == "delete":
        client.delete_topics([arguments[0]])[arguments[0]].result()
    else:
        for name in client.list_topics(timeout=10).topics:
            emit(topic=name)


def main(bootstrap: str, command: str, *arguments: str) -> None:
    if command == "produce":
        produce(bootstrap, arguments[0], int(arguments[1]), arguments[2], arguments[3])
    elif command == "transact":
        transact(bootstrap, arguments[0], int(arguments[1]), arguments[2], arguments[3])
    elif command == "transform":
        transform(bootstrap, arguments[0], arguments[1], arguments[2], arguments[3], int(arguments[4]))
    elif command == "consume":
        consume(bootstrap, arguments[0], int(arguments[1]))
    elif command == "group":
        group(bootstrap, arguments[0], arguments[1])
    else:
        admin(bootstrap, arguments[0], list(arguments[1:]))


main(*sys.argv[1:])
