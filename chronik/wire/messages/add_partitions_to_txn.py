"""AddPartitionsToTxn, API key 24: versions 0-5, flexible from 3.

- 0: the first
- 1: a throttled reply is sent at once and the connection rests after it (KIP-219)
- 2: PRODUCER_FENCED
- 3: compact forms and tag sections
- 4: batch of transactions + verify_only
- 5: TRANSACTION_ABORTABLE
"""

from __future__ import annotations

from chronik.wire.schema import BOOL, INT16, INT32, INT64, STRING, array, message


@message
class AddPartitionsToTxnTopic:
    """An element of ``AddPartitionsToTxnTransaction.topics`` and of ``AddPartitionsToTxnRequest.topics``."""

    name: str = STRING()
    partitions: list[int] = array(INT32)


@message
class AddPartitionsToTxnTransaction:
    """An element of ``AddPartitionsToTxnRequest.transactions``."""

    transactional_id: str = STRING()
    producer_id: int = INT64()
    producer_epoch: int = INT16()
    verify_only: bool = BOOL()
    topics: list[AddPartitionsToTxnTopic] = array(AddPartitionsToTxnTopic)


@message
class AddPartitionsToTxnRequest:
    """What the client sends."""

    transactions: list[AddPartitionsToTxnTransaction] = array(AddPartitionsToTxnTransaction, "4+")
    transactional_id: str = STRING("0-3")
    producer_id: int = INT64("0-3")
    producer_epoch: int = INT16("0-3")
    topics: list[AddPartitionsToTxnTopic] = array(AddPartitionsToTxnTopic, "0-3")


@message
class AddPartitionsToTxnPartitionResult:
    """An element of ``AddPartitionsToTxnTopicResult.results_by_partition``."""

    partition_index: int = INT32()
    partition_error_code: int = INT16()


@message
class AddPartitionsToTxnTopicResult:
    """In ``AddPartitionsToTxnResult.topic_results`` and ``AddPartitionsToTxnResponse.results_by_topic``."""

    name: str = STRING()
    results_by_partition: list[AddPartitionsToTxnPartitionResult] = array(AddPartitionsToTxnPartitionResult)


@message
class AddPartitionsToTxnResult:
    """An element of ``AddPartitionsToTxnResponse.results_by_transaction``."""

    transactional_id: str = STRING()
    topic_results: list[AddPartitionsToTxnTopicResult] = array(AddPartitionsToTxnTopicResult)


@message
class AddPartitionsToTxnResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    error_code: int = INT16("4+")
    results_by_transaction: list[AddPartitionsToTxnResult] = array(AddPartitionsToTxnResult, "4+")
    results_by_topic: list[AddPartitionsToTxnTopicResult] = array(AddPartitionsToTxnTopicResult, "0-3")
