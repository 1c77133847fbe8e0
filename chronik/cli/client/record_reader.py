"""Reads the partitions of a plan with kafka-python, or the share that a group gives; knows exactly what was shown."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from chronik.cli.client.connection import Connection, consumer
from chronik.cli.client.consume_plan import Plan
from chronik.cli.client.problems import Unreachable
from chronik.cli.format_string import FormattedRecord

MAX_RECORDS = 10_000
"""Of one poll: what is decoded before some of it is shown."""
_POLL_MS = 100
_COMMIT_EVERY_S = 1.0
_PARTITION_FETCH_BYTES = 4 * 1024 * 1024


class RecordReader:
    """Iterate over it for blocks of records in the order of each partition; report what was shown by `shown`.

    Blocks may be empty: so the caller can look at a clock.
    """

    def __init__(self, to: Connection, plan: Plan, *, read_committed: bool, group: str | None, reset: str) -> None:
        self._to = to
        self._plan = plan
        self._group = group
        self._shown: dict[Any, int] = {}
        """For the group: the offset after the last record that was shown."""
        self._committed_s = time.monotonic()
        self._has_joined = False
        self._reached: set[Any] = set()
        self._consumer = consumer(
            to,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset=reset,
            isolation_level="read_committed" if read_committed else "read_uncommitted",
            max_poll_records=MAX_RECORDS,
            max_partition_fetch_bytes=_PARTITION_FETCH_BYTES,
        )
        if group is None:
            self._assign()
        else:
            topics = sorted({found.topic for found in plan.known})
            self._consumer.subscribe(topics, listener=_listener(self))
            # The member that gives the partitions to all gives none of a topic that it has not heard of yet.
            for topic in topics:
                self._consumer.partitions_for_topic(topic)

    def blocks(self, most: int | None) -> Iterator[list[FormattedRecord]]:
        """Blocks of not more than `most` records, until every partition has reached its end. Unreachable if nothing
        comes though there is something."""
        came_s = time.monotonic()
        while not self._is_done():
            count = MAX_RECORDS if most is None else min(MAX_RECORDS, most)
            polled = self._consumer.poll(timeout_ms=_POLL_MS, max_records=count)
            block: list[FormattedRecord] = []
            for partition, records in polled.items():
                block += self._wanted(partition, records)
            yield block
            if polled:
                came_s = time.monotonic()
            else:
                self._look_at_positions()
                if self._group is None and self._plan.is_there and time.monotonic() - came_s > self._to.timeout_s:
                    raise Unreachable(f"Nothing has come from the broker for {self._to.timeout_s:g} s.")
            if self._group is not None and time.monotonic() - self._committed_s >= _COMMIT_EVERY_S:
                self.commit()

    def shown(self, records: Sequence[FormattedRecord]) -> None:
        """These have been shown: the group's next member begins after them."""
        if self._group is None:
            return
        from kafka import TopicPartition

        for record in records:
            self._shown[TopicPartition(record.topic, record.partition)] = record.offset + 1

    def commit(self) -> None:
        """Commit what was shown. What another member was given meanwhile is not ours any more, and is shown again by
        it."""
        from kafka.errors import (
            CommitFailedError,
            IllegalGenerationError,
            RebalanceInProgressError,
            UnknownMemberIdError,
        )

        self._committed_s = time.monotonic()
        offsets = self._to_commit()
        if not offsets:
            return
        try:
            self._consumer.commit(offsets, timeout_ms=self._to.timeout_ms)
        except (CommitFailedError, IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError):
            pass

    def _to_commit(self) -> dict[Any, Any]:
        from kafka import OffsetAndMetadata

        mine = self._consumer.assignment()
        offsets = {found: OffsetAndMetadata(offset, "", -1) for found, offset in self._shown.items() if found in mine}
        self._shown.clear()
        return offsets

    async def revoked(self) -> None:
        """The group gives the partitions anew: commit before it does. This runs on kafka-python's own loop, while the
        thread of the command waits in a poll."""
        self._has_joined = False
        if offsets := self._to_commit():
            await self._consumer.commit_async(offsets)

    def joined(self) -> None:
        """The group has given partitions, or none."""
        self._has_joined = True
        self._reached.clear()

    def close(self) -> None:
        """Commit what was shown, and leave."""
        if self._group is not None:
            self.commit()
        self._consumer.close(autocommit=False)

    def _assign(self) -> None:
        plan = self._plan
        self._consumer.assign(list(plan.starts))
        for found, start in plan.starts.items():
            here = plan.known[found]
            self._consumer.seek(found, min(max(start, here.start), max(here.start, here.end)))
            if plan.ends is not None and plan.ends[found] <= max(start, here.start):
                self._reach(found)

    def _wanted(self, partition: Any, records: Sequence[Any]) -> list[FormattedRecord]:
        topic, number = partition
        start = 0 if self._group is not None else self._plan.starts[partition]
        end = None if self._plan.ends is None else self._plan.ends.get(partition)
        last = records[-1].offset
        if end is not None and last + 1 >= end:
            self._reach(partition)
        if records[0].offset < start or (end is not None and last >= end):
            records = [found for found in records if start <= found.offset and (end is None or found.offset < end)]
        return [
            FormattedRecord(topic, number, found.offset, found.timestamp, found.key, found.value, found.headers)
            for found in records
        ]

    def _reach(self, partition: Any) -> None:
        self._reached.add(partition)
        if self._group is None:
            self._consumer.pause(partition)

    def _is_done(self) -> bool:
        if self._plan.ends is None or (self._group is not None and not self._has_joined):
            return False
        return bool(self._reached >= self._consumer.assignment())

    def _look_at_positions(self) -> None:
        """At the end of a partition there may be nothing but markers, which no poll returns."""
        if self._plan.ends is None or (self._group is not None and not self._has_joined):
            return
        for partition in self._consumer.assignment() - self._reached:
            position = self._consumer.position(partition, timeout_ms=_POLL_MS)
            if position is not None and position >= self._plan.ends.get(partition, 0):
                self._reach(partition)


def _listener(reader: RecordReader) -> Any:
    """kafka-python's own class is needed, and kafka-python is imported late."""
    from kafka import AsyncConsumerRebalanceListener

    class Listener(AsyncConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
        async def on_partitions_revoked(self, revoked: Any) -> None:
            await reader.revoked()

        async def on_partitions_assigned(self, assigned: Any) -> None:
            reader.joined()

    return Listener()
