"""`chronik dump --transactions`: transactional ids and what their transactions consist of; then, for each partition,
what is open there and what was aborted.

A transaction that is open in a partition, and that no transactional id has, hangs: only an administrator can end it.
The catalog was read a moment before the records, so beside a running broker those that were written to since are new.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from chronik.changes import OffsetCommitted, OffsetsStaged, TransactionPartitionsAdded, TransactionSaved
from chronik.cli.dump_source import DumpSource, PartitionLog, Selection
from chronik.cli.output import Row, View, moment
from chronik.log.producers import ProducerState
from chronik.terms import NO_OFFSET, NO_TIMESTAMP, TopicId
from chronik.txn.states import TransactionState

TRANSACTION_COLUMNS = (
    *("ID", "STATE", "PRODUCER", "EPOCH", "BEGAN", "TIMEOUT", "GROUP", "TOPIC", "PARTITION", "FIRST", "LAST", "OFFSET"),
)

_Opened = dict[tuple[int, str, int], int]
"""(producer id, topic, partition) -> the first offset of an open transaction."""

_Owners = dict[tuple[int, str, int], str]
"""(producer id, topic, partition) -> the transactional id whose transaction has the partition."""


@dataclass(slots=True)
class _Transaction:
    """What the catalog has of one transactional id."""

    saved: TransactionSaved
    partitions: list[tuple[str, int]] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    staged: list[tuple[str, OffsetCommitted]] = field(default_factory=list)
    """With the name of the topic."""


def transaction_view(source: DumpSource, selection: Selection) -> View:
    """All transactional ids; the selection is of partitions."""
    found = _transactions(source)
    parts = list(source.partitions(selection))
    return View(TRANSACTION_COLUMNS, _rows(found, parts, source.read_ms))


def _transactions(source: DumpSource) -> list[_Transaction]:
    names: dict[TopicId, str] = {topic.topic_id: topic.name for topic in source.image.topics}
    found: dict[str, _Transaction] = {}
    for change in source.image.transaction_changes:
        match change:
            case TransactionSaved():
                found[change.transactional_id] = _Transaction(change)
            case TransactionPartitionsAdded():
                one = found[change.transactional_id]
                one.partitions += [(names[topic_id], partition) for topic_id, partition in change.partitions]
                one.groups += change.groups
            case OffsetsStaged():
                staged = [(names[offset.topic_id], offset) for offset in change.offsets]
                found[change.transactional_id].staged += staged
            case _:
                raise AssertionError(f"the catalog has no {type(change).__name__} of transactions")
    return list(found.values())


def _rows(found: list[_Transaction], parts: list[PartitionLog], read_ms: int) -> Iterator[Row]:
    opened: _Opened = {
        (state.producer_id, part.topic.name, part.partition): state.open_first_offset
        for part in parts
        for state in part.stored.producers
        if state.open_first_offset != NO_OFFSET
    }
    for one in found:
        yield _transaction_row(one, opened)
    owners: _Owners = {
        (one.saved.producer_id, *place): one.saved.transactional_id for one in found for place in one.partitions
    }
    for part in parts:
        if (row := _partition_row(part, owners, read_ms)) is not None:
            yield row


def _transaction_row(one: _Transaction, opened: _Opened) -> Row:
    saved = one.saved
    state = TransactionState(saved.state).shown
    partitions = [
        {"topic": topic, "partition": partition, "first_offset": opened.get((saved.producer_id, topic, partition))}
        for topic, partition in sorted(one.partitions)
    ]
    facts = {
        "transactional_id": saved.transactional_id,
        "state": state,
        "producer_id": saved.producer_id,
        "producer_epoch": saved.producer_epoch,
        "last_producer_epoch": saved.last_producer_epoch,
        "next_producer_id": saved.next_producer_id,
        "timeout_ms": saved.timeout_ms,
        "start_ms": saved.start_ms,
        "update_ms": saved.update_ms,
        "partitions": partitions,
        "groups": sorted(one.groups),
        "staged_offsets": [
            {
                "group": offset.group_id,
                "topic": topic,
                "partition": offset.partition,
                "offset": offset.offset,
                "commit_ms": offset.commit_ms,
            }
            for topic, offset in one.staged
        ],
    }
    began = "" if saved.start_ms == NO_TIMESTAMP else moment(saved.start_ms)
    head = (saved.transactional_id, state, saved.producer_id, saved.producer_epoch, began, saved.timeout_ms)
    details: list[tuple[Any, ...]] = [
        ("", *place, opened.get((saved.producer_id, *place), ""), "", "") for place in sorted(one.partitions)
    ]
    details += [(offset.group_id, topic, offset.partition, "", "", offset.offset) for topic, offset in one.staged]
    with_offsets = {offset.group_id for _, offset in one.staged}
    details += [(group, "", "", "", "", "") for group in sorted(one.groups) if group not in with_offsets]
    return Row(facts, [(*head, *detail) for detail in details or [("", "", "", "", "", "")]])


def _partition_row(part: PartitionLog, owners: _Owners, read_ms: int) -> Row | None:
    """What is open and what was aborted in a partition; None where there is neither."""
    place = (part.topic.name, part.partition)
    opened = [
        _open_facts(state, owners.get((state.producer_id, *place)), read_ms)
        for state in part.stored.producers
        if state.open_first_offset != NO_OFFSET
    ]
    aborted = [
        {"producer_id": entry.producer_id, "first_offset": entry.first_offset, "marker_offset": entry.last_offset}
        for entry in part.stored.aborted
    ]
    if not opened and not aborted:
        return None
    facts = {
        "topic": part.topic.name,
        "partition": part.partition,
        "last_stable_offset": part.stored.last_stable,
        "open": opened,
        "aborted": aborted,
    }
    lines: list[tuple[Any, ...]] = [_open_line(found, place) for found in opened]
    lines += [
        ("", "aborted", found["producer_id"], *[""] * 4, *place, found["first_offset"], found["marker_offset"], "")
        for found in aborted
    ]
    return Row(facts, lines)


def _open_facts(state: ProducerState, owner: str | None, read_ms: int) -> dict[str, Any]:
    return {
        "producer_id": state.producer_id,
        "producer_epoch": state.epoch,
        "first_offset": state.open_first_offset,
        "transactional_id": owner,
        "hanging": owner is None and state.last_ms < read_ms,
    }


def _open_line(found: dict[str, Any], place: tuple[str, int]) -> tuple[Any, ...]:
    state = "hanging" if found["hanging"] else "open"
    head = (found["transactional_id"] or "", state, found["producer_id"], found["producer_epoch"])
    return (*head, *[""] * 3, *place, found["first_offset"], "", "")
