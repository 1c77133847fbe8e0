"""`chronik group reset`: have a group go on somewhere else."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from chronik.cli.client.arguments import GroupArgument, OutputOption, counted
from chronik.cli.client.command import client_command
from chronik.cli.client.completion import complete_topics
from chronik.cli.client.connection import Connection, admin
from chronik.cli.client.group import app as group_app
from chronik.cli.client.group_facts import committed, listed
from chronik.cli.client.places import Place, places_of
from chronik.cli.client.positions import Bounds, bounds, position, resolve
from chronik.cli.client.problems import ClientProblem, refusal
from chronik.cli.client.topic import existing, raise_refused
from chronik.cli.output import Output, Row, View, show
from chronik.cli.run_options import BadOption

__all__ = ["group_app"]

COLUMNS = ("TOPIC", "PARTITION", "COMMITTED", "NEW", "CHANGE", "START", "END")
_QUIET_STATES = ("Empty", "Dead")


class _Wish(NamedTuple):
    """Where the group is to go on: exactly one of them is not None."""

    to: str | None
    shift: int | None
    file: Path | None


@group_app.command("reset")
@client_command
def reset_group(
    to: Connection,
    group: GroupArgument,
    topic: Annotated[
        list[str] | None,
        typer.Option(
            *("--topic", "-t"),
            metavar="TOPIC[:N,N]",
            autocompletion=complete_topics,
            help="This topic, or these partitions of it. Repeatable.",
        ),
    ] = None,
    all_topics: Annotated[bool, typer.Option("--all-topics", help="Everything that the group has committed.")] = False,
    where: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="WHERE",
            help="earliest, latest, current, an offset, -N before the end, or @TIME (2026-01-31T12:00, milliseconds, "
            "or @10m for ten minutes ago).",
        ),
    ] = None,
    shift: Annotated[int | None, typer.Option(help="So many offsets further; back if below zero.")] = None,
    from_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Lines of TOPIC,PARTITION,OFFSET, as --export writes them.")
    ] = None,
    execute: Annotated[bool, typer.Option("--execute", help="Do it. Without this it is only shown.")] = False,
    export: Annotated[
        bool, typer.Option("--export", help="Write lines of TOPIC,PARTITION,OFFSET instead of columns.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Set what a group has committed. It must have no members.

    An offset outside of a partition becomes the partition's start or end.
    """
    wish = _Wish(where, shift, from_file)
    if sum(part is not None for part in wish) != 1:
        raise BadOption("Say where the group is to go on: one of --to, --shift and --from-file.")
    places = [Place.of(text, "--topic") for text in topic or ()]
    if from_file is None and bool(places) == all_topics:
        raise BadOption("Say of which topics: --topic TOPIC, or --all-topics.")
    if from_file is not None and (places or all_topics):
        raise BadOption("The file says of which topics: --topic and --all-topics are not for --from-file.")
    with admin(to) as client:
        known = committed(client, [group])[group]
        wanted = _wanted(client, group, wish, places, known)
        limits = bounds(client, sorted(wanted))
        new = {place: min(max(offset, limits[place].start), limits[place].end) for place, offset in wanted.items()}
        if execute:
            _execute(client, group, new, known)
    if export:
        csv.writer(sys.stdout, lineterminator="\n").writerows((*place, offset) for place, offset in sorted(new.items()))
        return
    title = [] if execute else [("DRY RUN", "nothing was changed; --execute does it")]
    show(View(COLUMNS, list(_rows(group, new, known, limits))), output, title)


def _wanted(client: Any, group: str, wish: _Wish, places: Sequence[Place], known: Mapping[Any, Any]) -> dict[Any, int]:
    """The offsets that were asked for, of partitions that exist; not yet within their bounds."""
    if wish.file is not None:
        found = read_offsets(wish.file, group)
        _require(client, found)
        return found
    chosen = _chosen(client, group, places, known)
    if wish.shift is not None or wish.to == "current":
        missing = [place for place in chosen if place not in known]
        if missing:
            raise ClientProblem(f"Group {group} has committed nothing for {missing[0].topic}[{missing[0].partition}].")
        return {place: known[place].offset + (wish.shift or 0) for place in chosen}
    try:
        where = position(wish.to or "")
    except ValueError as error:
        raise BadOption(f"--to: {error}.") from None
    return resolve(client, where, bounds(client, chosen))


def _chosen(client: Any, group: str, places: Sequence[Place], known: Mapping[Any, Any]) -> list[Any]:
    from kafka import TopicPartition

    if not places:
        if not known:
            raise ClientProblem(f"Group {group} has committed nothing.")
        _require(client, known)
        return sorted(known)
    wanted = []
    for topic in existing(client, sorted({place.topic for place in places})):
        there = [TopicPartition(topic["name"], found["partition_index"]) for found in topic["partitions"]]
        wanted += [found for found in there if any(place.has(found) for place in places)]
    for place in places:
        for number in place.partitions or ():
            if (place.topic, number) not in wanted:
                raise ClientProblem(f"Topic {place.topic} has no partition {number}.")
    return sorted(wanted)


def _require(client: Any, places: Iterable[Any]) -> None:
    """ClientProblem if one of the TopicPartitions does not exist."""
    wanted = sorted(places)
    topics = existing(client, sorted({place.topic for place in wanted}))
    there = {(topic["name"], found["partition_index"]) for topic in topics for found in topic["partitions"]}
    gone = [Place(place.topic, (place.partition,)) for place in wanted if tuple(place) not in there]
    if gone:
        raise ClientProblem(f"There is no partition {places_of(gone)}.")


def read_offsets(path: Path, group: str) -> dict[Any, int]:
    """Offsets by TopicPartition, from lines of TOPIC,PARTITION,OFFSET, or with the group in front. BadOption says which
    line is none."""
    from kafka import TopicPartition

    found: dict[Any, int] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.reader(file), 1):
            if not row:
                continue
            if len(row) == 4 and row[0] == group:
                row = row[1:]
            try:
                topic, partition, offset = row
                found[TopicPartition(topic.strip(), int(partition))] = int(offset)
            except ValueError:
                raise BadOption(f"{path}, line {number}: {','.join(row)!r} is not TOPIC,PARTITION,OFFSET.") from None
    if not found:
        raise BadOption(f"{path} holds no offsets.")
    return found


def _execute(client: Any, group: str, new: Mapping[Any, int], known: Mapping[Any, Any]) -> None:
    from kafka import OffsetAndMetadata

    state = listed(client).get(group, {}).get("state")
    if state is not None and state not in _QUIET_STATES:
        members = (client.describe_groups([group]).get(group) or {}).get("members") or ()
        raise ClientProblem(
            f"Group {group} is in use (state {state}, {counted(len(members), 'member')}): "
            "it can be reset once all its members have left."
        )
    changes = {place: OffsetAndMetadata(offset, "", -1) for place, offset in new.items()}
    answers = client.alter_group_offsets(group, changes)
    raise_refused(
        "reset",
        {f"{place.topic}[{place.partition}]": refusal(error.errno) for place, error in answers.items() if error.errno},
    )


def _rows(group: str, new: Mapping[Any, int], known: Mapping[Any, Any], limits: Mapping[Any, Bounds]) -> Iterable[Row]:
    for place, offset in sorted(new.items()):
        before = known[place].offset if place in known else None
        facts = {
            "group": group,
            "topic": place.topic,
            "partition": place.partition,
            "committed_offset": before,
            "new_offset": offset,
            "change": None if before is None else offset - before,
            "log_start_offset": limits[place].start,
            "log_end_offset": limits[place].end,
        }
        line = tuple("" if value is None else value for name, value in facts.items() if name != "group")
        yield Row(facts, [line])
