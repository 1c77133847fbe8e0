"""What brokers say of groups: states, members, committed offsets and lag."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chronik.cli.client.problems import ClientProblem

Facts = dict[str, Any]


def listed(client: Any) -> dict[str, Facts]:
    """Every group of every broker, by name."""
    return {
        found["group_id"]: {
            "group": found["group_id"],
            "state": found.get("group_state") or None,
            "type": found.get("group_type") or None,
            "protocol_type": found.get("protocol_type") or None,
        }
        for found in sorted(client.list_groups(), key=lambda found: str(found["group_id"]))
    }


def described(client: Any, names: Sequence[str]) -> list[Facts]:
    """Everything of these groups. ClientProblem if one of them does not exist."""
    known = listed(client)
    for name in names:
        if name not in known:
            raise ClientProblem(f"There is no group {name}.")
    if not names:
        return []
    answers = client.describe_groups(list(names))
    offsets = committed(client, names)
    members = {name: _members(answers.get(name)) for name in names}
    owners = {name: _owners(found or ()) for name, found in members.items()}
    places = {place for name in names for place in (*offsets[name], *owners[name])}
    ends = log_ends(client, places)
    return [
        _described(known[name], answers.get(name) or {}, members[name], owners[name], offsets[name], ends)
        for name in names
    ]


def committed(client: Any, names: Iterable[str]) -> dict[str, dict[Any, Any]]:
    """Committed offsets by group and TopicPartition, without those places where there is none."""
    found: dict[str, dict[Any, Any]] = {}
    for name in names:  # one by one: brokers before OffsetFetch version 8 know nothing else
        answer = client.list_group_offsets(name)[name]
        found[name] = {place: offset for place, offset in answer.items() if offset.offset >= 0}
    return found


def log_ends(client: Any, places: Iterable[Any]) -> dict[Any, int]:
    """High watermarks of those TopicPartitions that exist."""
    from kafka.admin import OffsetSpec

    wanted = set(places)
    topics = sorted({place.topic for place in wanted})
    existing = {
        (topic["name"], partition["partition_index"])
        for topic in (client.describe_topics(topics) if topics else ())
        for partition in topic["partitions"]
    }
    there = {place: OffsetSpec.LATEST for place in wanted if tuple(place) in existing}
    return {place: found.offset for place, found in client.list_partition_offsets(there).items()} if there else {}


def _members(answer: Mapping[str, Any] | None) -> list[Facts] | None:
    """None where the broker says nothing of them: kafka-python does not know how to ask for the newer kind of group."""
    if answer is None or answer.get("error"):
        return None
    return [
        {
            "member_id": member["member_id"],
            "group_instance_id": member.get("group_instance_id"),
            "client_id": member["client_id"],
            "host": member["client_host"],
            "assigned": _assigned(member["member_assignment"]),
        }
        for member in answer["members"]
    ]


def _assigned(assignment: Any) -> list[Facts]:
    """Nothing for an assignment of another protocol than the consumers'."""
    if not isinstance(assignment, Mapping):
        return []
    return [
        {"topic": topic["topic"], "partition": partition}
        for topic in assignment.get("assigned_partitions", ())
        for partition in sorted(topic["partitions"])
    ]


def _owners(members: Iterable[Facts]) -> dict[Any, Facts]:
    from kafka import TopicPartition

    return {
        TopicPartition(place["topic"], place["partition"]): member for member in members for place in member["assigned"]
    }


def _described(
    known: Facts,
    answer: Mapping[str, Any],
    members: list[Facts] | None,
    owners: Mapping[Any, Facts],
    offsets: Mapping[Any, Any],
    ends: Mapping[Any, int],
) -> Facts:
    partitions = []
    for place in sorted({*offsets, *owners}):
        offset = offsets[place].offset if place in offsets else None
        end = ends.get(place)
        owner = owners.get(place)
        partitions.append(
            {
                "topic": place.topic,
                "partition": place.partition,
                "committed_offset": offset,
                "log_end_offset": end,
                "lag": None if offset is None or end is None else max(0, end - offset),
                "metadata": offsets[place].metadata if place in offsets else None,
                "member_id": owner["member_id"] if owner else None,
            }
        )
    return {
        **known,
        "assignor": answer.get("protocol_data") or None,
        "lag": sum(found["lag"] or 0 for found in partitions),
        "members": members,
        "partitions": partitions,
    }
