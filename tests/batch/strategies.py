"""What the tests of this room make batches from."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from chronik.batch.header import MalformedBatch
from chronik.batch.records import Record

I32 = st.integers(-(2**31), 2**31 - 1)
I64 = st.integers(-(2**63), 2**63 - 1)

SOME_BYTES = st.one_of(
    st.binary(max_size=20),
    # Lengths around the steps of their varints: 63 and 64 bytes, 8191 and 8192.
    st.builds(lambda byte, length: byte * length, st.binary(min_size=1, max_size=1), st.sampled_from([63, 64, 8192])),
)
HEADERS = st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=5)), max_size=3).map(tuple)

RECORDS = st.lists(st.builds(Record, I32, I64, st.none() | SOME_BYTES, st.none() | SOME_BYTES, HEADERS), max_size=8)
"""Any records that can be written, in any order."""

TIMESTAMPS = st.integers(0, 2**45)


@st.composite
def produced_records(draw: st.DrawFn) -> tuple[int, list[Record]]:
    """(base timestamp, records) as producers send them: offset deltas 0, 1 …, and the first timestamp is the base."""
    contents = draw(
        st.lists(st.tuples(TIMESTAMPS, st.none() | SOME_BYTES, st.none() | SOME_BYTES, HEADERS), min_size=1, max_size=8)
    )
    base = contents[0][0]
    return base, [Record(index, at - base, *rest) for index, (at, *rest) in enumerate(contents)]


def refuses(read: Callable[[], object]) -> bool:
    """Whether reading raises MalformedBatch; any other exception goes up."""
    try:
        read()
    except MalformedBatch:
        return True
    return False


PLAIN_RECORDS = [
    Record(0, 0, b"key", b"value", (("header", b"x"), ("empty", b""), ("null", None))),
    Record(1, 5, None, b"value" * 40, ()),
    Record(2, -70, b"", None, (("", b"y"),)),
    Record(3, 1_000_000, b"k" * 70, b"", ()),
]
"""Nulls, empties, headers, a time that goes back, and lengths of one and two bytes."""
