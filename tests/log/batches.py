"""What the tests of this room, and of the record stores, make batches from."""

from __future__ import annotations

from collections.abc import Sequence

from chronik.batch.compression import Codec
from chronik.batch.crc import sealed
from chronik.batch.header import HEADER_BYTES, BatchHeader, parse_header
from chronik.batch.records import Record, build_batch
from chronik.log.validate import CheckedBatch
from chronik.terms import NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP

NOW_MS = 1_700_000_000_000

RECORDS = [Record(0, 0, b"a", b"1" * 100), Record(1, 5, b"b", b"1" * 100), Record(2, 3, b"c", None)]
"""Three records, the second with the greatest timestamp."""


def produced(
    records: Sequence[Record] = RECORDS,
    base_timestamp: int = NOW_MS,
    *,
    codec: Codec = Codec.NONE,
    producer: tuple[int, int, int] = (NO_PRODUCER_ID, NO_PRODUCER_EPOCH, NO_SEQUENCE),
    is_transactional: bool = False,
) -> bytes:
    """A batch as a producer sends it; `producer` is its id, epoch and base sequence."""
    producer_id, epoch, sequence = producer
    return build_batch(
        records,
        base_timestamp,
        codec=codec,
        producer_id=producer_id,
        producer_epoch=epoch,
        base_sequence=sequence,
        is_transactional=is_transactional,
    )


def altered(batch: bytes, **fields: int) -> bytes:
    """The batch with other header fields, and the CRC that goes with them."""
    return sealed(parse_header(batch)._replace(**fields), memoryview(batch)[HEADER_BYTES:])


def sized(
    size: int = 100,
    count: int = 1,
    *,
    timestamps: Sequence[int] | None = None,
    producer: tuple[int, int, int] = (NO_PRODUCER_ID, NO_PRODUCER_EPOCH, NO_SEQUENCE),
    is_transactional: bool = False,
    log_append_time: int = NO_TIMESTAMP,
    fill: bytes = b"v",
) -> CheckedBatch:
    """A checked batch of `count` records and about `size` bytes (a header takes 61 of them, a record 8 at least)."""
    times = timestamps or [NOW_MS] * count
    value = fill * max((size - HEADER_BYTES) // len(times) - 8, 0)
    records = [Record(index, time - times[0], None, value) for index, time in enumerate(times)]
    data = produced(records, times[0], producer=producer, is_transactional=is_transactional)
    if log_append_time != NO_TIMESTAMP:
        data = altered(data, attributes=8, max_timestamp=log_append_time)
    return CheckedBatch(parse_header(data), data, log_append_time)


def header(producer_id: int, epoch: int, sequence: int, count: int = 1, is_transactional: bool = False) -> BatchHeader:
    """The header of a producer's batch."""
    records = [Record(index, 0, None, b"") for index in range(count)]
    return parse_header(produced(records, producer=(producer_id, epoch, sequence), is_transactional=is_transactional))
