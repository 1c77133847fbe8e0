"""OffsetForLeaderEpoch: where a leader epoch ends, by which a consumer finds out that records were lost (KIP-320).

Served: 0 to 4.
"""

from __future__ import annotations

from chronik.api.request import RequestContext
from chronik.errors import ErrorCode
from chronik.terms import NO_LEADER_EPOCH, NO_OFFSET
from chronik.wire.apis import ApiKey
from chronik.wire.messages.offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
)

API = ApiKey.OFFSET_FOR_LEADER_EPOCH
VERSIONS = (0, 4)


def handle(context: RequestContext, request: OffsetForLeaderEpochRequest) -> OffsetForLeaderEpochResponse:
    """Answer every partition that is asked for."""
    return OffsetForLeaderEpochResponse(
        topics=[
            OffsetForLeaderTopicResult(
                topic=topic.topic,
                partitions=[_answer(context, topic.topic, partition) for partition in topic.partitions],
            )
            for topic in request.topics
        ]
    )


def _answer(context: RequestContext, name: str, asked: OffsetForLeaderPartition) -> EpochEndOffset:
    answer = EpochEndOffset(partition=asked.partition, leader_epoch=NO_LEADER_EPOCH, end_offset=NO_OFFSET)
    topic = context.broker.topics.get(name)
    log = None if topic is None else topic.log_of(asked.partition)
    if topic is None or log is None:
        answer.error_code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        return answer
    current = asked.current_leader_epoch
    if current != NO_LEADER_EPOCH and current != topic.leader_epoch:
        older = current < topic.leader_epoch
        answer.error_code = ErrorCode.FENCED_LEADER_EPOCH if older else ErrorCode.UNKNOWN_LEADER_EPOCH
        return answer
    answer.leader_epoch, answer.end_offset = context.broker.store.epoch_end(log, asked.leader_epoch, topic.leader_epoch)
    return answer
