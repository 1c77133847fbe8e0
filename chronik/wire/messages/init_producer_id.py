"""InitProducerId, API key 22: versions 0-6, flexible from 2.

- 0: the first
- 1: a throttled reply is sent at once and the connection rests after it (KIP-219)
- 2: compact forms and tag sections
- 3: current producer id/epoch supplied for epoch bump
- 4: PRODUCER_FENCED instead of INVALID_PRODUCER_EPOCH
- 5: TRANSACTION_ABORTABLE possible
- 6: two-phase-commit fields (not released)
"""

from __future__ import annotations

from chronik.wire.schema import BOOL, INT16, INT32, INT64, STRING, message


@message
class InitProducerIdRequest:
    """What the client sends."""

    transactional_id: str | None = STRING(null="0+")
    transaction_timeout_ms: int = INT32()
    producer_id: int = INT64("3+", default=-1)
    producer_epoch: int = INT16("3+", default=-1)
    enable_2pc: bool = BOOL("6+")
    keep_prepared_txn: bool = BOOL("6+")


@message
class InitProducerIdResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    error_code: int = INT16()
    producer_id: int = INT64(default=-1)
    producer_epoch: int = INT16()
    ongoing_txn_producer_id: int = INT64("6+", default=-1)
    ongoing_txn_producer_epoch: int = INT16("6+", default=-1)
