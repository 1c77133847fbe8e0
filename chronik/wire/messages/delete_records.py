"""DeleteRecords, API key 21: versions 0-2, flexible from 2.

- 0: the first
- 1: a throttled reply is sent at once and the connection rests after it (KIP-219)
- 2: compact forms and tag sections
"""

from __future__ import annotations

from chronik.wire.schema import INT16, INT32, INT64, STRING, array, message


@message
class DeleteRecordsPartition:
    """An element of ``DeleteRecordsTopic.partitions``."""

    partition_index: int = INT32()
    offset: int = INT64()


@message
class DeleteRecordsTopic:
    """An element of ``DeleteRecordsRequest.topics``."""

    name: str = STRING()
    partitions: list[DeleteRecordsPartition] = array(DeleteRecordsPartition)


@message
class DeleteRecordsRequest:
    """What the client sends."""

    topics: list[DeleteRecordsTopic] = array(DeleteRecordsTopic)
    timeout_ms: int = INT32()


@message
class DeleteRecordsPartitionResult:
    """An element of ``DeleteRecordsTopicResult.partitions``."""

    partition_index: int = INT32()
    low_watermark: int = INT64()
    error_code: int = INT16()


@message
class DeleteRecordsTopicResult:
    """An element of ``DeleteRecordsResponse.topics``."""

    name: str = STRING()
    partitions: list[DeleteRecordsPartitionResult] = array(DeleteRecordsPartitionResult)


@message
class DeleteRecordsResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    topics: list[DeleteRecordsTopicResult] = array(DeleteRecordsTopicResult)
