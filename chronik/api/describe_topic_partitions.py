"""DescribeTopicPartitions: topics page by page (KIP-966).

Served: 0. Topics are answered in the order of their names, whatever the request's; one that does not exist has an error
and no partitions, and does not count towards the limit. The cursor of the next page is its first partition.
"""

from __future__ import annotations

from chronik.api import authorized_operations
from chronik.api.request import RequestContext
from chronik.broker.broker import Broker
from chronik.broker.topics import Topic, check_name
from chronik.errors import ErrorCode, KafkaError
from chronik.wire.apis import ApiKey
from chronik.wire.messages.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
)

API = ApiKey.DESCRIBE_TOPIC_PARTITIONS
VERSIONS = (0, 0)

MAX_PARTITIONS = 2000
"""Of one page, whatever the request's limit (Kafka's max.request.partition.size.limit)."""


def handle(context: RequestContext, request: DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse:
    """Describe one page of the topics that are named, or of all."""
    broker, cursor = context.broker, request.cursor
    named = {topic.name for topic in request.topics}
    if cursor is not None and (cursor.partition_index < 0 or (named and cursor.topic_name not in named)):
        refused = [
            DescribeTopicPartitionsResponseTopic(error_code=ErrorCode.INVALID_REQUEST, name=topic.name)
            for topic in request.topics
        ]
        return DescribeTopicPartitionsResponse(topics=refused)
    names = sorted(named) if named else [topic.name for topic in broker.topics]
    response = DescribeTopicPartitionsResponse()
    room = max(1, min(request.response_partition_limit, MAX_PARTITIONS))
    for name in names:
        first = 0
        if cursor is not None and name <= cursor.topic_name:
            if name < cursor.topic_name:
                continue
            first = cursor.partition_index
        if room == 0:
            response.next_cursor = Cursor(topic_name=name, partition_index=first)
            break
        topic = broker.topics.get(name)
        if topic is None:
            response.topics.append(_missing(name))
            continue
        last = min(len(topic.logs), first + room)
        response.topics.append(_described(broker, topic, range(first, last)))
        room -= max(last - first, 0)
        if last < len(topic.logs):
            response.next_cursor = Cursor(topic_name=name, partition_index=last)
            break
    return response


def _missing(name: str) -> DescribeTopicPartitionsResponseTopic:
    code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    try:
        check_name(name)
    except KafkaError as illegal:
        code = illegal.code
    return DescribeTopicPartitionsResponseTopic(
        error_code=code, name=name, topic_authorized_operations=authorized_operations.TOPIC
    )


def _described(broker: Broker, topic: Topic, partitions: range) -> DescribeTopicPartitionsResponseTopic:
    me = [broker.node_id]
    return DescribeTopicPartitionsResponseTopic(
        name=topic.name,
        topic_id=topic.topic_id,
        is_internal=topic.is_internal,
        partitions=[
            DescribeTopicPartitionsResponsePartition(
                partition_index=partition,
                leader_id=broker.node_id,
                leader_epoch=topic.leader_epoch,
                replica_nodes=me,
                isr_nodes=me,
                eligible_leader_replicas=[],
                last_known_elr=[],
            )
            for partition in partitions
        ],
        topic_authorized_operations=authorized_operations.TOPIC,
    )
