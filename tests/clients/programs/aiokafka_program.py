"""aiokafka behind the commands of `tests/clients/client_program.py`."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from lines import TRANSACTION_RECORDS, emit, emit_record, is_to_be_aborted


async def produce(bootstrap: str, topic: str, count: int, codec: str, prefix: str) -> None:
    options: dict[str, Any] = {} if codec == "default" else {"compression_type": None if codec == "none" else codec}
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, **options) as producer:
        await send(producer, topic, count, prefix)


async def send(producer: AIOKafkaProducer, topic: str, count: int, prefix: str) -> None:
    records = [(f"{prefix}key-{i}".encode(), f"{prefix}value-{i}".encode()) for i in range(count)]
    sent = [(key, value, await producer.send(topic, key=key, value=value)) for key, value in records]
    for key, value, future in sent:
        metadata = await future
        emit_record(None, metadata.partition, metadata.offset, key, value)


async def transact(bootstrap: str, topic: str, count: int, transactional_id: str, outcome: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=transactional_id) as producer:
        await producer.begin_transaction()
        await send(producer, topic, count, f"{outcome}-")
        if outcome == "commit":
            await producer.commit_transaction()
        else:
            await producer.abort_transaction()


async def transform(bootstrap: str, source: str, target: str, group_id: str, transactional_id: str, count: int) -> None:
    reading: dict[str, Any] = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    consumer = AIOKafkaConsumer(
        source, bootstrap_servers=bootstrap, group_id=group_id, isolation_level="read_committed", **reading
    )
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=transactional_id)
    async with consumer, producer:
        moved = transactions = 0
        while moved < count:
            polled = await consumer.getmany(timeout_ms=500, max_records=TRANSACTION_RECORDS)
            if not polled:
                continue
            await producer.begin_transaction()
            for record in (record for records in polled.values() for record in records):
                await producer.send(target, key=record.key, value=b"done-" + record.value)
            ends = {place: records[-1].offset + 1 for place, records in polled.items()}
            await producer.send_offsets_to_transaction(ends, group_id)
            if is_to_be_aborted(transactions):
                await producer.flush()
                await producer.abort_transaction()
                for place, records in polled.items():
                    consumer.seek(place, records[0].offset)
            else:
                await producer.commit_transaction()
                moved += sum(map(len, polled.values()))
            transactions += 1


async def consume(bootstrap: str, topic: str, count: int) -> None:
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        # Without a group, partitions_for_topic knows only topics that a metadata request named before.
        await consumer._client._wait_on_metadata(topic)
        consumer.assign([TopicPartition(topic, partition) for partition in consumer.partitions_for_topic(topic)])
        for _ in range(count):
            record = await consumer.getone()
            emit_record(None, record.partition, record.offset, record.key, record.value)


class Listener(ConsumerRebalanceListener):  # type: ignore[misc, unused-ignore]  # typed from aiokafka 0.11 on
    """Writes what the member owns after each change."""

    def on_partitions_revoked(self, revoked: Any) -> None:
        if revoked:
            emit(event="assignment", partitions=[])

    def on_partitions_assigned(self, assigned: Any) -> None:
        emit(event="assignment", partitions=sorted(partition.partition for partition in assigned))


async def group(bootstrap: str, topic: str, group_id: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group_id, auto_offset_reset="earliest")
    consumer.subscribe([topic], listener=Listener())
    await consumer.start()
    while not stop.is_set():
        for records in (await consumer.getmany(timeout_ms=200)).values():
            for record in records:
                emit_record("record", record.partition, record.offset, record.key, record.value)
    await consumer.stop()
    emit(event="closed")


async def admin(bootstrap: str, verb: str, arguments: list[str]) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        if verb == "create":
            topic = NewTopic(arguments[0], num_partitions=int(arguments[1]), replication_factor=1)
            reply = await client.create_topics([topic])
            check([error[1] for error in reply.topic_errors])
        elif verb == "delete":
            reply = await client.delete_topics([arguments[0]])
            check([error[1] for error in reply.topic_error_codes])
        else:
            for name in await client.list_topics():
                emit(topic=name)
    finally:
        await client.close()


def check(codes: list[int]) -> None:
    """aiokafka's admin client returns error codes instead of raising them."""
    if any(codes):
        sys.exit(f"error codes {codes}")


def main(bootstrap: str, command: str, *arguments: str) -> None:
    if command == "produce":
        asyncio.run(produce(bootstrap, arguments[0], int(arguments[1]), arguments[2], arguments[3]))
    elif command == "transact":
        asyncio.run(transact(bootstrap, arguments[0], int(arguments[1]), arguments[2], arguments[3]))
    elif command == "transform":
        asyncio.run(transform(bootstrap, arguments[0], arguments[1], arguments[2], arguments[3], int(arguments[4])))
    elif command == "consume":
        asyncio.run(consume(bootstrap, arguments[0], int(arguments[1])))
    elif command == "group":
        asyncio.run(group(bootstrap, arguments[0], arguments[1]))
    else:
        asyncio.run(admin(bootstrap, arguments[0], list(arguments[1:])))


main(*sys.argv[1:])
