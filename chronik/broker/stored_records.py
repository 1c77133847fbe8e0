"""The records of a topic as values: for programs that have the broker in themselves, tests above all. Not for clients,
which get batches as they were sent.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from chronik.batch.compression import decompress
from chronik.batch.control import ControlType, read_control
from chronik.batch.header import HEADER_BYTES, BatchHeader, parse_header
from chronik.batch.records import read_records
from chronik.broker.topics import Topic
from chronik.errors import KafkaError
from chronik.log.aborted import AbortedTransaction
from chronik.log.access import LogRead
from chronik.store.interface import RecordStore
from chronik.terms import IsolationLevel, LogId

_STEP_BYTES = 4 * 1024 * 1024


class StoredRecord(NamedTuple):
    """One record, as a consumer would get it."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


async def stored_records(store: RecordStore, topic: Topic, *, committed: bool) -> list[StoredRecord]:
    """All records of a topic, by partition and offset. `committed`: without those of open and aborted transactions.
    KafkaError when they cannot be read."""
    found: list[StoredRecord] = []
    for partition, log in enumerate(topic.logs):
        found += await _of_log(store, log, topic.name, partition, committed=committed)
    return found


async def _of_log(store: RecordStore, log: LogId, name: str, partition: int, *, committed: bool) -> list[StoredRecord]:
    isolation = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
    found: list[StoredRecord] = []
    offset = store.bounds(log).start
    while True:
        result = store.fetch([LogRead(log, offset, _STEP_BYTES)], _STEP_BYTES, isolation)
        (part,) = result if isinstance(result, list) else await result
        if isinstance(part, KafkaError):
            raise part
        if not part.buffers:
            return found
        batches = [(parse_header(data), data) for data in part.buffers]
        for header, data in _delivered(batches, part.aborted or ()):
            found += (record for record in _records(header, data, name, partition) if record.offset >= offset)
        offset = batches[-1][0].last_offset + 1


def _delivered(
    batches: Sequence[tuple[BatchHeader, bytes]], aborted: Sequence[AbortedTransaction]
) -> Iterator[tuple[BatchHeader, bytes]]:
    """The batches that have records for an application, told as consumers tell them (KIP-98): a producer's batches from
    the first offset of an aborted transaction to its marker are none."""
    waiting = [(entry.first_offset, entry.producer_id) for entry in aborted]
    heapq.heapify(waiting)
    aborting: set[int] = set()
    for header, data in batches:
        while waiting and waiting[0][0] <= header.last_offset:
            aborting.add(heapq.heappop(waiting)[1])
        if header.is_control:
            if read_control(data).type is ControlType.ABORT:
                aborting.discard(header.producer_id)
        elif not (header.is_transactional and header.producer_id in aborting):
            yield header, data


def _records(header: BatchHeader, data: bytes, name: str, partition: int) -> Iterator[StoredRecord]:
    payload = decompress(header.codec, memoryview(data)[HEADER_BYTES:])
    for record in read_records(payload, header.record_count):
        timestamp = (
            header.max_timestamp if header.is_log_append_time else header.base_timestamp + record.timestamp_delta
        )
        yield StoredRecord(
            name,
            partition,
            header.base_offset + record.offset_delta,
            timestamp,
            record.key,
            record.value,
            record.headers,
        )
