"""Metadata, API key 3: versions 0-13, flexible from 9.

- 0: empty topics array = all
- 1: null = all and empty = none, rack, controller_id, is_internal
- 2: cluster_id
- 3: throttle_time
- 4: allow_auto_topic_creation
- 5: offline_replicas
- 6: a throttled reply is sent at once and the connection rests after it (KIP-219)
- 7: leader_epoch
- 8: authorized operations
- 9: compact forms and tag sections
- 10: topic_id in response (request ids not usable before 12)
- 11: cluster authorized ops removed (see DescribeCluster)
- 12: look up by topic_id, name may be null
- 13: top-level error_code (REBOOTSTRAP_REQUIRED)
"""

from __future__ import annotations

from chronik.wire.schema import BOOL, INT16, INT32, STRING, UUID, array, message


@message
class MetadataRequestTopic:
    """An element of ``MetadataRequest.topics``."""

    topic_id: bytes = UUID("10+")
    name: str | None = STRING(null="10+")


@message
class MetadataRequest:
    """What the client sends."""

    topics: list[MetadataRequestTopic] | None = array(MetadataRequestTopic, null="1+")
    allow_auto_topic_creation: bool = BOOL("4+", default=True)
    include_cluster_authorized_operations: bool = BOOL("8-10")
    include_topic_authorized_operations: bool = BOOL("8+")


@message
class MetadataResponseBroker:
    """An element of ``MetadataResponse.brokers``."""

    node_id: int = INT32()
    host: str = STRING()
    port: int = INT32()
    rack: str | None = STRING("1+", null="1+", default=None)


@message
class MetadataResponsePartition:
    """An element of ``MetadataResponseTopic.partitions``."""

    error_code: int = INT16()
    partition_index: int = INT32()
    leader_id: int = INT32()
    leader_epoch: int = INT32("7+", default=-1)
    replica_nodes: list[int] = array(INT32)
    isr_nodes: list[int] = array(INT32)
    offline_replicas: list[int] = array(INT32, "5+")


@message
class MetadataResponseTopic:
    """An element of ``MetadataResponse.topics``."""

    error_code: int = INT16()
    name: str | None = STRING(null="12+")
    topic_id: bytes = UUID("10+")
    is_internal: bool = BOOL("1+")
    partitions: list[MetadataResponsePartition] = array(MetadataResponsePartition, reusable=True)
    topic_authorized_operations: int = INT32("8+", default=-(2**31))


@message
class MetadataResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32("3+")
    brokers: list[MetadataResponseBroker] = array(MetadataResponseBroker)
    cluster_id: str | None = STRING("2+", null="2+", default=None)
    controller_id: int = INT32("1+", default=-1)
    topics: list[MetadataResponseTopic] = array(MetadataResponseTopic)
    cluster_authorized_operations: int = INT32("8-10", default=-(2**31))
    error_code: int = INT16("13+")
