"""The records of a batch, as they lie behind its header once they are unpacked (Kafka's ``DefaultRecord``).

A record: its length, then attributes (one byte that means nothing), timestamp delta, offset delta, key, value, headers.
Each reader here takes the payload of `count` records and raises MalformedBatch if it finds anything else. They differ
in how closely they look, because looking is what a broker in Python can least afford:

- `check_records` follows the lengths only: 120 ns a record, and 5 to 20 ns where hundreds in a row are of one size.
- `survey` (600 ns a record) and `read_records` check every field.
- `greatest_timestamp` and `first_at_or_after` read what they need.

So what was stored after `check_records` alone can still raise MalformedBatch in the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from chronik.batch.compression import Codec, compress
from chronik.batch.crc import sealed
from chronik.batch.header import (
    CONTROL_BIT,
    DELETE_HORIZON_BIT,
    LOG_APPEND_TIME_BIT,
    MAGIC,
    TRANSACTIONAL_BIT,
    BatchHeader,
    Buffer,
    MalformedBatch,
)
from chronik.batch.varint import read_varint, read_varlong, read_zigzag, varint
from chronik.terms import NO_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP

_LEAST_RECORD_BYTES = 6
"""What a record's length counts at least: attributes, two deltas, key and value length, header count."""
_BYTES_AFTER_DELTAS = 3
"""How many of them come last."""

_NULL = 1
"""The length -1 as it is written."""

_PAST_EVERYTHING = 1 << 62
_STEPS = [
    _PAST_EVERYTHING if byte & 1 or byte < _LEAST_RECORD_BYTES * 2 else (byte >> 1) + 1 for byte in range(128)
] + [_PAST_EVERYTHING if byte & 1 else ((byte & 127) >> 1) + 2 for byte in range(128, 256)]
"""First byte of a record's length -> bytes to the next record, as far as that byte says. A negative length (an odd
byte) and one that is too small lead past the end of the bytes, where nothing more is read."""

_ALIKE_BEFORE_A_RUN = 6
"""How many records must be as long as the one before, before more are expected: to be wrong costs as much as six."""
_FIRST_RUN = 32
_RUN_GROWTH = 8


class Record(NamedTuple):
    """One record. Its offset and timestamp are relative to the batch's base offset and base timestamp."""

    offset_delta: int
    timestamp_delta: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    """A key that is not UTF-8 has its odd bytes as surrogates (PEP 383), so that it can be written as it was."""


class Survey(NamedTuple):
    """What rules ask about a batch's records. Of no records, the indexes are -1 and the deltas 0."""

    greatest_timestamp_delta: int
    greatest_timestamp_index: int
    """The first record that has it."""
    least_timestamp_delta: int
    first_null_key_index: int
    """-1 if every record has a key."""
    has_consecutive_offsets: bool
    """Whether the offset deltas are 0, 1, 2 …: Kafka does not refuse others by itself, and no client sends them."""


def check_records(payload: Buffer, count: int, start: int = 0) -> None:
    """Check that from `start` on there are exactly `count` records, by their lengths: what every produced batch needs.

    It does not look into the records: neither fields nor offset deltas are checked, nor are the lengths canonical.
    """
    at, left, previous_step, alike = start, count, 0, 0
    try:
        while left > 0:
            first = payload[at]
            if first < 128:
                step = _STEPS[first]
            elif (second := payload[at + 1]) < 128:
                step = _STEPS[first] + (second << 6)
            else:
                length, body = read_varint(payload, at)
                step = body - at + (length if length >= _LEAST_RECORD_BYTES else _PAST_EVERYTHING)
            if step != previous_step:
                previous_step, alike = step, 0
            elif alike < _ALIKE_BEFORE_A_RUN:
                alike += 1
            else:
                run, alike = _run_length(payload, at, step, left), 0
                at += run * step
                left -= run
                continue
            at += step
            left -= 1
    except IndexError as cut:
        raise MalformedBatch(f"the records end before the last of {count}") from cut
    if at != len(payload) or count < 0:
        raise MalformedBatch(f"{count} records do not end where the payload ends")


def _run_length(payload: Buffer, at: int, step: int, left: int) -> int:
    """How many records from `at` on have the same length bytes, up to `left`: they lie `step` bytes apart.

    Slices with a step compare them without a turn of the interpreter each. They grow, as most runs end early.
    """
    width = 1
    while payload[at + width - 1] > 127:
        width += 1
    done, window = 0, _FIRST_RUN
    while done < left:
        found = min(window, left - done)
        begin = at + done * step
        for column in range(width):
            same = bytes(payload[begin + column : begin + found * step : step])
            found = len(same) - len(same.lstrip(bytes((payload[at + column],))))
        done += found
        if found < window:
            break
        window *= _RUN_GROWTH
    return done


def survey(payload: Buffer, count: int) -> Survey:
    """Read every field of every record and check that each ends where its record says: 0.6 us a record.

    Numbers are read in place where they usually have one byte or two: calls would make it half as slow again.
    """
    data = bytes(payload)
    at = 0
    greatest = least = 0
    greatest_index = null_key_index = -1
    consecutive = True
    try:
        for index in range(count):
            if (byte := data[at]) < 128:
                length, at = byte, at + 1
            elif (second := data[at + 1]) < 128:
                length, at = byte & 127 | second << 7, at + 2
            else:
                length, at = read_zigzag(data, at, 32)
            end = at + (length >> 1)
            at += 1  # attributes
            if (byte := data[at]) < 128:
                delta, at = (byte >> 1) ^ -(byte & 1), at + 1
            else:
                delta, at = read_varlong(data, at)
            if delta > greatest or index == 0:
                greatest, greatest_index = delta, index
            if delta < least or index == 0:
                least = delta
            if (byte := data[at]) < 128:
                delta, at = byte, at + 1
            elif (second := data[at + 1]) < 128:
                delta, at = byte & 127 | second << 7, at + 2
            else:
                delta, at = read_zigzag(data, at, 32)
            if delta != index << 1:
                consecutive = False
            if (byte := data[at]) < 128:
                key, at = byte, at + 1
            else:
                key, at = read_zigzag(data, at, 32)
            if not key & 1:
                at += key >> 1
            elif key != _NULL:
                raise MalformedBatch(f"record {index} has a key of negative length")
            elif null_key_index < 0:
                null_key_index = index
            if (byte := data[at]) < 128:
                value, at = byte, at + 1
            elif (second := data[at + 1]) < 128:
                value, at = byte & 127 | second << 7, at + 2
            else:
                value, at = read_zigzag(data, at, 32)
            if not value & 1:
                at += value >> 1
            elif value != _NULL:
                raise MalformedBatch(f"record {index} has a value of negative length")
            at = _skip_headers(data, at) if data[at] else at + 1
            if at != end or length & 1:
                raise MalformedBatch(f"record {index} ends at {at} of the records, and says {end}")
    except IndexError as cut:
        raise MalformedBatch(f"the records end before the last of {count}") from cut
    if at != len(data) or count < 0:
        raise MalformedBatch(f"{count} records end at {at}, and the payload at {len(data)}")
    return Survey(greatest, greatest_index, least, null_key_index, consecutive)


def _skip_headers(data: bytes, at: int) -> int:
    """The position after the headers whose count is at `at`. IndexError or a position past the end if they are cut."""
    count, at = read_varint(data, at)
    if count < 0:
        raise MalformedBatch(f"a record has {count} headers")
    for _ in range(count):
        length, at = read_varint(data, at)
        if length < 0:
            raise MalformedBatch(f"a header's key has {length} bytes")
        length, at = read_varint(data, at + length)
        if length < -1:
            raise MalformedBatch(f"a header's value has {length} bytes")
        at += max(length, 0)
    return at


def read_records(payload: Buffer, count: int) -> Iterator[Record]:
    """The records one by one. What comes before a fault is yielded, then MalformedBatch is raised."""
    data = bytes(payload)
    at = 0
    try:
        for index in range(count):
            length, at = read_varint(data, at)
            end = at + length
            timestamp_delta, at = read_varlong(data, at + 1)
            offset_delta, at = read_varint(data, at)
            key, at = _read_bytes(data, at)
            value, at = _read_bytes(data, at)
            headers, at = _read_headers(data, at) if data[at] else ((), at + 1)
            if at != end:
                raise MalformedBatch(f"record {index} ends at {at} of the records, and says {end}")
            yield Record(offset_delta, timestamp_delta, key, value, headers)
    except IndexError as cut:
        raise MalformedBatch(f"the records end before the last of {count}") from cut
    if at != len(data) or count < 0:
        raise MalformedBatch(f"{count} records end at {at}, and the payload at {len(data)}")


def _read_headers(data: bytes, at: int) -> tuple[tuple[tuple[str, bytes | None], ...], int]:
    count, at = read_varint(data, at)
    if count < 0:
        raise MalformedBatch(f"a record has {count} headers")
    headers = []
    for _ in range(count):
        key, at = _read_bytes(data, at)
        if key is None:
            raise MalformedBatch("a header has no key")
        value, at = _read_bytes(data, at)
        headers.append((key.decode("utf-8", "surrogateescape"), value))
    return tuple(headers), at


def _read_bytes(data: bytes, at: int) -> tuple[bytes | None, int]:
    length, at = read_varint(data, at)
    if length < 0:
        if length != -1:
            raise MalformedBatch(f"a length is {length}")
        return None, at
    end = at + length
    if end > len(data):
        raise MalformedBatch(f"{length} bytes are wanted, where {len(data) - at} are left")
    return data[at:end], end


def greatest_timestamp(payload: Buffer, count: int, base_timestamp: int) -> tuple[int, int] | None:
    """(offset delta, timestamp) of the first record with the greatest timestamp; None of no records."""
    best: tuple[int, int] | None = None
    for timestamp_delta, offset_delta in _deltas(payload, count):
        if best is None or timestamp_delta > best[1]:
            best = offset_delta, timestamp_delta
    return best and (best[0], _absolute(base_timestamp, best[1]))


def first_at_or_after(
    payload: Buffer, count: int, base_timestamp: int, timestamp: int, first_offset_delta: int = 0
) -> tuple[int, int] | None:
    """(offset delta, timestamp) of the first record at or after `timestamp`, or None.

    Records with an offset delta below `first_offset_delta` (those before the log's start) are passed over.
    """
    wanted = timestamp - base_timestamp
    for timestamp_delta, offset_delta in _deltas(payload, count):
        if timestamp_delta >= wanted and offset_delta >= first_offset_delta:
            return offset_delta, _absolute(base_timestamp, timestamp_delta)
    return None


def _deltas(payload: Buffer, count: int) -> Iterator[tuple[int, int]]:
    """(timestamp delta, offset delta) of each record; what is behind them in it is not read."""
    data = bytes(payload)
    at = 0
    try:
        for _ in range(count):
            length, body = read_varint(data, at)
            timestamp_delta, at = read_varlong(data, body + 1)
            offset_delta, at = read_varint(data, at)
            if not at - body + _BYTES_AFTER_DELTAS <= length <= len(data) - body:
                raise MalformedBatch(f"a record of {length} bytes, where {len(data) - body} are left")
            yield timestamp_delta, offset_delta
            at = body + length
    except IndexError as cut:
        raise MalformedBatch(f"the records end before the last of {count}") from cut
    if at != len(data) or count < 0:
        raise MalformedBatch(f"{count} records end at {at}, and the payload at {len(data)}")


def _absolute(base_timestamp: int, timestamp_delta: int) -> int:
    """The sum, kept within an i64: nothing but a peer's fault makes it leave."""
    return max(-(2**63), min(base_timestamp + timestamp_delta, 2**63 - 1))


def encode_records(records: Iterable[Record]) -> bytes:
    """The payload of these records, before compression."""
    parts: list[bytes] = []
    for offset_delta, timestamp_delta, key, value, headers in records:
        body = [b"\x00", varint(timestamp_delta), varint(offset_delta), *_sized(key), *_sized(value)]
        body.append(varint(len(headers)))
        for header_key, header_value in headers:
            body += (*_sized(header_key.encode("utf-8", "surrogateescape")), *_sized(header_value))
        parts.append(varint(sum(map(len, body))))
        parts += body
    return b"".join(parts)


def _sized(data: bytes | None) -> tuple[bytes, bytes]:
    return (varint(-1), b"") if data is None else (varint(len(data)), data)


def build_batch(
    records: Sequence[Record],
    base_timestamp: int,
    *,
    base_offset: int = 0,
    last_offset_delta: int | None = None,
    max_timestamp: int | None = None,
    codec: Codec = Codec.NONE,
    level: int | None = None,
    leader_epoch: int = NO_LEADER_EPOCH,
    producer_id: int = NO_PRODUCER_ID,
    producer_epoch: int = NO_PRODUCER_EPOCH,
    base_sequence: int = NO_SEQUENCE,
    is_transactional: bool = False,
    is_control: bool = False,
    is_log_append_time: bool = False,
    has_delete_horizon: bool = False,
) -> bytes:
    """A whole batch, header and records, with its CRC.

    By default `last_offset_delta` is the last record's and `max_timestamp` the greatest of the records. Compaction
    gives both, as a batch keeps them when records go; without any record it is written uncompressed, as Kafka does.
    """
    if last_offset_delta is None:
        last_offset_delta = records[-1].offset_delta if records else 0
    if max_timestamp is None:
        deltas = [record.timestamp_delta for record in records]
        max_timestamp = base_timestamp + max(deltas) if deltas else NO_TIMESTAMP
    header = BatchHeader(
        base_offset=base_offset,
        batch_length=0,
        leader_epoch=leader_epoch,
        magic=MAGIC,
        crc=0,
        attributes=(codec if records else Codec.NONE)
        | is_transactional * TRANSACTIONAL_BIT
        | is_control * CONTROL_BIT
        | is_log_append_time * LOG_APPEND_TIME_BIT
        | has_delete_horizon * DELETE_HORIZON_BIT,
        last_offset_delta=last_offset_delta,
        base_timestamp=base_timestamp,
        max_timestamp=max_timestamp,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=base_sequence,
        record_count=len(records),
    )
    payload = encode_records(records)
    return sealed(header, compress(codec, payload, level) if records else b"")
