"""OffsetFetch: the committed positions of one group, or of several (KIP-447, KIP-709, KIP-516).

Served: 1 to 10. No commit is no error: offset -1, epoch -1, metadata "". Null topics ask for all that is stored. From
version 8 one request asks for several groups, from 10 topics come by id.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Protocol

from chronik.api.request import RequestContext
from chronik.errors import ErrorCode
from chronik.group.offsets import FetchedOffset, OffsetKey
from chronik.terms import NO_TOPIC_ID, TopicId
from chronik.wire.apis import ApiKey
from chronik.wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)

API = ApiKey.OFFSET_FETCH
VERSIONS = (1, 10)

_MANY_SINCE = 8
_TOPIC_IDS_SINCE = 10


class _NamedTopic(Protocol):
    """What the topics of both kinds of requests have."""

    name: str
    partition_indexes: list[int]


def handle(context: RequestContext, request: OffsetFetchRequest) -> OffsetFetchResponse:
    """Look up every group that is asked for."""
    if context.version >= _MANY_SINCE:
        return OffsetFetchResponse(
            groups=[_group(context, group, require_stable=request.require_stable) for group in request.groups]
        )
    return _single(context, request)


def _single(context: RequestContext, request: OffsetFetchRequest) -> OffsetFetchResponse:
    response = OffsetFetchResponse()
    for name, found in _by_name(context, request.group_id, request.topics, require_stable=request.require_stable):
        partitions = [
            OffsetFetchResponsePartition(
                partition_index=one.partition,
                committed_offset=one.offset,
                committed_leader_epoch=one.leader_epoch,
                metadata=one.metadata,
                error_code=one.error,
            )
            for one in found
        ]
        response.topics.append(OffsetFetchResponseTopic(name=name, partitions=partitions))
    return response


def _group(
    context: RequestContext, asked: OffsetFetchRequestGroup, *, require_stable: bool
) -> OffsetFetchResponseGroup:
    answer = OffsetFetchResponseGroup(group_id=asked.group_id)
    if context.version < _TOPIC_IDS_SINCE:
        found = _by_name(context, asked.group_id, asked.topics, require_stable=require_stable)
        answer.topics = [OffsetFetchResponseTopics(name=name, partitions=_partitions(all_)) for name, all_ in found]
        return answer
    if asked.topics is None:
        stored = _fetch(context, asked.group_id, None, require_stable=require_stable)
        for topic_id, offsets in groupby(stored, _topic_of):
            answer.topics.append(OffsetFetchResponseTopics(topic_id=topic_id, partitions=_partitions(list(offsets))))
        return answer
    for topic in asked.topics:
        topic_id = TopicId(topic.topic_id)
        if context.broker.topics.by_id(topic_id) is None:
            offsets_ = [
                FetchedOffset(topic_id, partition, error=ErrorCode.UNKNOWN_TOPIC_ID)
                for partition in topic.partition_indexes
            ]
        else:
            keys = [(topic_id, partition) for partition in topic.partition_indexes]
            offsets_ = list(_fetch(context, asked.group_id, keys, require_stable=require_stable))
        answer.topics.append(OffsetFetchResponseTopics(topic_id=topic_id, partitions=_partitions(offsets_)))
    return answer


def _by_name(
    context: RequestContext,
    group_id: str,
    topics: Sequence[_NamedTopic] | None,
    *,
    require_stable: bool,
) -> list[tuple[str, list[FetchedOffset]]]:
    """The offsets of topics that come by name; a name that no topic has is a topic without commits."""
    registry = context.broker.topics
    if topics is None:
        stored = _fetch(context, group_id, None, require_stable=require_stable)
        named = [(registry.name_of(topic_id), list(offsets)) for topic_id, offsets in groupby(stored, _topic_of)]
        return [(name, offsets) for name, offsets in named if name is not None]
    answers = []
    for asked in topics:
        topic = registry.get(asked.name)
        if topic is None:
            nothing = [FetchedOffset(NO_TOPIC_ID, partition) for partition in asked.partition_indexes]
            answers.append((asked.name, nothing))
        else:
            keys = [(topic.topic_id, partition) for partition in asked.partition_indexes]
            answers.append((asked.name, list(_fetch(context, group_id, keys, require_stable=require_stable))))
    return answers


def _fetch(
    context: RequestContext, group_id: str, keys: Sequence[OffsetKey] | None, *, require_stable: bool
) -> tuple[FetchedOffset, ...]:
    return context.broker.groups.fetch_offsets(group_id, keys, require_stable=require_stable).offsets


def _topic_of(offset: FetchedOffset) -> TopicId:
    return offset.topic_id


def _partitions(found: list[FetchedOffset]) -> list[OffsetFetchResponsePartitions]:
    return [
        OffsetFetchResponsePartitions(
            partition_index=one.partition,
            committed_offset=one.offset,
            committed_leader_epoch=one.leader_epoch,
            metadata=one.metadata,
            error_code=one.error,
        )
        for one in found
    ]
