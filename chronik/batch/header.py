"""The header of a record batch, format v2 (magic 2): 61 big-endian bytes in front of the records.

The CRC covers everything from the attributes on, so base offset and leader epoch, which the broker sets, lie outside:
a producer's batch is stored as it came but for those twelve bytes (Kafka's ``DefaultRecordBatch``, KIP-98).
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from chronik.terms import MAX_SEQUENCE, NO_SEQUENCE

MAGIC = 2
HEADER_BYTES = 61
LENGTH_OVERHEAD_BYTES = 12
"""Base offset and length: what the length field does not count."""
MAX_BATCH_LENGTH = 2**31 - 1

CRC_AT = 17
CRC_FROM = 21
"""The CRC covers the bytes from here to the batch's end."""
ATTRIBUTES_AT = 21
MAX_TIMESTAMP_AT = 35

CODEC_MASK = 0b111
LOG_APPEND_TIME_BIT = 1 << 3
TRANSACTIONAL_BIT = 1 << 4
CONTROL_BIT = 1 << 5
DELETE_HORIZON_BIT = 1 << 6

HEADER = Struct(">qiibIhiqqqhii")
_LENGTH_AT_8 = Struct(">8xi")
_STAMP = Struct(">qii")

Buffer = bytes | bytearray | memoryview


class MalformedBatch(Exception):
    """The bytes are no record batch of format v2, or its records or compressed payload cannot be read."""


class BatchHeader(NamedTuple):
    """A batch's header, field by field; offsets and timestamps (ms since the epoch) are absolute."""

    base_offset: int
    batch_length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    """The first record's timestamp, to which records' deltas are added; after compaction perhaps the delete horizon."""
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def codec(self) -> int:
        """The number of the compression codec, see `chronik.batch.compression.Codec`; 5 to 7 mean nothing."""
        return self.attributes & CODEC_MASK

    @property
    def is_log_append_time(self) -> bool:
        """Whether every record's timestamp is `max_timestamp`, set by the broker."""
        return self.attributes & LOG_APPEND_TIME_BIT != 0

    @property
    def is_transactional(self) -> bool:
        """Whether the batch belongs to a transaction of its producer."""
        return self.attributes & TRANSACTIONAL_BIT != 0

    @property
    def is_control(self) -> bool:
        """Whether its record is a marker that consumers do not deliver."""
        return self.attributes & CONTROL_BIT != 0

    @property
    def last_offset(self) -> int:
        """The last offset that the batch takes, whether or not a record is still there."""
        return self.base_offset + self.last_offset_delta

    @property
    def size_bytes(self) -> int:
        """Header and records."""
        return self.batch_length + LENGTH_OVERHEAD_BYTES

    @property
    def last_sequence(self) -> int:
        """The last record's sequence number (2^31-1 is followed by 0), or -1 without one."""
        if self.base_sequence == NO_SEQUENCE:
            return NO_SEQUENCE
        return (self.base_sequence + self.last_offset_delta) & MAX_SEQUENCE


def parse_header(data: Buffer, at: int = 0) -> BatchHeader:
    """Read the header at `at`; checks nothing but that 61 bytes are there (MalformedBatch otherwise)."""
    if at < 0 or len(data) - at < HEADER_BYTES:
        raise MalformedBatch(f"{len(data) - at} bytes are too few for the header of a record batch")
    return BatchHeader._make(HEADER.unpack_from(data, at))


def stamped(data: Buffer, base_offset: int, leader_epoch: int) -> bytes:
    """One whole batch, copied once, with its place in the log written in. The CRC does not cover these fields.

    The length field is set from the data's length, which is what it said already in any batch that was checked.
    """
    head = _STAMP.pack(base_offset, len(data) - LENGTH_OVERHEAD_BYTES, leader_epoch)
    return b"".join((head, memoryview(data)[16:]))


def split_batches(data: Buffer) -> Iterator[tuple[int, int]]:
    """The (start, end) of each batch in a run of whole batches; MalformedBatch if a length does not fit."""
    at, size = 0, len(data)
    while at < size:
        if size - at < HEADER_BYTES:
            raise MalformedBatch(f"{size - at} bytes are left, too few for a record batch")
        end = at + LENGTH_OVERHEAD_BYTES + _LENGTH_AT_8.unpack_from(data, at)[0]
        if not at + HEADER_BYTES <= end <= size:
            raise MalformedBatch(f"a record batch at {at} ends at {end}, of {size} bytes")
        yield at, end
        at = end
