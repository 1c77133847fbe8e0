"""`chronik topic`: change the configs and the partitions of topics, and delete their oldest records."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from chronik.cli.client.arguments import OutputOption, TopicArgument, TopicArguments, configs, counted
from chronik.cli.client.command import client_command
from chronik.cli.client.connection import Connection, admin
from chronik.cli.client.positions import bounds, position, resolve
from chronik.cli.client.problems import ClientProblem, refusal
from chronik.cli.client.topic import app as topic_app
from chronik.cli.client.topic import existing, raise_refused
from chronik.cli.output import Output, Row, View, show
from chronik.cli.run_options import BadOption

__all__ = ["topic_app"]

TRIM_COLUMNS = ("TOPIC", "PARTITION", "START", "NEW START", "END", "RECORDS")


@topic_app.command("alter-config")
@client_command
def alter_config(
    to: Connection,
    topics: TopicArguments,
    set_: Annotated[
        list[str] | None, typer.Option("--set", "-s", metavar="NAME=VALUE", help="Give a value. Repeatable.")
    ] = None,
    unset: Annotated[
        list[str] | None, typer.Option("--unset", "-u", metavar="NAME", help="Back to the default. Repeatable.")
    ] = None,
    append: Annotated[
        list[str] | None, typer.Option("--append", metavar="NAME=VALUE", help="Add to a list. Repeatable.")
    ] = None,
    subtract: Annotated[
        list[str] | None, typer.Option("--subtract", metavar="NAME=VALUE", help="Take from a list. Repeatable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only ask the broker whether it would.")] = False,
) -> None:
    """Set and unset configs of topics."""
    from kafka.admin import AlterConfigOp, ConfigResource

    changes: dict[str, tuple[Any, str | None]] = dict.fromkeys(unset or (), (AlterConfigOp.DELETE, None))
    for operation, pairs, option in (
        (AlterConfigOp.SET, set_, "--set"),
        (AlterConfigOp.APPEND, append, "--append"),
        (AlterConfigOp.SUBTRACT, subtract, "--subtract"),
    ):
        for name, value in configs(pairs or (), option).items():
            if name in changes:
                raise BadOption(f"{name} is changed in two ways at the same time.")
            changes[name] = operation, value
    if not changes:
        raise BadOption("Say what to change: --set NAME=VALUE, --unset NAME, --append or --subtract NAME=VALUE.")
    names = list(dict.fromkeys(topics))
    with admin(to) as client:
        existing(client, names)
        resources = [ConfigResource("topic", name, dict(changes)) for name in names]
        answer = client.alter_configs(resources, validate_only=dry_run, raise_on_unknown=False)
    refused = {name: _without_kind(said) for name, said in answer["topic"].items() if said != "OK"}
    for name in names:
        if name not in refused:
            print(f"{'would alter' if dry_run else 'altered'} {name}")
    raise_refused("altered", refused)


def _without_kind(said: str) -> str:
    """kafka-python gives an error as "[Error 40] InvalidConfigurationError: text"."""
    return said.partition("] ")[2].partition(": ")[2].rstrip(".") or said


@topic_app.command("add-partitions")
@client_command
def add_partitions(
    to: Connection,
    topics: TopicArguments,
    add: Annotated[int | None, typer.Option("--add", "-n", min=1, help="How many more there are to be.")] = None,
    total: Annotated[int | None, typer.Option("--total", min=1, help="How many there are to be in all.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only ask the broker whether it would.")] = False,
) -> None:
    """Give topics more partitions. Keys may then go to other partitions than before."""
    if (add is None) == (total is None):
        raise BadOption("Say how many partitions: either --add N or --total N.")
    names = list(dict.fromkeys(topics))
    with admin(to) as client:
        counts = {topic["name"]: len(topic["partitions"]) for topic in existing(client, names)}
        wanted = {name: total if total is not None else counts[name] + (add or 0) for name in names}
        answer = client.create_partitions(wanted, validate_only=dry_run, raise_errors=False)
    refused = {
        found.name: refusal(found.error_code, found.error_message) for found in answer.results if found.error_code
    }
    for name in names:
        if name not in refused:
            verb = "would have" if dry_run else "has"
            print(f"{name} {verb} {counted(wanted[name], 'partition')}, before {counts[name]}")
    raise_refused("given partitions", refused)


@topic_app.command("trim")
@client_command
def trim(
    to: Connection,
    topic: TopicArgument,
    until: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="OFFSET|-N|@TIME|end",
            help="The first record to keep: its offset, the newest N, the first not before a time (2026-01-31T12:00, "
            "milliseconds, or 10m for ten minutes ago); end keeps none.",
        ),
    ],
    partition: Annotated[
        list[int] | None, typer.Option("--partition", "-p", min=0, help="Only this partition. Repeatable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be deleted.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Delete the oldest records of a topic."""
    from kafka import TopicPartition

    try:
        where = position(until)
    except ValueError as error:
        raise BadOption(f"--to: {error}.") from None
    with admin(to) as client:
        found = existing(client, [topic])[0]
        wanted = [TopicPartition(topic, number) for number in chosen_partitions(found, partition)]
        known = bounds(client, wanted)
        starts = resolve(client, where, known)
        for place, start in starts.items():
            if start > known[place].end:
                raise ClientProblem(
                    f"Partition {place.partition} of {topic} ends at offset {known[place].end}, before {start}."
                )
        deleting = {place: start for place, start in starts.items() if start > known[place].start}
        if deleting and not dry_run:
            client.delete_records(deleting, timeout_ms=to.timeout_ms)
    rows = []
    for place in wanted:
        start, end = known[place]
        facts = {
            "topic": topic,
            "partition": place.partition,
            "log_start_offset": start,
            "new_log_start_offset": max(start, starts[place]),
            "high_watermark": end,
            "deleted_offsets": max(0, starts[place] - start),
        }
        rows.append(Row(facts, [tuple(facts.values())]))
    show(View(TRIM_COLUMNS, rows), output, [("DRY RUN", "nothing was deleted")] if dry_run else ())


def chosen_partitions(topic: dict[str, Any], chosen: list[int] | None) -> list[int]:
    """The partitions that were asked for, or all. ClientProblem for one that there is not."""
    numbers = sorted(found["partition_index"] for found in topic["partitions"])
    for number in chosen or ():
        if number not in numbers:
            raise ClientProblem(f"Topic {topic['name']} has no partition {number}, only {len(numbers)} of them.")
    return sorted(set(chosen)) if chosen else numbers
