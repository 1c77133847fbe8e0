"""CreateTopics, API key 19: versions 0-7, flexible from 5.

- 0: the first
- 1: validate_only + error_message
- 2: throttle_time
- 3: a throttled reply is sent at once and the connection rests after it (KIP-219)
- 4: partitions/RF -1 = broker default
- 5: flexible, effective configs returned
- 6: may answer THROTTLING_QUOTA_EXCEEDED
- 7: topic_id returned
"""

from __future__ import annotations

from chronik.wire.schema import BOOL, INT8, INT16, INT32, STRING, UUID, array, message


@message
class CreatableReplicaAssignment:
    """An element of ``CreatableTopic.assignments``."""

    partition_index: int = INT32()
    broker_ids: list[int] = array(INT32)


@message
class CreatableTopicConfig:
    """An element of ``CreatableTopic.configs``."""

    name: str = STRING()
    value: str | None = STRING(null="0+")


@message
class CreatableTopic:
    """An element of ``CreateTopicsRequest.topics``."""

    name: str = STRING()
    num_partitions: int = INT32()
    replication_factor: int = INT16()
    assignments: list[CreatableReplicaAssignment] = array(CreatableReplicaAssignment)
    configs: list[CreatableTopicConfig] = array(CreatableTopicConfig)


@message
class CreateTopicsRequest:
    """What the client sends."""

    topics: list[CreatableTopic] = array(CreatableTopic)
    timeout_ms: int = INT32(default=60000)
    validate_only: bool = BOOL("1+")


@message
class CreatableTopicConfigs:
    """An element of ``CreatableTopicResult.configs``."""

    name: str = STRING()
    value: str | None = STRING(null="0+")
    read_only: bool = BOOL()
    config_source: int = INT8(default=-1)
    is_sensitive: bool = BOOL()


@message
class CreatableTopicResult:
    """An element of ``CreateTopicsResponse.topics``."""

    name: str = STRING()
    topic_id: bytes = UUID("7+")
    error_code: int = INT16()
    error_message: str | None = STRING("1+", null="1+")
    topic_config_error_code: int = INT16("5+", tag=0)
    num_partitions: int = INT32("5+", default=-1)
    replication_factor: int = INT16("5+", default=-1)
    configs: list[CreatableTopicConfigs] | None = array(CreatableTopicConfigs, "5+", null="5+")


@message
class CreateTopicsResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32("2+")
    topics: list[CreatableTopicResult] = array(CreatableTopicResult)
