"""`chronik dump`: the records of topics, and the batches that they lie in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from chronik.batch.compression import Codec, decompress
from chronik.batch.control import read_control
from chronik.batch.crc import crc32c
from chronik.batch.header import CRC_FROM, HEADER_BYTES, BatchHeader, MalformedBatch, parse_header
from chronik.batch.records import read_records
from chronik.cli.dump_source import DumpSource, PartitionLog, Selection
from chronik.cli.format_string import FormattedRecord
from chronik.cli.output import Row, View, moment
from chronik.cli.record_view import RECORD_COLUMNS, record_row
from chronik.store.rocks.reader import StoredBatch

BATCH_COLUMNS = (
    *("TOPIC", "PARTITION", "BASE", "LAST", "RECORDS", "BYTES", "CODEC", "PRODUCER", "EPOCH", "SEQUENCE", "FLAGS"),
    *("LEADER EPOCH", "MAX TIME", "CRC"),
)

Complain = Callable[[str], None]
"""Told of a batch that cannot be shown."""


def records(source: DumpSource, selection: Selection, complain: Complain) -> Iterator[FormattedRecord]:
    """The selected records, partition by partition, without the markers of transactions."""
    for part in source.partitions(selection):
        start, end = _range(part, selection)
        for batch in _batches(source, part, selection):
            try:
                yield from _records_of(part, batch, start, end, selection.since_ms)
            except MalformedBatch as error:
                complain(f"{part.topic.name}[{part.partition}], the batch at offset {batch.base_offset}: {error}")


def record_view(found: Iterator[FormattedRecord]) -> View:
    """Records as lines and objects."""
    return View(RECORD_COLUMNS, map(record_row, found))


def batch_view(source: DumpSource, selection: Selection) -> View:
    """The batches that hold the selected records; their CRCs are checked."""
    rows = (
        _batch_row(part, batch) for part in source.partitions(selection) for batch in _batches(source, part, selection)
    )
    return View(BATCH_COLUMNS, rows)


def _range(part: PartitionLog, selection: Selection) -> tuple[int, int]:
    start = selection.start or 0
    end = part.stored.end if selection.end is None else selection.end
    return max(part.stored.start, start if start >= 0 else part.stored.end + start), end


def _batches(source: DumpSource, part: PartitionLog, selection: Selection) -> Iterator[StoredBatch]:
    start, end = _range(part, selection)
    stored, since_ms = part.stored, selection.since_ms
    if since_ms is not None:
        stored = replace(stored, segments=[found for found in stored.segments if found.max_timestamp_ms >= since_ms])
    for batch in source.reader.batches(stored, start, end):
        if since_ms is None or parse_header(batch.data).max_timestamp >= since_ms:
            yield batch


def _records_of(
    part: PartitionLog, batch: StoredBatch, start: int, end: int, since_ms: int | None
) -> Iterator[FormattedRecord]:
    header = parse_header(batch.data)
    if not _crc_is_right(batch, header):
        raise MalformedBatch("its CRC is wrong")
    if header.is_control:
        return
    payload = decompress(header.codec, memoryview(batch.data)[HEADER_BYTES:])
    for record in read_records(payload, header.record_count):
        offset = batch.base_offset + record.offset_delta
        time_ms = header.max_timestamp if header.is_log_append_time else header.base_timestamp + record.timestamp_delta
        if start <= offset < end and (since_ms is None or time_ms >= since_ms):
            yield FormattedRecord(
                part.topic.name, part.partition, offset, time_ms, record.key, record.value, record.headers
            )


def _crc_is_right(batch: StoredBatch, header: BatchHeader) -> bool:
    return crc32c(memoryview(batch.data)[CRC_FROM:]) == header.crc


def _batch_row(part: PartitionLog, batch: StoredBatch) -> Row:
    header = parse_header(batch.data)
    control = _control(batch, header)
    facts: dict[str, Any] = {
        "topic": part.topic.name,
        "partition": part.partition,
        "base_offset": batch.base_offset,
        "last_offset": batch.base_offset + header.last_offset_delta,
        "records": header.record_count,
        "size_bytes": len(batch.data),
        "codec": Codec(header.codec).name.lower() if header.codec in Codec.__members__.values() else header.codec,
        "producer_id": header.producer_id,
        "producer_epoch": header.producer_epoch,
        "base_sequence": header.base_sequence,
        "transactional": header.is_transactional,
        "control": control,
        "log_append_time": header.is_log_append_time,
        "leader_epoch": header.leader_epoch,
        "base_timestamp": header.base_timestamp,
        "max_timestamp": header.max_timestamp,
        "crc_ok": _crc_is_right(batch, header),
    }
    flags = [
        *(["transactional"] if header.is_transactional else []),
        *([control.lower()] if control else []),
        *(["log-append-time"] if header.is_log_append_time else []),
    ]
    names = (
        *("topic", "partition", "base_offset", "last_offset", "records", "size_bytes", "codec"),
        *("producer_id", "producer_epoch", "base_sequence"),
    )
    crc = "ok" if facts["crc_ok"] else "WRONG"
    line = (*(facts[name] for name in names), " ".join(flags), header.leader_epoch, moment(header.max_timestamp), crc)
    return Row(facts, [line])


def _control(batch: StoredBatch, header: BatchHeader) -> str | None:
    """COMMIT or ABORT, or UNKNOWN, of a control batch."""
    if not header.is_control:
        return None
    try:
        return read_control(batch.data).type.name
    except MalformedBatch:
        return "UNKNOWN"
