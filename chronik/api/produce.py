"""Produce: append one record batch per partition (KIP-98, KIP-467, KIP-890, KIP-516).

Served: 0 to 13, of which 0 to 2 only in name. librdkafka before 2.11.1 sends uncompressed data unless the range begins
at 0, and Kafka advertises it for the same reason; message formats 0 and 1 went with Kafka 4, so a request of these
versions is answered with INVALID_RECORD for the batches that it holds. From 12 on a transactional batch adds its
partition to the transaction, before that AddPartitionsToTxn must have; from 13 on topics come by id.

The answer to acks=all waits for an fsync; meanwhile the connection's next Produce request is begun.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any

from chronik.api import produce_transactions
from chronik.api.produce_answer import Answer, Batch, refuse
from chronik.api.produce_transactions import Wrong
from chronik.api.request import CloseConnection, Deferred, RequestContext
from chronik.batch.header import TRANSACTIONAL_BIT
from chronik.broker.broker import Broker
from chronik.broker.clock import now_ms
from chronik.broker.topics import Topic
from chronik.errors import ErrorCode, KafkaError
from chronik.log.access import AppendTerms
from chronik.log.validate import check_batch
from chronik.terms import NO_OFFSET, Acks
from chronik.txn.requests import Producer
from chronik.wire.apis import ApiKey
from chronik.wire.messages.produce import (
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)

API = ApiKey.PRODUCE
VERSIONS = (0, 13)

ZSTD_SINCE = 7
TOPIC_IDS_SINCE = 13
_ACKS = {int(acks): acks for acks in Acks}


def handle(context: RequestContext, request: ProduceRequest) -> ProduceResponse | Deferred | Coroutine[Any, Any, Any]:
    """Check and stage every batch; see the module's docstring for when it is answered."""
    if request.acks not in _ACKS:
        return _refused(request, KafkaError(ErrorCode.INVALID_REQUIRED_ACKS))
    if (room := context.broker.store.room()) is not None:
        for topic in request.topic_data:
            for data in topic.partition_data:
                # The frame's buffer is only ours until this call returns.
                data.records = None if data.records is None else memoryview(bytes(data.records))
        return _after(room, context, request)
    return _append_all(context, request)


async def _after(room: Any, context: RequestContext, request: ProduceRequest) -> Any:
    while room is not None:
        await room
        room = context.broker.store.room()
    appending = _append_all(context, request)
    return await appending if isinstance(appending, Coroutine) else appending


def _append_all(
    context: RequestContext, request: ProduceRequest
) -> ProduceResponse | Deferred | Coroutine[Any, Any, Deferred]:
    answer = Answer(_ACKS[request.acks])
    batches: list[Batch] = []
    transactional: list[Batch] = []
    now = now_ms()
    for topic_data in request.topic_data:
        response = TopicProduceResponse(name=topic_data.name, topic_id=topic_data.topic_id)
        if topic_data.partition_data:  # a topic without partitions is left out
            answer.response.responses.append(response)
        _check_topic(context, topic_data, response, answer, batches, transactional, now)
    if not transactional:
        return _append(context.broker, batches, answer)
    try:
        producer = produce_transactions.producer_of(request.transactional_id, transactional)
    except KafkaError as error:
        return _refused(request, error)
    if not produce_transactions.verifies(context):
        return _append(context.broker, batches, answer)
    wrong = produce_transactions.unverified(context.broker, producer, transactional)
    if wrong and context.version >= produce_transactions.ADDS_PARTITIONS_SINCE:
        for batch in batches:
            batch.keep()
        return _append_added(context, producer, batches, transactional, wrong, answer)
    return _append_verified(context, batches, wrong, answer)


async def _append_added(
    context: RequestContext,
    producer: Producer,
    batches: list[Batch],
    transactional: list[Batch],
    wrong: Wrong,
    answer: Answer,
) -> Deferred:
    """Add the partitions to the transaction first. Meanwhile it may have ended: all are verified again."""
    error = await produce_transactions.add(context.broker, producer, wrong)
    if error is ErrorCode.NONE:
        wrong = produce_transactions.unverified(context.broker, producer, transactional)
    else:
        wrong = dict.fromkeys(wrong, error)
    return _append_verified(context, batches, wrong, answer)


def _append_verified(context: RequestContext, batches: Sequence[Batch], wrong: Wrong, answer: Answer) -> Deferred:
    """Append all but those batches that do not belong to the transaction."""
    for batch, error in wrong.items():
        answer.refuse(batch.response, produce_transactions.refusal(context.version, error))
    return _append(context.broker, [batch for batch in batches if batch not in wrong], answer)


def _append(broker: Broker, batches: Sequence[Batch], answer: Answer) -> Deferred:
    durability, append = broker.durability[answer.acks], broker.store.append
    for batch in batches:
        answer.waiting += 1
        append(batch.log, batch.checked, batch.terms, durability, batch)
    if answer.failed and answer.acks is Acks.NONE:
        raise CloseConnection("a Produce request with acks=0 failed, which only a closed connection can tell")
    answer.settle()
    return answer


def _check_topic(
    context: RequestContext,
    topic_data: TopicProduceData,
    response: TopicProduceResponse,
    answer: Answer,
    batches: list[Batch],
    transactional: list[Batch],
    now: int,
) -> None:
    """Check every batch of a topic: those that pass gather in `batches`, and some of them in `transactional` too."""
    topics, version, terms = context.broker.topics, context.version, None
    by_id = version >= TOPIC_IDS_SINCE
    topic = topics.by_id(topic_data.topic_id) if by_id else topics.get(topic_data.name)
    for data in topic_data.partition_data:
        partition = PartitionProduceResponse(index=data.index, base_offset=NO_OFFSET)
        response.partition_responses.append(partition)
        try:
            log = None if topic is None else topic.log_of(data.index)
            if topic is None or log is None:
                raise _unknown(topic, by_id)
            config = topic.config
            checked = check_batch(data.records, config, now, zstd_allowed=version >= ZSTD_SINCE)
        except KafkaError as error:
            answer.refuse(partition, error)
            continue
        if terms is None:
            terms = AppendTerms(topic.leader_epoch, now, config.segment_bytes, config.segment_ms)
        batch = Batch((topic.topic_id, data.index), log, checked, terms, partition, answer)
        if checked.header.attributes & TRANSACTIONAL_BIT:
            transactional.append(batch)
            if version >= produce_transactions.ADDS_PARTITIONS_SINCE:
                batch.terms = terms._replace(begins_at_zero=True)
        batches.append(batch)


def _unknown(topic: Topic | None, by_id: bool) -> KafkaError:
    if topic is None and by_id:
        return KafkaError(ErrorCode.UNKNOWN_TOPIC_ID)
    return KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "This server has no such topic or partition.")


def _refused(request: ProduceRequest, error: KafkaError) -> ProduceResponse:
    """The answer to a request that is refused as a whole: no batch is looked at."""
    response = ProduceResponse()
    for topic in request.topic_data:
        refused = TopicProduceResponse(name=topic.name, topic_id=topic.topic_id)
        response.responses.append(refused)
        for data in topic.partition_data:
            partition = PartitionProduceResponse(index=data.index)
            refuse(partition, error)
            refused.partition_responses.append(partition)
    return response
