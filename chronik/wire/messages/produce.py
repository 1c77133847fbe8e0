"""Produce, API key 0: versions 0-13, flexible from 9.

- 0: base, magic 0/1 only
- 1: throttle_time
- 2: log_append_time, magic 1
- 3: transactional_id + magic 2 mandatory
- 4: may answer KAFKA_STORAGE_ERROR
- 5: log_start_offset
- 6: a throttled reply is sent at once and the connection rests after it (KIP-219)
- 7: zstd allowed
- 8: record_errors + error_message
- 9: compact forms and tag sections
- 10: leader hints (tagged)
- 11: TRANSACTION_ABORTABLE may be returned
- 12: same bytes, but in a txn it also performs AddPartitionsToTxn (only if the cluster finalised
      transaction.version=2)
- 13: topic_id replaces name
"""

from __future__ import annotations

from chronik.wire.schema import INT16, INT32, INT64, RECORDS, STRING, UUID, array, message, struct


@message
class PartitionProduceData:
    """An element of ``TopicProduceData.partition_data``."""

    index: int = INT32()
    records: memoryview | None = RECORDS(null="0+")


@message
class TopicProduceData:
    """An element of ``ProduceRequest.topic_data``."""

    name: str = STRING("0-12")
    topic_id: bytes = UUID("13+")
    partition_data: list[PartitionProduceData] = array(PartitionProduceData)


@message
class ProduceRequest:
    """What the client sends."""

    transactional_id: str | None = STRING("3+", null="3+", default=None)
    acks: int = INT16()
    timeout_ms: int = INT32()
    topic_data: list[TopicProduceData] = array(TopicProduceData)


@message
class BatchIndexAndErrorMessage:
    """An element of ``PartitionProduceResponse.record_errors``."""

    batch_index: int = INT32()
    batch_index_error_message: str | None = STRING(null="0+", default=None)


@message
class LeaderIdAndEpoch:
    """The value of ``PartitionProduceResponse.current_leader``."""

    leader_id: int = INT32(default=-1)
    leader_epoch: int = INT32(default=-1)


@message
class PartitionProduceResponse:
    """An element of ``TopicProduceResponse.partition_responses``."""

    index: int = INT32()
    error_code: int = INT16()
    base_offset: int = INT64()
    log_append_time_ms: int = INT64("2+", default=-1)
    log_start_offset: int = INT64("5+", default=-1)
    record_errors: list[BatchIndexAndErrorMessage] = array(BatchIndexAndErrorMessage, "8+")
    error_message: str | None = STRING("8+", null="8+", default=None)
    current_leader: LeaderIdAndEpoch | None = struct(LeaderIdAndEpoch, "10+", tag=0)


@message
class TopicProduceResponse:
    """An element of ``ProduceResponse.responses``."""

    name: str = STRING("0-12")
    topic_id: bytes = UUID("13+")
    partition_responses: list[PartitionProduceResponse] = array(PartitionProduceResponse)


@message
class NodeEndpoint:
    """An element of ``ProduceResponse.node_endpoints``."""

    node_id: int = INT32()
    host: str = STRING()
    port: int = INT32()
    rack: str | None = STRING(null="0+", default=None)


@message
class ProduceResponse:
    """What the client gets."""

    responses: list[TopicProduceResponse] = array(TopicProduceResponse)
    throttle_time_ms: int = INT32("1+")
    node_endpoints: list[NodeEndpoint] = array(NodeEndpoint, "10+", tag=0)
