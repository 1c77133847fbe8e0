"""Records as they are shown: columns, JSON lines, values. The same for what a broker sends and what a directory has."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from json.encoder import encode_basestring as _quoted
from typing import Any

from chronik.cli.format_string import FormattedRecord
from chronik.cli.output import Row, moment, printable

RECORD_COLUMNS = ("TOPIC", "PARTITION", "OFFSET", "TIME", "KEY", "HEADERS", "VALUE")


def record_row(record: FormattedRecord) -> Row:
    """A record as an object and as a line of RECORD_COLUMNS."""
    topic, partition, offset, time_ms, key, value, headers = record
    shown = ",".join(f"{name}={'null' if data is None else printable(data)}" for name, data in headers)
    facts: dict[str, Any] = {
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "timestamp": time_ms,
        "key": key,
        "value": value,
        "headers": [{"key": name, "value": data} for name, data in headers],
    }
    return Row(facts, [(topic, partition, offset, moment(time_ms), key, shown, value)])


def json_lines(records: Iterable[FormattedRecord]) -> bytes:
    """The objects of `record_row` as lines, made several times as fast as by the json module: a consumer waits for
    it."""
    lines = [
        f'{{"topic": {_quoted(topic)}, "partition": {partition}, "offset": {offset}, "timestamp": {time_ms}, '
        f'"key": {_json(key)}, "value": {_json(value)}, "headers": [{_headers(headers) if headers else ""}]}}\n'
        for topic, partition, offset, time_ms, key, value, headers in records
    ]
    return "".join(lines).encode()


def _json(data: bytes | None) -> str:
    if data is None:
        return "null"
    try:
        return str(_quoted(data.decode()))
    except UnicodeDecodeError:
        return f'{{"base64": "{base64.b64encode(data).decode("ascii")}"}}'


def _headers(headers: Iterable[tuple[str, bytes | None]]) -> str:
    return ", ".join(f'{{"key": {_quoted(name)}, "value": {_json(data)}}}' for name, data in headers)
