"""OffsetDelete: forget a group's positions in topics that no member of it subscribes to (KIP-496).

Served: 0.
"""

from __future__ import annotations

from chronik.api.request import RequestContext
from chronik.errors import ErrorCode, KafkaError
from chronik.group.offsets import OffsetKey
from chronik.wire.apis import ApiKey
from chronik.wire.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)

API = ApiKey.OFFSET_DELETE
VERSIONS = (0, 0)


async def handle(context: RequestContext, request: OffsetDeleteRequest) -> OffsetDeleteResponse:
    """Delete what may be deleted; an error of the group leaves the list of topics empty."""
    response = OffsetDeleteResponse()
    keys: list[OffsetKey] = []
    places: list[OffsetDeleteResponsePartition] = []
    for asked in request.topics:
        topic = context.broker.topics.get(asked.name)
        answer = OffsetDeleteResponseTopic(name=asked.name)
        if asked.partitions:  # a topic without partitions is left out
            response.topics.append(answer)
        for partition in asked.partitions:
            place = OffsetDeleteResponsePartition(partition_index=partition.partition_index)
            answer.partitions.append(place)
            if topic is None or topic.log_of(partition.partition_index) is None:
                place.error_code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            else:
                keys.append((topic.topic_id, partition.partition_index))
                places.append(place)
    try:
        reply = await context.broker.groups.delete_offsets(request.group_id, keys)
    except KafkaError as error:
        return OffsetDeleteResponse(error_code=error.code)
    if reply.error is not ErrorCode.NONE:
        return OffsetDeleteResponse(error_code=reply.error)
    for place, result in zip(places, reply.partitions, strict=True):
        place.error_code = result.error
    return response
