"""`chronik topic`: list, create, delete and describe topics."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from chronik.cli.client.arguments import OutputOption, TopicArguments, configs
from chronik.cli.client.command import client_command
from chronik.cli.client.connection import Connection, admin
from chronik.cli.client.problems import ClientProblem, refusal
from chronik.cli.output import Output, Row, View, show
from chronik.cli.run_options import BadOption

LIST_COLUMNS = ("TOPIC", "PARTITIONS", "REPLICAS")
DESCRIBE_COLUMNS = ("PARTITION", "LEADER", "EPOCH", "REPLICAS", "ISR", "START", "STABLE", "END", "BYTES")
_ALREADY_EXISTS = 36
_UNKNOWN = 3

app = typer.Typer(no_args_is_help=True, help="List, create, delete, describe and change topics.")


@app.command("list")
@client_command
def list_topics(
    to: Connection,
    internal: Annotated[bool, typer.Option("--internal", help="Show the broker's own topics too.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """List topics: their names, partitions and replicas."""
    with admin(to) as client:
        found = client.describe_topics()
    shown = sorted((topic for topic in found if internal or not topic["is_internal"]), key=lambda topic: topic["name"])
    show(View(LIST_COLUMNS, [_list_row(topic) for topic in shown]), output)


def _list_row(topic: Mapping[str, Any]) -> Row:
    facts = _topic_facts(topic)
    return Row(facts, [(facts["topic"], facts["partition_count"], facts["replication_factor"])])


def _topic_facts(topic: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "topic": topic["name"],
        "topic_id": shown_id(topic["topic_id"]),
        "internal": topic["is_internal"],
        "partition_count": len(topic["partitions"]),
        "replication_factor": max((len(found["replica_nodes"]) for found in topic["partitions"]), default=0),
    }


def shown_id(topic_id: object) -> str | None:
    """A topic's id in Kafka's form; None where the broker has none."""
    raw = uuid.UUID(str(topic_id)).bytes if topic_id else bytes(16)
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=") if any(raw) else None


@app.command("create")
@client_command
def create_topics(
    to: Connection,
    topics: TopicArguments,
    partitions: Annotated[
        int | None, typer.Option("--partitions", "-p", min=1, help="How many; else the broker's default.")
    ] = None,
    replicas: Annotated[
        int | None, typer.Option("--replicas", "-r", min=1, help="Of each partition; else the broker's default.")
    ] = None,
    config: Annotated[
        list[str] | None, typer.Option("--config", "-c", metavar="NAME=VALUE", help="A topic config. Repeatable.")
    ] = None,
    if_not_exists: Annotated[
        bool, typer.Option("--if-not-exists", help="A topic that exists is no error, and is not changed.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only ask the broker whether it would.")] = False,
) -> None:
    """Create topics."""
    wanted = {"num_partitions": partitions or -1, "replication_factor": replicas or -1}
    wish = {**wanted, "configs": configs(config or (), "--config")}
    names = _distinct(topics)
    with admin(to) as client:
        answer = client.create_topics(dict.fromkeys(names, wish), validate_only=dry_run, raise_errors=False)
        created = []
        refused = {}
        for result in answer["topics"]:
            code = result["error_code"]
            if code == 0:
                created.append(result["name"])
            elif not (if_not_exists and code == _ALREADY_EXISTS):
                refused[result["name"]] = refusal(code, result.get("error_message"))
        if created and not dry_run:
            client.wait_for_topics(created, timeout_ms=to.timeout_ms)
    for name in names:
        if name in created:
            print(f"{'would create' if dry_run else 'created'} {name}")
        elif name not in refused:
            print(f"exists {name}")
    raise_refused("created", refused)


@app.command("delete")
@client_command
def delete_topics(
    to: Connection,
    topics: TopicArguments,
    if_exists: Annotated[bool, typer.Option("--if-exists", help="A topic that does not exist is no error.")] = False,
) -> None:
    """Delete topics with all their records."""
    names = _distinct(topics)
    refused = {}
    with admin(to) as client:
        answer = client.delete_topics(names, raise_errors=False)
    for result in answer["topics"]:
        name, code = result["name"], result["error_code"]
        if code == 0:
            print(f"deleted {name}")
        elif not (if_exists and code == _UNKNOWN):
            refused[name] = refusal(code, result.get("error_message"))
    raise_refused("deleted", refused)


@app.command("describe")
@client_command
def describe_topics(
    to: Connection,
    topics: TopicArguments,
    all_configs: Annotated[
        bool, typer.Option("--all-configs", help="Every config, not only what is set for the topic.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the partitions of topics: leader, replicas, first and next offset, last stable offset, size; and configs."""
    names = _distinct(topics)
    with admin(to) as client:
        found = {topic["name"]: topic for topic in existing(client, names)}
        described = [_described(client, found[name], all_configs) for name in names]
    if output is Output.JSON:
        show(View(DESCRIBE_COLUMNS, [Row(facts, ()) for facts in described]), output)
        return
    for number, facts in enumerate(described):
        if number:
            print()
        title = [("TOPIC", facts["topic"]), ("ID", facts["topic_id"] or ""), ("PARTITIONS", facts["partition_count"])]
        show(View(DESCRIBE_COLUMNS, [Row(facts, list(_partition_lines(facts)))]), output, title)
        if facts["configs"]:
            print()
            _show_configs(facts["configs"])


def existing(client: Any, names: Sequence[str] | None) -> list[dict[str, Any]]:
    """What Metadata says of topics (None: of all). ClientProblem if one of them does not exist."""
    found: list[dict[str, Any]] = client.describe_topics(names)
    for topic in found:
        if topic["error_code"] == _UNKNOWN:
            raise ClientProblem(f"There is no topic {topic['name']}.")
        if topic["error_code"]:
            raise ClientProblem(f"Topic {topic['name']}: {refusal(topic['error_code'])}.")
    return found


def _described(client: Any, topic: Mapping[str, Any], all_configs: bool) -> dict[str, Any]:
    from kafka import TopicPartition
    from kafka.admin import ConfigResource

    name = topic["name"]
    leaders = {found["partition_index"] for found in topic["partitions"] if found["leader_id"] >= 0}
    bounds = offset_bounds(client, [TopicPartition(name, partition) for partition in sorted(leaders)])
    sizes = _sizes(client, name)
    resource = ConfigResource("topic", name)
    wanted = client.describe_configs([resource], config_filter="all" if all_configs else "modified")
    partitions = []
    for found in sorted(topic["partitions"], key=lambda found: int(found["partition_index"])):
        number = found["partition_index"]
        start, stable, end = bounds.get((name, number), (None, None, None))
        partitions.append(
            {
                "partition": number,
                "leader": found["leader_id"],
                "leader_epoch": found.get("leader_epoch", -1),
                "replicas": found["replica_nodes"],
                "isr": found["isr_nodes"],
                "log_start_offset": start,
                "last_stable_offset": stable,
                "high_watermark": end,
                "size_bytes": sizes.get(number),
            }
        )
    texts = {key: config["value"] for key, config in sorted(wanted["topic"][name].items())}
    return {**_topic_facts(topic), "configs": texts, "partitions": partitions}


def offset_bounds(client: Any, partitions: Sequence[Any]) -> dict[tuple[str, int], tuple[int, int, int]]:
    """Log start offset, last stable offset and high watermark of TopicPartitions."""
    from kafka.admin import OffsetSpec
    from kafka.protocol.consumer import IsolationLevel

    if not partitions:
        return {}
    starts = client.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.EARLIEST))
    latest = dict.fromkeys(partitions, OffsetSpec.LATEST)
    stable = client.list_partition_offsets(latest, isolation_level=IsolationLevel.READ_COMMITTED)
    ends = client.list_partition_offsets(latest)
    return {
        (found.topic, found.partition): (starts[found].offset, stable[found].offset, ends[found].offset)
        for found in partitions
    }


def _sizes(client: Any, topic: str) -> dict[int, int]:
    """Bytes of each partition's largest replica, where the broker says."""
    from kafka.errors import BrokerResponseError

    sizes: dict[int, int] = {}
    try:
        answers = client.describe_log_dirs([topic])
    except BrokerResponseError:  # not served, or not allowed to this client: everything else can still be shown
        return sizes
    for partition in _log_dir_partitions(answers, topic):
        number = partition["partition_index"]
        sizes[number] = max(sizes.get(number, 0), partition["partition_size"])
    return sizes


def _log_dir_partitions(answers: Iterable[Mapping[str, Any]], topic: str) -> Iterator[Mapping[str, Any]]:
    for answer in answers:
        for log_dir in answer["log_dirs"]:
            for found in log_dir["topics"]:
                if found["name"] == topic:
                    yield from found["partitions"]


def _partition_lines(facts: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    for found in facts["partitions"]:
        leader = found["leader"] if found["leader"] >= 0 else "none"
        yield (
            *(found["partition"], leader, found["leader_epoch"], _nodes(found["replicas"]), _nodes(found["isr"])),
            *(_known(found[name]) for name in ("log_start_offset", "last_stable_offset", "high_watermark")),
            _known(found["size_bytes"]),
        )


def _nodes(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))


def _known(value: Any) -> Any:
    return "" if value is None else value


def _show_configs(found: Mapping[str, str | None]) -> None:
    rows = [Row({}, [(name, "" if value is None else value)]) for name, value in found.items()]
    show(View(("CONFIG", "VALUE"), rows), Output.TABLE)


def _distinct(names: Iterable[str]) -> list[str]:
    found = list(dict.fromkeys(names))
    if any(not name for name in found):
        raise BadOption("A topic has no name.")
    return found


def raise_refused(verb: str, refused: Mapping[str, str]) -> None:
    """ClientProblem that names every topic with which something could not be done."""
    if refused:
        raise ClientProblem(f"Not {verb}: {'; '.join(f'{name}: {why}' for name, why in refused.items())}.")
