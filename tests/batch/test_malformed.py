"""What a producer can do wrong in a batch raises MalformedBatch, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronik.batch.compression import Codec, compress, decompress
from chronik.batch.control import read_control
from chronik.batch.header import Buffer, parse_header
from chronik.batch.records import (
    Record,
    build_batch,
    check_records,
    encode_records,
    first_at_or_after,
    greatest_timestamp,
    read_records,
    survey,
)
from chronik.batch.rewrite import recompressed, with_log_append_time, with_max_timestamp
from chronik.batch.varint import varint
from tests.batch.strategies import PLAIN_RECORDS, RECORDS, refuses

READERS: dict[str, Callable[[Buffer, int], object]] = {
    "check": check_records,
    "survey": survey,
    "read": lambda payload, count: list(read_records(payload, count)),
    "greatest": lambda payload, count: greatest_timestamp(payload, count, 0),
    "first": lambda payload, count: first_at_or_after(payload, count, 0, 2**63),
}
THOROUGH = {name: READERS[name] for name in ("survey", "read")}

PAYLOAD = encode_records(PLAIN_RECORDS)


@pytest.mark.parametrize("codec", list(Codec), ids=lambda codec: codec.name)
@pytest.mark.parametrize("name", READERS)
def test_every_cut_of_a_payload_is_refused(name: str, codec: Codec) -> None:
    payload = compress(codec, PAYLOAD * 200)
    read, count = READERS[name], len(PLAIN_RECORDS) * 200
    read(decompress(codec, payload), count)
    step = 1 if codec else 97
    for size in range(0, len(payload), step):
        assert refuses(lambda: read(decompress(codec, payload[:size]), count)), f"cut at {size}"  # noqa: B023


@pytest.mark.parametrize("name", READERS)
def test_every_cut_of_some_records_is_refused(name: str) -> None:
    for size in range(len(PAYLOAD)):
        for form in (bytes, memoryview):
            assert refuses(lambda: READERS[name](form(PAYLOAD[:size]), 4)), f"cut at {size}"  # noqa: B023


@pytest.mark.parametrize("codec", list(Codec), ids=lambda codec: codec.name)
def test_anything_behind_a_payload_is_refused(codec: Codec) -> None:
    payload = compress(codec, PAYLOAD)
    for rest in (b"\0", b"\x1f", b"\xff" * 5, payload):
        assert refuses(lambda: check_records(decompress(codec, payload + rest), 4)), rest  # noqa: B023


def test_every_cut_of_a_batch_is_refused() -> None:
    for codec in Codec:
        batch = build_batch(PLAIN_RECORDS, 0, codec=codec)
        other = Codec.GZIP if codec != Codec.GZIP else Codec.ZSTD
        for size in range(len(batch)):
            assert refuses(lambda: check_records(recompress_and_unpack(batch[:size], other), 4)), size  # noqa: B023
    for change in (with_log_append_time, with_max_timestamp):
        assert all(refuses(lambda: change(batch[:size], 1)) for size in range(61))  # noqa: B023


def recompress_and_unpack(batch: bytes, codec: Codec) -> Buffer:
    return decompress(codec, recompressed(batch, codec)[61:])


def record(
    timestamp_delta: bytes = b"\0",
    offset_delta: bytes = b"\0",
    key: bytes = b"\x02k",
    value: bytes = b"\x02v",
    headers: bytes = b"\0",
) -> bytes:
    """A record from its fields as they are written."""
    body = b"\0" + timestamp_delta + offset_delta + key + value + headers
    return varint(len(body)) + body


WRONG_FIELDS = {
    "a key longer than the record": record(key=varint(100) + b"k"),
    "a key of length -2": record(key=varint(-2)),
    "a key of the least length": record(key=varint(-(2**31))),
    "a key of the greatest length": record(key=varint(2**31 - 1)),
    "a value longer than the record": record(value=varint(3) + b"v"),
    "a value shorter than the record": record(value=varint(0) + b"v"),
    "a value of length -2": record(value=varint(-2)),
    "a value of length -65": record(value=varint(-65)),
    "-1 headers": record(headers=varint(-1)),
    "two billion headers": record(headers=varint(2**31 - 1)),
    "a header too few": record(headers=b"\x02"),
    "a header too many": record(headers=b"\0" + b"\x02a\x02b"),
    "a header without a key": record(headers=b"\x02" + b"\x01" + b"\x02b"),
    "a header of nothing but a null": record(headers=b"\x02" + b"\x01"),
    "a header's value of length -2": record(headers=b"\x02" + b"\x02a" + varint(-2)),
    "a header's value longer than the record": record(headers=b"\x02" + b"\x02a" + varint(5)),
    "a byte behind the headers": record(headers=b"\0x"),
    "an offset delta of six bytes": record(offset_delta=b"\x80" * 5 + b"\0"),
    "an offset delta of 33 bits": record(offset_delta=b"\xff" * 4 + b"\x10"),
    "a timestamp delta of eleven bytes": record(timestamp_delta=b"\x80" * 10 + b"\0"),
    "a timestamp delta of 65 bits": record(timestamp_delta=b"\xff" * 9 + b"\x02"),
}


@pytest.mark.parametrize("what", WRONG_FIELDS)
@pytest.mark.parametrize("name", THOROUGH)
def test_a_wrong_field_is_refused(name: str, what: str) -> None:
    payload = WRONG_FIELDS[what]
    check_records(payload, 1)  # its length is right, and that is all that is looked at
    assert refuses(lambda: THOROUGH[name](payload, 1))
    # Nor may its neighbours make up for it.
    good = record()
    assert refuses(lambda: THOROUGH[name](good + payload + good, 3))


WRONG_LENGTHS = {
    "0": b"\0",
    "5, where six is the least": varint(5) + bytes(5),
    "-1": b"\x01",
    "-2**31": varint(-(2**31)) + record()[1:],
    "2**31 - 1": varint(2**31 - 1) + record()[1:],
    "one less": varint(7) + record()[1:],
    "one more": varint(9) + record()[1:],
    "six bytes long": b"\x90\x80\x80\x80\x80\x00" + record()[1:],
    "of 33 bits": b"\x90\x80\x80\x80\x10" + record()[1:],
    "not there": b"",
    "without an end": b"\x90",
    "-9, written almost as 8": b"\x11" + record()[1:],
    "-74, written almost as 73": b"\x93\x01" + record(value=varint(65) + bytes(65))[2:],
    "5, in three bytes": b"\x8a\x80\x00" + bytes(5),
}


@pytest.mark.parametrize("what", WRONG_LENGTHS)
@pytest.mark.parametrize("name", READERS)
def test_a_wrong_length_is_refused(name: str, what: str) -> None:
    assert refuses(lambda: READERS[name](WRONG_LENGTHS[what], 1))
    assert refuses(lambda: READERS[name](record() + WRONG_LENGTHS[what], 2))
    assert refuses(lambda: READERS[name](record() * 40 + WRONG_LENGTHS[what], 41))


@pytest.mark.parametrize("count", [-(2**31), -1, 1, 2**31 - 1])
@pytest.mark.parametrize("name", READERS)
def test_no_bytes_hold_no_records(name: str, count: int) -> None:
    READERS[name](b"", 0)
    assert refuses(lambda: READERS[name](b"", count))


def test_what_comes_before_a_fault_is_read() -> None:
    found = read_records(record() + record(headers=b"\0x"), 2)
    assert next(found) == Record(0, 0, b"k", b"v")
    assert refuses(lambda: next(found))


def test_a_record_that_is_cut_is_not_read() -> None:
    for whole in (record(), record(headers=b"\x02" + b"\x02a" + b"\x06xyz"), record(value=varint(90) + bytes(90))):
        assert all(refuses(lambda: next(read_records(whole[:size], 1))) for size in range(len(whole)))  # noqa: B023


@settings(deadline=None)
@given(st.binary(max_size=60), st.integers(-1, 5))
def test_garbage_raises_nothing_else(data: bytes, count: int) -> None:
    for read in READERS.values():
        refuses(lambda: read(data, count))  # noqa: B023


@settings(deadline=None)
@given(RECORDS.filter(bool), st.data())
def test_a_broken_byte_raises_nothing_else(records: list[Record], data: st.DataObject) -> None:
    """Both thorough readers must also judge alike."""
    payload = bytearray(encode_records(records))
    at = data.draw(st.integers(0, len(payload) - 1))
    payload[at] = data.draw(st.integers(0, 255))
    verdicts = {name: refuses(lambda: read(payload, len(records))) for name, read in READERS.items()}  # noqa: B023
    assert verdicts["survey"] == verdicts["read"]
    assert verdicts["survey"] or not verdicts["check"]


@settings(deadline=None)
@given(st.sampled_from(list(Codec)), st.binary(max_size=100), st.data())
def test_a_broken_byte_of_compressed_records_raises_nothing_else(
    codec: Codec, content: bytes, data: st.DataObject
) -> None:
    payload = bytearray(compress(codec, content * 5))
    if payload:
        at = data.draw(st.integers(0, len(payload) - 1))
        payload[at] = data.draw(st.integers(0, 255))
    refuses(lambda: decompress(codec, payload, 1_000_000))


FRAMING = [
    b"",
    b"\x82SNAPPY\0" + b"\0\0\0\x01" * 2,
    b"\x1f\x8b\x08\0",
    b"\x04\x22\x4d\x18\x60\x40\x82",
    b"\x28\xb5\x2f\xfd",
]


@settings(deadline=None)
@given(st.integers(0, 7), st.sampled_from(FRAMING), st.binary(max_size=80))
def test_garbage_that_looks_compressed_raises_nothing_else(codec: int, framing: bytes, data: bytes) -> None:
    for form in (bytes, bytearray, memoryview):
        refuses(lambda: decompress(codec, form(framing + data), 1_000_000))  # noqa: B023


@settings(deadline=None)
@given(st.binary(min_size=61, max_size=140), st.booleans())
def test_a_garbage_batch_raises_nothing_else(data: bytes, marked: bool) -> None:
    if marked:
        data = data[:21] + b"\0\x20" + data[23:57] + b"\0\0\0\x01" + data[61:]
    assert len(parse_header(data)) == 13
    refuses(lambda: read_control(data))
    refuses(lambda: recompressed(data, Codec.NONE, limit_bytes=1_000_000))
