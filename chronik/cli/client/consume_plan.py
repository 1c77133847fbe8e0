"""What `chronik consume` is to read: partitions, where each begins, and where each ends if it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from chronik.cli.client.connection import Connection, admin
from chronik.cli.client.positions import Bounds, Position, bounds, resolve
from chronik.cli.client.problems import ClientProblem
from chronik.cli.client.topic import existing


class Plan(NamedTuple):
    """By TopicPartition. No ends: read on until something else says stop."""

    starts: dict[Any, int]
    """The first offset that is wanted; one beyond the end is waited for."""
    ends: dict[Any, int] | None
    """The offset before which to stop."""
    known: dict[Any, Bounds]

    @property
    def is_there(self) -> bool:
        """Whether everything up to the ends has been written already."""
        return self.ends is not None and all(end <= self.known[found].end for found, end in self.ends.items())

    @property
    def record_count(self) -> int | None:
        """Not more offsets than these."""
        if self.ends is None:
            return None
        return sum(max(0, end - max(self.starts[found], self.known[found].start)) for found, end in self.ends.items())


def plan(
    to: Connection,
    topics: Sequence[str],
    partitions: Sequence[int],
    span: tuple[Position, Position | None],
    *,
    exit_at_end: bool,
    read_committed: bool,
) -> Plan:
    """Ask the broker. ClientProblem if a topic or a partition does not exist."""
    from kafka import TopicPartition

    start, end = span
    with admin(to) as client:
        chosen = []
        for topic in existing(client, list(dict.fromkeys(topics))):
            numbers = sorted(found["partition_index"] for found in topic["partitions"])
            for number in partitions:
                if number not in numbers:
                    raise ClientProblem(
                        f"Topic {topic['name']} has no partition {number}, only {len(numbers)} of them."
                    )
            chosen += [TopicPartition(topic["name"], number) for number in sorted(set(partitions)) or numbers]
        known = bounds(client, chosen, read_committed=read_committed)
        starts = resolve(client, start, known)
        ends = None if end is None else resolve(client, end, known)
    if exit_at_end:
        ends = {found: here.end if ends is None else min(ends[found], here.end) for found, here in known.items()}
    return Plan(starts, ends, known)
