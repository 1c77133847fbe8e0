"""Format strings for records, as kcat has them.

    %t topic   %p partition   %o offset   %T timestamp (ms)   %k key   %s value   %h headers (key=value,...)
    %K, %S the sizes of key and value (-1: null)   %R the value's size as four bytes, big-endian   %% a percent sign

and the escapes \\n \\r \\t \\\\ \\xHH. What is null is written as nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple


class FormattedRecord(NamedTuple):
    """What a format string can show."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


Part = Callable[[FormattedRecord], bytes]

_ITEM = re.compile(rb"%(.)|\\x([0-9a-fA-F]{2})|\\(.)|%|\\", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"\\": b"\\"}


def _text(value: int | str) -> bytes:
    return str(value).encode("utf-8", "surrogateescape")


def _length(value: bytes | None) -> int:
    return -1 if value is None else len(value)


def _headers(record: FormattedRecord) -> bytes:
    return b",".join(_text(key) + b"=" + (b"NULL" if value is None else value) for key, value in record.headers)


_PARTS: dict[bytes, Part] = {
    b"t": lambda record: _text(record.topic),
    b"p": lambda record: _text(record.partition),
    b"o": lambda record: _text(record.offset),
    b"T": lambda record: _text(record.timestamp_ms),
    b"k": lambda record: record.key or b"",
    b"s": lambda record: record.value or b"",
    b"K": lambda record: _text(_length(record.key)),
    b"S": lambda record: _text(_length(record.value)),
    b"R": lambda record: _length(record.value).to_bytes(4, "big", signed=True),
    b"h": _headers,
}


def compiled(text: str) -> Part:
    """What writes a record in that format. ValueError says which part of the text means nothing."""
    source = text.encode("utf-8", "surrogateescape")
    parts: list[Part | bytes] = []
    at = 0
    for item in _ITEM.finditer(source):
        parts.append(source[at : item.start()])
        parts.append(_part(item))
        at = item.end()
    parts.append(source[at:])
    return lambda record: b"".join([part if isinstance(part, bytes) else part(record) for part in parts])


def _part(item: re.Match[bytes]) -> Part | bytes:
    name, code, escaped = item.groups()
    if name == b"%":
        return b"%"
    if name in _PARTS:
        return _PARTS[name]
    if code is not None:
        return bytes.fromhex(code.decode("ascii"))
    if escaped in _ESCAPES:
        return _ESCAPES[escaped]
    raise ValueError(f"{item[0].decode('utf-8', 'replace')!r} means nothing in a format string")
