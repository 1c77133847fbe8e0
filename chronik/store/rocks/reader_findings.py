"""What is wrong in a data directory, as values, and what was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from chronik.terms import LogId


class FindingKind(Enum):
    """What kind of thing is wrong."""

    UNREADABLE = "unreadable"
    """A file cannot be read, or what is in it makes no sense."""
    CHECKSUM = "checksum"
    RECORDS = "records"
    """A batch's header or records."""
    OFFSETS = "offsets"
    """A gap or an overlap between batches, or a log's bounds."""
    INDEX = "index"
    SEGMENT = "segment"
    """A segment's row."""
    PRODUCER = "producer"
    EPOCH = "epoch"
    ORPHAN = "orphan"
    """Data that nothing leads to."""
    CATALOG = "catalog"


class Finding(NamedTuple):
    """One thing that is wrong. `log` and `offset` say where, if it is a place in a log."""

    kind: FindingKind
    message: str
    """The end of a sentence that begins with the place."""
    log: LogId | None = None
    offset: int | None = None


@dataclass(slots=True)
class Looked:
    """What was looked at."""

    log_count: int = 0
    batch_count: int = 0
    record_count: int = 0
    size_bytes: int = 0
