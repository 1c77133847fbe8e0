"""DescribeTopicPartitions, API key 75: version 0, flexible from 0.

- 0: base (since 3.8; Java 4.x Admin.describeTopics by name uses it)
"""

from __future__ import annotations

from chronik.wire.schema import BOOL, INT16, INT32, STRING, UUID, array, message, struct


@message
class TopicRequest:
    """An element of ``DescribeTopicPartitionsRequest.topics``."""

    name: str = STRING()


@message
class Cursor:
    """The value of ``DescribeTopicPartitionsRequest.cursor`` and of ``DescribeTopicPartitionsResponse.next_cursor``."""

    topic_name: str = STRING()
    partition_index: int = INT32()


@message
class DescribeTopicPartitionsRequest:
    """What the client sends."""

    topics: list[TopicRequest] = array(TopicRequest)
    response_partition_limit: int = INT32(default=2000)
    cursor: Cursor | None = struct(Cursor, null="0+")


@message
class DescribeTopicPartitionsResponsePartition:
    """An element of ``DescribeTopicPartitionsResponseTopic.partitions``."""

    error_code: int = INT16()
    partition_index: int = INT32()
    leader_id: int = INT32()
    leader_epoch: int = INT32(default=-1)
    replica_nodes: list[int] = array(INT32)
    isr_nodes: list[int] = array(INT32)
    eligible_leader_replicas: list[int] | None = array(INT32, null="0+", default=None)
    last_known_elr: list[int] | None = array(INT32, null="0+", default=None)
    offline_replicas: list[int] = array(INT32)


@message
class DescribeTopicPartitionsResponseTopic:
    """An element of ``DescribeTopicPartitionsResponse.topics``."""

    error_code: int = INT16()
    name: str | None = STRING(null="0+")
    topic_id: bytes = UUID()
    is_internal: bool = BOOL()
    partitions: list[DescribeTopicPartitionsResponsePartition] = array(DescribeTopicPartitionsResponsePartition)
    topic_authorized_operations: int = INT32(default=-(2**31))


@message
class DescribeTopicPartitionsResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    topics: list[DescribeTopicPartitionsResponseTopic] = array(DescribeTopicPartitionsResponseTopic)
    next_cursor: Cursor | None = struct(Cursor, null="0+")
