"""The aborted index: exactly the transactions that a read-committed reader must be told of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronik.log import aborted
from chronik.log.aborted import AbortedTransaction
from chronik.terms import ProducerId

ONE = AbortedTransaction(ProducerId(1), 10, 20, 10)
LONG = AbortedTransaction(ProducerId(2), 5, 30, 5)


@pytest.mark.parametrize(
    ("start", "end", "told"),
    [
        (0, 5, []),
        (0, 6, [LONG]),
        (0, 10, [LONG]),
        (0, 11, [LONG, ONE]),
        (20, 21, [LONG, ONE]),  # the marker itself
        (21, 31, [LONG]),
        (30, 31, [LONG]),
        (31, 99, []),
    ],
)
def test_a_transaction_is_told_where_it_overlaps(start: int, end: int, told: list[AbortedTransaction]) -> None:
    assert aborted.overlapping([ONE, LONG], start, end) == told


ENTRIES = st.builds(
    lambda producer, first, length: AbortedTransaction(ProducerId(producer), first, first + length, first),
    st.integers(0, 5),
    st.integers(0, 30),
    st.integers(1, 20),
)


@given(st.lists(ENTRIES, max_size=8), st.integers(0, 50), st.integers(1, 50))
def test_they_are_told_by_their_first_offset_and_none_is_missed(
    index: list[AbortedTransaction], start: int, length: int
) -> None:
    told = aborted.overlapping(index, start, start + length)
    assert [entry.first_offset for entry in told] == sorted(entry.first_offset for entry in told)
    for entry in index:
        overlaps = any(start <= offset < start + length for offset in range(entry.first_offset, entry.last_offset + 1))
        assert (entry in told) == overlaps


@given(ENTRIES)
def test_what_is_encoded_is_decoded(entry: AbortedTransaction) -> None:
    assert len(aborted.encode(entry)) == 32
    assert aborted.decode(aborted.encode(entry)) == entry
