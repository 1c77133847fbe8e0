"""OffsetDelete, API key 47: version 0, never flexible.

- 0: the first
"""

from __future__ import annotations

from chronik.wire.schema import INT16, INT32, STRING, array, message


@message
class OffsetDeleteRequestPartition:
    """An element of ``OffsetDeleteRequestTopic.partitions``."""

    partition_index: int = INT32()


@message
class OffsetDeleteRequestTopic:
    """An element of ``OffsetDeleteRequest.topics``."""

    name: str = STRING()
    partitions: list[OffsetDeleteRequestPartition] = array(OffsetDeleteRequestPartition)


@message
class OffsetDeleteRequest:
    """What the client sends."""

    group_id: str = STRING()
    topics: list[OffsetDeleteRequestTopic] = array(OffsetDeleteRequestTopic)


@message
class OffsetDeleteResponsePartition:
    """An element of ``OffsetDeleteResponseTopic.partitions``."""

    partition_index: int = INT32()
    error_code: int = INT16()


@message
class OffsetDeleteResponseTopic:
    """An element of ``OffsetDeleteResponse.topics``."""

    name: str = STRING()
    partitions: list[OffsetDeleteResponsePartition] = array(OffsetDeleteResponsePartition)


@message
class OffsetDeleteResponse:
    """What the client gets."""

    error_code: int = INT16()
    throttle_time_ms: int = INT32()
    topics: list[OffsetDeleteResponseTopic] = array(OffsetDeleteResponseTopic)
