"""ListTransactions and DescribeTransactions: what an administrator sees of transactions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from chronik.errors import ErrorCode
from chronik.terms import NO_PRODUCER_EPOCH, NO_PRODUCER_ID, ProducerId
from chronik.txn.requests import PartitionKey
from chronik.txn.states import BY_SHOWN_NAME, TransactionState
from chronik.txn.transaction import Transaction

NO_DURATION = -1
_NOBODY = ProducerId(0)
"""What Kafka says beside an error."""


@dataclass(frozen=True, slots=True)
class TransactionDescription:
    """One transactional id. `start_ms` is -1 if its producer has had no transaction yet, and that of the last one if
    none is open; `partitions` are those of the open one, in order."""

    transactional_id: str
    error: ErrorCode
    state: str = ""
    timeout_ms: int = 0
    start_ms: int = 0
    producer_id: ProducerId = _NOBODY
    producer_epoch: int = 0
    partitions: tuple[PartitionKey, ...] = ()


@dataclass(frozen=True, slots=True)
class ListedTransaction:
    """One transactional id in a listing."""

    transactional_id: str
    state: str
    producer_id: ProducerId = NO_PRODUCER_ID
    producer_epoch: int = NO_PRODUCER_EPOCH


@dataclass(frozen=True, slots=True)
class TransactionFilter:
    """What ListTransactions is asked for; all conditions hold together, and an empty one holds for everything."""

    states: tuple[str, ...] = ()
    producer_ids: tuple[int, ...] = ()
    duration_ms: int = NO_DURATION
    """Only transactions that began longer ago than this. As in Kafka, an id that has had none counts as old, and one
    whose last transaction has ended counts by that. -1 for all."""
    matches: Callable[[str], bool] | None = None
    """Whether a transactional id is wanted."""

    @property
    def unknown_states(self) -> tuple[str, ...]:
        """Names that no state has."""
        return tuple(name for name in self.states if name not in BY_SHOWN_NAME)


def describe(transactional_id: str, transaction: Transaction | None) -> TransactionDescription:
    """DescribeTransactions for one id: INVALID_REQUEST for an empty one, TRANSACTIONAL_ID_NOT_FOUND."""
    if not transactional_id:
        return TransactionDescription(transactional_id, ErrorCode.INVALID_REQUEST)
    if transaction is None or transaction.saved is None or transaction.pending is TransactionState.DEAD:
        return TransactionDescription(transactional_id, ErrorCode.TRANSACTIONAL_ID_NOT_FOUND)
    saved = transaction.saved
    return TransactionDescription(
        transactional_id,
        ErrorCode.NONE,
        transaction.state.shown,
        saved.timeout_ms,
        saved.start_ms,
        saved.producer_id,
        saved.producer_epoch,
        tuple(sorted(transaction.partitions)),
    )


def list_transactions(
    transactions: Iterable[Transaction], wanted: TransactionFilter, now_ms: int
) -> tuple[ListedTransaction, ...]:
    """The ids that the filter lets pass."""
    return tuple(
        ListedTransaction(one.transactional_id, one.state.shown, one.saved.producer_id, one.saved.producer_epoch)
        for one in transactions
        if one.saved is not None and one.pending is not TransactionState.DEAD and _passes(one, wanted, now_ms)
    )


def _passes(transaction: Transaction, wanted: TransactionFilter, now_ms: int) -> bool:
    saved = transaction.saved
    assert saved is not None
    return (
        _holds(transaction.state.shown, wanted.states)
        and _holds(saved.producer_id, wanted.producer_ids)
        and (wanted.duration_ms < 0 or now_ms - saved.start_ms > wanted.duration_ms)
        and (wanted.matches is None or wanted.matches(transaction.transactional_id))
    )


def _holds(value: object, among: Collection[object]) -> bool:
    return not among or value in among
