"""AlterPartitionReassignments, API key 45: versions 0-1, flexible from 0.

- 0: the first
- 1: allow_replication_factor_change
"""

from __future__ import annotations

from chronik.wire.schema import BOOL, INT16, INT32, STRING, array, message


@message
class ReassignablePartition:
    """An element of ``ReassignableTopic.partitions``."""

    partition_index: int = INT32()
    replicas: list[int] | None = array(INT32, null="0+", default=None)


@message
class ReassignableTopic:
    """An element of ``AlterPartitionReassignmentsRequest.topics``."""

    name: str = STRING()
    partitions: list[ReassignablePartition] = array(ReassignablePartition)


@message
class AlterPartitionReassignmentsRequest:
    """What the client sends."""

    timeout_ms: int = INT32(default=60000)
    allow_replication_factor_change: bool = BOOL("1+", default=True)
    topics: list[ReassignableTopic] = array(ReassignableTopic)


@message
class ReassignablePartitionResponse:
    """An element of ``ReassignableTopicResponse.partitions``."""

    partition_index: int = INT32()
    error_code: int = INT16()
    error_message: str | None = STRING(null="0+")


@message
class ReassignableTopicResponse:
    """An element of ``AlterPartitionReassignmentsResponse.responses``."""

    name: str = STRING()
    partitions: list[ReassignablePartitionResponse] = array(ReassignablePartitionResponse)


@message
class AlterPartitionReassignmentsResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    allow_replication_factor_change: bool = BOOL("1+", default=True)
    error_code: int = INT16()
    error_message: str | None = STRING(null="0+")
    responses: list[ReassignableTopicResponse] = array(ReassignableTopicResponse)
