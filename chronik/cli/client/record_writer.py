"""Writes records with kafka-python, so many at a time that memory has a bound, and knows what became of each."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

from chronik.cli.client.connection import Connection, admin, drop, producer
from chronik.cli.client.problems import ClientProblem, refusal
from chronik.cli.client.record_input import InputRecord

_MAX_WAITING = 20_000
_MAX_WAITING_BYTES = 32 * 1024 * 1024
_MAX_REQUEST_BYTES = 100 * 1024 * 1024
"""How large a record may be is for the broker to say."""
_DELIVERY_MARGIN_S = 5.0


class Written(NamedTuple):
    """Records that one partition got; no offsets where the broker was not asked for an answer."""

    first_offset: int | None
    last_offset: int | None
    record_count: int


class _Waiting(NamedTuple):
    future: Any
    size_bytes: int


class RecordWriter:
    """`write` records, then `finish`; `written` says, by partition, what has been acknowledged so far."""

    def __init__(self, to: Connection, topic: str, *, acks: str, codec: str, linger_ms: int, batch_bytes: int) -> None:
        self._to = to
        self._topic = topic
        self._acks = -1 if acks == "all" else int(acks)
        self._codec = codec
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self.written: dict[int, Written] = {}
        self._producer = producer(
            to,
            acks=self._acks,
            enable_idempotence=self._acks == -1,
            compression_type=None if codec == "none" else codec,
            linger_ms=linger_ms,
            batch_size=batch_bytes,
            max_request_size=_MAX_REQUEST_BYTES,
            delivery_timeout_ms=to.timeout_ms + linger_ms + 1000,
        )

    @property
    def count(self) -> int:
        """Records that have been acknowledged."""
        return sum(found.record_count for found in self.written.values())

    def partitions(self) -> set[int]:
        """The topic's partitions; a broker that creates topics when they are named creates it now. ClientProblem if
        there is no such topic."""
        from kafka.errors import BrokerResponseError, KafkaTimeoutError

        try:
            return set(self._producer.partitions_for(self._topic))
        except KafkaTimeoutError:
            raise ClientProblem(
                f"There is no topic {self._topic}, and the broker has not created it in {self._to.timeout_s:g} s."
            ) from None
        except BrokerResponseError as error:
            raise ClientProblem(f"Topic {self._topic}: {refusal(error.errno)}.") from None

    def write(self, record: InputRecord) -> None:
        """Give a record to the producer; ClientProblem if an earlier one was refused."""
        from kafka.errors import MessageSizeTooLargeError

        if _needs_own_batch(record):
            self._write_alone(record)
            return
        try:
            future = self._producer.send(
                self._topic,
                value=record.value,
                key=record.key,
                headers=list(record.headers),
                partition=record.partition,
                timestamp_ms=record.timestamp_ms,
            )
        except MessageSizeTooLargeError:
            raise ClientProblem(f"A record has more than {_MAX_REQUEST_BYTES} bytes.") from None
        size_bytes = len(record.value or b"") + len(record.key or b"")
        self._waiting.append(_Waiting(future, size_bytes))
        self._waiting_bytes += size_bytes
        while len(self._waiting) > _MAX_WAITING or self._waiting_bytes > _MAX_WAITING_BYTES:
            self._take()
        while self._waiting and self._waiting[0].future.is_done:
            self._take()

    def finish(self) -> None:
        """Wait for everything. ClientProblem for the first record that was refused, once all have been answered."""
        problem = None
        while self._waiting:
            try:
                self._take()
            except ClientProblem as found:
                problem = problem or found
        if problem:
            raise problem

    def settle(self) -> None:
        """Wait for what was given, whatever becomes of it: what is acknowledged is counted."""
        while self._waiting:
            try:
                self._take()
            except ClientProblem:
                pass  # the first problem is the one that is told

    def close(self) -> None:
        """Give up what waits still."""
        if self._waiting:
            drop(self._producer)
        else:
            self._producer.close(timeout=self._to.timeout_s)

    def _take(self) -> None:
        from kafka.errors import BrokerResponseError, KafkaError

        waiting = self._waiting.popleft()
        self._waiting_bytes -= waiting.size_bytes
        try:
            found = waiting.future.get(timeout=self._to.timeout_s + _DELIVERY_MARGIN_S)
        except BrokerResponseError as error:
            raise ClientProblem(f"A record was not written: {refusal(error.errno)}.") from None
        except KafkaError as error:
            raise ClientProblem(f"A record was not written: {str(error).rstrip('.')}.") from None
        self._note(found.partition, found.offset)

    def _note(self, partition: int, offset: int) -> None:
        first, last, count = self.written.get(partition, Written(offset, offset, 0))
        if first is None or last is None or self._acks == 0:
            self.written[partition] = Written(None, None, count + 1)
        else:
            self.written[partition] = Written(min(first, offset), max(last, offset), count + 1)

    def _write_alone(self, record: InputRecord) -> None:
        """A record that kafka-python's producer refuses though Kafka knows it: in a batch of our own making, in its
        place among the others."""
        import time

        from kafka.protocol.producer import ProduceRequest

        from chronik.batch.compression import Codec
        from chronik.batch.records import Record, build_batch

        while self._waiting:
            self._take()
        partition = record.partition if record.partition is not None else self._partition_of(record)
        time_ms = int(time.time() * 1000) if record.timestamp_ms is None else record.timestamp_ms
        batch = build_batch(
            [Record(0, 0, record.key, record.value, record.headers)], time_ms, codec=Codec[self._codec.upper()]
        )
        of_topic = ProduceRequest.TopicProduceData
        data = of_topic(
            name=self._topic,
            partition_data=[of_topic.PartitionProduceData(index=partition, records=bytes(batch))],
        )
        acks = self._acks or 1  # an answer is needed: the manager waits for one
        request = ProduceRequest(
            acks=acks, timeout_ms=self._to.timeout_ms, topic_data=[data], transactional_id=None, max_version=12
        )
        with admin(self._to) as client:
            leader = _leader(client, self._topic, partition)
            # The admin client has no public way to send a request of one's own.
            answer = client._manager.run(lambda: client._manager.send(request, node_id=leader))
        (found,) = answer.responses[0].partition_responses
        if found.error_code:
            raise ClientProblem(f"A record was not written: {refusal(found.error_code)}.")
        self._note(partition, found.base_offset)

    def _partition_of(self, record: InputRecord) -> int:
        """Where the producer would write it."""
        numbers = sorted(self.partitions())
        if record.key is None:
            return numbers[0]
        from kafka.partitioner.default import murmur2

        hashed: int = murmur2(record.key) & 0x7FFFFFFF
        return numbers[hashed % len(numbers)]


def _needs_own_batch(record: InputRecord) -> bool:
    if record.value is None and record.key is None:
        return True
    return any(value is None for _, value in record.headers) if record.headers else False


def _leader(client: Any, topic: str, partition: int) -> int:
    for found in client.describe_topics([topic])[0]["partitions"]:
        if found["partition_index"] == partition:
            leader: int = found["leader_id"]
            return leader
    raise ClientProblem(f"Topic {topic} has no partition {partition}.")
