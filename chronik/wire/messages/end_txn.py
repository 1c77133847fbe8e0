"""EndTxn, API key 26: versions 0-5, flexible from 3.

- 0: the first
- 1: a throttled reply is sent at once and the connection rests after it (KIP-219)
- 2: PRODUCER_FENCED
- 3: compact forms and tag sections
- 4: TRANSACTION_ABORTABLE
- 5: epoch bumped on every transaction, new pid/epoch returned
"""

from __future__ import annotations

from chronik.wire.schema import BOOL, INT16, INT32, INT64, STRING, message


@message
class EndTxnRequest:
    """What the client sends."""

    transactional_id: str = STRING()
    producer_id: int = INT64()
    producer_epoch: int = INT16()
    committed: bool = BOOL()


@message
class EndTxnResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    error_code: int = INT16()
    producer_id: int = INT64("5+", default=-1)
    producer_epoch: int = INT16("5+", default=-1)
