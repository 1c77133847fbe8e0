"""The numbers inside records: zigzag, seven bits a byte, least significant first (Kafka's ``ByteUtils``).

Readers raise IndexError at the end of the bytes; their callers say MalformedBatch for it.
"""

from __future__ import annotations

from chronik.batch.header import Buffer, MalformedBatch

_SHORT = [bytes([value << 1]) for value in range(64)]
"""What is written most: the small numbers from 0."""


def read_varint(data: Buffer, at: int) -> tuple[int, int]:
    """An i32 and the position after it; MalformedBatch if it has more than 32 bits or five bytes."""
    byte = data[at]
    if byte < 128:
        return (byte >> 1) ^ -(byte & 1), at + 1
    if (second := data[at + 1]) < 128:
        raw = byte & 127 | second << 7
        return (raw >> 1) ^ -(raw & 1), at + 2
    raw, at = read_zigzag(data, at, 32)
    return (raw >> 1) ^ -(raw & 1), at


def read_varlong(data: Buffer, at: int) -> tuple[int, int]:
    """An i64 and the position after it; MalformedBatch if it has more than 64 bits or ten bytes."""
    byte = data[at]
    if byte < 128:
        return (byte >> 1) ^ -(byte & 1), at + 1
    if (second := data[at + 1]) < 128:
        raw = byte & 127 | second << 7
        return (raw >> 1) ^ -(raw & 1), at + 2
    raw, at = read_zigzag(data, at, 64)
    return (raw >> 1) ^ -(raw & 1), at


def read_zigzag(data: Buffer, at: int, bits: int) -> tuple[int, int]:
    """A number as it is written (even: twice a number >= 0; odd: -1, -2 … as 1, 3 …) and the position after it."""
    raw = shift = 0
    while (byte := data[at]) > 127:
        raw |= (byte & 127) << shift
        shift += 7
        at += 1
        if shift >= bits:
            raise MalformedBatch(f"a number before {at} of the records has too many bytes for {bits} bits")
    raw |= byte << shift
    if raw >> bits:
        raise MalformedBatch(f"a number at {at} of the records has more than {bits} bits")
    return raw, at + 1


def varint(value: int) -> bytes:
    """The shortest form of an i32 or i64; the caller knows that it is one."""
    if 0 <= value < 64:
        return _SHORT[value]
    return uvarint((value << 1) ^ (value >> 63))


def uvarint(value: int) -> bytes:
    """The shortest form of a number that is not negative, without a place for its sign: RocksDB's, too."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_uvarint(data: Buffer, at: int) -> tuple[int, int]:
    """What `uvarint` made, at `at`: (value, position after it). IndexError at the end of the data."""
    value = shift = 0
    while (byte := data[at]) > 127:
        value |= (byte & 127) << shift
        shift += 7
        at += 1
    return value | byte << shift, at + 1
