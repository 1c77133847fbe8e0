"""kafka-python behind the commands of `tests/clients/client_program.py`; runs on 3.x and on 2.0.2."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

if sys.version_info >= (3, 12):
    # The copy of six inside kafka-python 2.0.2 cannot be imported there; the real one can stand in for it.
    try:
        import six.moves  # type: ignore[import-untyped]  # installed beside 2.0.2 only

        sys.modules["kafka.vendor.six.moves"] = six.moves
    except ImportError:
        pass

from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from lines import TRANSACTION_RECORDS, StopFlag, emit, emit_record, is_to_be_aborted


def produce(bootstrap: str, topic: str, count: int, codec: str, prefix: str) -> None:
    options: dict[str, Any] = {} if codec == "default" else {"compression_type": None if codec == "none" else codec}
    producer = KafkaProducer(bootstrap_servers=bootstrap, **options)
    send(producer, topic, count, prefix)
    producer.close()


def send(producer: Any, topic: str, count: int, prefix: str) -> None:
    records = [(f"{prefix}key-{i}".encode(), f"{prefix}value-{i}".encode()) for i in range(count)]
    sent = [(key, value, producer.send(topic, key=key, value=value)) for key, value in records]
    producer.flush()
    for key, value, future in sent:
        metadata = future.get(timeout=30)
        emit_record(None, metadata.partition, metadata.offset, key, value)


def transact(bootstrap: str, topic: str, count: int, transactional_id: str, outcome: str) -> None:
    """3.x only: 2.0.2 has no transactions."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, transactional_id=transactional_id)
    producer.init_transactions()
    producer.begin_transaction()
    send(producer, topic, count, f"{outcome}-")
    if outcome == "commit":
        producer.commit_transaction()
    else:
        producer.abort_transaction()
    producer.close()


def transform(bootstrap: str, source: str, target: str, group_id: str, transactional_id: str, count: int) -> None:
    """3.x only."""
    from kafka.structs import OffsetAndMetadata

    reading: dict[str, Any] = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    consumer = KafkaConsumer(
        source, bootstrap_servers=bootstrap, group_id=group_id, isolation_level="read_committed", **reading
    )
    producer = KafkaProducer(bootstrap_servers=bootstrap, transactional_id=transactional_id)
    producer.init_transactions()
    moved = transactions = 0
    while moved < count:
        polled = consumer.poll(timeout_ms=500, max_records=TRANSACTION_RECORDS)
        if not polled:
            continue
        producer.begin_transaction()
        for record in (record for records in polled.values() for record in records):
            producer.send(target, key=record.key, value=b"done-" + record.value)
        ends = {place: OffsetAndMetadata(records[-1].offset + 1, "", -1) for place, records in polled.items()}
        producer.send_offsets_to_transaction(ends, consumer.group_metadata())
        if is_to_be_aborted(transactions):
            producer.flush()
            producer.abort_transaction()
            for place, records in polled.items():
                consumer.seek(place, records[0].offset)
        else:
            producer.commit_transaction()
            moved += sum(map(len, polled.values()))
        transactions += 1
    producer.close()
    consumer.close()


def consume(bootstrap: str, topic: str, count: int) -> None:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    consumer.assign([TopicPartition(topic, partition) for partition in consumer.partitions_for_topic(topic)])
    seen = 0
    while seen < count:
        for records in consumer.poll(timeout_ms=500).values():
            for record in records:
                emit_record(None, record.partition, record.offset, record.key, record.value)
            seen += len(records)
    consumer.close()


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # the library has no types
    """Writes what the member owns after each change."""

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        if list(revoked):
            emit(event="assignment", partitions=[])

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        emit(event="assignment", partitions=sorted(partition.partition for partition in assigned))


def group(bootstrap: str, topic: str, group_id: str) -> None:
    stop = StopFlag()
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=group_id, auto_offset_reset="earliest")
    consumer.subscribe([topic], listener=Listener())
    while not stop:
        for records in consumer.poll(timeout_ms=200).values():
            for record in records:
                emit_record("record", record.partition, record.offset, record.key, record.value)
    consumer.close()
    emit(event="closed")


def admin(bootstrap: str, verb: str, arguments: list[str]) -> None:
    client = KafkaAdminClient(bootstrap_servers=bootstrap)
    if verb == "create":
        client.create_topics([NewTopic(arguments[0], num_partitions=int(arguments[1]), replication_factor=1)])
    elif verb == "delete":
        client.delete_topics([arguments[0]])
    else:
        for topic in client.list_topics():
            emit(topic=topic)
    client.close()


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
