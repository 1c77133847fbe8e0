"""DescribeTransactions, API key 65: version 0, flexible from 0.

- 0: the first
"""

from __future__ import annotations

from chronik.wire.schema import INT16, INT32, INT64, STRING, array, message


@message
class DescribeTransactionsRequest:
    """What the client sends."""

    transactional_ids: list[str] = array(STRING)


@message
class TopicData:
    """An element of ``TransactionState.topics``."""

    topic: str = STRING()
    partitions: list[int] = array(INT32)


@message
class TransactionState:
    """An element of ``DescribeTransactionsResponse.transaction_states``."""

    error_code: int = INT16()
    transactional_id: str = STRING()
    transaction_state: str = STRING()
    transaction_timeout_ms: int = INT32()
    transaction_start_time_ms: int = INT64()
    producer_id: int = INT64()
    producer_epoch: int = INT16()
    topics: list[TopicData] = array(TopicData)


@message
class DescribeTransactionsResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    transaction_states: list[TransactionState] = array(TransactionState)
