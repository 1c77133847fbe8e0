"""Batches that the broker changed, against those that Kafka changed."""

from __future__ import annotations

import pytest

from chronik.batch.compression import Codec, compress, decompress
from chronik.batch.crc import crc32c, sealed
from chronik.batch.header import Buffer, MalformedBatch, parse_header, stamped
from chronik.batch.records import build_batch
from chronik.batch.rewrite import recompressed, with_log_append_time, with_max_timestamp
from tests.batch import kafka_batches
from tests.batch.kafka_batches import COMMIT_MARKER, SENT, STAMPED
from tests.batch.strategies import PLAIN_RECORDS

RICH = build_batch(
    PLAIN_RECORDS,
    1000,
    base_offset=7,
    leader_epoch=3,
    producer_id=5,
    producer_epoch=6,
    base_sequence=9,
    is_transactional=True,
    is_log_append_time=True,
)
"""A batch with a value in every field."""


def is_intact(batch: bytes) -> bool:
    header = parse_header(batch)
    return header.size_bytes == len(batch) and header.crc == crc32c(batch[21:])


@pytest.mark.parametrize("form", [bytes, bytearray, memoryview])
def test_a_log_append_time_is_set_as_kafka_sets_it(form: type[Buffer]) -> None:
    written = parse_header(STAMPED).max_timestamp
    batch = with_log_append_time(form(SENT), written)
    assert stamped(batch, 0, 0) == STAMPED


def test_a_log_append_time_changes_one_bit_and_the_timestamp() -> None:
    batch = with_log_append_time(COMMIT_MARKER, 1)
    before, after = parse_header(COMMIT_MARKER), parse_header(batch)
    assert after == before._replace(attributes=before.attributes | 8, max_timestamp=1, crc=after.crc)
    assert batch[61:] == COMMIT_MARKER[61:]
    assert is_intact(batch)


@pytest.mark.parametrize("form", [bytes, bytearray, memoryview])
def test_a_max_timestamp_changes_nothing_else(form: type[Buffer]) -> None:
    batch = with_max_timestamp(form(RICH), 2**63 - 1)
    assert parse_header(batch) == parse_header(RICH)._replace(max_timestamp=2**63 - 1, crc=parse_header(batch).crc)
    assert batch[61:] == RICH[61:]
    assert is_intact(batch)
    assert with_max_timestamp(batch, parse_header(RICH).max_timestamp) == RICH


@pytest.mark.parametrize(
    ("codec", "framing_bytes"), [(Codec.GZIP, 4), (Codec.SNAPPY, 16), (Codec.LZ4, 7), (Codec.ZSTD, 4)]
)
def test_records_are_recompressed_as_kafka_recompresses_them(codec: Codec, framing_bytes: int) -> None:
    """In the same framing; what is inside depends on the versions of libraries."""
    theirs: bytes = getattr(kafka_batches, codec.name)
    ours = stamped(recompressed(SENT, codec, 9 if codec is Codec.LZ4 else None), 0, 0)
    assert ours[61 : 61 + framing_bytes] == theirs[61 : 61 + framing_bytes]
    header = parse_header(theirs)
    assert parse_header(ours) == header._replace(crc=parse_header(ours).crc, batch_length=len(ours) - 12)
    assert decompress(codec, ours[61:]) == decompress(codec, theirs[61:]) == SENT[61:]
    assert recompressed(theirs, Codec.NONE) == stamped(SENT, 0, 0)


@pytest.mark.parametrize("before", list(Codec), ids=lambda codec: codec.name)
@pytest.mark.parametrize("after", list(Codec), ids=lambda codec: codec.name)
def test_recompression_keeps_all_but_codec_length_and_checksum(before: Codec, after: Codec) -> None:
    source = sealed(
        parse_header(RICH)._replace(attributes=parse_header(RICH).attributes | before), compress(before, RICH[61:])
    )
    for form in (bytes, bytearray, memoryview):
        batch = recompressed(form(source), after)
        header = parse_header(batch)
        assert header.codec == after
        assert header._replace(attributes=header.attributes & ~7, crc=0, batch_length=0) == parse_header(RICH)._replace(
            crc=0, batch_length=0
        )
        assert is_intact(batch)
        assert bytes(decompress(after, batch[61:])) == RICH[61:]


def test_a_level_is_taken() -> None:
    data = b" ".join(b"%d" % (index * index) for index in range(3000))
    batch = sealed(parse_header(SENT), data)
    assert len(recompressed(batch, Codec.GZIP, 9)) < len(recompressed(batch, Codec.GZIP, 1))
    assert len(recompressed(batch, Codec.ZSTD, 19)) < len(recompressed(batch, Codec.ZSTD, 1))
    assert len(recompressed(batch, Codec.LZ4, 12)) < len(recompressed(batch, Codec.LZ4, 1))


def test_a_batch_without_records_stays_uncompressed() -> None:
    batch = build_batch([], 0, last_offset_delta=5, codec=Codec.ZSTD)
    assert len(batch) == 61
    assert recompressed(batch, Codec.GZIP) == batch


def test_records_that_cannot_be_unpacked_are_refused() -> None:
    broken = sealed(parse_header(SENT)._replace(attributes=4), b"no zstd")
    with pytest.raises(MalformedBatch):
        recompressed(broken, Codec.NONE)
    with pytest.raises(MalformedBatch):
        recompressed(kafka_batches.ZSTD, Codec.NONE, limit_bytes=100)
    assert recompressed(broken, Codec.ZSTD) == broken
