"""ListTransactions, API key 66: versions 0-2, flexible from 0.

- 0: the first
- 1: duration_filter
- 2: transactional_id_pattern (a bad one is INVALID_REGULAR_EXPRESSION)
"""

from __future__ import annotations

from chronik.wire.schema import INT16, INT32, INT64, STRING, array, message


@message
class ListTransactionsRequest:
    """What the client sends."""

    state_filters: list[str] = array(STRING)
    producer_id_filters: list[int] = array(INT64)
    duration_filter: int = INT64("1+", default=-1)
    transactional_id_pattern: str | None = STRING("2+", null="2+", default=None)


@message
class TransactionState:
    """An element of ``ListTransactionsResponse.transaction_states``."""

    transactional_id: str = STRING()
    producer_id: int = INT64()
    transaction_state: str = STRING()


@message
class ListTransactionsResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    error_code: int = INT16()
    unknown_state_filters: list[str] = array(STRING)
    transaction_states: list[TransactionState] = array(TransactionState)
