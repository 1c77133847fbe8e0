"""`chronik produce`: write records."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from enum import Enum
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from chronik.cli.client.arguments import OutputOption, TopicArgument, counted
from chronik.cli.client.command import client_command
from chronik.cli.client.connection import Connection
from chronik.cli.client.problems import ClientProblem
from chronik.cli.client.record_input import Input, InputRecord, Reading, file_records, records, unescaped
from chronik.cli.output import Output, Row, View, show
from chronik.cli.run_options import BadOption
from chronik.cli.times import moment_ms

if TYPE_CHECKING:
    from chronik.cli.client.record_writer import RecordWriter, Written

COLUMNS = ("TOPIC", "PARTITION", "FIRST", "LAST", "RECORDS")
LINGER_MS = 5
BATCH_BYTES = 128 * 1024


class Codec(Enum):
    """How batches are compressed."""

    NONE = "none"
    GZIP = "gzip"
    SNAPPY = "snappy"
    LZ4 = "lz4"
    ZSTD = "zstd"


class Acks(Enum):
    """What a producer waits for."""

    ALL = "all"
    ONE = "1"
    NONE = "0"


@client_command
def produce(
    to: Connection,
    topic: TopicArgument,
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE...]", help="What to write; else standard input.")
    ] = None,
    value: Annotated[
        list[str] | None, typer.Option("--value", "-v", help="A record, instead of files. Repeatable.")
    ] = None,
    input_: Annotated[
        Input,
        typer.Option(
            *("--input", "-i"),
            help='A record is a line, a line of JSON as "consume --output json" writes it, or a whole file.',
        ),
    ] = Input.LINES,
    key: Annotated[str | None, typer.Option("--key", "-k", help="The key of every record.")] = None,
    key_delimiter: Annotated[
        str | None, typer.Option("--key-delimiter", "-K", metavar="TEXT", help="What ends the key in a line, as '\\t'.")
    ] = None,
    delimiter: Annotated[
        str, typer.Option("--delimiter", "-D", metavar="TEXT", help="What ends a record, instead of the line's end.")
    ] = "\\n",
    header: Annotated[
        list[str] | None,
        typer.Option("--header", "-H", metavar="NAME=VALUE", help="A header of every record; NAME alone is null."),
    ] = None,
    partition: Annotated[int | None, typer.Option("--partition", "-p", min=0, help="Where to write.")] = None,
    keep_partition: Annotated[
        bool, typer.Option("--keep-partition", help="Write where a line of JSON says that it was.")
    ] = False,
    timestamp: Annotated[
        str | None,
        typer.Option(help="The time of every record: 2026-01-31T12:00, milliseconds, or 10m for ten minutes ago."),
    ] = None,
    tombstone: Annotated[
        bool, typer.Option("--tombstone", "-Z", help="An empty value is null: in a compacted topic it deletes the key.")
    ] = False,
    codec: Annotated[Codec, typer.Option("--codec", "-z", help="How to compress.")] = Codec.NONE,
    acks: Annotated[Acks, typer.Option(help="Wait for every replica, for the leader, or for nobody.")] = Acks.ALL,
    output: OutputOption = Output.TABLE,
) -> None:
    """Write records to a topic: lines, files, JSON lines or values, and show where they went."""
    try:
        reading = Reading(
            input_, unescaped(delimiter), None if key_delimiter is None else unescaped(key_delimiter), keep_partition
        )
        time_ms = None if timestamp is None else moment_ms(timestamp)
    except ValueError as error:
        raise BadOption(f"{error}.") from None
    if not reading.delimiter or reading.key_delimiter == b"":
        raise BadOption("A delimiter is empty.")
    if value and files:
        raise BadOption("Write either files or values, not both.")
    given = _Given(None if key is None else encoded(key), headers(header or ()), partition, time_ms, tombstone)
    from chronik.cli.client.record_writer import RecordWriter

    writer = RecordWriter(to, topic, acks=acks.value, codec=codec.value, linger_ms=LINGER_MS, batch_bytes=BATCH_BYTES)
    try:
        _write(writer, topic, given, _input(value, files, reading), typed=not files and not value)
    finally:
        writer.settle()
        if writer.written:
            show(
                View(COLUMNS, [_row(topic, number, found) for number, found in sorted(writer.written.items())]), output
            )
        writer.close()


class _Given(NamedTuple):
    """What the command line says of every record; None where it says nothing."""

    key: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    partition: int | None
    timestamp_ms: int | None
    tombstone: bool

    def applied(self, record: InputRecord) -> InputRecord:
        return InputRecord(
            None if self.tombstone and not record.value else record.value,
            record.key if self.key is None else self.key,
            record.headers + self.headers,
            record.partition if self.partition is None else self.partition,
            record.timestamp_ms if self.timestamp_ms is None else self.timestamp_ms,
        )


def encoded(text: str) -> bytes:
    """The bytes that stood on the command line."""
    return text.encode("utf-8", "surrogateescape")


def headers(texts: Sequence[str]) -> tuple[tuple[str, bytes | None], ...]:
    """NAME=VALUE texts as headers; NAME alone is a header without a value."""
    found = [text.partition("=") for text in texts]
    return tuple((name, encoded(value) if equals else None) for name, equals, value in found)


def _input(values: list[str] | None, files: list[Path] | None, reading: Reading) -> Iterator[InputRecord]:
    if values:
        streams = (records(BytesIO(encoded(value)), "--value", reading) for value in values)
        return chain.from_iterable(streams)
    if files:
        return chain.from_iterable(file_records(path, reading) for path in files)
    return records(sys.stdin.buffer, "standard input", reading)


def _write(writer: RecordWriter, topic: str, given: _Given, found: Iterator[InputRecord], *, typed: bool) -> None:
    from chronik.cli.client.progress import progress

    known = writer.partitions()
    with progress(f"produce {topic}", None, shown=not (typed and sys.stdin.isatty())) as advance:
        for record in map(given.applied, found):
            if record.partition is not None and record.partition not in known:
                raise ClientProblem(
                    f"Topic {topic} has no partition {record.partition}, only {counted(len(known), 'partition')}."
                )
            writer.write(record)
            advance(1)
        writer.finish()


def _row(topic: str, partition: int, found: Written) -> Row:
    facts = {
        "topic": topic,
        "partition": partition,
        "first_offset": found.first_offset,
        "last_offset": found.last_offset,
        "records": found.record_count,
    }
    return Row(facts, [tuple("" if value is None else value for value in facts.values())])
