"""What a transaction marker does to a log: who may write one, and what the log remembers after it (KIP-98, KIP-890;
``ProducerAppendInfo.appendEndTxnMarker``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from chronik.batch.control import ControlType
from chronik.errors import ErrorCode, KafkaError
from chronik.log.aborted import AbortedTransaction
from chronik.log.producers import ProducerState
from chronik.terms import NO_OFFSET, ProducerId


class Marker(NamedTuple):
    """The end of a producer's transaction, to be written into a log.

    `raises_epoch`: the epoch is one that no batch of the transaction has, as of transaction version 2; an equal one is
    then not taken for the end of an open transaction.
    """

    producer_id: ProducerId
    producer_epoch: int
    outcome: ControlType
    coordinator_epoch: int
    raises_epoch: bool = False


MarkerDone = Callable[["int | KafkaError | None"], None]
"""Told the marker's offset, None where there was nothing to end, or why it was refused. Called once, on the loop. Must
not raise."""


def is_open(state: ProducerState | None) -> bool:
    """Whether the producer has a transaction open in the log."""
    return state is not None and state.open_first_offset != NO_OFFSET


def check(state: ProducerState | None, marker: Marker) -> None:
    """Refuse the marker of a coordinator that knows less than the log: KafkaError INVALID_PRODUCER_EPOCH if the
    producer has a newer epoch, TRANSACTION_COORDINATOR_FENCED after a marker of a newer coordinator."""
    if state is None:
        return
    is_old = marker.producer_epoch < state.epoch
    if is_old or (marker.raises_epoch and marker.producer_epoch == state.epoch and is_open(state)):
        raise KafkaError(
            ErrorCode.INVALID_PRODUCER_EPOCH,
            f"the marker's epoch {marker.producer_epoch} of producer {marker.producer_id} is not above {state.epoch}",
        )
    if marker.coordinator_epoch < state.coordinator_epoch:
        raise KafkaError(
            ErrorCode.TRANSACTION_COORDINATOR_FENCED,
            f"coordinator epoch {marker.coordinator_epoch} is older than {state.coordinator_epoch}",
        )


def ended(state: ProducerState | None, marker: Marker, now_ms: int) -> ProducerState:
    """The producer after the (checked) marker. Under a new epoch it begins with sequence 0."""
    batches = state.batches if state is not None and state.epoch == marker.producer_epoch else ()
    return ProducerState(
        marker.producer_id, marker.producer_epoch, marker.coordinator_epoch, NO_OFFSET, now_ms, batches
    )


def aborted(
    state: ProducerState | None, marker: Marker, offset: int, others: Iterable[ProducerState]
) -> AbortedTransaction | None:
    """The entry of the aborted index for a marker at `offset`: None for a commit, and where nothing was open. `others`
    are all producers of the log as of before the marker."""
    if state is None or state.open_first_offset == NO_OFFSET or marker.outcome is not ControlType.ABORT:
        return None
    still_open = (
        other.open_first_offset
        for other in others
        if other.open_first_offset != NO_OFFSET and other.producer_id != marker.producer_id
    )
    return AbortedTransaction(marker.producer_id, state.open_first_offset, offset, min(still_open, default=offset + 1))
