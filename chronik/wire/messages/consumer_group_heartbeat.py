"""ConsumerGroupHeartbeat, API key 68: versions 0-1, flexible from 0.

- 0: base (empty member id allowed on join, broker assigns)
- 1: regex subscription, member id must be client-made
"""

from __future__ import annotations

from chronik.wire.schema import INT16, INT32, STRING, UUID, array, message, struct


@message
class TopicPartitions:
    """An element of ``ConsumerGroupHeartbeatRequest.topic_partitions`` and of ``Assignment.topic_partitions``."""

    topic_id: bytes = UUID()
    partitions: list[int] = array(INT32)


@message
class ConsumerGroupHeartbeatRequest:
    """What the client sends."""

    group_id: str = STRING()
    member_id: str = STRING()
    member_epoch: int = INT32()
    instance_id: str | None = STRING(null="0+", default=None)
    rack_id: str | None = STRING(null="0+", default=None)
    rebalance_timeout_ms: int = INT32(default=-1)
    subscribed_topic_names: list[str] | None = array(STRING, null="0+", default=None)
    subscribed_topic_regex: str | None = STRING("1+", null="1+", default=None)
    server_assignor: str | None = STRING(null="0+", default=None)
    topic_partitions: list[TopicPartitions] | None = array(TopicPartitions, null="0+")


@message
class Assignment:
    """The value of ``ConsumerGroupHeartbeatResponse.assignment``."""

    topic_partitions: list[TopicPartitions] = array(TopicPartitions)


@message
class ConsumerGroupHeartbeatResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    error_code: int = INT16()
    error_message: str | None = STRING(null="0+", default=None)
    member_id: str | None = STRING(null="0+", default=None)
    member_epoch: int = INT32()
    heartbeat_interval_ms: int = INT32()
    assignment: Assignment | None = struct(Assignment, null="0+")
