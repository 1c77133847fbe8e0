"""TxnOffsetCommit: offsets that become valid with a transaction (KIP-98, KIP-447, KIP-890).

Served: 0 to 5. Every error is that of each partition. From version 3 the group's member is checked; version 5 adds the
group to the transaction by itself, before it AddOffsetsToTxn must have: otherwise the answer is INVALID_TXN_STATE, from
version 4 TRANSACTION_ABORTABLE.
"""

from __future__ import annotations

from chronik.api.request import RequestContext
from chronik.errors import ErrorCode, KafkaError
from chronik.group.offsets import CommitReply, CommitRequest, OffsetToCommit
from chronik.terms import ProducerId, TopicId
from chronik.txn.requests import Producer
from chronik.wire.apis import ApiKey
from chronik.wire.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
)

API = ApiKey.TXN_OFFSET_COMMIT
VERSIONS = (0, 5)

_LOADING_SINCE = 2
_ABORTABLE_SINCE = 4
_ADDS_GROUP_SINCE = 5


async def handle(context: RequestContext, request: TxnOffsetCommitRequest) -> TxnOffsetCommitResponse:
    """Keep what names an existing partition with the transaction; answer for every partition."""
    topics = context.broker.topics
    response = TxnOffsetCommitResponse()
    offsets: list[OffsetToCommit] = []
    places: list[TxnOffsetCommitResponsePartition] = []
    for asked in request.topics:
        topic = topics.get(asked.name)
        answer = TxnOffsetCommitResponseTopic(name=asked.name)
        response.topics.append(answer)
        for partition in asked.partitions:
            place = TxnOffsetCommitResponsePartition(partition_index=partition.partition_index)
            answer.partitions.append(place)
            if topic is None or topic.log_of(partition.partition_index) is None:
                place.error_code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
                continue
            places.append(place)
            offsets.append(
                OffsetToCommit(
                    TopicId(topic.topic_id),
                    partition.partition_index,
                    partition.committed_offset,
                    partition.committed_leader_epoch,
                    partition.committed_metadata,
                )
            )
    if places:
        await _commit(context, request, tuple(offsets), places)
    return response


async def _commit(
    context: RequestContext,
    request: TxnOffsetCommitRequest,
    offsets: tuple[OffsetToCommit, ...],
    places: list[TxnOffsetCommitResponsePartition],
) -> None:
    producer = Producer(request.transactional_id, ProducerId(request.producer_id), request.producer_epoch)
    commit = CommitRequest(
        group_id=request.group_id,
        member_id=request.member_id,
        group_instance_id=request.group_instance_id,
        generation=request.generation_id,
        offsets=offsets,
        is_transactional=True,
    )
    try:
        if not request.group_id:
            raise KafkaError(ErrorCode.INVALID_GROUP_ID)
        adds_group = context.version >= _ADDS_GROUP_SINCE
        reply: CommitReply = await context.broker.transactions.commit_offsets(producer, commit, adds_group=adds_group)
    except KafkaError as error:
        for place in places:
            place.error_code = _known(context.version, error.code)
    else:
        for place, result in zip(places, reply.partitions, strict=True):
            place.error_code = _known(context.version, result.error)


def _known(version: int, error: ErrorCode) -> ErrorCode:
    """The error as Kafka puts it here: a fenced producer has an old epoch in every version."""
    match error:
        case ErrorCode.PRODUCER_FENCED:
            return ErrorCode.INVALID_PRODUCER_EPOCH
        case ErrorCode.TRANSACTION_ABORTABLE if version < _ABORTABLE_SINCE:
            return ErrorCode.INVALID_TXN_STATE
        case ErrorCode.CONCURRENT_TRANSACTIONS if version < _ADDS_GROUP_SINCE:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        case ErrorCode.COORDINATOR_LOAD_IN_PROGRESS if version < _LOADING_SINCE:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        case _:
            return error
