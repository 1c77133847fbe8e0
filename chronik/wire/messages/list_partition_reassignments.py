"""ListPartitionReassignments, API key 46: version 0, flexible from 0.

- 0: the first
"""

from __future__ import annotations

from chronik.wire.schema import INT16, INT32, STRING, array, message


@message
class ListPartitionReassignmentsTopics:
    """An element of ``ListPartitionReassignmentsRequest.topics``."""

    name: str = STRING()
    partition_indexes: list[int] = array(INT32)


@message
class ListPartitionReassignmentsRequest:
    """What the client sends."""

    timeout_ms: int = INT32(default=60000)
    topics: list[ListPartitionReassignmentsTopics] | None = array(
        ListPartitionReassignmentsTopics, null="0+", default=None
    )


@message
class OngoingPartitionReassignment:
    """An element of ``OngoingTopicReassignment.partitions``."""

    partition_index: int = INT32()
    replicas: list[int] = array(INT32)
    adding_replicas: list[int] = array(INT32)
    removing_replicas: list[int] = array(INT32)


@message
class OngoingTopicReassignment:
    """An element of ``ListPartitionReassignmentsResponse.topics``."""

    name: str = STRING()
    partitions: list[OngoingPartitionReassignment] = array(OngoingPartitionReassignment)


@message
class ListPartitionReassignmentsResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    error_code: int = INT16()
    error_message: str | None = STRING(null="0+")
    topics: list[OngoingTopicReassignment] = array(OngoingTopicReassignment)
