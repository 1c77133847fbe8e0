"""`chronik status`, `chronik wait` and `chronik api-versions`: is a broker there, is all well, what does it serve."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from chronik.cli.client.arguments import OutputOption
from chronik.cli.client.command import client_command
from chronik.cli.client.completion import complete_topics
from chronik.cli.client.connection import Connection, admin
from chronik.cli.client.group_facts import listed
from chronik.cli.client.problems import FAILED, ClientProblem, Unreachable
from chronik.cli.output import Output, Row, View, show

BROKER_COLUMNS = ("BROKER", "ADDRESS", "RACK", "ROLE")
API_COLUMNS = ("KEY", "API", "MIN", "MAX")
_PAUSE_S = 0.1


@client_command
def status(to: Connection, output: OutputOption = Output.TABLE) -> int:
    """Show the cluster and whether all is well: exit code 1 if a partition lacks its leader or replicas in sync."""
    with admin(to) as client:
        cluster = client.describe_cluster()
        topics = client.describe_topics()
        groups = listed(client)
    partitions = [partition for topic in topics for partition in topic["partitions"]]
    leaderless = _places(topics, lambda found: found["leader_id"] < 0)
    lagging = _places(topics, lambda found: len(found["isr_nodes"]) < len(found["replica_nodes"]))
    facts = {
        "healthy": not leaderless and not lagging,
        "cluster_id": cluster["cluster_id"],
        "controller": cluster["controller_id"],
        "brokers": [
            {"id": found["broker_id"], "host": found["host"], "port": found["port"], "rack": found["rack"]}
            for found in sorted(cluster["brokers"], key=lambda found: int(found["broker_id"]))
        ],
        "topics": sum(not topic["is_internal"] for topic in topics),
        "partitions": len(partitions),
        "groups": len(groups),
        "leaderless_partitions": leaderless,
        "under_replicated_partitions": lagging,
    }
    if output is Output.JSON:
        show(View((), [Row(facts, ())]), output)
    else:
        _show_status(facts)
    return 0 if facts["healthy"] else FAILED


def _places(topics: list[dict[str, Any]], is_ill: Any) -> list[dict[str, Any]]:
    return [
        {"topic": topic["name"], "partition": found["partition_index"]}
        for topic in topics
        for found in topic["partitions"]
        if is_ill(found)
    ]


def _show_status(facts: Mapping[str, Any]) -> None:
    title = [("STATUS", "healthy" if facts["healthy"] else "ill"), ("CLUSTER", facts["cluster_id"] or "")]
    title += [(name.upper(), facts[name]) for name in ("topics", "partitions", "groups")]
    rows = []
    for found in facts["brokers"]:
        address = f"[{found['host']}]" if ":" in found["host"] else found["host"]
        role = "controller" if found["id"] == facts["controller"] else ""
        rows.append(Row(found, [(found["id"], f"{address}:{found['port']}", found["rack"] or "", role)]))
    show(View(BROKER_COLUMNS, rows), Output.TABLE, title)
    for name in ("leaderless_partitions", "under_replicated_partitions"):
        if facts[name]:
            places = ", ".join(f"{found['topic']}[{found['partition']}]" for found in facts[name])
            print(f"{name.replace('_', ' ').upper()} {places}")


@client_command
def wait(
    to: Connection,
    topic: Annotated[
        list[str] | None,
        typer.Option(
            *("--topic", "-t"), autocompletion=complete_topics, help="Until this topic can be used too. Repeatable."
        ),
    ] = None,
) -> None:
    """Wait until a broker answers, as long as --timeout says; exit code 3 if none does, 1 if a topic is missing."""
    deadline = time.monotonic() + to.timeout_s
    missing = _answer(to, topic or (), deadline)
    if missing:
        raise ClientProblem(f"There is no topic {missing}, and none has appeared in {to.timeout_s:g} s.")


def _answer(to: Connection, topics: Sequence[str], deadline: float) -> str | None:
    """Ask until somebody answers, at least once: which topic is missing. Unreachable when the time is over."""
    while True:
        left_s = max(deadline - time.monotonic(), _PAUSE_S)
        try:
            with admin(to._replace(timeout_s=left_s)) as client:
                return _missing(client, topics, deadline)
        except Unreachable:
            if time.monotonic() + _PAUSE_S >= deadline:
                raise
            time.sleep(_PAUSE_S)


def _missing(client: Any, topics: Sequence[str], deadline: float) -> str | None:
    """The first topic that is not there, or has a partition without a leader, when the time is over."""
    while topics:
        found = {topic["name"]: topic for topic in client.describe_topics(list(topics))}
        missing = [name for name in topics if not _is_usable(found.get(name))]
        if not missing:
            return None
        if time.monotonic() + _PAUSE_S >= deadline:
            return str(missing[0])
        time.sleep(_PAUSE_S)
    return None


def _is_usable(topic: Mapping[str, Any] | None) -> bool:
    if topic is None or topic["error_code"] or not topic["partitions"]:
        return False
    return all(found["leader_id"] >= 0 for found in topic["partitions"])


@client_command
def api_versions(to: Connection, output: OutputOption = Output.TABLE) -> None:
    """Show which APIs the broker serves, in which versions."""
    from kafka.protocol.api_key import ApiKey

    names = {int(key): key.name for key in ApiKey}
    with admin(to) as client:
        # By number: its public `api_versions` fails on a key that kafka-python has no name for.
        ranges = client._manager.broker_version_data.api_versions
    rows = []
    for key, (lowest, highest) in sorted(ranges.items()):
        facts = {"key": int(key), "api": names.get(int(key)), "min": lowest, "max": highest}
        rows.append(Row(facts, [tuple("" if value is None else value for value in facts.values())]))
    show(View(API_COLUMNS, rows), output)
