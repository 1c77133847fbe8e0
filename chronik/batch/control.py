"""Control batches: one record that ends a producer's transaction in a partition (KIP-98, ``EndTransactionMarker``).

The producer is in the batch's header. A marker takes one offset and is never delivered to an application.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from chronik.batch.compression import decompress
from chronik.batch.header import HEADER_BYTES, Buffer, MalformedBatch, parse_header
from chronik.batch.records import Record, build_batch, read_records
from chronik.terms import NO_LEADER_EPOCH

_KEY = Struct(">hh")
_VALUE = Struct(">hi")
_VERSION = 0
NO_COORDINATOR_EPOCH = -1


class ControlType(IntEnum):
    """What a control batch says, as its key's second number."""

    UNKNOWN = -1
    """Never written: another version or type (Kafka's controllers have types of their own), which a reader skips."""
    ABORT = 0
    COMMIT = 1


class ControlRecord(NamedTuple):
    """What a control batch says, and the epoch of the transaction coordinator that wrote it (-1 if UNKNOWN)."""

    type: ControlType
    coordinator_epoch: int


def transaction_marker(
    outcome: ControlType,
    producer_id: int,
    producer_epoch: int,
    coordinator_epoch: int,
    timestamp: int,
    *,
    base_offset: int = 0,
    leader_epoch: int = NO_LEADER_EPOCH,
) -> bytes:
    """The batch that ends a transaction, `outcome` being ABORT or COMMIT, at `timestamp` (ms)."""
    if outcome is ControlType.UNKNOWN:
        raise ValueError("a marker says ABORT or COMMIT")
    record = Record(0, 0, _KEY.pack(_VERSION, outcome), _VALUE.pack(_VERSION, coordinator_epoch))
    return build_batch(
        [record],
        timestamp,
        base_offset=base_offset,
        leader_epoch=leader_epoch,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        is_transactional=True,
        is_control=True,
    )


def read_control(batch: Buffer) -> ControlRecord:
    """What a control batch says. MalformedBatch if it has not exactly one record, or one that is too short."""
    header = parse_header(batch)
    if not header.is_control or header.record_count != 1:
        raise MalformedBatch(
            f"a batch with attributes {header.attributes} and {header.record_count} records is no marker"
        )
    (record,) = read_records(decompress(header.codec, memoryview(batch)[HEADER_BYTES:]), 1)
    if record.key is None or len(record.key) < _KEY.size:
        raise MalformedBatch("a control record has no whole key")
    version, number = _KEY.unpack_from(record.key)
    if version != _VERSION or number not in (ControlType.ABORT, ControlType.COMMIT):
        return ControlRecord(ControlType.UNKNOWN, NO_COORDINATOR_EPOCH)
    if record.value is None or len(record.value) < _VALUE.size:
        raise MalformedBatch("a transaction marker has no whole value")
    return ControlRecord(ControlType(number), _VALUE.unpack_from(record.value)[1])
