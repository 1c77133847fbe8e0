"""The aborted index: which ranges of a log belong to aborted transactions (KIP-98, ``TransactionIndex``)."""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple

from chronik.terms import ProducerId

_VALUE = Struct(">Qqqq")


class AbortedTransaction(NamedTuple):
    """The transaction of a producer from its first batch to its ABORT marker, both included.

    `last_stable_offset` is where the log's last stable offset stood when the marker was appended.
    """

    producer_id: ProducerId
    first_offset: int
    last_offset: int
    last_stable_offset: int


def encode(aborted: AbortedTransaction) -> bytes:
    """32 bytes, big-endian."""
    return _VALUE.pack(*aborted)


def decode(value: bytes) -> AbortedTransaction:
    """What `encode` wrote."""
    producer_id, first, last, stable = _VALUE.unpack(value)
    return AbortedTransaction(ProducerId(producer_id), first, last, stable)


def overlapping(index: Sequence[AbortedTransaction], start: int, end: int) -> list[AbortedTransaction]:
    """The aborted transactions that touch [start, end), by first offset: what a read-committed reader has to be
    told.
    """
    found = [entry for entry in index if entry.last_offset >= start and entry.first_offset < end]
    found.sort(key=lambda entry: entry.first_offset)
    return found
