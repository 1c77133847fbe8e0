"""Fetch, API key 1: versions 0-18, flexible from 12.

- 0-1: magic 0
- 1: throttle_time
- 2: magic 1
- 3: request max_bytes and order matters
- 4: isolation_level, LSO, aborted list, magic 2
- 5: log_start_offset
- 6: may answer KAFKA_STORAGE_ERROR
- 7: sessions (KIP-227), top-level error
- 8: a throttled reply is sent at once and the connection rests after it (KIP-219)
- 9: current_leader_epoch
- 10: zstd may be returned
- 11: rack_id / preferred_read_replica
- 12: flexible, last_fetched_epoch, diverging_epoch, current_leader
- 13: topic_id replaces name
- 14: may answer OFFSET_MOVED_TO_TIERED_STORAGE
- 15: replica_id moves to tagged replica_state
- 16: node_endpoints
- 17: replica directory id (followers)
- 18: high_watermark (followers)
"""

from __future__ import annotations

from chronik.wire.primitives import RecordsValue
from chronik.wire.schema import INT8, INT16, INT32, INT64, RECORDS, STRING, UUID, array, message, struct


@message
class ReplicaState:
    """The value of ``FetchRequest.replica_state``."""

    replica_id: int = INT32(default=-1)
    replica_epoch: int = INT64(default=-1)


@message
class FetchPartition:
    """An element of ``FetchTopic.partitions``."""

    partition: int = INT32()
    current_leader_epoch: int = INT32("9+", default=-1)
    fetch_offset: int = INT64()
    last_fetched_epoch: int = INT32("12+", default=-1)
    log_start_offset: int = INT64("5+", default=-1)
    partition_max_bytes: int = INT32()
    replica_directory_id: bytes = UUID("17+", tag=0)
    high_watermark: int = INT64("18+", default=2**63 - 1, tag=1)


@message
class FetchTopic:
    """An element of ``FetchRequest.topics``."""

    topic: str = STRING("0-12")
    topic_id: bytes = UUID("13+")
    partitions: list[FetchPartition] = array(FetchPartition)


@message
class ForgottenTopic:
    """An element of ``FetchRequest.forgotten_topics_data``."""

    topic: str = STRING("7-12")
    topic_id: bytes = UUID("13+")
    partitions: list[int] = array(INT32)


@message
class FetchRequest:
    """What the client sends."""

    cluster_id: str | None = STRING("12+", null="12+", default=None, tag=0)
    replica_id: int = INT32("0-14", default=-1)
    replica_state: ReplicaState | None = struct(ReplicaState, "15+", tag=1)
    max_wait_ms: int = INT32()
    min_bytes: int = INT32()
    max_bytes: int = INT32("3+", default=2**31 - 1)
    isolation_level: int = INT8("4+")
    session_id: int = INT32("7+")
    session_epoch: int = INT32("7+", default=-1)
    topics: list[FetchTopic] = array(FetchTopic)
    forgotten_topics_data: list[ForgottenTopic] = array(ForgottenTopic, "7+")
    rack_id: str = STRING("11+")


@message
class EpochEndOffset:
    """The value of ``PartitionData.diverging_epoch``."""

    epoch: int = INT32(default=-1)
    end_offset: int = INT64(default=-1)


@message
class LeaderIdAndEpoch:
    """The value of ``PartitionData.current_leader``."""

    leader_id: int = INT32(default=-1)
    leader_epoch: int = INT32(default=-1)


@message
class SnapshotId:
    """The value of ``PartitionData.snapshot_id``."""

    end_offset: int = INT64(default=-1)
    epoch: int = INT32(default=-1)


@message
class AbortedTransaction:
    """An element of ``PartitionData.aborted_transactions``."""

    producer_id: int = INT64()
    first_offset: int = INT64()


@message
class PartitionData:
    """An element of ``FetchableTopicResponse.partitions``."""

    partition_index: int = INT32()
    error_code: int = INT16()
    high_watermark: int = INT64()
    last_stable_offset: int = INT64("4+", default=-1)
    log_start_offset: int = INT64("5+", default=-1)
    diverging_epoch: EpochEndOffset | None = struct(EpochEndOffset, "12+", tag=0)
    current_leader: LeaderIdAndEpoch | None = struct(LeaderIdAndEpoch, "12+", tag=1)
    snapshot_id: SnapshotId | None = struct(SnapshotId, "12+", tag=2)
    aborted_transactions: list[AbortedTransaction] | None = array(AbortedTransaction, "4+", null="4+")
    preferred_read_replica: int = INT32("11+", default=-1)
    # Not null by default: Kafka sends an empty record set where there is nothing, and several clients rely on it.
    records: RecordsValue = RECORDS(null="0+", default=b"")


@message
class FetchableTopicResponse:
    """An element of ``FetchResponse.responses``."""

    topic: str = STRING("0-12")
    topic_id: bytes = UUID("13+")
    partitions: list[PartitionData] = array(PartitionData)


@message
class NodeEndpoint:
    """An element of ``FetchResponse.node_endpoints``."""

    node_id: int = INT32()
    host: str = STRING()
    port: int = INT32()
    rack: str | None = STRING(null="0+", default=None)


@message
class FetchResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32("1+")
    error_code: int = INT16("7+")
    session_id: int = INT32("7+")
    responses: list[FetchableTopicResponse] = array(FetchableTopicResponse)
    node_endpoints: list[NodeEndpoint] = array(NodeEndpoint, "16+", tag=0)
