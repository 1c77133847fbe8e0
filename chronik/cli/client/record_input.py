"""What `chronik produce` reads: lines, whole files, or the JSON lines that `chronik consume` writes."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, assert_never

from chronik.cli.client.problems import ClientProblem

_READ_BYTES = 1 << 16
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "\\": "\\"}


class Input(Enum):
    """What one record is made of."""

    LINES = "lines"
    JSON = "json"
    WHOLE = "whole"


class InputRecord(NamedTuple):
    """A record to be written. None for partition and time: the producer chooses."""

    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    partition: int | None = None
    timestamp_ms: int | None = None


class Reading(NamedTuple):
    """How an input is read."""

    kind: Input = Input.LINES
    delimiter: bytes = b"\n"
    key_delimiter: bytes | None = None
    keep_partition: bool = False


def unescaped(text: str) -> bytes:
    """The bytes of a delimiter: \\n \\r \\t \\0 \\\\ \\xHH, and all else as it is. ValueError for another escape."""

    def replaced(found: re.Match[str]) -> str:
        if found[1]:
            return chr(int(found[1], 16))
        if found[2] not in _ESCAPES:
            raise ValueError(f"{found[0]!r} is no escape")
        return _ESCAPES[found[2]]

    if not text.isascii():
        return text.encode("utf-8", "surrogateescape")
    return _ESCAPE.sub(replaced, text).encode("latin-1")


def records(stream: BinaryIO, place: str, reading: Reading) -> Iterator[InputRecord]:
    """The records of a stream. ClientProblem names the line that is none."""
    match reading.kind:
        case Input.WHOLE:
            yield InputRecord(stream.read())
        case Input.LINES:
            for piece in _pieces(stream, reading.delimiter):
                yield _from_line(piece, reading.key_delimiter)
        case Input.JSON:
            for number, line in enumerate(stream, 1):
                if not line.strip():
                    continue
                try:
                    yield _from_json(line, reading.keep_partition)
                except ValueError as error:
                    raise ClientProblem(f"{place}, line {number}: {error}.") from None
        case _:
            assert_never(reading.kind)


def file_records(path: Path, reading: Reading) -> Iterator[InputRecord]:
    """The records of a file. OSError if it cannot be read."""
    with path.open("rb") as stream:
        yield from records(stream, str(path), reading)


def _pieces(stream: BinaryIO, delimiter: bytes) -> Iterator[bytes]:
    """What stands between delimiters, as soon as it is there; the last one needs no delimiter."""
    if delimiter == b"\n":
        for line in stream:
            yield line.removesuffix(b"\n")
        return
    rest = b""
    read = getattr(stream, "read1", stream.read)
    while chunk := read(_READ_BYTES):
        *pieces, rest = (rest + chunk).split(delimiter)
        yield from pieces
    if rest:
        yield rest


def _from_line(piece: bytes, key_delimiter: bytes | None) -> InputRecord:
    if key_delimiter is not None:
        key, found, value = piece.partition(key_delimiter)
        if found:
            return InputRecord(value, key)
    return InputRecord(piece)


def _from_json(line: bytes, keep_partition: bool) -> InputRecord:
    """ValueError says what is wrong with it."""
    try:
        facts = json.loads(line)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"it is no JSON ({str(error).rstrip('.')})") from None
    if not isinstance(facts, dict) or "value" not in facts:
        raise ValueError('it is no object with a "value"')
    partition = _number(facts, "partition") if keep_partition else None
    return InputRecord(
        _bytes(facts["value"], "value"),
        _bytes(facts.get("key"), "key"),
        tuple(_headers(facts.get("headers"))),
        partition,
        _number(facts, "timestamp"),
    )


def _headers(found: Any) -> Iterator[tuple[str, bytes | None]]:
    """A list of {"key", "value"}, or an object of names and values."""
    if isinstance(found, dict):
        found = [{"key": key, "value": value} for key, value in found.items()]
    if not isinstance(found, list | None):
        raise ValueError('its "headers" are no list')
    for header in found or ():
        if not isinstance(header, dict) or not isinstance(header.get("key"), str):
            raise ValueError('a header is no object with a "key" and a "value"')
        yield header["key"], _bytes(header.get("value"), "header")


def _bytes(found: Any, name: str) -> bytes | None:
    """Text as UTF-8, {"base64": ...} as what it stands for, null; anything else is JSON that somebody wants kept."""
    if found is None:
        return None
    if isinstance(found, str):
        return found.encode("utf-8", "surrogatepass")
    if isinstance(found, dict) and list(found) == ["base64"]:
        try:
            return base64.b64decode(found["base64"], validate=True)
        except (ValueError, TypeError):
            raise ValueError(f"the base64 of its {name} is none") from None
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()


def _number(facts: dict[str, Any], name: str) -> int | None:
    found = facts.get(name)
    if found is None:
        return None
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise ValueError(f'its "{name}" is no whole number')
    return found
