"""The names that every floor shares: identifiers and tiny values of the Kafka world."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple, NewType, Protocol

TopicId = NewType("TopicId", bytes)
"""A topic's UUID: 16 raw bytes, most significant first (KIP-516)."""

LogId = NewType("LogId", int)
"""The number (u32, never used twice) of the log of one (topic id, partition)."""

ProducerId = NewType("ProducerId", int)
"""An i64 >= 0 that names a producer for ever; -1 is "none" (KIP-98)."""

NO_TOPIC_ID = TopicId(bytes(16))
NO_PRODUCER_ID = ProducerId(-1)
NO_PRODUCER_EPOCH = -1
NO_SEQUENCE = -1
NO_TIMESTAMP = -1
NO_OFFSET = -1
NO_LEADER_EPOCH = -1

MAX_SEQUENCE = 2**31 - 1
"""The last sequence number; the one after it is 0."""


class TopicPartition(NamedTuple):
    """A partition by its topic's name, as most requests give it."""

    topic: str
    partition: int


class IsolationLevel(IntEnum):
    """How far a reader may see: to the high watermark, or to the last stable offset (KIP-98)."""

    READ_UNCOMMITTED = 0
    READ_COMMITTED = 1


class Acks(IntEnum):
    """What a producer waits for; the other values are INVALID_REQUIRED_ACKS."""

    ALL = -1
    NONE = 0
    LEADER = 1


class Durability(IntEnum):
    """How far a batch must have come before its append is answered."""

    STAGED = 0
    """Nothing: it is ordered, and will be written with the current tick."""
    WRITTEN = 1
    """The operating system has the write-ahead log record: it survives a killed process."""
    SYNCED = 2
    """The write-ahead log was fsynced: it survives a power cut."""


class OpenFile(Protocol):
    """A file that stays open as long as the object lives."""

    descriptor: int


class FileSlice:
    """Bytes that are in a file, to be copied by the kernel to where they are sent: a batch, which ends with the offset
    before `end_offset`. Its length is that of the bytes."""

    __slots__ = ("end_offset", "file", "position", "size_bytes")

    def __init__(self, file: OpenFile, position: int, size_bytes: int, end_offset: int) -> None:
        self.file = file
        self.position = position
        self.size_bytes = size_bytes
        self.end_offset = end_offset

    def __len__(self) -> int:
        return self.size_bytes
