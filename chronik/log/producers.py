"""What a log remembers of a producer, and which of its batches may be appended (KIP-98, ``ProducerAppendInfo``).

The window of five batches is what makes a retry exact: a Java or librdkafka producer has at most five in flight.
"""

from __future__ import annotations

from itertools import chain
from struct import Struct
from typing import NamedTuple

from chronik.batch.header import BatchHeader
from chronik.errors import ErrorCode, KafkaError
from chronik.terms import MAX_SEQUENCE, NO_OFFSET, NO_SEQUENCE, ProducerId

WINDOW = 5
"""Batches that are remembered of each producer."""

_STATES = tuple(Struct(">hiqqB" + "iiqq" * count) for count in range(WINDOW + 1))
"""A state with so many batches: packed by one call, as it is for nearly every batch that is appended."""
_BATCH_COUNT_AT = 22


class AppendedBatch(NamedTuple):
    """One batch of the window. `log_append_time_ms` is -1 unless the topic sets it."""

    first_sequence: int
    last_sequence: int
    base_offset: int
    log_append_time_ms: int


class ProducerState(NamedTuple):
    """A producer as one log knows it. `open_first_offset` is that of its open transaction, or -1."""

    producer_id: ProducerId
    epoch: int
    coordinator_epoch: int
    open_first_offset: int
    last_ms: int
    batches: tuple[AppendedBatch, ...]
    """Of the current epoch, oldest first."""

    @property
    def last_sequence(self) -> int:
        """The last sequence number of the current epoch; -1 when none is known."""
        return self.batches[-1].last_sequence if self.batches else NO_SEQUENCE


def encode(state: ProducerState) -> bytes:
    """Everything but the producer id, which is part of the key: 23 bytes, then 24 for each batch, big-endian."""
    _, epoch, coordinator_epoch, open_first, last_ms, batches = state
    count = len(batches)
    fields = chain.from_iterable(batches)
    return _STATES[count].pack(epoch, coordinator_epoch, open_first, last_ms, count, *fields)


def decode(producer_id: ProducerId, value: bytes) -> ProducerState:
    """What `encode` wrote."""
    epoch, coordinator_epoch, open_first, last_ms, _, *fields = _STATES[value[_BATCH_COUNT_AT]].unpack(value)
    batches = tuple(AppendedBatch(*fields[at : at + 4]) for at in range(0, len(fields), 4))
    return ProducerState(producer_id, epoch, coordinator_epoch, open_first, last_ms, batches)


def duplicate_of(state: ProducerState | None, header: BatchHeader) -> AppendedBatch | None:
    """The remembered batch of which this one is a retry: same epoch, first and last sequence."""
    if state is None or header.producer_epoch != state.epoch:
        return None
    first = header.base_sequence
    if first == following(state.last_sequence):
        return None  # in order, as nearly always: five batches do not reach around all sequence numbers
    last = header.last_sequence
    for batch in reversed(state.batches):
        if batch.first_sequence == first and batch.last_sequence == last:
            return batch
    return None


def check(state: ProducerState | None, header: BatchHeader, *, begins_at_zero: bool = False) -> None:
    """Refuse a batch (that is no duplicate) whose epoch is old or whose sequence does not follow: KafkaError
    INVALID_PRODUCER_EPOCH, OUT_OF_ORDER_SEQUENCE_NUMBER, or INVALID_TXN_STATE for a plain batch inside a transaction.

    A producer of which nothing is known (expired, or new here) may begin with any sequence, unless `begins_at_zero`.
    One of whose epoch only a marker is known begins with 0.
    """
    if state is None:
        if begins_at_zero and header.base_sequence != 0:
            raise _out_of_order(header, "a producer that is new here begins with sequence 0")
        return
    if header.producer_epoch < state.epoch:
        raise KafkaError(
            ErrorCode.INVALID_PRODUCER_EPOCH,
            f"epoch {header.producer_epoch} of producer {header.producer_id} is older than the current {state.epoch}",
        )
    if header.producer_epoch > state.epoch:
        if header.base_sequence != 0:
            raise _out_of_order(header, "a new epoch begins with sequence 0")
    elif header.base_sequence != following(state.last_sequence):
        raise _out_of_order(header, f"sequence {following(state.last_sequence)} comes next")
    if state.open_first_offset != NO_OFFSET and not header.is_transactional:
        raise KafkaError(
            ErrorCode.INVALID_TXN_STATE, f"producer {header.producer_id} has a transaction open in this partition"
        )


def following(sequence: int) -> int:
    """The sequence number after this one; 2^31-1 is followed by 0, and so is -1 (none)."""
    return (sequence + 1) & MAX_SEQUENCE


def advanced(
    state: ProducerState | None, header: BatchHeader, base_offset: int, log_append_time_ms: int, now_ms: int
) -> ProducerState:
    """The state after this (checked) batch was appended at `base_offset`."""
    appended = AppendedBatch(header.base_sequence, header.last_sequence, base_offset, log_append_time_ms)
    if state is None:
        open_first = base_offset if header.is_transactional else NO_OFFSET
        return ProducerState(ProducerId(header.producer_id), header.producer_epoch, -1, open_first, now_ms, (appended,))
    producer_id, epoch, coordinator_epoch, open_first, _, batches = state
    if header.is_transactional and open_first == NO_OFFSET:
        open_first = base_offset
    batches = (*batches[1 - WINDOW :], appended) if header.producer_epoch == epoch else (appended,)
    return ProducerState(producer_id, header.producer_epoch, coordinator_epoch, open_first, now_ms, batches)


def is_expired(state: ProducerState, now_ms: int, expiration_ms: int) -> bool:
    """Whether the producer wrote nothing for that long and has no transaction open (producer.id.expiration.ms)."""
    return state.open_first_offset == NO_OFFSET and now_ms - state.last_ms >= expiration_ms


def _out_of_order(header: BatchHeader, why: str) -> KafkaError:
    return KafkaError(
        ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
        f"sequence {header.base_sequence} of producer {header.producer_id}, epoch {header.producer_epoch}: {why}",
    )
