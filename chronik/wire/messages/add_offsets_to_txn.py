"""AddOffsetsToTxn, API key 25: versions 0-4, flexible from 3.

- 0: the first
- 1: a throttled reply is sent at once and the connection rests after it (KIP-219)
- 2: PRODUCER_FENCED
- 3: compact forms and tag sections
- 4: TRANSACTION_ABORTABLE
"""

from __future__ import annotations

from chronik.wire.schema import INT16, INT32, INT64, STRING, message


@message
class AddOffsetsToTxnRequest:
    """What the client sends."""

    transactional_id: str = STRING()
    producer_id: int = INT64()
    producer_epoch: int = INT16()
    group_id: str = STRING()


@message
class AddOffsetsToTxnResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    error_code: int = INT16()
