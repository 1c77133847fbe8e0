"""One producer of the torture, as a process of its own: numbered records until SIGTERM, and a note of every ack.

    python -m tools.torture.producers KIND NAME BOOTSTRAP TOPIC PARTITIONS ACKS_FILE

The file gets a line "partition offset value" for each record that the broker has acknowledged. KIND is one of KINDS.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from threading import Lock
from typing import IO, Any

KINDS = ("confluent-idempotent", "confluent", "aiokafka-idempotent", "kafka-python")
IDEMPOTENT = frozenset({"confluent-idempotent", "aiokafka-idempotent"})
DELIVERY_TIMEOUT_MS = 120_000
IN_FLIGHT = 2000
"""Records that may wait for their ack at the same time."""


class Stop:
    """True once SIGTERM has come."""

    def __init__(self) -> None:
        self.asked = False
        signal.signal(signal.SIGTERM, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True


class Acks:
    """The file of acknowledgements, noted by any thread: kafka-python tells some in its own, and in the one that asks
    what is known already. Two at once would spoil a text file of CPython 3.11."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._lock = Lock()
        self.count = 0
        self.failed = 0

    def note(self, partition: int, offset: int, value: str) -> None:
        with self._lock:
            self.count += 1
            self._file.write(f"{partition} {offset} {value}\n")


def confluent(name: str, bootstrap: str, topic: str, partitions: int, acks: Acks, stop: Stop, idempotent: bool) -> None:
    from confluent_kafka import Producer

    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "acks": "all",
            "enable.idempotence": idempotent,
            "message.timeout.ms": DELIVERY_TIMEOUT_MS,
            "linger.ms": 2,
            "log_level": 0,
        }
    )

    def delivered(error: Any, message: Any) -> None:
        if error is None:
            acks.note(message.partition(), message.offset(), message.value().decode())
        else:
            acks.failed += 1

    number = 0
    while not stop.asked:
        if len(producer) >= IN_FLIGHT:
            producer.poll(0.05)
            continue
        value = f"{name}-{number}"
        producer.produce(topic, value=value, partition=number % partitions, on_delivery=delivered)
        number += 1
        producer.poll(0)
    if left := producer.flush(DELIVERY_TIMEOUT_MS / 1000):
        raise SystemExit(f"{left} records were not delivered")


def kafka_python(name: str, bootstrap: str, topic: str, partitions: int, acks: Acks, stop: Stop) -> None:
    from kafka import KafkaProducer

    producer = KafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=False,
        delivery_timeout_ms=DELIVERY_TIMEOUT_MS,
        linger_ms=2,
    )

    def noting(value: str) -> Callable[[Any], None]:
        return lambda metadata: acks.note(metadata.partition, metadata.offset, value)

    def failed(_: BaseException) -> None:
        acks.failed += 1

    number = 0
    while not stop.asked:
        value = f"{name}-{number}"
        future = producer.send(topic, value=value.encode(), partition=number % partitions)
        future.add_callback(noting(value))
        future.add_errback(failed)
        number += 1
        if number - acks.count - acks.failed > IN_FLIGHT:
            time.sleep(0.01)
    producer.flush(DELIVERY_TIMEOUT_MS / 1000)
    producer.close()


async def aiokafka(name: str, bootstrap: str, topic: str, partitions: int, acks: Acks, stop: Stop) -> None:
    from aiokafka import AIOKafkaProducer

    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=True, request_timeout_ms=DELIVERY_TIMEOUT_MS, linger_ms=2
    )
    await producer.start()
    waiting: set[asyncio.Task[None]] = set()

    async def send(number: int) -> None:
        value = f"{name}-{number}"
        try:
            metadata = await producer.send_and_wait(topic, value=value.encode(), partition=number % partitions)
        except Exception:
            acks.failed += 1
        else:
            acks.note(metadata.partition, metadata.offset, value)

    number = 0
    while not stop.asked:
        if len(waiting) >= IN_FLIGHT:
            _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        waiting.add(asyncio.create_task(send(number)))
        number += 1
        await asyncio.sleep(0)
    if waiting:
        await asyncio.wait(waiting)
    await producer.stop()


def main(kind: str, name: str, bootstrap: str, topic: str, partitions: str, path: str) -> None:
    stop = Stop()
    with open(path, "w", encoding="ascii") as file:
        acks = Acks(file)
        match kind:
            case "confluent-idempotent" | "confluent":
                confluent(name, bootstrap, topic, int(partitions), acks, stop, kind in IDEMPOTENT)
            case "aiokafka-idempotent":
                asyncio.run(aiokafka(name, bootstrap, topic, int(partitions), acks, stop))
            case "kafka-python":
                kafka_python(name, bootstrap, topic, int(partitions), acks, stop)
            case _:
                raise SystemExit(f"{kind} is none of {', '.join(KINDS)}")
    print(f"{acks.count} {acks.failed}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
