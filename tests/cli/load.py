"""Load on a broker while something else is done with it: records, commits, and transactions that join the two."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Consumer, Producer, TopicPartition

PLAIN, COPY = "plain", "copy"
"""Topics: of records, and of what transactions say of them."""
PARTITIONS = 2
GROUP, COPIERS = "readers", "copiers"
"""Groups: commits by itself; commits in transactions."""
TRANSACTIONAL_ID = "copier"
RECORD = b"r" * 4_000
TIMEOUT_S = 30.0


class Load:
    """Three clients, each in a thread of its own, from `with` to its end. A client that fails, fails the test."""

    def __init__(self, bootstrap: str, *, transactions: bool) -> None:
        self.bootstrap = bootstrap
        self.produced = 0
        """Records of partition 0 of PLAIN that were acknowledged."""
        self.committed = 0
        """What GROUP has committed of it."""
        self.copied = 0
        """What COPIERS have."""
        self._errors: list[BaseException] = []
        self._ending = threading.Event()
        work: list[Callable[[], None]] = [self._produce, self._commit]
        if transactions:
            work.append(self._copy)
        self._threads = [threading.Thread(target=self._guarded, args=(each,), daemon=True) for each in work]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join(TIMEOUT_S)
        if kind is None:
            self.check()

    def check(self) -> None:
        """Fail for whatever has failed."""
        assert self._errors == []

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            while not self._ending.is_set():
                work()
        except BaseException as error:
            self._errors.append(error)
            self._ending.set()

    def _produce(self) -> None:
        producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 0, "batch.size": 30_000})
        failures: list[Any] = []

        def delivered(error: Any, message: Any) -> None:
            if error is not None:
                failures.append(error)
            elif message.partition() == 0:
                self.produced = max(self.produced, _end(message))

        while not self._ending.is_set():
            for number in range(20):
                producer.produce(PLAIN, RECORD, partition=number % PARTITIONS, on_delivery=delivered)
            producer.flush(TIMEOUT_S)
            assert failures == []

    def _commit(self) -> None:
        consumer = self._consumer(GROUP)
        try:
            while not self._ending.is_set():
                messages = consumer.consume(50, 0.2)
                if not messages:
                    continue
                assert all(message.error() is None for message in messages)
                position = _end(messages[-1])
                consumer.commit(offsets=[TopicPartition(PLAIN, 0, position)], asynchronous=False)
                self.committed = position
        finally:
            consumer.close()

    def _copy(self) -> None:
        """Read records of partition 0; for each run of them write "first-end" to every partition of COPY and commit the
        end, in one transaction. Some are aborted and done again."""
        consumer = self._consumer(COPIERS)
        producer = Producer({"bootstrap.servers": self.bootstrap, "transactional.id": TRANSACTIONAL_ID, "linger.ms": 0})
        producer.init_transactions(TIMEOUT_S)
        group = consumer.consumer_group_metadata()
        number = 0
        try:
            while not self._ending.is_set():
                messages = consumer.consume(20, 0.2)
                if not messages:
                    continue
                first, end = messages[0].offset(), _end(messages[-1])
                for is_last in (False, True) if number % 3 == 0 else (True,):
                    producer.begin_transaction()
                    for partition in range(PARTITIONS):
                        producer.produce(COPY, f"{first}-{end}".encode(), partition=partition)
                    producer.send_offsets_to_transaction([TopicPartition(PLAIN, 0, end)], group, TIMEOUT_S)
                    if is_last:
                        producer.commit_transaction(TIMEOUT_S)
                        self.copied = end
                    else:
                        producer.abort_transaction(TIMEOUT_S)
                number += 1
        finally:
            consumer.close()

    def _consumer(self, group: str) -> Consumer:
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
            }
        )
        consumer.assign([TopicPartition(PLAIN, 0, 0)])
        return consumer


def _end(message: Any) -> int:
    """The offset after a message."""
    return int(message.offset()) + 1
