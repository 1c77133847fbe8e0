"""ConsumerGroupDescribe, API key 69: versions 0-1, flexible from 0.

- 0: the first
- 1: member_type (0 classic, 1 consumer, -1 unknown)
"""

from __future__ import annotations

from chronik.wire.schema import BOOL, INT8, INT16, INT32, STRING, UUID, array, message, struct


@message
class ConsumerGroupDescribeRequest:
    """What the client sends."""

    group_ids: list[str] = array(STRING)
    include_authorized_operations: bool = BOOL()


@message
class TopicPartitions:
    """An element of ``Assignment.topic_partitions``."""

    topic_id: bytes = UUID()
    topic_name: str = STRING()
    partitions: list[int] = array(INT32)


@message
class Assignment:
    """The value of ``Member.assignment`` and of ``Member.target_assignment``."""

    topic_partitions: list[TopicPartitions] = array(TopicPartitions)


@message
class Member:
    """An element of ``DescribedGroup.members``."""

    member_id: str = STRING()
    instance_id: str | None = STRING(null="0+", default=None)
    rack_id: str | None = STRING(null="0+", default=None)
    member_epoch: int = INT32()
    client_id: str = STRING()
    client_host: str = STRING()
    subscribed_topic_names: list[str] = array(STRING)
    subscribed_topic_regex: str | None = STRING(null="0+", default=None)
    assignment: Assignment = struct(Assignment)
    target_assignment: Assignment = struct(Assignment)
    member_type: int = INT8("1+", default=-1)


@message
class DescribedGroup:
    """An element of ``ConsumerGroupDescribeResponse.groups``."""

    error_code: int = INT16()
    error_message: str | None = STRING(null="0+", default=None)
    group_id: str = STRING()
    group_state: str = STRING()
    group_epoch: int = INT32()
    assignment_epoch: int = INT32()
    assignor_name: str = STRING()
    members: list[Member] = array(Member)
    authorized_operations: int = INT32(default=-(2**31))


@message
class ConsumerGroupDescribeResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    groups: list[DescribedGroup] = array(DescribedGroup)
