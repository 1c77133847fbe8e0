"""Produce: append one record batch per partition (KIP-98, KIP-467).

Served: 0 to 11, of which 0 to 2 only in name. librdkafka before 2.11.1 sends uncompressed data unless the range begins
at 0, and Kafka advertises it for the same reason; message formats 0 and 1 went with Kafka 4, so a request of these
versions is answered with INVALID_RECORD for the batches that it holds.

The answer to acks=all waits for an fsync; meanwhile the connection's next Produce request is begun.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from chronik.api.request import NO_RESPONSE, CloseConnection, Deferred, RequestContext
from chronik.broker.clock import now_ms
from chronik.errors import ErrorCode, KafkaError
from chronik.log.access import Appended, AppendTerms
from chronik.log.validate import RejectedBatch, check_batch
from chronik.terms import NO_OFFSET, NO_TIMESTAMP, Acks
from chronik.wire.apis import ApiKey
from chronik.wire.messages.produce import (
    BatchIndexAndErrorMessage,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)

API = ApiKey.PRODUCE
VERSIONS = (0, 11)

_ZSTD_SINCE = 7
_VALID_ACKS = frozenset(Acks)


class _Answer:
    """Gathers what became of each partition; the request is answered when all are known."""

    __slots__ = ("acks", "client", "deferred", "failed", "response", "waiting")

    def __init__(self, acks: Acks, client: str) -> None:
        self.acks = acks
        self.client = client
        self.response = ProduceResponse()
        self.deferred = Deferred()
        self.failed = False
        self.waiting = 1
        """Partitions not known yet; one more while the request is still being read."""

    def settle(self) -> None:
        self.waiting -= 1
        if self.waiting == 0:
            self.deferred.resolve(NO_RESPONSE if self.acks is Acks.NONE else self.response)


class _PartitionDone:
    """Told by the store about one partition."""

    __slots__ = ("_answer", "_partition")

    def __init__(self, answer: _Answer, partition: PartitionProduceResponse) -> None:
        self._answer = answer
        self._partition = partition

    def __call__(self, outcome: Appended | KafkaError) -> None:
        partition = self._partition
        if isinstance(outcome, KafkaError):
            _refuse(partition, outcome)
            self._answer.failed = True
        else:
            partition.base_offset, partition.log_append_time_ms, partition.log_start_offset = outcome
        self._answer.settle()


def handle(context: RequestContext, request: ProduceRequest) -> ProduceResponse | Deferred | Coroutine[Any, Any, Any]:
    """Check and stage every batch; see the module's docstring for when it is answered."""
    if request.acks not in _VALID_ACKS:
        return _refused(request)
    if (room := context.broker.store.room()) is not None:
        for topic in request.topic_data:
            for data in topic.partition_data:
                # The frame's buffer is only ours until this call returns.
                data.records = None if data.records is None else memoryview(bytes(data.records))
        return _after(room, context, request)
    return _append_all(context, request)


async def _after(room: Any, context: RequestContext, request: ProduceRequest) -> Deferred:
    while room is not None:
        await room
        room = context.broker.store.room()
    return _append_all(context, request)


def _append_all(context: RequestContext, request: ProduceRequest) -> Deferred:
    acks = Acks(request.acks)
    answer = _Answer(acks, context.client_id)
    for topic_data in request.topic_data:
        response = TopicProduceResponse(name=topic_data.name)
        answer.response.responses.append(response)
        _append_topic(context, topic_data, response, answer)
    if answer.failed and acks is Acks.NONE:
        raise CloseConnection("a Produce request with acks=0 failed, which only a closed connection can tell")
    answer.settle()
    return answer.deferred


def _append_topic(
    context: RequestContext, topic_data: TopicProduceData, response: TopicProduceResponse, answer: _Answer
) -> None:
    broker, now = context.broker, now_ms()
    durability = broker.durability[answer.acks]
    topic = broker.topics.get(topic_data.name)
    for data in topic_data.partition_data:
        partition = PartitionProduceResponse(index=data.index, base_offset=NO_OFFSET)
        response.partition_responses.append(partition)
        log = None if topic is None else topic.log_of(data.index)
        try:
            if topic is None or log is None:
                raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "This server has no such topic or partition.")
            config = topic.config
            batch = check_batch(data.records, config, now, zstd_allowed=context.version >= _ZSTD_SINCE)
        except KafkaError as error:
            _refuse(partition, error)
            answer.failed = True
            continue
        answer.waiting += 1
        terms = AppendTerms(topic.leader_epoch, now, config.segment_bytes, config.segment_ms)
        broker.store.append(log, batch, terms, durability, _PartitionDone(answer, partition))


def _refused(request: ProduceRequest) -> ProduceResponse:
    """The answer to an acks value that means nothing: no batch is looked at."""
    return ProduceResponse(
        responses=[
            TopicProduceResponse(
                name=topic.name,
                partition_responses=[
                    PartitionProduceResponse(
                        index=data.index, error_code=ErrorCode.INVALID_REQUIRED_ACKS, base_offset=NO_OFFSET
                    )
                    for data in topic.partition_data
                ],
            )
            for topic in request.topic_data
        ]
    )


def _refuse(partition: PartitionProduceResponse, error: KafkaError) -> None:
    partition.error_code = error.code
    partition.base_offset = NO_OFFSET
    partition.log_append_time_ms = NO_TIMESTAMP
    partition.log_start_offset = NO_OFFSET
    partition.error_message = error.message
    if isinstance(error, RejectedBatch):
        partition.record_errors = [
            BatchIndexAndErrorMessage(batch_index=index, batch_index_error_message=message)
            for index, message in error.record_errors
        ]
