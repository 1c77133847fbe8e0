"""`chronik dump`: topics, groups, producers and configs."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from chronik.changes import GroupSaved, MemberSaved, OffsetCommitted
from chronik.cli.dump_source import DumpSource, PartitionLog, Selection
from chronik.cli.output import Row, View, moment
from chronik.log.producers import ProducerState
from chronik.store.sql.image import TopicImage
from chronik.terms import NO_OFFSET
from chronik.wire.consumer_protocol import decode_assignment
from chronik.wire.primitives import MalformedFrame

TOPIC_COLUMNS = ("TOPIC", "PARTITION", "START", "STABLE", "END", "BYTES", "SEGMENTS", "NEWEST", "LOG")
GROUP_COLUMNS = ("GROUP", "MEMBERS", "TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER", "CLIENT", "HOST")
PRODUCER_COLUMNS = ("TOPIC", "PARTITION", "PRODUCER", "EPOCH", "SEQUENCE", "LAST OFFSET", "OPEN SINCE", "LAST WRITE")
CONFIG_COLUMNS = ("OF", "NAME", "CONFIG", "VALUE")

_Offsets = dict[tuple[str, int], OffsetCommitted]


def topic_view(source: DumpSource, selection: Selection) -> View:
    """Topics, with a line for each partition."""
    parts: dict[str, list[PartitionLog]] = defaultdict(list)
    for part in source.partitions(selection):
        parts[part.topic.name].append(part)
    return View(TOPIC_COLUMNS, (_topic_row(found[0].topic, found) for found in parts.values()))


def _topic_row(topic: TopicImage, parts: list[PartitionLog]) -> Row:
    partitions = [
        {
            "partition": part.partition,
            "log": part.stored.log,
            "log_start_offset": part.stored.start,
            "last_stable_offset": part.stored.last_stable,
            "log_end_offset": part.stored.end,
            "size_bytes": part.stored.size_bytes,
            "segments": len(part.stored.segments),
            "batches": sum(segment.batch_count for segment in part.stored.segments),
            "max_timestamp": max((segment.max_timestamp_ms for segment in part.stored.segments), default=-1),
        }
        for part in parts
    ]
    facts = {
        "topic": topic.name,
        "topic_id": base64.urlsafe_b64encode(topic.topic_id).decode("ascii").rstrip("="),
        "created_ms": topic.created_ms,
        "configs": topic.configs,
        "partitions": partitions,
    }
    names = ("partition", "log_start_offset", "last_stable_offset", "log_end_offset", "size_bytes", "segments")
    lines = [
        (topic.name, *(found[name] for name in names), moment(found["max_timestamp"]), found["log"])
        for found in partitions
    ]
    return Row(facts, lines)


def group_view(source: DumpSource) -> View:
    """Groups, with a line for each partition that one has committed or was assigned."""
    groups: dict[str, GroupSaved] = {}
    offsets: dict[str, _Offsets] = defaultdict(dict)
    names = {topic.topic_id: topic.name for topic in source.image.topics}
    for change in source.image.group_changes:
        if isinstance(change, GroupSaved):
            groups[change.group_id] = change
        elif isinstance(change, OffsetCommitted):
            offsets[change.group_id][names[change.topic_id], change.partition] = change
    ends = {(part.topic.name, part.partition): part.stored.end for part in source.partitions(Selection())}
    rows = (
        _group_row(group_id, groups.get(group_id), offsets.get(group_id, {}), ends)
        for group_id in sorted({*groups, *offsets})
    )
    return View(GROUP_COLUMNS, rows)


def _group_row(group_id: str, group: GroupSaved | None, offsets: _Offsets, ends: dict[tuple[str, int], int]) -> Row:
    members = group.members if group else ()
    assigned = {member.member_id: _assigned(member) for member in members}
    facts = {
        "group": group_id,
        "protocol_type": group.protocol_type if group else None,
        "generation": group.generation if group else None,
        "protocol": group.protocol_name if group else None,
        "leader": group.leader if group else None,
        "members": [_member_facts(member, assigned[member.member_id]) for member in members],
        "offsets": [
            {
                "topic": topic,
                "partition": partition,
                "offset": found.offset,
                "leader_epoch": found.leader_epoch,
                "metadata": found.metadata,
                "commit_ms": found.commit_ms,
                "log_end_offset": ends.get((topic, partition)),
                "lag": _lag(found, ends.get((topic, partition))),
            }
            for (topic, partition), found in sorted(offsets.items())
        ],
    }
    owners = {place: member for member in members for place in assigned[member.member_id] or ()}
    lines = [
        (
            *(group_id, len(members), topic, partition),
            *((found.offset, end, _lag(found, end)) if found else ("", "" if end is None else end, "")),
            *((owner.member_id, owner.client_id, owner.client_host) if owner else ("", "", "")),
        )
        for topic, partition in sorted({*offsets, *owners})
        for found, owner, end in [
            (offsets.get((topic, partition)), owners.get((topic, partition)), ends.get((topic, partition)))
        ]
    ]
    return Row(facts, lines or [(group_id, len(members), *[""] * (len(GROUP_COLUMNS) - 2))])


def _lag(committed: OffsetCommitted, end: int | None) -> int | None:
    return None if end is None else end - committed.offset


def _assigned(member: MemberSaved) -> list[tuple[str, int]] | None:
    """The partitions that a consumer was given; None for another protocol's assignment."""
    if not member.assignment:
        return []
    try:
        assignment = decode_assignment(member.assignment)
    except MalformedFrame:
        return None
    return [(found.topic, partition) for found in assignment.assigned_partitions for partition in found.partitions]


def _member_facts(member: MemberSaved, assigned: list[tuple[str, int]] | None) -> dict[str, Any]:
    return {
        "member_id": member.member_id,
        "group_instance_id": member.group_instance_id,
        "client_id": member.client_id,
        "client_host": member.client_host,
        "session_timeout_ms": member.session_timeout_ms,
        "rebalance_timeout_ms": member.rebalance_timeout_ms,
        "protocols": [name for name, _ in member.protocols],
        "assignment": member.assignment
        if assigned is None
        else [{"topic": topic, "partition": partition} for topic, partition in assigned],
    }


def producer_view(source: DumpSource, selection: Selection) -> View:
    """The producers that partitions remember."""
    rows = (_producer_row(part, state) for part in source.partitions(selection) for state in part.stored.producers)
    return View(PRODUCER_COLUMNS, rows)


def _producer_row(part: PartitionLog, state: ProducerState) -> Row:
    opened = None if state.open_first_offset == NO_OFFSET else state.open_first_offset
    facts = {
        "topic": part.topic.name,
        "partition": part.partition,
        "producer_id": state.producer_id,
        "producer_epoch": state.epoch,
        "coordinator_epoch": state.coordinator_epoch,
        "last_sequence": state.last_sequence,
        "transaction_start_offset": opened,
        "last_ms": state.last_ms,
        "batches": [batch._asdict() for batch in state.batches],
    }
    last = state.batches[-1].base_offset if state.batches else ""
    line = (
        *(part.topic.name, part.partition, state.producer_id, state.epoch, state.last_sequence, last),
        *("" if opened is None else opened, moment(state.last_ms)),
    )
    return Row(facts, [line])


def config_view(source: DumpSource) -> View:
    """Everything that was configured at run time; what is not here has its default, or what the broker is started
    with."""
    return View(CONFIG_COLUMNS, _config_rows(source))


def _config_rows(source: DumpSource) -> Iterator[Row]:
    image = source.image
    kinds = (
        ("broker", image.broker_configs),
        ("topic", {topic.name: topic.configs for topic in image.topics}),
        ("group", image.group_configs),
    )
    for kind, owners in kinds:
        for owner, configs in sorted(owners.items()):
            for name, value in sorted(configs.items()):
                facts = {"of": kind, "name": owner, "config": name, "value": value}
                everyone = kind == "broker" and not owner
                yield Row(facts, [(kind, "(every broker)" if everyone else owner, name, value)])
