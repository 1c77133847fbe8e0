"""What is refused, with which code, and that everything else is stored as it was sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronik.batch.compression import Codec, compress
from chronik.batch.crc import sealed
from chronik.batch.header import (
    CONTROL_BIT,
    HEADER,
    HEADER_BYTES,
    LOG_APPEND_TIME_BIT,
    TRANSACTIONAL_BIT,
    BatchHeader,
    Buffer,
    parse_header,
)
from chronik.batch.records import Record, encode_records
from chronik.errors import ErrorCode
from chronik.log import validate
from chronik.log.validate import CheckedBatch, RejectedBatch, check_batch
from chronik.settings import TopicConfig
from tests.batch.kafka_batches import SENT
from tests.batch.strategies import produced_records
from tests.log.batches import NOW_MS, RECORDS, altered, produced

CONFIG = TopicConfig()
COMPACTED = replace(CONFIG, cleanup_compact=True)
PLAIN = produced()
HOUR_MS = 3_600_000


def check(data: Buffer | None, config: TopicConfig = CONFIG, *, zstd_allowed: bool = True) -> CheckedBatch:
    return check_batch(data, config, NOW_MS, zstd_allowed=zstd_allowed)


def refusal(data: Buffer | None, config: TopicConfig = CONFIG, *, zstd_allowed: bool = True) -> RejectedBatch:
    with pytest.raises(RejectedBatch) as refused:
        check(data, config, zstd_allowed=zstd_allowed)
    assert refused.value.message
    return refused.value


def with_payload(payload: bytes, count: int = 3, codec: int = Codec.NONE) -> bytes:
    """A batch whose header and CRC are right, and whose payload is this."""
    header = parse_header(PLAIN)
    return sealed(header._replace(attributes=codec, record_count=count, last_offset_delta=count - 1), payload)


# What is accepted


@pytest.mark.parametrize("codec", Codec)
def test_a_good_batch_is_stored_as_it_was_sent(codec: Codec) -> None:
    batch = produced(codec=codec)
    checked = check(memoryview(batch))
    assert checked == CheckedBatch(parse_header(batch), batch, -1)


def test_a_batch_of_another_maker_is_accepted() -> None:
    assert check_batch(SENT, CONFIG, parse_header(SENT).max_timestamp).data == SENT


@given(produced_records(), st.sampled_from(Codec))
def test_whatever_a_producer_can_write_is_accepted(made: tuple[int, list[Record]], codec: Codec) -> None:
    base, records = made
    batch = produced(records, base, codec=codec)
    assert check(batch, replace(CONFIG, message_timestamp_after_max_ms=2**63 - 1)).data == batch


FIELDS = st.sampled_from([name for name in BatchHeader._fields if name != "crc"])
EDGES = st.sampled_from((-1, 0, 1, 2, 3, 4, 5, 7, 8, 16, 20, 32, 64, 127))


@settings(max_examples=1000)
@given(st.dictionaries(FIELDS, EDGES, max_size=2), st.booleans(), st.booleans())
def test_a_batch_at_one_glance_fares_as_when_it_is_looked_at_closely(
    changed: dict[str, int], is_sealed: bool, zstd_allowed: bool
) -> None:
    header = parse_header(PLAIN)._replace(**changed)
    batch = altered(PLAIN, **changed) if is_sealed else HEADER.pack(*header) + PLAIN[HEADER_BYTES:]
    glance = outcome(lambda: check(batch, zstd_allowed=zstd_allowed))
    assert glance == outcome(lambda: validate._checked_closely(memoryview(batch), CONFIG, NOW_MS, zstd_allowed))


def outcome(check_one: Callable[[], CheckedBatch]) -> object:
    try:
        return check_one()
    except RejectedBatch as refused:
        return refused.code, refused.message, refused.record_errors


@given(produced_records(), st.data())
def test_whatever_is_sent_is_accepted_or_refused_in_words(made: tuple[int, list[Record]], data: st.DataObject) -> None:
    """Any byte altered, the CRC made right or not: nothing but RejectedBatch comes out."""
    base, records = made
    batch = bytearray(produced(records, base, codec=data.draw(st.sampled_from(Codec))))
    for _ in range(data.draw(st.integers(1, 3))):
        batch[data.draw(st.integers(0, len(batch) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()) and len(batch) >= HEADER_BYTES:
        batch = bytearray(sealed(parse_header(batch), memoryview(bytes(batch))[HEADER_BYTES:]))
    config = replace(
        CONFIG,
        cleanup_compact=data.draw(st.booleans()),
        message_timestamp_type=data.draw(st.sampled_from(["CreateTime", "LogAppendTime"])),
        message_timestamp_before_max_ms=data.draw(st.sampled_from([0, HOUR_MS, 2**63 - 1])),
        message_timestamp_after_max_ms=data.draw(st.sampled_from([0, HOUR_MS, 2**63 - 1])),
        compression_type=data.draw(st.sampled_from(["producer", "uncompressed", "zstd"])),
    )
    try:
        checked = check(bytes(batch), config)
    except RejectedBatch:
        return
    assert parse_header(checked.data) == checked.header
    assert checked.header.size_bytes == len(checked.data)


# What is around the batch


@pytest.mark.parametrize("data", [None, b"", bytes(11), PLAIN[:-1], PLAIN[:17], PLAIN[:16]])
def test_records_without_a_whole_batch_are_invalid(data: bytes | None) -> None:
    if data is not None and len(data) == 11:
        data = PLAIN[:11]
    assert refusal(data).code is ErrorCode.INVALID_RECORD


def test_two_batches_are_invalid() -> None:
    assert refusal(PLAIN + PLAIN).code is ErrorCode.INVALID_RECORD


@pytest.mark.parametrize("trailing", [b"\0", PLAIN[:11], PLAIN[:-1], PLAIN[:16]])
def test_trailing_bytes_that_are_no_batch_are_cut_off_as_kafka_does(trailing: bytes) -> None:
    assert check(PLAIN + trailing).data == PLAIN


def test_trailing_bytes_with_an_impossible_length_are_corrupt() -> None:
    assert refusal(PLAIN + bytes(12)).code is ErrorCode.CORRUPT_MESSAGE


@pytest.mark.parametrize("length", [-1, 0, 13, -(2**31)])
def test_a_length_below_the_least_is_corrupt(length: int) -> None:
    data = PLAIN[:8] + length.to_bytes(4, "big", signed=True) + PLAIN[12:]
    assert refusal(data).code is ErrorCode.CORRUPT_MESSAGE


@pytest.mark.parametrize("length", [14, HEADER_BYTES - 13])
def test_a_length_below_that_of_a_header_is_corrupt(length: int) -> None:
    data = PLAIN[:8] + length.to_bytes(4, "big") + PLAIN[12 : 12 + length]
    assert refusal(data).code is ErrorCode.CORRUPT_MESSAGE


def test_a_length_beyond_the_end_is_no_whole_batch() -> None:
    data = PLAIN[:8] + (2**31 - 1).to_bytes(4, "big") + PLAIN[12:]
    assert refusal(data).code is ErrorCode.INVALID_RECORD


@pytest.mark.parametrize(
    ("magic", "code"),
    [
        *((0, ErrorCode.INVALID_RECORD), (1, ErrorCode.INVALID_RECORD)),
        *((3, ErrorCode.CORRUPT_MESSAGE), (255, ErrorCode.CORRUPT_MESSAGE)),
    ],
)
def test_another_magic_is_invalid_and_one_that_there_is_not_corrupt(magic: int, code: ErrorCode) -> None:
    assert refusal(PLAIN[:16] + bytes([magic]) + PLAIN[17:]).code is code


# What the header says

BAD_HEADERS: dict[str, tuple[dict[str, int], ErrorCode]] = {
    "base offset": ({"base_offset": 1}, ErrorCode.INVALID_RECORD),
    "negative base offset": ({"base_offset": -1}, ErrorCode.INVALID_RECORD),
    "no records": ({"record_count": 0, "last_offset_delta": -1}, ErrorCode.INVALID_RECORD),
    "negative count": ({"record_count": -1, "last_offset_delta": -2}, ErrorCode.INVALID_RECORD),
    "count below the records": ({"record_count": 2, "last_offset_delta": 1}, ErrorCode.INVALID_RECORD),
    "count above the records": ({"record_count": 4, "last_offset_delta": 3}, ErrorCode.INVALID_RECORD),
    "last offset delta": ({"last_offset_delta": 3}, ErrorCode.INVALID_RECORD),
    "control": ({"attributes": CONTROL_BIT}, ErrorCode.INVALID_RECORD),
    "control in a transaction": ({"attributes": CONTROL_BIT | TRANSACTIONAL_BIT}, ErrorCode.INVALID_RECORD),
    "log append time": ({"attributes": LOG_APPEND_TIME_BIT}, ErrorCode.INVALID_TIMESTAMP),
    "producer without a sequence": (
        {"producer_id": 1, "producer_epoch": 0, "base_sequence": -1},
        ErrorCode.INVALID_RECORD,
    ),
    "producer without an epoch": (
        {"producer_id": 1, "producer_epoch": -1, "base_sequence": 0},
        ErrorCode.INVALID_RECORD,
    ),
    "transaction without a producer": ({"attributes": TRANSACTIONAL_BIT}, ErrorCode.INVALID_RECORD),
    "codec 5": ({"attributes": 5}, ErrorCode.INVALID_RECORD),
    "codec 7": ({"attributes": 7}, ErrorCode.INVALID_RECORD),
}


@pytest.mark.parametrize("case", BAD_HEADERS)
def test_a_header_is_refused(case: str) -> None:
    fields, code = BAD_HEADERS[case]
    assert refusal(altered(PLAIN, **fields)).code is code


@pytest.mark.parametrize("at", [17, 21, HEADER_BYTES, len(PLAIN) - 1])
def test_a_batch_that_does_not_match_its_crc_is_corrupt(at: int) -> None:
    data = PLAIN[:at] + bytes([PLAIN[at] ^ 64]) + PLAIN[at + 1 :]
    assert refusal(data).code is ErrorCode.CORRUPT_MESSAGE


def test_the_crc_does_not_cover_the_leader_epoch() -> None:
    data = PLAIN[:12] + b"\0\0\0\7" + PLAIN[16:]
    assert check(data).header.leader_epoch == 7


def test_zstd_needs_a_request_that_may_carry_it() -> None:
    batch = produced(codec=Codec.ZSTD)
    assert refusal(batch, zstd_allowed=False).code is ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
    assert check(batch).data == batch
    assert check(produced(codec=Codec.LZ4), zstd_allowed=False)


# Sizes


def test_the_greatest_batch_is_one_of_max_message_bytes() -> None:
    assert check(PLAIN, replace(CONFIG, max_message_bytes=len(PLAIN)))
    refused = refusal(PLAIN, replace(CONFIG, max_message_bytes=len(PLAIN) - 1))
    assert refused.code is ErrorCode.MESSAGE_TOO_LARGE


def test_a_batch_larger_than_a_segment_is_refused() -> None:
    assert check(PLAIN, replace(CONFIG, segment_bytes=len(PLAIN)))
    assert refusal(PLAIN, replace(CONFIG, segment_bytes=len(PLAIN) - 1)).code is ErrorCode.RECORD_LIST_TOO_LARGE


# The records

GOOD_PAYLOAD = encode_records(RECORDS)
PACKED = [codec for codec in Codec if codec is not Codec.NONE]
BROKEN: dict[str, bytes] = {
    "bytes behind the records": with_payload(GOOD_PAYLOAD + b"\0"),
    "cut records": with_payload(GOOD_PAYLOAD[:-1]),
    "no records": with_payload(b""),
    "a negative length": with_payload(b"\x01" + GOOD_PAYLOAD[1:]),
    "a length that does not end": with_payload(b"\xff" * 20),
    "too few records": with_payload(encode_records(RECORDS[:2])),
    **{f"cut {codec.name}": with_payload(compress(codec, GOOD_PAYLOAD)[:-1], codec=codec) for codec in PACKED},
    **{f"{codec.name} that is none": with_payload(GOOD_PAYLOAD, codec=codec) for codec in PACKED},
    **{
        f"cut records in {codec.name}": with_payload(compress(codec, GOOD_PAYLOAD[:-1]), codec=codec)
        for codec in PACKED
    },
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("config", [CONFIG, COMPACTED], ids=["delete", "compact"])
def test_records_that_cannot_be_read_are_invalid(case: str, config: TopicConfig) -> None:
    assert refusal(BROKEN[case], config).code is ErrorCode.INVALID_RECORD


def test_a_bomb_is_invalid() -> None:
    bomb = compress(Codec.ZSTD, bytes(150_000_000))
    assert refusal(with_payload(bomb, codec=Codec.ZSTD)).code is ErrorCode.INVALID_RECORD


@pytest.mark.parametrize("codec", Codec)
def test_offset_deltas_with_gaps_are_invalid_where_they_are_seen(codec: Codec) -> None:
    gap = [RECORDS[0], RECORDS[1]._replace(offset_delta=3), RECORDS[2]]
    assert refusal(produced(gap, codec=codec), COMPACTED).code is ErrorCode.INVALID_RECORD


# Keys on compacted topics


@pytest.mark.parametrize("codec", Codec)
def test_records_without_a_key_are_named_on_a_compacted_topic(codec: Codec) -> None:
    records = [RECORDS[0], RECORDS[1]._replace(key=None), RECORDS[2]._replace(key=None)]
    refused = refusal(produced(records, codec=codec), COMPACTED)
    assert refused.code is ErrorCode.INVALID_RECORD
    assert [error.batch_index for error in refused.record_errors] == [1, 2]
    assert all(error.message for error in refused.record_errors)
    assert check(produced(records, codec=codec))


def test_an_empty_key_is_a_key() -> None:
    records = [record._replace(key=b"") for record in RECORDS]
    assert check(produced(records), COMPACTED).data == produced(records)


def test_both_policies_together_need_keys_too() -> None:
    records = [RECORDS[0]._replace(key=None)]
    both = replace(COMPACTED, cleanup_delete=True)
    assert refusal(produced(records), both).code is ErrorCode.INVALID_RECORD
