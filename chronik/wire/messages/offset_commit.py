"""OffsetCommit, API key 8: versions 1-10, flexible from 8.

- 0: ZooKeeper
- 1: generation/member + per-partition commit timestamp
- 2: retention_time, timestamp removed
- 3: throttle_time
- 4: a throttled reply is sent at once and the connection rests after it (KIP-219)
- 5: retention_time removed
- 6: committed_leader_epoch
- 7: group_instance_id
- 8: compact forms and tag sections
- 9: usable by KIP-848 members, may answer GROUP_ID_NOT_FOUND or STALE_MEMBER_EPOCH
- 10: topic_id replaces name
"""

from __future__ import annotations

from chronik.wire.schema import INT16, INT32, INT64, STRING, UUID, array, message


@message
class OffsetCommitRequestPartition:
    """An element of ``OffsetCommitRequestTopic.partitions``."""

    partition_index: int = INT32()
    committed_offset: int = INT64()
    commit_timestamp: int = INT64("1", default=-1)
    committed_leader_epoch: int = INT32("6+", default=-1)
    committed_metadata: str | None = STRING(null="0+")


@message
class OffsetCommitRequestTopic:
    """An element of ``OffsetCommitRequest.topics``."""

    name: str = STRING("0-9")
    topic_id: bytes = UUID("10+")
    partitions: list[OffsetCommitRequestPartition] = array(OffsetCommitRequestPartition)


@message
class OffsetCommitRequest:
    """What the client sends."""

    group_id: str = STRING()
    generation_id_or_member_epoch: int = INT32("1+", default=-1)
    member_id: str = STRING("1+")
    group_instance_id: str | None = STRING("7+", null="7+", default=None)
    retention_time_ms: int = INT64("2-4", default=-1)
    topics: list[OffsetCommitRequestTopic] = array(OffsetCommitRequestTopic)


@message
class OffsetCommitResponsePartition:
    """An element of ``OffsetCommitResponseTopic.partitions``."""

    partition_index: int = INT32()
    error_code: int = INT16()


@message
class OffsetCommitResponseTopic:
    """An element of ``OffsetCommitResponse.topics``."""

    name: str = STRING("0-9")
    topic_id: bytes = UUID("10+")
    partitions: list[OffsetCommitResponsePartition] = array(OffsetCommitResponsePartition)


@message
class OffsetCommitResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32("3+")
    topics: list[OffsetCommitResponseTopic] = array(OffsetCommitResponseTopic)
