"""The states of a transaction and the legal moves between them (KIP-98, KIP-890).

The numbers are Kafka's; they are written to the disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum


class TransactionState(IntEnum):
    """Where a transactional id's transaction stands."""

    EMPTY = 0
    """A producer has the id and has not begun a transaction."""
    ONGOING = 1
    """A transaction is open: it gathers partitions and offsets."""
    PREPARE_COMMIT = 2
    """It will be committed, whatever happens: markers are being written."""
    PREPARE_ABORT = 3
    """It will be aborted, whatever happens: markers are being written."""
    COMPLETE_COMMIT = 4
    COMPLETE_ABORT = 5
    DEAD = 6
    """The id has expired and its removal is being written down."""
    PREPARE_EPOCH_FENCE = 7
    """The coordinator takes the transaction away from its producer in order to abort it. Only for a moment, within a
    decision: what is written down is PREPARE_ABORT with the raised epoch."""

    @property
    def shown(self) -> str:
        """The name in ListTransactions and DescribeTransactions."""
        return _SHOWN[self]

    @property
    def is_idle(self) -> bool:
        """Whether there is no transaction, neither open nor being ended."""
        return self in (TransactionState.EMPTY, TransactionState.COMPLETE_COMMIT, TransactionState.COMPLETE_ABORT)

    @property
    def is_prepared(self) -> bool:
        """Whether the outcome is decided and not everything that follows is done."""
        return self in (TransactionState.PREPARE_COMMIT, TransactionState.PREPARE_ABORT)


_SHOWN: Mapping[TransactionState, str] = {
    state: "".join(part.capitalize() for part in state.name.split("_")) for state in TransactionState
}

BY_SHOWN_NAME: Mapping[str, TransactionState] = {shown: state for state, shown in _SHOWN.items()}

_S = TransactionState

LEGAL_MOVES: Mapping[TransactionState, frozenset[TransactionState]] = {
    _S.EMPTY: frozenset(
        {
            _S.EMPTY,  # a producer takes the id over, or raises its epoch
            _S.ONGOING,  # the first partition is added
            _S.PREPARE_ABORT,  # version 2: a producer may abort what never reached the broker
            _S.DEAD,  # the id has expired
        }
    ),
    _S.ONGOING: frozenset(
        {
            _S.ONGOING,  # more partitions
            _S.PREPARE_COMMIT,
            _S.PREPARE_ABORT,
            _S.PREPARE_EPOCH_FENCE,  # the time is over, or another producer takes the id over
        }
    ),
    _S.PREPARE_EPOCH_FENCE: frozenset({_S.PREPARE_ABORT}),
    _S.PREPARE_COMMIT: frozenset({_S.COMPLETE_COMMIT}),
    _S.PREPARE_ABORT: frozenset({_S.COMPLETE_ABORT}),
    _S.COMPLETE_COMMIT: frozenset({_S.EMPTY, _S.ONGOING, _S.PREPARE_ABORT, _S.DEAD}),
    _S.COMPLETE_ABORT: frozenset({_S.EMPTY, _S.ONGOING, _S.PREPARE_ABORT, _S.DEAD}),
    _S.DEAD: frozenset(),
}
"""All moves. A state that cannot be written down is not moved to; a replay at start-up makes the transaction anew."""
