"""DescribeProducers, API key 61: version 0, flexible from 0.

- 0: the first
"""

from __future__ import annotations

from chronik.wire.schema import INT16, INT32, INT64, STRING, array, message


@message
class TopicRequest:
    """An element of ``DescribeProducersRequest.topics``."""

    name: str = STRING()
    partition_indexes: list[int] = array(INT32)


@message
class DescribeProducersRequest:
    """What the client sends."""

    topics: list[TopicRequest] = array(TopicRequest)


@message
class ProducerState:
    """An element of ``PartitionResponse.active_producers``."""

    producer_id: int = INT64()
    producer_epoch: int = INT32()
    last_sequence: int = INT32(default=-1)
    last_timestamp: int = INT64(default=-1)
    coordinator_epoch: int = INT32()
    current_txn_start_offset: int = INT64(default=-1)


@message
class PartitionResponse:
    """An element of ``TopicResponse.partitions``."""

    partition_index: int = INT32()
    error_code: int = INT16()
    error_message: str | None = STRING(null="0+", default=None)
    active_producers: list[ProducerState] = array(ProducerState)


@message
class TopicResponse:
    """An element of ``DescribeProducersResponse.topics``."""

    name: str = STRING()
    partitions: list[PartitionResponse] = array(PartitionResponse)


@message
class DescribeProducersResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    topics: list[TopicResponse] = array(TopicResponse)
