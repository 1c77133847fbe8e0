"""The values in which an engine is asked to append and to read, and in which it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from chronik.errors import KafkaError
from chronik.log.aborted import AbortedTransaction
from chronik.terms import LogId


class AppendTerms(NamedTuple):
    """What the log's owner says about an append: its leader epoch, the wall clock, and when a segment is full.

    `begins_at_zero`: a producer of which the log knows nothing must begin with sequence 0 (transaction version 2, whose
    epochs say that it is no producer that was forgotten).
    """

    leader_epoch: int
    now_ms: int
    segment_bytes: int
    segment_ms: int
    begins_at_zero: bool = False


class Appended(NamedTuple):
    """Where a batch is: its base offset, its log-append time (-1 unless the topic sets it), the log's start.

    For a duplicate, what the original batch was told.
    """

    base_offset: int
    log_append_time_ms: int
    log_start_offset: int


AppendDone = Callable[[Appended | KafkaError], None]
"""Called once, on the loop: within `append` for a refused sequence, else later. Must not raise."""


class LogBounds(NamedTuple):
    """start <= last_stable <= high_watermark; on one node the high watermark is the end of what was written."""

    start: int
    last_stable: int
    high_watermark: int


class LogRead(NamedTuple):
    """One log of a fetch: from which offset, and how many bytes at the most."""

    log: LogId
    offset: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class LogSlice:
    """Whole batches of one log, as stored, from the one that contains the asked offset.

    `aborted` is None for a read-uncommitted reader. `buffers` is empty when there is nothing to read. Where
    `RecordStore.fetch` was asked for them there are slices of files (`FileSlice`) in it, which have a length as bytes
    have, and nothing else.
    """

    bounds: LogBounds
    buffers: Sequence[bytes]
    size_bytes: int
    aborted: Sequence[AbortedTransaction] | None


FetchResult = list[LogSlice | KafkaError]
"""One element a read, in order. The error is OFFSET_OUT_OF_RANGE for an offset outside start..end,
UNKNOWN_TOPIC_OR_PARTITION for a dropped log, or KAFKA_STORAGE_ERROR.
"""


class TimestampOffset(NamedTuple):
    """A record found by time: its offset, its timestamp, and the leader epoch of its batch."""

    offset: int
    timestamp_ms: int
    leader_epoch: int


class LogInfo(NamedTuple):
    """What there is of a log on the disk."""

    bounds: LogBounds
    size_bytes: int


class LogNews(Protocol):
    """What `watch` would have told of a log: a number that rises with it."""

    news_count: int
