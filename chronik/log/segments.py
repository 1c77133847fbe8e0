"""Segments: the runs of batches in which a log is kept and given up (retention works on whole ones, as Kafka's does).

A segment lies in one chunk of the engine, so it is at most as large as a chunk, or as segment.bytes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from struct import Struct

_VALUE = Struct(">QIQIqqq")

_base_of = attrgetter("base_offset")


@dataclass(slots=True)
class Segment:
    """Batches with offsets in [base_offset, end_offset). Only the last segment of a log changes.

    `max_timestamp_ms` is the greatest timestamp of its records (-1: none has one); `created_ms` and `appended_ms` are
    the broker's clock at its first and its latest append.
    """

    base_offset: int
    end_offset: int
    chunk: int
    size_bytes: int
    batch_count: int
    max_timestamp_ms: int
    created_ms: int
    appended_ms: int

    @property
    def newest_ms(self) -> int:
        """The time by which retention.ms counts: of the newest record, or of the last append where records have
        none.
        """
        return self.max_timestamp_ms if self.max_timestamp_ms >= 0 else self.appended_ms


def encode(segment: Segment) -> bytes:
    """The segment without its base offset, which is part of its key: 48 bytes, big-endian."""
    return _VALUE.pack(
        segment.end_offset,
        segment.chunk,
        segment.size_bytes,
        segment.batch_count,
        segment.max_timestamp_ms,
        segment.created_ms,
        segment.appended_ms,
    )


def decode(base_offset: int, value: bytes) -> Segment:
    """What `encode` wrote."""
    return Segment(base_offset, *_VALUE.unpack(value))


def is_full(segment: Segment, chunk: int, batch_bytes: int, now_ms: int, segment_bytes: int, segment_ms: int) -> bool:
    """Whether a batch of that size must begin a new segment (segment.bytes, segment.ms, or the engine's chunk)."""
    return (
        segment.chunk != chunk
        or segment.size_bytes + batch_bytes > segment_bytes
        or now_ms - segment.created_ms > segment_ms
    )


def index_of(segments: Sequence[Segment], offset: int) -> int:
    """The index of the segment that holds `offset`: the last one whose base offset is not above it (0 if none is)."""
    return max(bisect_right(segments, offset, key=_base_of) - 1, 0)


def whole_below(segments: Sequence[Segment], start: int) -> int:
    """How many of the oldest segments lie wholly below `start`."""
    count = 0
    while count < len(segments) and segments[count].end_offset <= start:
        count += 1
    return count


def retained_start(
    segments: Sequence[Segment],
    size_bytes: int,
    start: int,
    bound: int,
    retention_ms: int,
    retention_bytes: int,
    now_ms: int,
) -> int:
    """The log start offset after retention.ms and retention.bytes (-1: no limit) gave up whole segments, which have
    `size_bytes` together.

    Segments that reach above `bound` (the high watermark) stay. By size the oldest segment goes while what is left is
    still at least `retention_bytes`; so a log may exceed the limit by up to one segment (Kafka's ``UnifiedLog``).
    """
    for segment in segments:
        if segment.end_offset > bound:
            break
        expired = retention_ms >= 0 and now_ms - segment.newest_ms > retention_ms
        excess = retention_bytes >= 0 and size_bytes - segment.size_bytes >= retention_bytes
        if not (expired or excess):
            break
        size_bytes -= segment.size_bytes
        start = max(start, segment.end_offset)
    return start
