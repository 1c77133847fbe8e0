"""What a transactional id and its transaction consist of."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from chronik.changes import Change, TransactionPartitionsAdded, TransactionSaved
from chronik.errors import ErrorCode
from chronik.terms import NO_PRODUCER_EPOCH, ProducerId
from chronik.txn.requests import PartitionKey, Producer
from chronik.txn.states import LEGAL_MOVES, TransactionState

LAST_EPOCH = 32_766
"""The last epoch that a producer is given. The one above it is kept for fencing: a producer at the last epoch must be
stoppable too."""


@dataclass(slots=True)
class Transaction:
    """A transactional id. All of it is hard state, which moves only when a change is replayed, but for `pending`."""

    transactional_id: str
    saved: TransactionSaved | None = None
    """None while the first InitProducerId is being written down."""
    partitions: set[PartitionKey] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    """Groups whose offsets the transaction commits."""
    pending: TransactionState | None = None
    """What a change that is being written down makes of it. Until then nothing else is decided."""

    @property
    def state(self) -> TransactionState:
        return TransactionState.EMPTY if self.saved is None else TransactionState(self.saved.state)

    @property
    def deadline_ms(self) -> int | None:
        """When the transaction has been open for too long; None while none is open."""
        if self.saved is None or self.state is not TransactionState.ONGOING:
            return None
        return self.saved.start_ms + self.saved.timeout_ms

    @property
    def is_exhausted(self) -> bool:
        """Whether the producer id has no further epoch to give out."""
        return self.saved is not None and self.saved.producer_epoch >= LAST_EPOCH

    def check(self, producer: Producer) -> ErrorCode:
        """NONE for the current producer; INVALID_PRODUCER_ID_MAPPING for another id, PRODUCER_FENCED for another
        epoch of it, be it higher or lower."""
        if self.saved is None or self.saved.producer_id != producer.producer_id:
            return ErrorCode.INVALID_PRODUCER_ID_MAPPING
        if self.saved.producer_epoch != producer.producer_epoch:
            return ErrorCode.PRODUCER_FENCED
        return ErrorCode.NONE

    def check_open(self, producer: Producer) -> ErrorCode:
        """The same, and CONCURRENT_TRANSACTIONS while the last transaction is being ended."""
        error = self.check(producer)
        if error is ErrorCode.NONE and self.state.is_prepared:
            return ErrorCode.CONCURRENT_TRANSACTIONS
        return error

    def moved(self, state: TransactionState, now_ms: int, *via: TransactionState) -> TransactionSaved:
        """The id in another state and otherwise as it is; `via` states that are not written down."""
        assert self.saved is not None
        at = self.state
        for step in (*via, state):
            assert step in LEGAL_MOVES[at], f"{self.transactional_id!r} moves from {at.name} to {step.name}"
            at = step
        return replace(
            self.saved, state=int(state), previous_producer_id=ProducerId(self.saved.producer_id), update_ms=now_ms
        )


def additions(
    transaction: Transaction, partitions: Collection[PartitionKey], groups: Collection[str], now_ms: int
) -> list[Change]:
    """What makes the transaction have these partitions and groups; nothing, if it has them. The first call begins it,
    even one that adds nothing."""
    changes: list[Change] = []
    if transaction.state is not TransactionState.ONGOING:
        # Who begins a transaction knows its epoch: from now on nobody can say that its answer was lost.
        begun = transaction.moved(TransactionState.ONGOING, now_ms)
        changes.append(replace(begun, start_ms=now_ms, last_producer_epoch=NO_PRODUCER_EPOCH))
    new_partitions = tuple(sorted(set(partitions) - transaction.partitions))
    new_groups = tuple(sorted(set(groups) - transaction.groups))
    if new_partitions or new_groups:
        changes.append(TransactionPartitionsAdded(transaction.transactional_id, new_partitions, new_groups))
    return changes
