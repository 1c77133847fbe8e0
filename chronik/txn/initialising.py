"""InitProducerId: a transactional id is given to a producer, and whoever had it before is stopped (KIP-98, KIP-360)."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from chronik.changes import TransactionSaved
from chronik.errors import ErrorCode
from chronik.terms import NO_PRODUCER_EPOCH, NO_PRODUCER_ID, ProducerId
from chronik.txn.ending import fenced
from chronik.txn.requests import InitRequest
from chronik.txn.states import TransactionState
from chronik.txn.transaction import LAST_EPOCH, Transaction


def initialised(
    transaction: Transaction, request: InitRequest, new_producer_id: ProducerId, now_ms: int
) -> TransactionSaved | ErrorCode:
    """The id as the producer is given it, in state Empty; or why not.

    While a transaction is open, it is taken away and to be aborted (the state says PrepareAbort), and nobody is given
    anything. `new_producer_id` is used for an id that is new or whose epochs are exhausted.
    """
    saved = transaction.saved
    if saved is None:
        nothing = (NO_PRODUCER_EPOCH, NO_PRODUCER_ID)
        who = (new_producer_id, 0, new_producer_id, *nothing)
        return TransactionSaved(
            request.transactional_id, TransactionState.EMPTY, *who, request.timeout_ms, start_ms=-1, update_ms=now_ms
        )
    state = transaction.state
    if _goes_on(request) and not _may_go_on(saved, request):
        return ErrorCode.PRODUCER_FENCED
    match state:
        case TransactionState.EMPTY | TransactionState.COMPLETE_COMMIT | TransactionState.COMPLETE_ABORT:
            return _given_out(transaction, saved, request, new_producer_id, now_ms)
        case TransactionState.ONGOING:
            return fenced(transaction, now_ms)
        case TransactionState.PREPARE_COMMIT | TransactionState.PREPARE_ABORT:
            return ErrorCode.CONCURRENT_TRANSACTIONS
        case TransactionState.DEAD | TransactionState.PREPARE_EPOCH_FENCE:
            raise AssertionError(f"{state.name} is never written down")
        case _:
            assert_never(state)


def _goes_on(request: InitRequest) -> bool:
    return request.producer_id != NO_PRODUCER_ID


def _may_go_on(saved: TransactionSaved, request: InitRequest) -> bool:
    """Whether the producer is the current one, or can be the one before, that never heard of its new epoch (or of its
    new producer id, if the epochs were exhausted). While a transaction is open, Kafka does not look at the epoch, so
    that there a producer that was replaced can abort the transaction of the one that did."""
    is_last = 0 <= request.producer_epoch == saved.last_producer_epoch
    if request.producer_id == saved.producer_id:
        return is_last or request.producer_epoch == saved.producer_epoch
    return is_last and request.producer_id == saved.previous_producer_id and request.producer_epoch >= LAST_EPOCH


def _given_out(
    transaction: Transaction,
    saved: TransactionSaved,
    request: InitRequest,
    new_producer_id: ProducerId,
    now_ms: int,
) -> TransactionSaved:
    begins = replace(transaction.moved(TransactionState.EMPTY, now_ms), timeout_ms=request.timeout_ms, start_ms=-1)
    epoch = saved.producer_epoch
    if not _goes_on(request):
        if transaction.is_exhausted:
            return replace(begins, producer_id=new_producer_id, producer_epoch=0, last_producer_epoch=NO_PRODUCER_EPOCH)
        return replace(begins, producer_epoch=epoch + 1, last_producer_epoch=NO_PRODUCER_EPOCH)
    is_current = (request.producer_id, request.producer_epoch) == (saved.producer_id, epoch)
    if not is_current and epoch <= LAST_EPOCH:
        # It asks again because the answer was lost. Nobody else has the id: that would have made the last epoch -1.
        return begins
    if transaction.is_exhausted:
        last = request.producer_epoch
        return replace(begins, producer_id=new_producer_id, producer_epoch=0, last_producer_epoch=last)
    return replace(begins, producer_epoch=epoch + 1, last_producer_epoch=epoch)
