"""Segments: when one is full, which one holds an offset, and which are given up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronik.log import segments
from chronik.log.segments import Segment
from tests.batch.strategies import I64
from tests.log.batches import NOW_MS

HOUR_MS = 3_600_000


def segment(base: int, end: int, size: int = 100, newest_ms: int = NOW_MS, appended_ms: int = NOW_MS) -> Segment:
    return Segment(base, end, 1, size, 1, newest_ms, NOW_MS, appended_ms)


THREE = [segment(0, 10), segment(10, 20), segment(20, 30)]


def kept(
    held: list[Segment], retention_ms: int = -1, retention_bytes: int = -1, *, start: int = 0, bound: int = 1000
) -> int:
    size = sum(one.size_bytes for one in held)
    return segments.retained_start(held, size, start, bound, retention_ms, retention_bytes, NOW_MS)


# Full


@pytest.mark.parametrize(
    ("chunk", "batch_bytes", "age_ms", "full"),
    [
        (1, 100, 0, False),
        (1, 101, 0, True),  # segment.bytes
        (1, 100, HOUR_MS, False),
        (1, 1, HOUR_MS + 1, True),  # segment.ms
        (2, 1, 0, True),  # another chunk
    ],
)
def test_a_segment_is_full(chunk: int, batch_bytes: int, age_ms: int, full: bool) -> None:
    assert segments.is_full(segment(0, 10), chunk, batch_bytes, NOW_MS + age_ms, 200, HOUR_MS) is full


# Finding


@pytest.mark.parametrize(("offset", "index"), [(0, 0), (9, 0), (10, 1), (29, 2), (30, 2), (99, 2)])
def test_an_offset_is_found(offset: int, index: int) -> None:
    assert segments.index_of(THREE, offset) == index


def test_an_offset_below_the_first_segment_is_looked_for_in_it() -> None:
    assert segments.index_of([segment(50, 60)], 3) == 0


@pytest.mark.parametrize(("start", "count"), [(0, 0), (9, 0), (10, 1), (25, 2), (30, 3), (99, 3)])
def test_whole_segments_lie_below_a_start(start: int, count: int) -> None:
    assert segments.whole_below(THREE, start) == count


# Retention by time


def test_a_segment_goes_once_its_newest_record_is_older_than_the_limit() -> None:
    aged = [segment(0, 10, newest_ms=NOW_MS - 1001), segment(10, 20, newest_ms=NOW_MS - 1000), segment(20, 30)]
    assert kept(aged, 1000) == 10
    assert kept(aged, 999) == 20
    assert kept(aged, -1) == 0


def test_a_young_segment_protects_the_older_ones_behind_it() -> None:
    aged = [segment(0, 10, newest_ms=NOW_MS), segment(10, 20, newest_ms=0)]
    assert kept(aged, 1000) == 0


def test_records_without_timestamps_age_by_their_append() -> None:
    assert kept([segment(0, 10, newest_ms=-1, appended_ms=NOW_MS - 5)], 4) == 10
    assert kept([segment(0, 10, newest_ms=-1, appended_ms=NOW_MS - 5)], 5) == 0


def test_a_log_whose_records_all_expired_is_empty() -> None:
    assert kept([segment(0, 10, newest_ms=0), segment(10, 20, newest_ms=0)], 1000) == 20


def test_records_of_the_future_stay() -> None:
    assert kept([segment(0, 10, newest_ms=NOW_MS + HOUR_MS)], 0) == 0


def test_a_limit_of_nothing_deletes_what_is_older_than_now() -> None:
    assert kept([segment(0, 10, newest_ms=NOW_MS - 1), segment(10, 20, newest_ms=NOW_MS)], 0) == 10


# Retention by size


@pytest.mark.parametrize(
    ("retention_bytes", "start"),
    [(-1, 0), (300, 0), (299, 0), (201, 0), (200, 10), (199, 10), (101, 10), (100, 20), (1, 20), (0, 30)],
)
def test_the_oldest_goes_while_what_is_left_is_still_enough(retention_bytes: int, start: int) -> None:
    assert kept(THREE, retention_bytes=retention_bytes) == start


def test_both_limits_count() -> None:
    aged = [segment(0, 10), segment(10, 20, newest_ms=0), segment(20, 30)]
    assert kept(aged, 1000, 200) == 20


# Bounds


def test_nothing_above_the_high_watermark_goes() -> None:
    assert kept(THREE, retention_bytes=0, bound=29) == 20
    assert kept(THREE, retention_bytes=0, bound=0) == 0


def test_the_start_never_falls() -> None:
    assert kept(THREE, retention_bytes=200, start=15) == 15
    assert kept(THREE, start=15) == 15
    assert kept([], 0, 0, start=15) == 15


@st.composite
def logs(draw: st.DrawFn) -> list[Segment]:
    sizes = draw(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 50), st.integers(-1, 20)), max_size=8))
    held, end = [], 0
    for count, size, newest in sizes:
        held.append(segment(end, end + count, size, NOW_MS - newest if newest >= 0 else -1))
        end += count
    return held


@given(logs(), st.integers(-1, 15), st.integers(-1, 200), st.integers(0, 8), st.integers(0, 80))
def test_retention_gives_up_a_front_and_no_more_than_it_must(
    held: list[Segment], retention_ms: int, retention_bytes: int, start: int, bound: int
) -> None:
    held = held[segments.whole_below(held, start) :]  # as an engine holds them
    new = kept(held, retention_ms, retention_bytes, start=start, bound=bound)
    assert new >= start
    if new > start:
        assert new <= bound
        assert new in [one.end_offset for one in held]
    left = held[segments.whole_below(held, new) :]
    total = sum(one.size_bytes for one in left)
    if left and left[0].end_offset <= bound:
        assert not 0 <= retention_ms < NOW_MS - left[0].newest_ms
        assert not 0 <= retention_bytes <= total - left[0].size_bytes


@given(
    st.builds(
        Segment,
        st.integers(0, 2**63 - 1),
        st.integers(0, 2**63 - 1),
        st.integers(0, 2**32 - 1),
        st.integers(0, 2**63 - 1),
        st.integers(0, 2**32 - 1),
        I64,
        I64,
        I64,
    )
)
def test_what_is_encoded_is_decoded(one: Segment) -> None:
    assert len(segments.encode(one)) == 48
    assert segments.decode(one.base_offset, segments.encode(one)) == one
