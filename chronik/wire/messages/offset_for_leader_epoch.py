"""OffsetForLeaderEpoch, API key 23: versions 0-4, flexible from 4.

- 0: the first
- 1: leader_epoch in reply
- 2: current_leader_epoch + throttle_time
- 3: replica_id (default -2)
- 4: compact forms and tag sections
"""

from __future__ import annotations

from chronik.wire.schema import INT16, INT32, INT64, STRING, array, message


@message
class OffsetForLeaderPartition:
    """An element of ``OffsetForLeaderTopic.partitions``."""

    partition: int = INT32()
    current_leader_epoch: int = INT32("2+", default=-1)
    leader_epoch: int = INT32()


@message
class OffsetForLeaderTopic:
    """An element of ``OffsetForLeaderEpochRequest.topics``."""

    topic: str = STRING()
    partitions: list[OffsetForLeaderPartition] = array(OffsetForLeaderPartition)


@message
class OffsetForLeaderEpochRequest:
    """What the client sends."""

    replica_id: int = INT32("3+", default=-2)
    topics: list[OffsetForLeaderTopic] = array(OffsetForLeaderTopic)


@message
class EpochEndOffset:
    """An element of ``OffsetForLeaderTopicResult.partitions``."""

    error_code: int = INT16()
    partition: int = INT32()
    leader_epoch: int = INT32("1+", default=-1)
    end_offset: int = INT64(default=-1)


@message
class OffsetForLeaderTopicResult:
    """An element of ``OffsetForLeaderEpochResponse.topics``."""

    topic: str = STRING()
    partitions: list[EpochEndOffset] = array(EpochEndOffset)


@message
class OffsetForLeaderEpochResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32("2+")
    topics: list[OffsetForLeaderTopicResult] = array(OffsetForLeaderTopicResult)
