"""TxnOffsetCommit, API key 28: versions 0-5, flexible from 3.

- 0: the first
- 1: a throttled reply is sent at once and the connection rests after it (KIP-219)
- 2: committed_leader_epoch
- 3: flexible + generation/member/instance
- 4: TRANSACTION_ABORTABLE
- 5: also performs AddOffsetsToTxn (transaction v2 only)
"""

from __future__ import annotations

from chronik.wire.schema import INT16, INT32, INT64, STRING, array, message


@message
class TxnOffsetCommitRequestPartition:
    """An element of ``TxnOffsetCommitRequestTopic.partitions``."""

    partition_index: int = INT32()
    committed_offset: int = INT64()
    committed_leader_epoch: int = INT32("2+", default=-1)
    committed_metadata: str | None = STRING(null="0+")


@message
class TxnOffsetCommitRequestTopic:
    """An element of ``TxnOffsetCommitRequest.topics``."""

    name: str = STRING()
    partitions: list[TxnOffsetCommitRequestPartition] = array(TxnOffsetCommitRequestPartition)


@message
class TxnOffsetCommitRequest:
    """What the client sends."""

    transactional_id: str = STRING()
    group_id: str = STRING()
    producer_id: int = INT64()
    producer_epoch: int = INT16()
    generation_id: int = INT32("3+", default=-1)
    member_id: str = STRING("3+")
    group_instance_id: str | None = STRING("3+", null="3+", default=None)
    topics: list[TxnOffsetCommitRequestTopic] = array(TxnOffsetCommitRequestTopic)


@message
class TxnOffsetCommitResponsePartition:
    """An element of ``TxnOffsetCommitResponseTopic.partitions``."""

    partition_index: int = INT32()
    error_code: int = INT16()


@message
class TxnOffsetCommitResponseTopic:
    """An element of ``TxnOffsetCommitResponse.topics``."""

    name: str = STRING()
    partitions: list[TxnOffsetCommitResponsePartition] = array(TxnOffsetCommitResponsePartition)


@message
class TxnOffsetCommitResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    topics: list[TxnOffsetCommitResponseTopic] = array(TxnOffsetCommitResponseTopic)
