"""ElectLeaders, API key 43: versions 0-2, flexible from 2.

- 0: preferred only
- 1: election_type + top-level error
- 2: compact forms and tag sections
"""

from __future__ import annotations

from chronik.wire.schema import INT8, INT16, INT32, STRING, array, message


@message
class TopicPartitions:
    """An element of ``ElectLeadersRequest.topic_partitions``."""

    topic: str = STRING()
    partitions: list[int] = array(INT32)


@message
class ElectLeadersRequest:
    """What the client sends."""

    election_type: int = INT8("1+")
    topic_partitions: list[TopicPartitions] | None = array(TopicPartitions, null="0+")
    timeout_ms: int = INT32(default=60000)


@message
class PartitionResult:
    """An element of ``ReplicaElectionResult.partition_result``."""

    partition_id: int = INT32()
    error_code: int = INT16()
    error_message: str | None = STRING(null="0+")


@message
class ReplicaElectionResult:
    """An element of ``ElectLeadersResponse.replica_election_results``."""

    topic: str = STRING()
    partition_result: list[PartitionResult] = array(PartitionResult)


@message
class ElectLeadersResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    error_code: int = INT16("1+")
    replica_election_results: list[ReplicaElectionResult] = array(ReplicaElectionResult)
