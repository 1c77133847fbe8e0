"""What must be true of one stored batch, whatever lies around it."""

from __future__ import annotations

from collections.abc import Iterator

from chronik.batch.compression import decompress
from chronik.batch.control import read_control
from chronik.batch.crc import crc32c
from chronik.batch.header import CRC_FROM, HEADER_BYTES, MAGIC, BatchHeader, MalformedBatch, parse_header
from chronik.batch.records import survey
from chronik.store.rocks.reader import StoredBatch
from chronik.store.rocks.reader_findings import FindingKind

Fault = tuple[FindingKind, str]


def header_of(batch: StoredBatch) -> BatchHeader | str:
    """The header of a batch, or why nothing in it can be believed."""
    try:
        header = parse_header(batch.data)
    except MalformedBatch as error:
        return str(error)
    if header.magic != MAGIC:
        return f"its magic is {header.magic}"
    if header.size_bytes != len(batch.data):
        return f"it has {len(batch.data)} bytes, and its header says {header.size_bytes}"
    if header.last_offset_delta < 0:
        return f"its last offset delta is {header.last_offset_delta}"
    return header


def faults_of(batch: StoredBatch, header: BatchHeader, *, is_compacted: bool) -> Iterator[Fault]:
    """What is wrong with a batch whose header can be believed. A compacted one may lack records."""
    if header.base_offset != batch.base_offset:
        yield FindingKind.RECORDS, f"its header has the base offset {header.base_offset}"
    if crc32c(memoryview(batch.data)[CRC_FROM:]) != header.crc:
        yield FindingKind.CHECKSUM, "its CRC is wrong"
        return  # what its records look like tells nothing more
    if header.record_count > header.last_offset_delta + 1 or (
        not is_compacted and header.record_count != header.last_offset_delta + 1
    ):
        yield (
            FindingKind.RECORDS,
            f"it has {header.record_count} records, and its last offset delta is {header.last_offset_delta}",
        )
    try:
        survey(decompress(header.codec, memoryview(batch.data)[HEADER_BYTES:]), header.record_count)
        if header.is_control and header.record_count:
            read_control(batch.data)
    except MalformedBatch as error:
        yield FindingKind.RECORDS, f"its records cannot be read: {error}"
