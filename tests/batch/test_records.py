"""Records written and read: round trips, the two checks, and the times in a batch."""

from __future__ import annotations

from itertools import repeat

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chronik.batch.compression import Codec, decompress
from chronik.batch.header import Buffer, MalformedBatch, parse_header
from chronik.batch.records import (
    Record,
    Survey,
    build_batch,
    check_records,
    encode_records,
    first_at_or_after,
    greatest_timestamp,
    read_records,
    survey,
)
from chronik.batch.varint import read_varint, read_varlong, varint
from tests.batch.strategies import I32, I64, PLAIN_RECORDS, RECORDS, refuses

FORMS: list[type[Buffer]] = [bytes, bytearray, memoryview]


@settings(deadline=None)
@given(RECORDS)
def test_records_are_read_as_they_were_written(records: list[Record]) -> None:
    payload = encode_records(records)
    for form in FORMS:
        assert list(read_records(form(payload), len(records))) == records


def test_a_header_key_that_is_no_text_is_written_as_it_was() -> None:
    body = b"\0\0\0\x01\x01\x02" + b"\x04\xffk" + b"\x02v"
    payload = varint(len(body)) + body
    (record,) = read_records(payload, 1)
    assert record.headers == (("\udcffk", b"v"),)
    assert encode_records([record]) == payload
    survey(payload, 1)


@settings(deadline=None)
@given(RECORDS)
def test_both_checks_accept_what_was_written(records: list[Record]) -> None:
    payload = encode_records(records)
    for form in FORMS:
        check_records(form(payload), len(records))
        check_records(form(b"front" + payload), len(records), 5)
        assert survey(form(payload), len(records)) == survey_of(records)


def survey_of(records: list[Record]) -> Survey:
    """What a survey should find, from the records themselves."""
    if not records:
        return Survey(0, -1, 0, -1, True)
    deltas = [record.timestamp_delta for record in records]
    keys = [record.key for record in records]
    return Survey(
        greatest_timestamp_delta=max(deltas),
        greatest_timestamp_index=deltas.index(max(deltas)),
        least_timestamp_delta=min(deltas),
        first_null_key_index=keys.index(None) if None in keys else -1,
        has_consecutive_offsets=[record.offset_delta for record in records] == list(range(len(records))),
    )


@pytest.mark.parametrize("count", [1, 64, 65, 8192, 8193, 20_000])
def test_offsets_are_consecutive_however_long_they_are(count: int) -> None:
    records = [Record(index, 0, b"", b"") for index in range(count)]
    assert survey(encode_records(records), count).has_consecutive_offsets
    records[-1] = records[-1]._replace(offset_delta=count)
    assert not survey(encode_records(records), count).has_consecutive_offsets


@settings(deadline=None)
@given(RECORDS, st.integers(-2, 9))
def test_another_count_is_refused(records: list[Record], count: int) -> None:
    payload = encode_records(records)
    wrong = count != len(records)
    assert refuses(lambda: check_records(payload, count)) == wrong
    assert refuses(lambda: survey(payload, count)) == wrong
    assert refuses(lambda: list(read_records(payload, count))) == wrong


RUNS = st.lists(
    st.tuples(st.sampled_from([6, 7, 63, 64, 70, 127, 128, 200, 300, 8191, 8192, 9000]), st.integers(1, 400)),
    max_size=6,
)
"""(length of a record's body, how many of it in a row)"""


@settings(deadline=None)
@given(RUNS, st.integers(-1, 1))
@example([(7, 400)], 1)
@example([(7, 7 + 32), (6, 1)], 0)
@example([(300, 7 + 32 + 256 + 1), (64, 9), (63, 9)], 0)
def test_lengths_are_followed_through_runs_of_equal_ones(runs: list[tuple[int, int]], surplus: int) -> None:
    """The shortcut for records of one length must find exactly what a walk finds, here where every byte looks alike."""
    lengths = [length for length, times in runs for length in repeat(length, times)]
    payload = b"".join(varint(length) + varint(lengths[-1])[:1] * length for length in lengths)
    for form in FORMS[::2]:
        assert refuses(lambda: check_records(form(payload), len(lengths) + surplus)) == (surplus != 0)  # noqa: B023
    assert not lengths or refuses(lambda: check_records(payload[:-1], len(lengths)))
    assert refuses(lambda: check_records(payload + b"\x0c", len(lengths)))


@settings(deadline=None)
@given(RUNS.filter(bool), st.data())
def test_a_changed_byte_is_judged_as_by_a_plain_walk(runs: list[tuple[int, int]], data: st.DataObject) -> None:
    lengths = [length for length, times in runs for length in repeat(length, times)]
    starts = [0]
    for length in lengths[:-1]:
        starts.append(starts[-1] + length + len(varint(length)))
    payload = bytearray(b"".join(varint(length) + b"\x0c" * length for length in lengths))
    at = data.draw(st.sampled_from(starts)) + data.draw(st.integers(0, 1))
    payload[at] = data.draw(st.integers(0, 255))
    assert refuses(lambda: check_records(payload, len(lengths))) != walks(bytes(payload), len(lengths))


def walks(payload: bytes, count: int) -> bool:
    """Whether `count` records of at least six bytes lie in the payload end to end, found out one by one."""
    at = 0
    try:
        for _ in range(count):
            length, body = read_varint(payload, at)
            if (length < 6 and body - at == 1) or length < 0:
                return False
            at = body + length
    except (IndexError, MalformedBatch):
        return False
    return at == len(payload)


TIMES = [Record(0, 0, None, b""), Record(1, 50, None, b""), Record(2, 20, None, b""), Record(4, 50, None, b"")]


@pytest.mark.parametrize(
    ("timestamp", "first_offset_delta", "expected"),
    [
        (0, 0, (0, 1000)),
        (1000, 0, (0, 1000)),
        (1001, 0, (1, 1050)),
        (1050, 0, (1, 1050)),
        (1001, 2, (2, 1020)),
        (1021, 2, (4, 1050)),
        (1051, 0, None),
        (0, 5, None),
        (-1, 3, (4, 1050)),
    ],
)
def test_the_first_record_at_or_after_a_time(
    timestamp: int, first_offset_delta: int, expected: tuple[int, int] | None
) -> None:
    payload = encode_records(TIMES)
    for form in FORMS:
        assert first_at_or_after(form(payload), 4, 1000, timestamp, first_offset_delta) == expected


@settings(deadline=None)
@given(RECORDS, st.integers(-(2**40), 2**40), st.integers(-(2**63), 2**63 - 1))
def test_times_are_those_of_the_records(records: list[Record], base: int, timestamp: int) -> None:
    payload = encode_records(records)
    sums = [(record.offset_delta, base + record.timestamp_delta) for record in records]
    found = [each for each in sums if each[1] >= timestamp]
    first = first_at_or_after(payload, len(records), base, timestamp, -(2**31))
    assert first == ((found[0][0], clamped(found[0][1])) if found else None)
    greatest = max(sums, key=lambda each: each[1], default=None)
    assert greatest_timestamp(payload, len(records), base) == (greatest and (greatest[0], clamped(greatest[1])))


def clamped(timestamp: int) -> int:
    return max(-(2**63), min(timestamp, 2**63 - 1))


def test_the_greatest_timestamp_is_the_first_of_equals() -> None:
    assert greatest_timestamp(encode_records(TIMES), 4, 1000) == (1, 1050)
    assert greatest_timestamp(b"", 0, 1000) is None


def test_a_batch_tells_of_its_records() -> None:
    batch = build_batch(TIMES, 1000)
    header = parse_header(batch)
    assert (header.base_offset, header.last_offset_delta, header.record_count) == (0, 4, 4)
    assert (header.base_timestamp, header.max_timestamp) == (1000, 1050)
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (-1, -1, -1)
    assert (header.leader_epoch, header.magic, header.attributes) == (-1, 2, 0)


def test_a_batch_without_records_keeps_its_place() -> None:
    batch = build_batch([], 7, base_offset=10, last_offset_delta=5, max_timestamp=9, codec=Codec.GZIP)
    header = parse_header(batch)
    assert (header.last_offset, header.max_timestamp, header.record_count, header.attributes) == (15, 9, 0, 0)
    assert header.size_bytes == len(batch) == 61
    assert parse_header(build_batch([], 7)).max_timestamp == -1


@pytest.mark.parametrize("bit", ["is_transactional", "is_control", "is_log_append_time", "has_delete_horizon"])
def test_a_batch_has_the_bits_that_were_asked_for(bit: str) -> None:
    bits = {"is_log_append_time": 8, "is_transactional": 16, "is_control": 32, "has_delete_horizon": 64}
    arguments = {bit: True}
    for codec in Codec:
        assert parse_header(build_batch(TIMES, 0, codec=codec, **arguments)).attributes == codec | bits[bit]


@settings(deadline=None)
@given(RECORDS.filter(bool), st.sampled_from(list(Codec)))
def test_a_batch_is_read_as_it_was_built(records: list[Record], codec: Codec) -> None:
    batch = build_batch(records, 0, codec=codec, max_timestamp=0)
    header = parse_header(batch)
    assert list(read_records(decompress(header.codec, batch[61:]), header.record_count)) == records


@settings(deadline=None)
@given(I64)
def test_numbers_are_read_as_they_were_written(value: int) -> None:
    data = varint(value)
    assert len(data) <= 10
    assert read_varlong(data, 0) == (value, len(data))
    assert read_varlong(b"\xff" + data, 1) == (value, len(data) + 1)


@settings(deadline=None)
@given(I32)
def test_short_numbers_are_read_as_they_were_written(value: int) -> None:
    data = varint(value)
    assert len(data) <= 5
    assert read_varint(data, 0) == read_varlong(data, 0) == (value, len(data))


@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, 2**63 - 1, -(2**63)])
def test_a_number_of_more_than_32_bits_is_refused(value: int) -> None:
    assert refuses(lambda: read_varint(varint(value), 0))


def test_a_number_has_ten_bytes_at_most() -> None:
    assert read_varlong(b"\xff" * 9 + b"\x01", 0) == (-(2**63), 10)
    assert read_varlong(b"\x80" * 9 + b"\x00", 0) == (0, 10)
    assert refuses(lambda: read_varlong(b"\xff" * 9 + b"\x02", 0))
    assert refuses(lambda: read_varlong(b"\x80" * 10 + b"\x00", 0))
    assert read_varint(b"\x80" * 4 + b"\x00", 0) == (0, 5)
    assert refuses(lambda: read_varint(b"\x80" * 5 + b"\x00", 0))


def test_records_have_the_bytes_that_the_format_says() -> None:
    assert encode_records(PLAIN_RECORDS[:1]).hex() == (
        "48 00 00 00 06 6b6579 0a 76616c7565 06 0c 686561646572 02 78 0a 656d707479 00 08 6e756c6c 01".replace(" ", "")
    )
    assert encode_records([Record(-1, 64, None, None)]).hex() == "0e 00 8001 01 01 01 00".replace(" ", "")
