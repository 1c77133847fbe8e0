"""EndTxn, in both versions: from an open transaction to a decided outcome, and from there to the end (KIP-98, KIP-890).

Up to version 4 of EndTxn the producer keeps its epoch, so a repeated request cannot be told from the first one but by
the state. From version 5 each end raises the epoch (or, when the epochs are exhausted, brings a new producer id): a
repeated request has the epoch before the current one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from chronik.changes import TransactionSaved
from chronik.errors import ErrorCode
from chronik.terms import NO_PRODUCER_ID, ProducerId
from chronik.txn.requests import EndReply, EndRequest, WriteMarkers
from chronik.txn.states import TransactionState
from chronik.txn.transaction import LAST_EPOCH, Transaction


def prepared(
    transaction: Transaction, request: EndRequest, new_producer_id: ProducerId, now_ms: int
) -> TransactionSaved | EndReply:
    """The transaction with its outcome decided, or what to answer if there is nothing to decide.

    `new_producer_id` is used where the request raises epochs and they are exhausted.
    """
    if transaction.saved is None:
        return EndReply(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
    if request.raises_epoch:
        return _prepared_raising(transaction, transaction.saved, request, new_producer_id, now_ms)
    error = transaction.check(request.producer)
    if error is not ErrorCode.NONE:
        return EndReply(error)
    if transaction.state is not TransactionState.ONGOING:
        return EndReply(_without_open(transaction.state, request.commits))
    return transaction.moved(_outcome(request.commits), now_ms)


def fenced(transaction: Transaction, now_ms: int) -> TransactionSaved:
    """The open transaction taken away from its producer, to be aborted under an epoch that nobody was given."""
    assert transaction.saved is not None
    epoch = transaction.saved.producer_epoch
    taken = transaction.moved(TransactionState.PREPARE_ABORT, now_ms, TransactionState.PREPARE_EPOCH_FENCE)
    return replace(taken, producer_epoch=min(epoch + 1, LAST_EPOCH + 1), last_producer_epoch=epoch)


def completed(transaction: Transaction, now_ms: int) -> TransactionSaved:
    """The prepared transaction at its end."""
    assert transaction.saved is not None
    commits = transaction.state is TransactionState.PREPARE_COMMIT
    ended = transaction.moved(TransactionState.COMPLETE_COMMIT if commits else TransactionState.COMPLETE_ABORT, now_ms)
    if ended.next_producer_id == NO_PRODUCER_ID:
        return ended
    return replace(ended, producer_id=ended.next_producer_id, producer_epoch=0, next_producer_id=NO_PRODUCER_ID)


def markers_of(transaction: Transaction, outcome: TransactionSaved) -> WriteMarkers:
    """What a transaction with this decided outcome asks for."""
    return WriteMarkers(
        transaction.transactional_id,
        outcome.producer_id,
        outcome.producer_epoch,
        outcome.state == TransactionState.PREPARE_COMMIT,
        tuple(sorted(transaction.partitions)),
    )


def _outcome(commits: bool) -> TransactionState:
    return TransactionState.PREPARE_COMMIT if commits else TransactionState.PREPARE_ABORT


def _without_open(state: TransactionState, commits: bool) -> ErrorCode:
    """What an end means while no transaction is open: a retry of what happened, or a contradiction to it."""
    match state:
        case TransactionState.EMPTY:
            return ErrorCode.INVALID_TXN_STATE
        case TransactionState.PREPARE_COMMIT:
            return ErrorCode.CONCURRENT_TRANSACTIONS if commits else ErrorCode.INVALID_TXN_STATE
        case TransactionState.PREPARE_ABORT:
            return ErrorCode.INVALID_TXN_STATE if commits else ErrorCode.CONCURRENT_TRANSACTIONS
        case TransactionState.COMPLETE_COMMIT:
            return ErrorCode.NONE if commits else ErrorCode.INVALID_TXN_STATE
        case TransactionState.COMPLETE_ABORT:
            return ErrorCode.INVALID_TXN_STATE if commits else ErrorCode.NONE
        case TransactionState.ONGOING | TransactionState.DEAD | TransactionState.PREPARE_EPOCH_FENCE:
            raise AssertionError(f"{state.name} does not come here")
        case _:
            assert_never(state)


def _prepared_raising(
    transaction: Transaction, saved: TransactionSaved, request: EndRequest, new_producer_id: ProducerId, now_ms: int
) -> TransactionSaved | EndReply:
    is_retry = _is_retry(saved, request)
    if saved.producer_id != request.producer.producer_id and not is_retry:
        return EndReply(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
    state, is_current = transaction.state, request.producer.producer_epoch == saved.producer_epoch
    if not (is_current or is_retry) or (is_current and state.is_prepared):
        return EndReply(ErrorCode.PRODUCER_FENCED)
    if is_retry:
        if state in (TransactionState.ONGOING, TransactionState.EMPTY):
            return EndReply(ErrorCode.PRODUCER_FENCED)
        error = _without_open(state, request.commits)
        if error is not ErrorCode.NONE:
            return EndReply(error)
        return EndReply(error, saved.producer_id, saved.producer_epoch)
    if request.commits and state is not TransactionState.ONGOING:
        return EndReply(ErrorCode.INVALID_TXN_STATE)
    # An abort is taken in any state: the producer may abort what it never got to send.
    start_ms = saved.start_ms if state is TransactionState.ONGOING else now_ms
    return replace(
        transaction.moved(_outcome(request.commits), now_ms),
        producer_epoch=saved.producer_epoch + 1,
        last_producer_epoch=saved.producer_epoch,
        next_producer_id=new_producer_id if transaction.is_exhausted else NO_PRODUCER_ID,
        start_ms=start_ms,
    )


def _is_retry(saved: TransactionSaved, request: EndRequest) -> bool:
    """Whether the request has the producer id and epoch from before the last end. Another producer that was replaced
    can have the same epoch, if the last end has not raised it; here Kafka does not look, and would give it the token of
    the one that replaced it."""
    _, producer_id, epoch = request.producer
    if epoch < 0 or epoch != saved.last_producer_epoch:
        return False
    if producer_id == saved.producer_id:
        return saved.producer_epoch == epoch + 1
    return producer_id == saved.previous_producer_id and epoch == LAST_EPOCH and saved.producer_epoch == 0
