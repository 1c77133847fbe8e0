"""One job of the transactions' torture, as a process of its own: consume, transform, produce, exactly once.

    python -m tools.torture.jobs NUMBER BOOTSTRAP ATTEMPTS_FILE SEED

Each output says which input it is of and in which attempt it was made. Now and then a job aborts a transaction on
purpose; the file gets a line with the attempt before it does. Any error that is not retriable ends the process with
exit code 1, a call that does not return with 3: whoever watches it starts it again. SIGTERM ends it between two
transactions.
"""

from __future__ import annotations

import faulthandler
import os
import random
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from tools.torture.producers import Stop

INPUTS, OUTPUTS, GROUP = "inputs", "outputs", "jobs"
TRANSACTION_TIMEOUT_MS = 10_000
SESSION_TIMEOUT_MS = 6_000
RECORDS = 40
"""In one transaction, at the most."""
ABORT_CHANCE = 0.15
STUCK_CODE = 3
CALL_TIMEOUT_S = 5.0
STUCK_S = 8.0
"""After so long in one call a job ends: librdkafka's send_offsets_to_transaction does not keep to its timeout, and does
not return at all when the group's coordinator went down at the wrong moment (its issues 5456 and 5511)."""


class Job:
    """Holds a consumer that is a static member of the group, so that a restart keeps its partitions, and a producer
    with a transactional id of its own."""

    def __init__(self, number: int, bootstrap: str, attempts: IO[str], chance: random.Random) -> None:
        self.name = f"job-{number}"
        self.attempts = attempts
        self.chance = chance
        self.attempt = 0
        self.run = chance.getrandbits(32)
        self.consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": GROUP,
                "group.instance.id": self.name,
                "session.timeout.ms": SESSION_TIMEOUT_MS,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "log_level": 0,
            }
        )
        self.producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "transactional.id": self.name,
                "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
                "linger.ms": 1,
                "log_level": 0,
            }
        )

    def work(self, stop: Stop) -> None:
        persist(lambda: self.producer.init_transactions(CALL_TIMEOUT_S))
        self.consumer.subscribe([INPUTS])
        while not stop.asked:
            wanted = self.chance.randint(1, RECORDS)
            messages = [one for one in self.consumer.consume(wanted, timeout=0.2) if one.error() is None]
            if messages:
                self.move(messages)
        self.consumer.close()

    def move(self, messages: list[Message]) -> None:
        """One transaction."""
        self.attempt += 1
        attempt = f"{self.name}.{self.run}.{self.attempt}"
        self.producer.begin_transaction()
        ends: dict[int, TopicPartition] = {}
        for message in messages:
            self.producer.produce(OUTPUTS, value=f"{text_of(message)} {attempt}")
            ends[place_of(message)[0]] = TopicPartition(INPUTS, place_of(message)[0], place_of(message)[1] + 1)
        group = self.consumer.consumer_group_metadata()
        persist(lambda: self.producer.send_offsets_to_transaction(list(ends.values()), group, CALL_TIMEOUT_S))
        if self.chance.random() < ABORT_CHANCE:
            self.attempts.write(attempt + "\n")
            self.attempts.flush()
            self.producer.flush(CALL_TIMEOUT_S)
            persist(lambda: self.producer.abort_transaction(CALL_TIMEOUT_S))
            for message in reversed(messages):
                self.consumer.seek(TopicPartition(INPUTS, *place_of(message)))
        else:
            persist(lambda: self.producer.commit_transaction(CALL_TIMEOUT_S))


def persist(call: Callable[[], Any]) -> None:
    """Call again as long as the error says that one may. A call that does not return ends the process."""
    while True:
        watchdog = threading.Timer(STUCK_S, stuck)
        watchdog.daemon = True
        watchdog.start()
        try:
            call()
        except KafkaException as failure:
            if not failure.args[0].retriable():
                raise
        else:
            return
        finally:
            watchdog.cancel()


def stuck() -> None:
    print("a call does not return", flush=True)
    os._exit(STUCK_CODE)


def text_of(message: Message) -> str:
    value = message.value()
    assert isinstance(value, bytes)
    return value.decode()


def place_of(message: Message) -> tuple[int, int]:
    """Partition and offset."""
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return partition, offset


def main(number: str, bootstrap: str, path: str, seed: str) -> None:
    stop = Stop()
    faulthandler.register(signal.SIGUSR1, all_threads=False)  # for whoever wonders what it is waiting for
    with Path(path).open("a", encoding="ascii") as attempts:
        try:
            Job(int(number), bootstrap, attempts, random.Random(seed)).work(stop)
        except KafkaException as failure:
            print(f"job {number} ends: {failure}", flush=True)
            sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
