"""DescribeQuorum, API key 55: versions 0-2, flexible from 0.

- 0: the first
- 1: fetch timestamps
- 2: error messages, nodes, directory ids
"""

from __future__ import annotations

from chronik.wire.schema import INT16, INT32, INT64, STRING, UINT16, UUID, array, message


@message
class QuorumPartitionRequest:
    """An element of ``QuorumTopicRequest.partitions``."""

    partition_index: int = INT32()


@message
class QuorumTopicRequest:
    """An element of ``DescribeQuorumRequest.topics``."""

    topic_name: str = STRING()
    partitions: list[QuorumPartitionRequest] = array(QuorumPartitionRequest)


@message
class DescribeQuorumRequest:
    """What the client sends."""

    topics: list[QuorumTopicRequest] = array(QuorumTopicRequest)


@message
class ReplicaState:
    """An element of ``PartitionData.current_voters`` and of ``PartitionData.observers``."""

    replica_id: int = INT32()
    replica_directory_id: bytes = UUID("2+")
    log_end_offset: int = INT64()
    last_fetch_timestamp: int = INT64("1+", default=-1)
    last_caught_up_timestamp: int = INT64("1+", default=-1)


@message
class PartitionData:
    """An element of ``TopicData.partitions``."""

    partition_index: int = INT32()
    error_code: int = INT16()
    error_message: str | None = STRING("2+", null="2+")
    leader_id: int = INT32()
    leader_epoch: int = INT32()
    high_watermark: int = INT64()
    current_voters: list[ReplicaState] = array(ReplicaState)
    observers: list[ReplicaState] = array(ReplicaState)


@message
class TopicData:
    """An element of ``DescribeQuorumResponse.topics``."""

    topic_name: str = STRING()
    partitions: list[PartitionData] = array(PartitionData)


@message
class Listener:
    """An element of ``Node.listeners``."""

    name: str = STRING()
    host: str = STRING()
    port: int = UINT16()


@message
class Node:
    """An element of ``DescribeQuorumResponse.nodes``."""

    node_id: int = INT32()
    listeners: list[Listener] = array(Listener)


@message
class DescribeQuorumResponse:
    """What the client gets."""

    error_code: int = INT16()
    error_message: str | None = STRING("2+", null="2+")
    topics: list[TopicData] = array(TopicData)
    nodes: list[Node] = array(Node, "2+")
