"""Timestamps, and what a topic's configs make of a batch: what is stored is exactly that."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronik.batch.compression import Codec, decompress
from chronik.batch.crc import crc32c
from chronik.batch.header import CRC_FROM, HEADER_BYTES, Buffer, parse_header
from chronik.batch.records import Record, encode_records, read_records
from chronik.errors import ErrorCode
from chronik.log.validate import CheckedBatch, RejectedBatch, check_batch
from chronik.settings import LONG_MAX, TopicConfig
from tests.batch import kafka_batches
from tests.batch.strategies import produced_records
from tests.log.batches import NOW_MS, RECORDS, altered, produced

CONFIG = TopicConfig()
STAMPING = replace(CONFIG, message_timestamp_type="LogAppendTime")
HOUR_MS = 3_600_000
CODECS = {
    "uncompressed": Codec.NONE,
    "gzip": Codec.GZIP,
    "snappy": Codec.SNAPPY,
    "lz4": Codec.LZ4,
    "zstd": Codec.ZSTD,
}


def check(data: Buffer, config: TopicConfig = CONFIG) -> CheckedBatch:
    return check_batch(data, config, NOW_MS)


def refusal(data: Buffer, config: TopicConfig = CONFIG) -> RejectedBatch:
    with pytest.raises(RejectedBatch) as refused:
        check(data, config)
    return refused.value


def records_of(batch: Buffer) -> list[Record]:
    header = parse_header(batch)
    return list(read_records(decompress(header.codec, memoryview(batch)[HEADER_BYTES:]), header.record_count))


def expect_intact(checked: CheckedBatch) -> None:
    assert parse_header(checked.data) == checked.header
    assert checked.header.size_bytes == len(checked.data)
    assert crc32c(memoryview(checked.data)[CRC_FROM:]) == checked.header.crc


def at(*timestamps: int, codec: Codec = Codec.NONE) -> bytes:
    """A batch of records with these timestamps."""
    records = [Record(index, time - timestamps[0], b"k", b"v") for index, time in enumerate(timestamps)]
    return produced(records, timestamps[0], codec=codec)


# The range of timestamps


@pytest.mark.parametrize("codec", Codec)
def test_records_too_far_in_the_future_are_named(codec: Codec) -> None:
    refused = refusal(at(NOW_MS, NOW_MS + HOUR_MS + 1, NOW_MS + HOUR_MS, NOW_MS + HOUR_MS + 2, codec=codec))
    assert refused.code is ErrorCode.INVALID_TIMESTAMP
    assert [error.batch_index for error in refused.record_errors] == [1, 3]


def test_the_limit_itself_is_allowed() -> None:
    batch = at(NOW_MS + HOUR_MS, NOW_MS)
    assert check(batch).data == batch


def test_old_records_are_accepted_unless_a_limit_is_set() -> None:
    batch = at(NOW_MS - HOUR_MS, NOW_MS - HOUR_MS - 1, 0)
    assert check(batch).data == batch
    refused = refusal(batch, replace(CONFIG, message_timestamp_before_max_ms=HOUR_MS))
    assert refused.code is ErrorCode.INVALID_TIMESTAMP
    assert [error.batch_index for error in refused.record_errors] == [1, 2]


def test_a_record_without_a_timestamp_is_never_too_old() -> None:
    strict = replace(CONFIG, message_timestamp_before_max_ms=HOUR_MS)
    batch = at(-1, -1)
    assert check(batch, strict).data == batch
    mixed = at(NOW_MS, -1)
    assert check(mixed, strict).data == mixed
    assert refusal(at(-2), strict).code is ErrorCode.INVALID_TIMESTAMP


def test_a_timestamp_beyond_an_i64_is_refused_not_a_crash() -> None:
    anything = replace(CONFIG, message_timestamp_after_max_ms=LONG_MAX, cleanup_compact=True)
    batch = produced([Record(0, 0, b"k", b""), Record(1, 5, b"k", b"")], LONG_MAX - 4 - 1)
    assert check(batch, anything).header.max_timestamp == LONG_MAX
    batch = altered(batch, base_timestamp=LONG_MAX - 4)
    assert refusal(batch, anything).code is ErrorCode.INVALID_TIMESTAMP


def test_the_clock_does_not_matter_where_the_broker_sets_the_time() -> None:
    for config in (STAMPING, replace(STAMPING, cleanup_compact=True)):
        assert check(at(NOW_MS + 2 * HOUR_MS), config).header.max_timestamp == NOW_MS


# The greatest timestamp


@pytest.mark.parametrize("codec", Codec)
@pytest.mark.parametrize("claimed", [-1, NOW_MS - 1, 0])
def test_a_greatest_timestamp_that_is_too_low_is_set_right(codec: Codec, claimed: int) -> None:
    checked = check(altered(produced(codec=codec), max_timestamp=claimed))
    expect_intact(checked)
    assert checked.data == produced(codec=codec)


def test_a_greatest_timestamp_in_the_future_that_no_record_has_is_set_right() -> None:
    assert check(altered(produced(), max_timestamp=NOW_MS + HOUR_MS + 1)).data == produced()


def test_a_greatest_timestamp_that_may_be_true_is_believed() -> None:
    """To look at every record of every batch would cost more than all else; no client's own code writes a wrong one."""
    batch = altered(produced(), max_timestamp=NOW_MS + 7)
    assert check(batch).data == batch


# Compression


@pytest.mark.parametrize("wanted", CODECS)
@pytest.mark.parametrize("sent", Codec)
def test_a_topic_has_its_own_compression(wanted: str, sent: Codec) -> None:
    batch = produced(codec=sent, producer=(7, 1, 5), is_transactional=True)
    checked = check(batch, replace(CONFIG, compression_type=wanted))
    expect_intact(checked)
    sent_header = parse_header(batch)
    assert checked.header.codec == CODECS[wanted]
    assert records_of(checked.data) == RECORDS
    assert checked.header == sent_header._replace(
        attributes=sent_header.attributes & ~7 | CODECS[wanted],
        crc=checked.header.crc,
        batch_length=checked.header.batch_length,
    )
    if CODECS[wanted] == sent:
        assert checked.data == batch


@pytest.mark.parametrize(
    ("wanted", "stored"),
    [
        ("gzip", kafka_batches.GZIP),
        ("snappy", kafka_batches.SNAPPY),
        ("lz4", kafka_batches.LZ4),
        ("zstd", kafka_batches.ZSTD),
    ],
)
def test_recompressed_batches_are_those_of_kafka(wanted: str, stored: bytes) -> None:
    sent = kafka_batches.SENT
    checked = check_batch(sent, replace(CONFIG, compression_type=wanted), parse_header(sent).max_timestamp)
    assert records_of(checked.data) == records_of(stored)
    ours, theirs = checked.header, parse_header(stored)
    assert ours._replace(crc=0, batch_length=0, leader_epoch=0) == theirs._replace(crc=0, batch_length=0)


def test_the_size_counts_again_once_a_batch_was_unpacked() -> None:
    batch = produced([Record(0, 0, None, b"x" * 1000)], codec=Codec.GZIP)
    config = replace(CONFIG, compression_type="uncompressed", max_message_bytes=len(batch))
    assert refusal(batch, config).code is ErrorCode.MESSAGE_TOO_LARGE
    config = replace(config, max_message_bytes=2000, segment_bytes=len(batch))
    assert refusal(batch, config).code is ErrorCode.RECORD_LIST_TOO_LARGE


def test_a_batch_that_is_too_large_as_sent_is_refused_even_if_it_would_pack_well() -> None:
    batch = produced([Record(0, 0, None, b"x" * 1000)])
    config = replace(CONFIG, compression_type="gzip", max_message_bytes=500)
    assert refusal(batch, config).code is ErrorCode.MESSAGE_TOO_LARGE


@pytest.mark.parametrize(
    ("config", "best"),
    [
        (replace(CONFIG, compression_type="gzip", compression_gzip_level=1), {"compression_gzip_level": 9}),
        (replace(CONFIG, compression_type="lz4", compression_lz4_level=1), {"compression_lz4_level": 17}),
        (replace(CONFIG, compression_type="zstd", compression_zstd_level=-50), {"compression_zstd_level": 22}),
    ],
    ids=["gzip", "lz4", "zstd"],
)
def test_the_level_is_the_topics(config: TopicConfig, best: dict[str, int]) -> None:
    words = b" ".join(b"%d chronik %d" % (number, number * number) for number in range(2000))
    batch = produced([Record(0, 0, None, words)])
    assert len(check(batch, replace(config, **best)).data) < len(check(batch, config).data)  # type: ignore[arg-type]  # ints


# LogAppendTime


@pytest.mark.parametrize("codec", Codec)
def test_the_broker_sets_the_time(codec: Codec) -> None:
    batch = produced(codec=codec)
    checked = check(batch, STAMPING)
    expect_intact(checked)
    assert checked.log_append_time_ms == NOW_MS
    assert checked.header.is_log_append_time
    assert checked.header.max_timestamp == NOW_MS
    assert checked.header.codec == codec
    assert checked.data[HEADER_BYTES:] == batch[HEADER_BYTES:]


def test_a_stamped_batch_is_that_of_kafka() -> None:
    theirs = parse_header(kafka_batches.STAMPED)
    checked = check_batch(kafka_batches.SENT, STAMPING, theirs.max_timestamp)
    assert bytes(checked.data)[HEADER_BYTES:] == kafka_batches.STAMPED[HEADER_BYTES:]
    assert checked.header._replace(leader_epoch=0) == theirs


def test_time_and_compression_are_set_together() -> None:
    checked = check(produced(), replace(STAMPING, compression_type="zstd"))
    expect_intact(checked)
    assert (checked.header.codec, checked.header.is_log_append_time) == (Codec.ZSTD, True)
    assert records_of(checked.data) == RECORDS


@given(produced_records(), st.sampled_from(Codec), st.sampled_from(["producer", *CODECS]), st.booleans())
def test_whatever_is_rewritten_keeps_its_records(
    made: tuple[int, list[Record]], sent: Codec, wanted: str, stamped: bool
) -> None:
    base, records = made
    config = replace(
        CONFIG,
        compression_type=wanted,
        message_timestamp_after_max_ms=LONG_MAX,
        message_timestamp_type="LogAppendTime" if stamped else "CreateTime",
    )
    checked = check(produced(records, base, codec=sent, producer=(1, 2, 3)), config)
    expect_intact(checked)
    header = checked.header
    assert encode_records(records_of(checked.data)) == encode_records(records)
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (1, 2, 3)
    assert header.base_timestamp == base
    assert header.max_timestamp == (NOW_MS if stamped else base + max(record.timestamp_delta for record in records))
