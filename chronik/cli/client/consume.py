"""`chronik consume`: show records."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Annotated, NamedTuple, assert_never

import typer

from chronik.cli.client.arguments import TopicArguments
from chronik.cli.client.command import client_command
from chronik.cli.client.completion import complete_groups
from chronik.cli.client.connection import Connection
from chronik.cli.client.positions import Kind, Position, span
from chronik.cli.format_string import FormattedRecord, compiled
from chronik.cli.run_options import BadOption

if TYPE_CHECKING:
    from chronik.cli.client.record_reader import RecordReader

Write = Callable[[Sequence[FormattedRecord]], None]

_CONTROLS = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")


class Form(Enum):
    """How records are shown."""

    VALUE = "value"
    TABLE = "table"
    JSON = "json"


class _Filter(NamedTuple):
    """Regular expressions that a record's key and value have to contain."""

    key: re.Pattern[bytes] | None
    value: re.Pattern[bytes] | None

    def of(self, records: Sequence[FormattedRecord]) -> Sequence[FormattedRecord]:
        if self.key is not None:
            search = self.key.search
            records = [record for record in records if record.key is not None and search(record.key)]
        if self.value is not None:
            search = self.value.search
            records = [record for record in records if record.value is not None and search(record.value)]
        return records


@client_command
def consume(
    to: Connection,
    topics: TopicArguments,
    offset: Annotated[
        str | None,
        typer.Option(
            *("--offset", "-o"),
            metavar="FROM[..TO]",
            help="Where to begin, and before what to stop: beginning, end, an offset, -N before the end, @TIME "
            "(2026-01-31T12:00, milliseconds, or @10m for ten minutes ago). Without it the beginning; of a group, "
            "only where it has committed nothing.",
        ),
    ] = None,
    partition: Annotated[
        list[int] | None, typer.Option("--partition", "-p", min=0, help="Only this partition. Repeatable.")
    ] = None,
    count: Annotated[int | None, typer.Option("--count", "-c", min=0, help="Stop after so many records.")] = None,
    exit_: Annotated[bool, typer.Option("--exit", "-e", help="Stop at the end that there is now.")] = False,
    idle: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="Stop when nothing has come for so long.")
    ] = None,
    group: Annotated[
        str | None,
        typer.Option("--group", "-g", autocompletion=complete_groups, help="Be a member of this group, and commit."),
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", "-f", help=r"Show records as kcat does: '%t %p %o %k %s\n'.")
    ] = None,
    output: Annotated[Form, typer.Option("--output", help="Values alone, columns, or JSON lines.")] = Form.VALUE,
    grep: Annotated[str | None, typer.Option(metavar="REGEX", help="Only records with this in their value.")] = None,
    grep_key: Annotated[str | None, typer.Option(metavar="REGEX", help="Only records with this in their key.")] = None,
    uncommitted: Annotated[
        bool, typer.Option("--uncommitted", help="Show records of open and of aborted transactions too.")
    ] = False,
) -> None:
    """Show records of topics: from anywhere, up to anywhere, or as they come."""
    from chronik.cli.client.consume_plan import plan
    from chronik.cli.client.record_reader import RecordReader

    where = _where(offset, group, partition)
    found = _Filter(_regex(grep_key, "--grep-key"), _regex(grep, "--grep"))
    write = _writer(output, format_)
    planned = plan(to, topics, partition or (), where, exit_at_end=exit_, read_committed=not uncommitted)
    reset = "latest" if where[0].kind is Kind.END else "earliest"
    reader = RecordReader(to, planned, read_committed=not uncommitted, group=group, reset=reset)
    total = planned.record_count if count is None or grep or grep_key else count
    try:
        _show(reader, write, found, count, idle, total)
    finally:
        reader.close()


def _show(
    reader: RecordReader, write: Write, found: _Filter, count: int | None, idle_s: float | None, total: int | None
) -> None:
    """Show what is read until there is enough of it."""
    from chronik.cli.client.progress import progress

    if count == 0:
        return
    left = count
    seen_s = time.monotonic()
    with progress("consume", total, shown=not sys.stdout.isatty()) as advance:
        # A filter lets less through than it is given: then the number of records to ask for is not known.
        most = None if found.key or found.value else count
        for block in reader.blocks(most):
            matching = found.of(block)
            if left is not None and len(matching) >= left:
                matching = matching[:left]
                block = block[: block.index(matching[-1]) + 1] if matching else []
            if matching:
                write(matching)
            reader.shown(block)
            advance(len(block))
            if left is not None:
                left -= len(matching)
                if left <= 0:
                    return
            if block:
                seen_s = time.monotonic()
            elif idle_s is not None and time.monotonic() - seen_s >= idle_s:
                return


def _where(offset: str | None, group: str | None, partition: Sequence[int] | None) -> tuple[Position, Position | None]:
    try:
        start, end = span("beginning" if offset is None else offset)
    except ValueError as error:
        raise BadOption(f"--offset: {error}.") from None
    if group is not None:
        if partition:
            raise BadOption("A group says itself which partitions its members read: --partition is not for --group.")
        if end is not None or start.kind not in (Kind.BEGINNING, Kind.END):
            raise BadOption("A group goes on where it has committed: --offset can only be beginning or end for it.")
    return start, end


def _regex(text: str | None, option: str) -> re.Pattern[bytes] | None:
    if text is None:
        return None
    try:
        return re.compile(text.encode("utf-8", "surrogateescape"))
    except re.error as error:
        raise BadOption(f"{option}: {text!r} is no regular expression: {error}.") from None


def _writer(form: Form, format_string: str | None) -> Write:
    """What shows a block of records, at once and whole."""
    from chronik.cli.output import PlainTable
    from chronik.cli.record_view import RECORD_COLUMNS, json_lines, record_row

    out = sys.stdout.buffer
    is_terminal = sys.stdout.isatty()

    def write_bytes(data: bytes) -> None:
        out.write(_CONTROLS.sub(_escaped, data) if is_terminal else data)
        out.flush()

    if format_string is not None:
        try:
            written = compiled(format_string)
        except ValueError as error:
            raise BadOption(f"--format: {error}.") from None
        if form is not Form.VALUE:
            raise BadOption("--format and --output say different things.")
        return lambda records: write_bytes(b"".join(map(written, records)))
    match form:
        case Form.VALUE:
            return lambda records: write_bytes(b"".join([(record.value or b"") + b"\n" for record in records]))
        case Form.JSON:
            return lambda records: write_bytes(json_lines(records))
        case Form.TABLE:
            table = PlainTable(RECORD_COLUMNS)
            return lambda records: table.write([line for record in records for line in record_row(record).lines])
        case _:
            assert_never(form)


def _escaped(found: re.Match[bytes]) -> bytes:
    """A control character does nothing to the terminal."""
    return b"\\x%02x" % found[0][0]
