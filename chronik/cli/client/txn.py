"""`chronik txn`: transactions, the producers of partitions, and what hangs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

import typer

from chronik.cli.client.arguments import OutputOption
from chronik.cli.client.command import client_command
from chronik.cli.client.completion import complete_topics
from chronik.cli.client.connection import Connection, admin
from chronik.cli.client.places import Place
from chronik.cli.client.problems import ClientProblem
from chronik.cli.client.topic import existing
from chronik.cli.output import Output, Row, View, moment, show
from chronik.cli.run_options import BadOption
from chronik.cli.times import duration_ms

LIST_COLUMNS = ("TRANSACTIONAL ID", "STATE", "PRODUCER", "COORDINATOR")
DESCRIBE_COLUMNS = (
    *("TRANSACTIONAL ID", "STATE", "PRODUCER", "EPOCH", "COORDINATOR", "TIMEOUT MS", "STARTED", "PARTITIONS"),
)
PRODUCER_COLUMNS = ("TOPIC", "PARTITION", "PRODUCER", "EPOCH", "SEQUENCE", "LAST WRITE", "OPEN SINCE")
HANGING_COLUMNS = ("TOPIC", "PARTITION", "START", "PRODUCER", "EPOCH", "LAST WRITE", "TRANSACTIONAL ID")
_STATES = ("Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort")
_OPEN_STATES = ("Ongoing", "PrepareCommit", "PrepareAbort")
_NONE = -1

app = typer.Typer(no_args_is_help=True, help="List and describe transactions, and abort what hangs.")


@app.command("list")
@client_command
def list_transactions(
    to: Connection,
    state: Annotated[list[str] | None, typer.Option(help="Only in this state, as Ongoing. Repeatable.")] = None,
    older_than: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Only what has been open for so long, as 10m.")
    ] = None,
    hanging: Annotated[
        bool,
        typer.Option("--hanging", help="What holds readers up in a partition though no coordinator knows of it."),
    ] = False,
    topic: Annotated[
        list[str] | None,
        typer.Option(
            *("--topic", "-t"),
            metavar="TOPIC[:N,N]",
            autocompletion=complete_topics,
            help="With --hanging: look only here. Repeatable.",
        ),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List transactional ids and the states of their transactions, or transactions that hang."""
    age_ms = _age_ms(older_than)
    if hanging:
        if state:
            raise BadOption("A transaction that hangs has no state: --state is not for --hanging.")
        places = [Place.of(text, "--topic") for text in topic or ()]
        with admin(to) as client:
            show(View(HANGING_COLUMNS, list(_hanging(client, places, age_ms or 0))), output)
        return
    if topic:
        raise BadOption("--topic is for --hanging; the producers of a topic are shown by txn describe --topic.")
    # Brokers take a transaction that has not begun for one that is very old.
    states = [_state(text) for text in state or ()] or ([] if age_ms is None else list(_OPEN_STATES))
    with admin(to) as client:
        found = client.list_transactions(state_filters=states or None, duration_filter_ms=age_ms)
    rows = []
    for node, listing in found.items():
        for transaction in listing:
            facts = {
                "transactional_id": transaction.transactional_id,
                "state": transaction.state.value,
                "producer_id": transaction.producer_id,
                "coordinator": node,
            }
            rows.append(Row(facts, [tuple(facts.values())]))
    show(View(LIST_COLUMNS, sorted(rows, key=lambda row: str(row.facts["transactional_id"]))), output)


def _age_ms(text: str | None) -> int | None:
    try:
        return None if text is None else int(duration_ms(text))
    except ValueError as error:
        raise BadOption(f"--older-than: {error}.") from None


def _state(text: str) -> str:
    for state in _STATES:
        if text.lower() == state.lower():
            return state
    raise BadOption(f"--state: {text!r} is none of {', '.join(_STATES)}.")


@app.command("describe")
@client_command
def describe_transactions(
    to: Connection,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[TRANSACTIONAL-ID...]", show_default=False)] = None,
    topic: Annotated[
        list[str] | None,
        typer.Option(
            *("--topic", "-t"),
            metavar="TOPIC[:N,N]",
            autocompletion=complete_topics,
            help="The producers that partitions know, and where their transactions began. Repeatable.",
        ),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show everything of transactions, or the producers of partitions."""
    if bool(ids) == bool(topic):
        raise BadOption("Name transactional ids, or say --topic TOPIC.")
    with admin(to) as client:
        if topic:
            found = _producers(client, [Place.of(text, "--topic") for text in topic])
            show(View(PRODUCER_COLUMNS, [_producer_row(place, state) for place, state in found]), output)
        else:
            show(View(DESCRIBE_COLUMNS, [_described(client, name) for name in dict.fromkeys(ids or ())]), output)


def _described(client: Any, name: str) -> Row:
    from kafka.errors import TransactionalIdNotFoundError

    try:
        found = client.describe_transactions([name])[name]
    except TransactionalIdNotFoundError:
        raise ClientProblem(f"There is no transactional id {name}.") from None
    started = found.transaction_start_time_ms
    facts = {
        "transactional_id": name,
        "state": found.state.value,
        "producer_id": found.producer_id,
        "producer_epoch": found.producer_epoch,
        "coordinator": found.coordinator_id,
        "timeout_ms": found.transaction_timeout_ms,
        "start_ms": started if started >= 0 else None,
        "partitions": [
            {"topic": place.topic, "partition": place.partition} for place in sorted(found.topic_partitions)
        ],
    }
    places = " ".join(f"{place.topic}:{place.partition}" for place in sorted(found.topic_partitions))
    return Row(facts, [(*list(facts.values())[:6], moment(started), places)])


def _producers(client: Any, places: Sequence[Place]) -> Iterator[tuple[Any, Any]]:
    """Every producer that the partitions know, with the TopicPartition. No places: of all topics."""
    from kafka import TopicPartition

    names = sorted({place.topic for place in places}) or None
    wanted = [
        TopicPartition(topic["name"], partition["partition_index"])
        for topic in existing(client, names)
        for partition in topic["partitions"]
    ]
    chosen = sorted(place for place in wanted if not places or any(wish.has(place) for wish in places))
    for wish in places:
        for number in wish.partitions or ():
            if (wish.topic, number) not in chosen:
                raise ClientProblem(f"Topic {wish.topic} has no partition {number}.")
    found = client.describe_producers(chosen)
    for place in chosen:
        for state in sorted(found[place].active_producers):
            yield place, state


def _producer_row(place: Any, state: Any) -> Row:
    facts = {
        "topic": place.topic,
        "partition": place.partition,
        "producer_id": state.producer_id,
        "producer_epoch": state.producer_epoch,
        "last_sequence": state.last_sequence,
        "last_ms": state.last_timestamp,
        "coordinator_epoch": state.coordinator_epoch,
        "transaction_start_offset": _offset(state),
    }
    opened = facts["transaction_start_offset"]
    line = (*list(facts.values())[:5], moment(state.last_timestamp), "" if opened is None else opened)
    return Row(facts, [line])


def _offset(state: Any) -> int | None:
    start: int = state.current_transaction_start_offset
    return None if start == _NONE else start


def _hanging(client: Any, places: Sequence[Place], age_ms: int) -> Iterator[Row]:
    """Open transactions of partitions that no ongoing transaction of the same producer has among its partitions."""
    before_ms = int(time.time() * 1000) - age_ms
    opened = [
        (place, state)
        for place, state in _producers(client, places)
        if _offset(state) is not None and state.last_timestamp <= before_ms
    ]
    known = _known_transactions(client, {state.producer_id for _, state in opened})
    for place, state in opened:
        name, partitions = known.get(state.producer_id, (None, ()))
        if place in partitions:
            continue
        facts = {
            "topic": place.topic,
            "partition": place.partition,
            "start_offset": _offset(state),
            "producer_id": state.producer_id,
            "producer_epoch": state.producer_epoch,
            "last_ms": state.last_timestamp,
            "transactional_id": name,
        }
        line = (*list(facts.values())[:5], moment(state.last_timestamp), name or "")
        yield Row(facts, [line])


def _known_transactions(client: Any, producers: set[int]) -> dict[int, tuple[str, Iterable[Any]]]:
    """By producer id: the transactional id, and the partitions that its coordinator knows to be in a transaction."""
    if not producers:
        return {}
    listings = client.list_transactions(producer_id_filters=sorted(producers)).values()
    names = [found.transactional_id for listing in listings for found in listing]
    described = client.describe_transactions(names) if names else {}
    return {found.producer_id: (name, found.topic_partitions) for name, found in described.items()}


@app.command("abort")
@client_command
def abort(
    to: Connection,
    topic: Annotated[
        str, typer.Option("--topic", "-t", autocompletion=complete_topics, help="Where the transaction is open.")
    ],
    partition: Annotated[int, typer.Option("--partition", "-p", min=0, help="The partition of it.")],
    start_offset: Annotated[
        int | None, typer.Option(min=0, help="The transaction's first offset there, as txn list --hanging shows it.")
    ] = None,
    producer_id: Annotated[int | None, typer.Option(min=0, help="Or the id of its producer.")] = None,
) -> None:
    """Abort an open transaction in one partition, without asking its coordinator: for one that hangs."""
    from kafka.admin import AbortTransactionSpec

    if (start_offset is None) == (producer_id is None):
        raise BadOption("Say which transaction: either --start-offset or --producer-id.")
    with admin(to) as client:
        found = [
            (place, state)
            for place, state in _producers(client, [Place(topic, (partition,))])
            if _offset(state) is not None and (_offset(state) == start_offset or state.producer_id == producer_id)
        ]
        if not found:
            what = f"offset {start_offset}" if producer_id is None else f"producer {producer_id}"
            raise ClientProblem(f"No transaction of {what} is open in {topic}[{partition}].")
        ((place, state),) = found
        epoch = max(0, state.coordinator_epoch)
        client.abort_transaction(AbortTransactionSpec(place, state.producer_id, state.producer_epoch, epoch))
    print(
        f"aborted the transaction of producer {state.producer_id} in {topic}[{partition}] from offset {_offset(state)}"
    )
