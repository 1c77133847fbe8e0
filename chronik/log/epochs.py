"""Leader epochs of a log: which offsets were written under which epoch (KIP-101, KIP-320; ``LeaderEpochFileCache``)."""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple

from chronik.terms import NO_LEADER_EPOCH, NO_OFFSET

_ENTRY = Struct(">iq")


class EpochStart(NamedTuple):
    """Records from `start_offset` on were written under `epoch`, up to the start of the next entry."""

    epoch: int
    start_offset: int


Epochs = tuple[EpochStart, ...]
"""Ascending in both fields. Empty for a log that was never written to."""


def encode(epochs: Epochs) -> bytes:
    """12 bytes an entry: epoch i32, start offset i64, big-endian."""
    return b"".join(_ENTRY.pack(*entry) for entry in epochs)


def decode(value: bytes) -> Epochs:
    """What `encode` wrote."""
    return tuple(EpochStart(*fields) for fields in _ENTRY.iter_unpack(value))


def extended(epochs: Epochs, epoch: int, start_offset: int) -> Epochs:
    """The entries after an append at `start_offset` under `epoch`; unchanged when that epoch goes on."""
    if epochs and epochs[-1].epoch >= epoch:
        return epochs
    return (*epochs, EpochStart(epoch, start_offset))


def trimmed(epochs: Epochs, log_start: int) -> Epochs:
    """The entries after the log's start rose: the last one at or below it stays, with its start moved up."""
    keep = len([entry for entry in epochs if entry.start_offset <= log_start])
    if keep == 0:
        return epochs
    first = EpochStart(epochs[keep - 1].epoch, log_start)
    return (first, *epochs[keep:])


def epoch_at(epochs: Sequence[EpochStart], offset: int, current_epoch: int) -> int:
    """The epoch under which `offset` was written; for an offset not written yet, and an empty log, the current one."""
    found = current_epoch
    for entry in epochs:
        if entry.start_offset > offset:
            break
        found = entry.epoch
    return found


def end_of(epochs: Epochs, requested: int, current_epoch: int, log_start: int, log_end: int) -> tuple[int, int]:
    """(epoch, end offset) that answers OffsetForLeaderEpoch: the largest epoch <= requested and where it ends.

    (-1, -1) for an epoch above the current one or for -1. An epoch below the first known one ends where that starts.
    """
    if requested == NO_LEADER_EPOCH or requested > current_epoch:
        return NO_LEADER_EPOCH, NO_OFFSET
    if requested == current_epoch:
        return requested, log_end
    below = [entry for entry in epochs if entry.epoch <= requested]
    if not below:
        return requested, epochs[0].start_offset if epochs else log_start
    following = epochs[len(below) :]
    return below[-1].epoch, following[0].start_offset if following else log_end
