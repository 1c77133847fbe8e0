"""`chronik dump`: look into a data directory, also beside a running broker. It is never locked and never written."""

from __future__ import annotations

import sys
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, assert_never

import typer

from chronik.cli.run_options import BadOption

if TYPE_CHECKING:
    from chronik.cli.dump_records import Complain
    from chronik.cli.dump_source import DumpSource, Selection
    from chronik.cli.output import View


class Output(Enum):
    """How something is shown."""

    TABLE = "table"
    JSONL = "jsonl"


class What(Enum):
    """What is shown."""

    RECORDS = "--topic"
    BATCHES = "--batches"
    TOPICS = "--topics"
    GROUPS = "--groups"
    PRODUCERS = "--producers"
    TRANSACTIONS = "--transactions"
    CONFIGS = "--configs"
    VERIFY = "--verify"


class Request(NamedTuple):
    """What was asked for, and how it is to be shown."""

    data_dir: Path
    what: What
    topics: tuple[str, ...]
    partitions: tuple[int, ...]
    start: int | None
    end: int | None
    since: str | None
    limit: int | None
    output: Output
    format: str | None


def dump(
    data_dir: Annotated[Path, typer.Option(envvar="CHRONIK_DATA_DIR", help="The broker's data directory, or a copy.")],
    topic: Annotated[list[str] | None, typer.Option(help="Show this topic's records. Repeatable.")] = None,
    partition: Annotated[list[int] | None, typer.Option(min=0, help="Only this partition. Repeatable.")] = None,
    start: Annotated[
        int | None, typer.Option("--from", help="The first offset; a negative one counts from the end.")
    ] = None,
    end: Annotated[int | None, typer.Option("--to", min=0, help="The offset before which to stop.")] = None,
    since: Annotated[
        str | None,
        typer.Option(help="Not before this time: 2026-01-31T12:00, milliseconds, or 10m for ten minutes ago."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="Not more than this many.")] = None,
    batches: Annotated[bool, typer.Option("--batches", help="Batches instead of records, with their CRCs.")] = False,
    topics: Annotated[bool, typer.Option("--topics", help="Topics and the bounds of their partitions.")] = False,
    groups: Annotated[bool, typer.Option("--groups", help="Groups: members, committed offsets, lag.")] = False,
    producers: Annotated[bool, typer.Option("--producers", help="Producers that partitions remember.")] = False,
    transactions: Annotated[
        bool, typer.Option("--transactions", help="Transactional ids; what is open in partitions, and was aborted.")
    ] = False,
    configs: Annotated[bool, typer.Option("--configs", help="What was configured at run time.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read everything and tell what is wrong; exit code 1 if anything is.")
    ] = False,
    output: Annotated[Output, typer.Option("--output", "-o", help="For eyes or for machines.")] = Output.TABLE,
    format_: Annotated[
        str | None, typer.Option("--format", "-f", help=r"Records as kcat shows them: '%t %p %o %k %s\n'.")
    ] = None,
) -> None:
    """Look into a data directory: after a stop, after a crash, in a copy, or beside the running broker.

    Nothing is locked and nothing is written.
    """
    flags = {
        What.BATCHES: batches,
        What.TOPICS: topics,
        What.GROUPS: groups,
        What.PRODUCERS: producers,
        What.TRANSACTIONS: transactions,
        What.CONFIGS: configs,
        What.VERIFY: verify,
    }
    names = (tuple(topic or ()), tuple(partition or ()))
    request = Request(data_dir, _what(flags, bool(topic)), *names, start, end, since, limit, output, format_)
    raise typer.Exit(_run(request))


def run_verify(directory: Path) -> int:
    """`dump --verify` with its defaults; the exit code."""
    return _run(Request(directory, What.VERIFY, (), (), None, None, None, None, Output.TABLE, None))


def _what(flags: dict[What, bool], has_topic: bool) -> What:
    chosen = [what for what, is_set in flags.items() if is_set]
    if len(chosen) > 1:
        raise BadOption(f"{chosen[0].value} and {chosen[1].value} cannot be shown at the same time.")
    if not chosen and not has_topic:
        raise BadOption(f"Say what to look at: --topic NAME, or one of {', '.join(what.value for what in flags)}.")
    return chosen[0] if chosen else What.RECORDS


def _run(request: Request) -> int:
    from chronik.cli.dump_source import NothingToShow
    from chronik.store.datadir import DataDirectoryError
    from chronik.store.rocks.reader import UnreadableRecords
    from chronik.store.sql.problems import CatalogError

    if request.format is not None and request.what is not What.RECORDS:
        raise BadOption("--format is for records.")
    try:
        return _verify(request) if request.what is What.VERIFY else _show(request)
    except (NothingToShow, DataDirectoryError, CatalogError) as error:
        print(f"chronik: {error}", file=sys.stderr)
    except UnreadableRecords as error:
        print(f"chronik: The records of {request.data_dir} cannot be read: {error}.", file=sys.stderr)
    except BrokenPipeError:
        raise  # who read has seen enough; typer ends quietly
    except OSError as error:
        print(f"chronik: {error.filename or request.data_dir} cannot be used: {error.strerror}.", file=sys.stderr)
    return 1


def _verify(request: Request) -> int:
    from chronik.cli.dump_verify import finding_view, summary, verified

    found, seconds = verified(request.data_dir)
    if found.findings or request.output is Output.JSONL:
        _write(finding_view(found), request)
    print(summary(found, seconds), file=sys.stderr if request.output is Output.JSONL else sys.stdout)
    return 1 if found.findings else 0


def _show(request: Request) -> int:
    from chronik.cli.dump_source import dump_source

    complaints: list[str] = []
    selection = _selection(request)
    with dump_source(request.data_dir) as source:
        if request.format is None:
            _write(_view(source, selection, request.what, complaints.append), request)
        else:
            _write_formatted(source, selection, request, complaints.append)
    for message in complaints:
        print(f"chronik: {message}; --verify tells more.", file=sys.stderr)
    return 1 if complaints else 0


def _selection(request: Request) -> Selection:
    from chronik.cli.dump_source import Selection
    from chronik.cli.times import moment_ms

    try:
        since_ms = None if request.since is None else moment_ms(request.since)
    except ValueError as error:
        raise BadOption(f"--since: {error}.") from None
    return Selection(request.topics, request.partitions, request.start, request.end, since_ms)


def _view(source: DumpSource, selection: Selection, what: What, complain: Complain) -> View:
    from chronik.cli import dump_catalog, dump_records, dump_transactions

    match what:
        case What.RECORDS:
            return dump_records.record_view(dump_records.records(source, selection, complain))
        case What.BATCHES:
            return dump_records.batch_view(source, selection)
        case What.TOPICS:
            return dump_catalog.topic_view(source, selection)
        case What.GROUPS:
            return dump_catalog.group_view(source)
        case What.PRODUCERS:
            return dump_catalog.producer_view(source, selection)
        case What.TRANSACTIONS:
            return dump_transactions.transaction_view(source, selection)
        case What.CONFIGS:
            return dump_catalog.config_view(source)
        case What.VERIFY:
            raise AssertionError("it shows no view of a source")
        case _:
            assert_never(what)


def _write(view: View, request: Request) -> None:
    from chronik.cli.output import write_json_lines, write_table

    rows = islice(view.rows, request.limit)
    match request.output:
        case Output.JSONL:
            write_json_lines(rows)
        case Output.TABLE:
            write_table(view._replace(rows=rows))
        case _:
            assert_never(request.output)


def _write_formatted(source: DumpSource, selection: Selection, request: Request, complain: Complain) -> None:
    from chronik.cli.dump_records import records
    from chronik.cli.format_string import compiled

    try:
        written = compiled(request.format or "")
    except ValueError as error:
        raise BadOption(f"--format: {error}.") from None
    out = sys.stdout.buffer
    for record in islice(records(source, selection, complain), request.limit):
        out.write(written(record))
    out.flush()
