"""OffsetFetch, API key 9: versions 1-10, flexible from 6.

- 0: ZooKeeper
- 1: stored in the broker
- 2: null topics = all, top-level error
- 3: throttle_time
- 4: a throttled reply is sent at once and the connection rests after it (KIP-219)
- 5: committed_leader_epoch
- 6: compact forms and tag sections
- 7: require_stable
- 8: many groups in one request
- 9: member id/epoch for KIP-848
- 10: topic ids
"""

from __future__ import annotations

from chronik.wire.schema import BOOL, INT16, INT32, INT64, STRING, UUID, array, message


@message
class OffsetFetchRequestTopic:
    """An element of ``OffsetFetchRequest.topics``."""

    name: str = STRING()
    partition_indexes: list[int] = array(INT32)


@message
class OffsetFetchRequestTopics:
    """An element of ``OffsetFetchRequestGroup.topics``."""

    name: str = STRING("8-9")
    topic_id: bytes = UUID("10+")
    partition_indexes: list[int] = array(INT32)


@message
class OffsetFetchRequestGroup:
    """An element of ``OffsetFetchRequest.groups``."""

    group_id: str = STRING()
    member_id: str | None = STRING("9+", null="9+", default=None)
    member_epoch: int = INT32("9+", default=-1)
    topics: list[OffsetFetchRequestTopics] | None = array(OffsetFetchRequestTopics, null="0+")


@message
class OffsetFetchRequest:
    """What the client sends."""

    group_id: str = STRING("0-7")
    topics: list[OffsetFetchRequestTopic] | None = array(OffsetFetchRequestTopic, "0-7", null="2-7")
    groups: list[OffsetFetchRequestGroup] = array(OffsetFetchRequestGroup, "8+")
    require_stable: bool = BOOL("7+")


@message
class OffsetFetchResponsePartition:
    """An element of ``OffsetFetchResponseTopic.partitions``."""

    partition_index: int = INT32()
    committed_offset: int = INT64()
    committed_leader_epoch: int = INT32("5+", default=-1)
    metadata: str | None = STRING(null="0+")
    error_code: int = INT16()


@message
class OffsetFetchResponseTopic:
    """An element of ``OffsetFetchResponse.topics``."""

    name: str = STRING()
    partitions: list[OffsetFetchResponsePartition] = array(OffsetFetchResponsePartition)


@message
class OffsetFetchResponsePartitions:
    """An element of ``OffsetFetchResponseTopics.partitions``."""

    partition_index: int = INT32()
    committed_offset: int = INT64()
    committed_leader_epoch: int = INT32(default=-1)
    metadata: str | None = STRING(null="0+")
    error_code: int = INT16()


@message
class OffsetFetchResponseTopics:
    """An element of ``OffsetFetchResponseGroup.topics``."""

    name: str = STRING("8-9")
    topic_id: bytes = UUID("10+")
    partitions: list[OffsetFetchResponsePartitions] = array(OffsetFetchResponsePartitions)


@message
class OffsetFetchResponseGroup:
    """An element of ``OffsetFetchResponse.groups``."""

    group_id: str = STRING()
    topics: list[OffsetFetchResponseTopics] = array(OffsetFetchResponseTopics)
    error_code: int = INT16()


@message
class OffsetFetchResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32("3+")
    topics: list[OffsetFetchResponseTopic] = array(OffsetFetchResponseTopic, "0-7")
    error_code: int = INT16("2-7")
    groups: list[OffsetFetchResponseGroup] = array(OffsetFetchResponseGroup, "8+")
