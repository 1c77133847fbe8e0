"""The header, field by field, and runs of batches."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronik.batch.compression import Codec
from chronik.batch.header import BatchHeader, MalformedBatch, parse_header, split_batches, stamped
from chronik.batch.records import Record, build_batch
from tests.batch.kafka_batches import ABORT_MARKER, COMMIT_MARKER, LZ4, SENT, STAMPED
from tests.batch.strategies import PLAIN_RECORDS, refuses

RECORD = Record(0, 0, b"k", b"v")


def test_every_field_is_where_it_belongs() -> None:
    batch = build_batch(
        PLAIN_RECORDS,
        0x0102030405060708,
        base_offset=0x1112131415161718,
        max_timestamp=0x2122232425262728,
        last_offset_delta=0x31323334,
        leader_epoch=0x41424344,
        producer_id=0x5152535455565758,
        producer_epoch=0x6162,
        base_sequence=0x71727374,
        codec=Codec.GZIP,
        is_transactional=True,
        is_log_append_time=True,
    )
    assert batch[0:8].hex() == "1112131415161718"
    assert int.from_bytes(batch[8:12], "big") == len(batch) - 12
    assert batch[12:17].hex() == "4142434402"
    assert batch[21:27].hex() == "001931323334"
    assert batch[27:43].hex() == "01020304050607082122232425262728"
    assert batch[43:57].hex() == "5152535455565758616271727374"
    assert batch[57:61].hex() == "00000004"
    header = parse_header(batch)
    assert header.size_bytes == len(batch)
    assert header.last_offset == 0x1112131415161718 + 0x31323334
    assert (header.codec, header.is_transactional, header.is_control, header.is_log_append_time) == (
        1,
        True,
        False,
        True,
    )


def test_headers_that_kafka_wrote() -> None:
    assert parse_header(COMMIT_MARKER) == BatchHeader(
        5, 66, 0, 2, 0x7163C0F9, 0x30, 0, 1795573361756, 1795573361756, 1000, 1, -1, 1
    )
    stamp = parse_header(STAMPED)
    assert (stamp.is_log_append_time, stamp.is_transactional, stamp.is_control, stamp.codec) == (True, False, False, 0)
    marker = parse_header(ABORT_MARKER)
    assert (marker.is_log_append_time, marker.is_transactional, marker.is_control) == (False, True, True)
    assert parse_header(LZ4).codec == Codec.LZ4


@pytest.mark.parametrize(
    ("base_sequence", "last_offset_delta", "expected"),
    [(-1, 5, -1), (0, 0, 0), (7, 3, 10), (2**31 - 1, 0, 2**31 - 1), (2**31 - 1, 1, 0), (2**31 - 3, 5, 2)],
)
def test_the_last_sequence_wraps_to_zero(base_sequence: int, last_offset_delta: int, expected: int) -> None:
    batch = build_batch([RECORD], 0, base_sequence=base_sequence, last_offset_delta=last_offset_delta)
    assert parse_header(batch).last_sequence == expected


@settings(deadline=None)
@given(st.integers(0, 2**63 - 1), st.integers(0, 2**31 - 1))
def test_a_stamp_changes_offset_and_leader_epoch_only(base_offset: int, leader_epoch: int) -> None:
    for form in (bytes, bytearray, memoryview):
        batch = stamped(form(SENT), base_offset, leader_epoch)
        assert parse_header(batch) == parse_header(SENT)._replace(base_offset=base_offset, leader_epoch=leader_epoch)
        assert batch[16:] == SENT[16:]


def test_batches_are_split_at_their_lengths() -> None:
    batches = [SENT, COMMIT_MARKER, LZ4]
    run = b"".join(batches)
    assert [run[start:end] for start, end in split_batches(run)] == batches
    assert list(split_batches(memoryview(b""))) == []


def test_every_cut_of_a_run_of_batches_is_refused() -> None:
    run = COMMIT_MARKER + SENT
    for size in range(1, len(run)):
        assert refuses(lambda: list(split_batches(run[:size]))) == (size != len(COMMIT_MARKER)), size  # noqa: B023


@pytest.mark.parametrize("length", [-(2**31), -13, -12, -1, 0, 48, 2**31 - 1])
def test_a_length_that_cannot_be_is_refused(length: int) -> None:
    batch = SENT[:8] + length.to_bytes(4, "big", signed=True) + SENT[12:]
    with pytest.raises(MalformedBatch):
        list(split_batches(batch))


def test_a_length_shorter_than_a_header_is_refused() -> None:
    """Even if a whole batch comes next."""
    for size in (12, 13, 60):
        short = bytes(8) + (size - 12).to_bytes(4, "big") + bytes(size - 12)
        assert refuses(lambda: list(split_batches(short + SENT)))  # noqa: B023


def test_a_header_needs_61_bytes() -> None:
    assert parse_header(SENT[:61]) == parse_header(b"x" + SENT, 1) == parse_header(memoryview(SENT))
    assert all(refuses(lambda: parse_header(SENT[:size])) for size in range(61))  # noqa: B023
    assert refuses(lambda: parse_header(SENT, len(SENT) - 60))
    assert refuses(lambda: parse_header(SENT, -1))


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_garbage_is_split_or_refused(data: bytes) -> None:
    assert refuses(lambda: list(split_batches(data))) or not data or len(data) >= 61
