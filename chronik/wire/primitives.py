"""The pieces of the encoding that generated code does not spell out, and the one error of decoding.

Source of the encodings: Kafka's protocol guide and ``org.apache.kafka.common.protocol.types``; compact forms and tag
sections are KIP-482.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview
"""Bytes by any name; a memoryview must be one-dimensional, of single bytes."""

RecordsValue: TypeAlias = Buffer | Sequence[Buffer] | None
"""What a ``records`` field takes on encoding: one buffer, several that follow each other on the wire, or null."""

SMALL_RECORDS_BYTES = 1024
"""Records up to this size are copied between their neighbours: cheaper than one more buffer for ``writelines``."""

MAX_STRING_BYTES = 0x7FFF
"""Kafka refuses longer strings, also where a compact length could express them."""


class EncodedArray(bytes):
    """An array of structs, its count in front, as one version of a message has it: made once, and written often."""


class MalformedFrame(Exception):
    """The peer's bytes are not the message they claim to be: cut short, inconsistent, or of no declared version.

    The only exception that decoding raises. Nothing of the frame can be trusted, so the connection is to be closed.
    """


def uvarint_rest(frame: Buffer, pos: int, first: int) -> tuple[int, int]:
    """Finish an unsigned varint whose ``first`` byte (> 127) lay before ``pos``: (value, position after it).

    IndexError at the end of the frame, which every caller turns into MalformedFrame.
    """
    value = first & 0x7F
    for shift in (7, 14, 21, 28):
        byte = frame[pos]
        pos += 1
        if byte < 128:
            value |= byte << shift
            if value >> 32:
                break
            return value, pos
        value |= (byte & 0x7F) << shift
    raise MalformedFrame(f"the varint before byte {pos} exceeds 32 bits")


def read_uvarint(frame: Buffer, pos: int) -> tuple[int, int]:
    """The unsigned varint at ``pos``: (value, position after it). IndexError at the end of the frame."""
    first = frame[pos]
    if first < 128:
        return first, pos + 1
    return uvarint_rest(frame, pos + 1, first)


def uvarint(value: int) -> bytes:
    """The unsigned varint of 0 <= value < 2**32."""
    out = bytearray()
    while value > 127:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def skip_tags(frame: Buffer, pos: int, first: int) -> int:
    """Step over a tag section whose count begins with the byte ``first`` (before ``pos``): the position after it.

    IndexError at the end of the frame.
    """
    count = first
    if first > 127:
        count, pos = uvarint_rest(frame, pos, first)
    end = len(frame)
    for _ in range(count):
        _tag, pos = read_uvarint(frame, pos)
        size, pos = read_uvarint(frame, pos)
        pos += size
        if pos > end:
            raise MalformedFrame(f"a tagged field of {size} bytes passes the end of the frame")
    return pos


def put_records(out: bytearray, done: list[Buffer], records: Buffer | Sequence[Buffer], compact: bool) -> bytearray:
    """Write a records field after ``out``; the bytearray to go on writing to.

    Small records are copied into ``out``. Otherwise ``out`` and the records themselves, not copied, go to the end of
    ``done``, and writing goes on in a new bytearray; the records must then stay unchanged until the frame was sent.
    """
    pieces = records if isinstance(records, list | tuple) else (records,)
    size = sum(map(len, pieces))
    if compact:
        out += uvarint(size + 1)
    else:
        out += size.to_bytes(4, "big")
    if size <= SMALL_RECORDS_BYTES:
        for piece in pieces:
            out += piece
        return out
    done.append(out)
    done.extend(pieces)
    return bytearray()
