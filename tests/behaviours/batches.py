"""Record batches as a client makes and reads them: by kafka-python, so that our own format code judges nothing here."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

from tests.kafka_python import kafka

NOW_MS = 1_700_000_000_000
"""The timestamp of records where no test cares."""

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}

CRC_AT, ATTRIBUTES_AT, LAST_OFFSET_DELTA_AT, RECORD_COUNT_AT, HEADER_BYTES = 17, 21, 23, 57, 61

Headers = tuple[tuple[str, bytes | None], ...]


class New(NamedTuple):
    """A record to be produced."""

    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()
    timestamp: int = NOW_MS


class Stored(NamedTuple):
    """A record as it was fetched."""

    offset: int
    value: bytes | None
    key: bytes | None
    headers: Headers
    timestamp: int


class StoredBatch(NamedTuple):
    """The header of a batch as it was fetched, and its records."""

    base_offset: int
    last_offset: int
    leader_epoch: int
    codec: int
    is_log_append_time: bool
    max_timestamp: int
    producer_id: int
    base_sequence: int
    records: tuple[Stored, ...]
    size_bytes: int


class Producer(NamedTuple):
    """Who an idempotent batch comes from."""

    producer_id: int
    epoch: int = 0


def batch(
    *records: New | bytes, codec: str = "none", producer: Producer | None = None, sequence: int = -1, leader: int = 0
) -> bytes:
    """One batch; a record given as bytes is its value. `leader` is the leader epoch, which the broker overwrites.

    A codec that does not make it smaller is not used.
    """
    builder = kafka.record.default_records.DefaultRecordBatchBuilder(
        magic=2,
        compression_type=CODECS[codec],
        is_transactional=False,
        producer_id=-1 if producer is None else producer.producer_id,
        producer_epoch=-1 if producer is None else producer.epoch,
        base_sequence=sequence,
        batch_size=1 << 30,
    )
    for offset, record in enumerate(records):
        new = New(record) if isinstance(record, bytes) else record
        builder.append(offset, new.timestamp, new.key, new.value, list(new.headers))
    made = bytearray(builder.build())
    made[12:16] = leader.to_bytes(4, "big")
    return bytes(made)


def values(count: int, stem: str = "value") -> list[bytes]:
    """`count` different values."""
    return [f"{stem}-{number}".encode() for number in range(count)]


def sized_batch(size_bytes: int) -> bytes:
    """A batch of one record that is exactly so large."""
    value = bytes(size_bytes - len(batch(b"")))
    while len(made := batch(value)) > size_bytes:
        value = value[: len(value) - (len(made) - size_bytes)]
    assert len(made) == size_bytes, f"no batch has {size_bytes} bytes"
    return made


def changed(made: bytes, at: int, new: bytes, *, sealed: bool = True) -> bytes:
    """A batch with some of its bytes replaced, and a CRC that fits unless `sealed` is False."""
    return seal(made[:at] + new + made[at + len(new) :]) if sealed else made[:at] + new + made[at + len(new) :]


def with_payload(made: bytes, codec: str, payload: bytes) -> bytes:
    """The batch with other bytes after the header, said to be compressed with `codec`."""
    head = bytearray(made[:HEADER_BYTES])
    head[8:12] = (HEADER_BYTES - 12 + len(payload)).to_bytes(4, "big")
    attributes = int.from_bytes(head[ATTRIBUTES_AT : ATTRIBUTES_AT + 2], "big") & ~7 | CODECS[codec]
    head[ATTRIBUTES_AT : ATTRIBUTES_AT + 2] = attributes.to_bytes(2, "big")
    return seal(bytes(head) + payload)


def seal(made: bytes) -> bytes:
    """The batch with the CRC that its bytes have."""
    crc = struct.pack(">I", kafka.record.util.calc_crc32c(memoryview(made)[ATTRIBUTES_AT:]))
    return made[:CRC_AT] + crc + made[CRC_AT + 4 :]


def bytes_of(data: Any) -> bytes:
    """The records of a Fetch response, which are null, bytes or a view of bytes."""
    return bytes(data or b"")


def batches_in(data: Any, *, may_be_cut: bool = False) -> list[StoredBatch]:
    """The batches in what a fetch brought. AssertionError for a CRC that is wrong, or a batch that is cut: the last one
    may be, and is left out, if `may_be_cut`."""
    raw = bytes_of(data)
    found, at = [], 0
    while at < len(raw):
        size = 12 + int.from_bytes(raw[at + 8 : at + 12], "big")
        if may_be_cut and (at + 12 > len(raw) or at + size > len(raw)):
            break
        assert len(raw) - at >= HEADER_BYTES, f"{len(raw) - at} bytes are no batch"
        assert at + size <= len(raw), f"a batch of {size} bytes is cut at {len(raw) - at}"
        found.append(_stored(raw[at : at + size]))
        at += size
    return found


def records_in(data: Any) -> list[Stored]:
    """The records of all batches in what a fetch brought."""
    return [record for stored in batches_in(data) for record in stored.records]


def offsets_of(records: Sequence[Stored]) -> list[int]:
    return [record.offset for record in records]


def _stored(raw: bytes) -> StoredBatch:
    read = kafka.record.default_records.DefaultRecordBatch(raw)
    assert read.validate_crc(), f"the batch at {read.base_offset} does not match its CRC"
    records = tuple(
        Stored(record.offset, record.value, record.key, tuple(record.headers), record.timestamp) for record in read
    )
    return StoredBatch(
        base_offset=read.base_offset,
        last_offset=read.last_offset,
        leader_epoch=read.leader_epoch,
        codec=read.compression_type,
        is_log_append_time=read.timestamp_type == 1,
        max_timestamp=read.max_timestamp,
        producer_id=read.producer_id,
        base_sequence=read.base_sequence,
        records=records,
        size_bytes=len(raw),
    )
