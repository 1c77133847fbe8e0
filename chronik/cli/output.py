"""What a command shows, in one of three forms: a table for eyes, JSON lines for machines, a format string as kcat has.

Bytes of JSON lines are text where they are UTF-8, else `{"base64": "..."}`.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Iterable, Sequence
from enum import Enum
from itertools import islice
from typing import Any, NamedTuple, assert_never

_WHOLE_WIDTH = len("2026-01-31T12:00:00.000Z")
"""Cells of this width are not folded."""
_FOLDED_WIDTH = 12
"""What a wider one is folded to at the least."""

_TABLE_ROWS = 500
"""Rows of which a table's widths are made; more rows follow as another table without a head, so that memory has a
bound."""


class Output(Enum):
    """The form that a command's `--output` asks for."""

    TABLE = "table"
    JSON = "json"


class Row(NamedTuple):
    """One fact: as an object, and as one or more lines of a table."""

    facts: dict[str, Any]
    lines: Sequence[Sequence[Any]]


class View(NamedTuple):
    """Something to be shown. `columns` are those of the lines."""

    columns: Sequence[str]
    rows: Iterable[Row]


def show(view: View, output: Output, title: Sequence[tuple[str, Any]] = ()) -> None:
    """Write a view. The title is for eyes: names and values in a line of their own above the table."""
    match output:
        case Output.TABLE:
            if title:
                print("  ".join(f"{name} {_shown(value)}" for name, value in title), flush=True)
            write_table(view)
        case Output.JSON:
            write_json_lines(view.rows)
        case _:
            assert_never(output)


def write_json_lines(rows: Iterable[Row]) -> None:
    """One object a line, in UTF-8 whatever the terminal has."""
    out = sys.stdout.buffer
    for row in rows:
        out.write(json.dumps(_jsonable(row.facts), ensure_ascii=False).encode() + b"\n")
    out.flush()


def write_table(view: View) -> None:
    """Columns side by side. On a terminal long cells are folded; in a pipe nothing is, and lines are made 50 times as
    fast."""
    lines = (line for row in view.rows for line in row.lines)
    write_block = _write_folded if sys.stdout.isatty() else _write_plain
    write_block(view.columns, list(islice(lines, _TABLE_ROWS)), with_head=True)
    while block := list(islice(lines, _TABLE_ROWS)):
        write_block(view.columns, block, with_head=False)


def _write_plain(columns: Sequence[str], lines: list[Sequence[Any]], *, with_head: bool) -> None:
    PlainTable(columns, with_head=with_head).write(lines)


class PlainTable:
    """Columns in plain text, written block by block; what a block needs in width, later ones have too."""

    def __init__(self, columns: Sequence[str], *, with_head: bool = True) -> None:
        self._columns = list(columns)
        self._head = [self._columns] if with_head else []
        self._widths = [len(name) for name in columns]

    def write(self, lines: Sequence[Sequence[Any]]) -> None:
        """Write a block, the first one below the names of the columns."""
        shown = self._head + [[_shown(value) for value in line] for line in lines]
        self._head = []
        self._widths = [
            max(width, *map(len, column)) for width, column in zip(self._widths, zip(*shown, strict=True), strict=True)
        ]
        numeric = _numeric_columns(self._columns, lines)
        for row in shown:
            places = zip(row, self._widths, numeric, strict=True)
            line = "  ".join([cell.rjust(width) if number else cell.ljust(width) for cell, width, number in places])
            sys.stdout.buffer.write(line.rstrip().encode("utf-8", "backslashreplace") + b"\n")
        sys.stdout.buffer.flush()


def _write_folded(columns: Sequence[str], lines: list[Sequence[Any]], *, with_head: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, show_header=with_head)
    shown = [[_shown(value) for value in line] for line in lines]
    widths = [max([len(name), *(len(line[at]) for line in shown)]) for at, name in enumerate(columns)]
    # Times, numbers and names of columns stay whole; where that leaves no room the terminal breaks the lines.
    least = [width if width <= _WHOLE_WIDTH else _FOLDED_WIDTH for width in widths]
    if sum(least) + 2 * (len(least) - 1) > console.width:
        _write_plain(columns, lines, with_head=with_head)
        return
    for name, width, is_number in zip(columns, widths, _numeric_columns(columns, lines), strict=True):
        whole = width <= _WHOLE_WIDTH
        table.add_column(name, justify="right" if is_number else "left", overflow="fold", no_wrap=whole)
    for line, texts in zip(lines, shown, strict=True):
        cells = zip(line, texts, strict=True)
        table.add_row(*(Text(text, style="dim" if value is None else "") for value, text in cells))
    console.print(table)


def _numeric_columns(columns: Sequence[str], lines: Sequence[Sequence[Any]]) -> list[bool]:
    return [any(isinstance(line[number], int) for line in lines) for number in range(len(columns))]


def _shown(value: Any) -> str:
    return "null" if value is None else printable(value)


def printable(value: Any) -> str:
    """Text that does nothing to a terminal: what is not printable, or no UTF-8, is escaped."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def moment(time_ms: int) -> str:
    """A time in milliseconds as people read it, in UTC; nothing for -1."""
    if time_ms < 0:
        return ""
    try:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time_ms // 1000))
    except (OverflowError, ValueError, OSError):  # a year that no calendar has
        return str(time_ms)
    return f"{seconds}.{time_ms % 1000:03}Z"


def _jsonable(value: Any) -> Any:
    match value:
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                return {"base64": base64.b64encode(value).decode("ascii")}
        case str():
            try:
                value.encode()
            except UnicodeEncodeError:
                return _jsonable(value.encode("utf-8", "surrogateescape"))
            return value
        case dict():
            return {key: _jsonable(item) for key, item in value.items()}
        case list() | tuple():
            return [_jsonable(item) for item in value]
        case _:
            return value
