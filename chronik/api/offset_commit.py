"""OffsetCommit: a group's positions, durable before the answer (KIP-211, KIP-345, KIP-516).

Served: 1 to 10. Version 1 is what old sarama releases send; its commit timestamps are not kept. Up to version 4 a
retention time can be given; from 10 topics come by id. Every error is that of a partition, also one of the whole group.
"""

from __future__ import annotations

from chronik.api.request import RequestContext
from chronik.errors import ErrorCode, KafkaError
from chronik.group.offsets import CommitRequest, OffsetToCommit
from chronik.terms import TopicId
from chronik.wire.apis import ApiKey
from chronik.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)

API = ApiKey.OFFSET_COMMIT
VERSIONS = (1, 10)

_GROUP_ID_NOT_FOUND_SINCE = 9
_TOPIC_IDS_SINCE = 10


async def handle(context: RequestContext, request: OffsetCommitRequest) -> OffsetCommitResponse:
    """Commit what names an existing partition; answer for every partition."""
    by_id = context.version >= _TOPIC_IDS_SINCE
    topics = context.broker.topics
    response = OffsetCommitResponse()
    offsets: list[OffsetToCommit] = []
    places: list[OffsetCommitResponsePartition] = []
    for asked in request.topics:
        topic = topics.by_id(asked.topic_id) if by_id else topics.get(asked.name)
        answer = OffsetCommitResponseTopic(name=asked.name, topic_id=asked.topic_id)
        if asked.partitions:  # a topic without partitions is left out
            response.topics.append(answer)
        for partition in asked.partitions:
            place = OffsetCommitResponsePartition(partition_index=partition.partition_index)
            answer.partitions.append(place)
            if topic is None:
                place.error_code = ErrorCode.UNKNOWN_TOPIC_ID if by_id else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            elif topic.log_of(partition.partition_index) is None:
                place.error_code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            else:
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
    if offsets:
        commit = CommitRequest(
            group_id=request.group_id,
            member_id=request.member_id,
            group_instance_id=request.group_instance_id,
            generation=request.generation_id_or_member_epoch,
            offsets=tuple(offsets),
            retention_time_ms=request.retention_time_ms,
            knows_group_id_not_found=context.version >= _GROUP_ID_NOT_FOUND_SINCE,
        )
        try:
            reply = await context.broker.groups.commit_offsets(commit)
        except KafkaError as error:
            for place in places:
                place.error_code = error.code
        else:
            for place, result in zip(places, reply.partitions, strict=True):
                place.error_code = result.error
    return response
