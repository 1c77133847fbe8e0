"""`chronik group`: list, describe and delete groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from chronik.cli.client.arguments import GroupArguments, OutputOption
from chronik.cli.client.command import client_command
from chronik.cli.client.completion import complete_groups, complete_topics
from chronik.cli.client.connection import Connection, admin
from chronik.cli.client.group_facts import Facts, committed, described, listed
from chronik.cli.client.places import Place, places_of
from chronik.cli.client.problems import ClientProblem, refusal
from chronik.cli.client.topic import raise_refused
from chronik.cli.output import Output, Row, View, show
from chronik.cli.run_options import BadOption

LIST_COLUMNS = ("GROUP", "STATE", "TYPE", "PROTOCOL")
DESCRIBE_COLUMNS = ("TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER", "CLIENT", "HOST")
MEMBER_COLUMNS = ("MEMBER", "INSTANCE", "CLIENT", "HOST", "PARTITIONS")

app = typer.Typer(no_args_is_help=True, help="List, describe, reset and delete groups.")


@app.command("list")
@client_command
def list_groups(
    to: Connection,
    state: Annotated[list[str] | None, typer.Option(help="Only groups in this state, as Empty. Repeatable.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List groups and their states."""
    wanted = {text.lower() for text in state or ()}
    with admin(to) as client:
        found = listed(client).values()
    rows = [
        Row(facts, [tuple("" if value is None else value for value in facts.values())])
        for facts in found
        if not wanted or (facts["state"] or "").lower() in wanted
    ]
    show(View(LIST_COLUMNS, rows), output)


@app.command("describe")
@client_command
def describe_groups(
    to: Connection,
    groups: Annotated[
        list[str] | None, typer.Argument(metavar="[GROUP...]", autocompletion=complete_groups, show_default=False)
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every group.")] = False,
    members: Annotated[bool, typer.Option("--members", help="The members, instead of the partitions.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show of groups what they have committed, how far behind they are, and who reads what."""
    if bool(groups) == all_:
        raise BadOption("Name groups, or say --all.")
    with admin(to) as client:
        names = list(listed(client)) if all_ else list(dict.fromkeys(groups or ()))
        found = described(client, names)
    if output is Output.JSON:
        show(View((), [Row(facts, ()) for facts in found]), output)
        return
    for number, facts in enumerate(found):
        if number:
            print()
        lines = list(_member_lines(facts) if members else _partition_lines(facts))
        show(View(MEMBER_COLUMNS if members else DESCRIBE_COLUMNS, [Row(facts, lines)]), output, _title(facts))


def _title(facts: Facts) -> list[tuple[str, Any]]:
    title = [("GROUP", facts["group"])]
    title += [(name.upper(), facts[name]) for name in ("state", "type", "assignor") if facts[name] is not None]
    count = "unknown" if facts["members"] is None else len(facts["members"])
    return [*title, ("MEMBERS", count), ("LAG", facts["lag"])]


def _partition_lines(facts: Facts) -> Iterator[tuple[Any, ...]]:
    members = {member["member_id"]: member for member in facts["members"] or ()}
    for found in facts["partitions"]:
        member = members.get(found["member_id"], {})
        numbers = (found[name] for name in ("committed_offset", "log_end_offset", "lag"))
        texts = (member.get(name) for name in ("member_id", "client_id", "host"))
        yield (
            *(found["topic"], found["partition"]),
            *("" if value is None else value for value in (*numbers, *texts)),
        )
    for member in members.values():
        if not member["assigned"]:
            yield (*[""] * 5, member["member_id"], member["client_id"], member["host"])


def _member_lines(facts: Facts) -> Iterator[tuple[Any, ...]]:
    for member in facts["members"] or ():
        partitions: dict[str, list[str]] = {}
        for place in member["assigned"]:
            partitions.setdefault(place["topic"], []).append(str(place["partition"]))
        yield (
            *(member["member_id"], member["group_instance_id"] or "", member["client_id"], member["host"]),
            " ".join(f"{topic}:{','.join(numbers)}" for topic, numbers in partitions.items()),
        )


@app.command("delete")
@client_command
def delete_groups(
    to: Connection,
    groups: GroupArguments,
    topic: Annotated[
        list[str] | None,
        typer.Option(
            *("--topic", "-t"),
            metavar="TOPIC[:N,N]",
            autocompletion=complete_topics,
            help="Delete only what the group has committed for this topic, or these partitions. Repeatable.",
        ),
    ] = None,
) -> None:
    """Delete groups that have no members, with everything that they have committed."""
    names = list(dict.fromkeys(groups))
    with admin(to) as client:
        if topic:
            for name in names:
                _delete_offsets(client, name, [Place.of(text, "--topic") for text in topic])
            return
        answers = client.delete_groups(names)
    refused = {name: _refusal(said) for name, said in answers.items() if said != "OK"}
    for name in names:
        if name not in refused:
            print(f"deleted {name}")
    raise_refused("deleted", refused)


def _delete_offsets(client: Any, group: str, wanted: list[Place]) -> None:
    known = committed(client, [group])[group]
    chosen = [place for place in known if any(wish.has(place) for wish in wanted)]
    if not chosen:
        raise ClientProblem(f"Group {group} has committed nothing for {places_of(wanted)}.")
    answers = client.delete_group_offsets(group, chosen)
    refused = {
        f"{place.topic}[{place.partition}]": refusal(error.errno) for place, error in answers.items() if error.errno
    }
    for place in sorted(chosen):
        if f"{place.topic}[{place.partition}]" not in refused:
            print(f"deleted {group} {place.topic} {place.partition}")
    raise_refused("deleted", refused)


def _refusal(kind: str) -> str:
    """kafka-python gives the name of its class for an error."""
    from kafka import errors

    number = getattr(getattr(errors, kind, None), "errno", None)
    return kind if number is None else refusal(number)
