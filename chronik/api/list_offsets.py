"""ListOffsets: the offset of a time, or of one of the special times that mean a place (KIP-79, KIP-734, KIP-405).

Served: 0 to 10. By timestamp the answer is exact: the first record, by offset, that is at or after it. Version 0 has a
list of offsets of segments instead, newest first.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from chronik.api.request import RequestContext
from chronik.broker.broker import Broker
from chronik.broker.topics import Topic
from chronik.errors import ErrorCode, KafkaError
from chronik.terms import NO_LEADER_EPOCH, NO_OFFSET, NO_TIMESTAMP, IsolationLevel, LogId
from chronik.wire.apis import ApiKey
from chronik.wire.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)

API = ApiKey.LIST_OFFSETS
VERSIONS = (0, 10)

LATEST = -1
EARLIEST = -2
MAX_TIMESTAMP = -3
EARLIEST_LOCAL = -4
LATEST_TIERED = -5
_SINCE = {LATEST: 0, EARLIEST: 0, MAX_TIMESTAMP: 7, EARLIEST_LOCAL: 8, LATEST_TIERED: 9}
"""Special timestamp -> the first version that knows it."""


class _Found(NamedTuple):
    offset: int
    timestamp: int = NO_TIMESTAMP
    leader_epoch: int = NO_LEADER_EPOCH


_NOTHING = _Found(NO_OFFSET)


async def handle(context: RequestContext, request: ListOffsetsRequest) -> ListOffsetsResponse:
    """Look up every partition that is asked for."""
    isolation = IsolationLevel.READ_COMMITTED if request.isolation_level == 1 else IsolationLevel.READ_UNCOMMITTED
    named = Counter(
        (topic.name, partition.partition_index) for topic in request.topics for partition in topic.partitions
    )
    response = ListOffsetsResponse()
    for asked in request.topics:
        topic = ListOffsetsTopicResponse(name=asked.name)
        for partition in asked.partitions:
            count = named.pop((asked.name, partition.partition_index), 0)
            if count:  # what is named twice is answered (with an error) once
                topic.partitions.append(await _answer(context, asked.name, partition, isolation, count > 1))
        if topic.partitions:
            response.topics.append(topic)
    return response


async def _answer(
    context: RequestContext, name: str, asked: ListOffsetsPartition, isolation: IsolationLevel, repeated: bool
) -> ListOffsetsPartitionResponse:
    response = ListOffsetsPartitionResponse(partition_index=asked.partition_index)
    try:
        if repeated:
            raise KafkaError(ErrorCode.INVALID_REQUEST, "the partition is named twice")
        _check_timestamp(asked.timestamp, context.version)
        topic, log = _locate(context.broker, name, asked)
        if context.version == 0:
            response.old_style_offsets = await _segments(context.broker, log, asked)
        else:
            found = await _find(context.broker, topic, log, asked.timestamp, isolation)
            response.offset, response.timestamp, response.leader_epoch = found
    except KafkaError as error:
        response.error_code = error.code
    return response


def _check_timestamp(timestamp: int, version: int) -> None:
    """Refuse a special timestamp that the version does not know, before anything is asked of the partition."""
    if timestamp < 0 < version < _SINCE.get(timestamp, version + 1):
        raise KafkaError(ErrorCode.UNSUPPORTED_VERSION, f"timestamp {timestamp} means nothing here")


def _locate(broker: Broker, name: str, asked: ListOffsetsPartition) -> tuple[Topic, LogId]:
    topic = broker.topics.get(name)
    log = None if topic is None else topic.log_of(asked.partition_index)
    if topic is None or log is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    epoch = asked.current_leader_epoch
    if epoch != NO_LEADER_EPOCH and epoch != topic.leader_epoch:
        older = epoch < topic.leader_epoch
        raise KafkaError(ErrorCode.FENCED_LEADER_EPOCH if older else ErrorCode.UNKNOWN_LEADER_EPOCH)
    return topic, log


async def _find(broker: Broker, topic: Topic, log: LogId, timestamp: int, isolation: IsolationLevel) -> _Found:
    store = broker.store
    bounds = store.bounds(log)
    match timestamp:
        case -1:
            end = bounds.last_stable if isolation is IsolationLevel.READ_COMMITTED else bounds.high_watermark
            return _Found(end, leader_epoch=topic.leader_epoch)
        case -2 | -4:
            return _Found(bounds.start, leader_epoch=store.epoch_at(log, bounds.start, topic.leader_epoch))
        case -3:
            found = await store.offset_of_max_timestamp(log, isolation)
        case -5:
            return _NOTHING  # nothing is ever moved to another tier
        case _:
            found = await store.offset_for_time(log, timestamp, isolation)
    return _NOTHING if found is None else _Found(*found)


async def _segments(broker: Broker, log: LogId, asked: ListOffsetsPartition) -> list[int]:
    """What version 0 asks for: the offsets at which segments begin, newest first, and the end of the log."""
    bounds = broker.store.bounds(log)
    if asked.max_num_offsets <= 0:
        return []
    if asked.timestamp == EARLIEST:
        return [bounds.start]
    offsets = [bounds.high_watermark] if asked.timestamp == LATEST else []
    if asked.timestamp >= 0:
        found = await broker.store.offset_for_time(log, asked.timestamp, IsolationLevel.READ_UNCOMMITTED)
        if found is None or found.offset > bounds.start:
            offsets.append(bounds.start)
    elif bounds.start != bounds.high_watermark:
        offsets.append(bounds.start)
    return offsets[: asked.max_num_offsets]
