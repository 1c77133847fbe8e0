"""The contract of a record store: finding records by their time, exactly, however the timestamps go up and down."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from chronik.batch.compression import Codec
from chronik.batch.header import parse_header
from chronik.batch.records import Record
from chronik.log.access import TimestampOffset
from chronik.log.validate import CheckedBatch
from chronik.terms import IsolationLevel, LogId
from tests.log.batches import NOW_MS, altered, produced, sized
from tests.store.records import A, Records, SharedRecords

UNCOMMITTED, COMMITTED = IsolationLevel.READ_UNCOMMITTED, IsolationLevel.READ_COMMITTED


async def at(records: Records, timestamp_ms: int, isolation: IsolationLevel = UNCOMMITTED) -> tuple[int, int] | None:
    found = await records.store.offset_for_time(A, timestamp_ms, isolation)
    return None if found is None else (found.offset, found.timestamp_ms)


async def greatest(records: Records, isolation: IsolationLevel = UNCOMMITTED) -> tuple[int, int] | None:
    found = await records.store.offset_of_max_timestamp(A, isolation)
    return None if found is None else (found.offset, found.timestamp_ms)


@pytest.mark.anyio
async def test_an_empty_log_has_no_time(records: Records) -> None:
    assert await at(records, 0) is None
    assert await greatest(records) is None
    await records.append()
    await records.store.delete_records(A, -1)
    assert await at(records, 0) is None
    assert await greatest(records) is None


@pytest.mark.anyio
async def test_the_first_record_by_offset_counts_not_the_nearest_by_time(records: Records) -> None:
    await records.append(A, sized(timestamps=[10, 50, 20]))
    await records.append(A, sized(timestamps=[15, 60]))
    for _ in range(2):
        found = [await at(records, time) for time in (0, 10, 11, 20, 50, 51, 60, 61)]
        assert found == [(0, 10), (0, 10), (1, 50), (1, 50), (1, 50), (4, 60), (4, 60), None]
        assert await greatest(records) == (4, 60)
        await records.reopen()


@pytest.mark.anyio
async def test_the_first_of_equals_has_the_greatest_timestamp(records: Records) -> None:
    await records.append(A, sized(timestamps=[10, 50, 50]))
    await records.append_all(A, [sized(4000, timestamps=[50])] * 5)
    assert await greatest(records) == (1, 50)


@pytest.mark.anyio
async def test_the_leader_epoch_is_that_of_the_batch(records: Records) -> None:
    for epoch in (1, 4):
        records.leader_epoch = epoch
        await records.append(A, sized(timestamps=[epoch * 10]))
    store = records.store
    assert await store.offset_for_time(A, 11, UNCOMMITTED) == TimestampOffset(1, 40, 4)
    assert await store.offset_for_time(A, 10, UNCOMMITTED) == TimestampOffset(0, 10, 1)
    assert await store.offset_of_max_timestamp(A, UNCOMMITTED) == TimestampOffset(1, 40, 4)


@pytest.mark.anyio
async def test_a_batch_with_log_append_time_has_it_for_every_record(records: Records) -> None:
    """Symptom: ListOffsets for the greatest timestamp named the last record of a batch, Kafka the first."""
    await records.append(A, sized(count=3, log_append_time=100))
    await records.append(A, sized(count=3, log_append_time=200))
    assert await at(records, 150) == (3, 200)
    assert await greatest(records) == (3, 200)
    await records.store.delete_records(A, 4)
    assert await at(records, 0) == (4, 200)
    assert await greatest(records) == (4, 200)


@pytest.mark.anyio
async def test_records_without_timestamps_are_never_found(records: Records) -> None:
    await records.append(A, sized(timestamps=[-1, -1]))
    assert await at(records, 0) is None
    assert await greatest(records) is None
    await records.append(A, sized(timestamps=[-1, 5, -1]))
    assert await at(records, 0) == (3, 5)
    assert await greatest(records) == (3, 5)


@pytest.mark.anyio
async def test_the_start_within_a_batch_hides_what_lies_before_it(records: Records) -> None:
    await records.append(A, sized(timestamps=[90, 10, 70, 30]))
    await records.append(A, sized(timestamps=[20]))
    assert await greatest(records) == (0, 90)
    await records.store.delete_records(A, 1)
    assert await at(records, 75) is None
    assert await at(records, 60) == (2, 70)
    assert await greatest(records) == (2, 70)
    await records.store.delete_records(A, 3)
    assert await at(records, 0) == (3, 30)
    assert await greatest(records) == (3, 30)


@pytest.mark.anyio
async def test_a_read_committed_reader_finds_nothing_of_an_open_transaction(records: Records) -> None:
    await records.append(A, sized(timestamps=[10]))
    await records.append(A, sized(timestamps=[20], producer=(1, 0, 0), is_transactional=True))
    await records.append(A, sized(timestamps=[30]))
    assert await at(records, 15) == (1, 20)
    assert await at(records, 15, COMMITTED) is None
    assert await at(records, 5, COMMITTED) == (0, 10)
    assert await greatest(records) == (2, 30)
    assert await greatest(records, COMMITTED) == (0, 10)
    await records.store.delete_records(A, 2)
    assert await at(records, 0, COMMITTED) is None
    assert await greatest(records, COMMITTED) is None


@pytest.mark.anyio
async def test_a_batch_that_starts_before_the_stable_offset_does_not_show_what_is_behind_it(records: Records) -> None:
    """The start rose into the middle of an open transaction's batch: start and last stable offset are the same."""
    await records.append(A, sized(timestamps=[10, 20], producer=(1, 0, 0), is_transactional=True))
    await records.store.delete_records(A, 1)
    assert await at(records, 0, COMMITTED) is None
    assert await greatest(records, COMMITTED) is None
    assert await at(records, 0) == (1, 20)


@pytest.mark.anyio
async def test_a_batch_whose_records_cannot_be_read_stands_for_them(records: Records) -> None:
    """Its record lengths are right, which is all that is checked of what is produced; a search must not fail for it."""
    data = produced([Record(0, 0, None, b"1234"), Record(1, 5, None, b"1234")], 100)
    data = data[:-11] + b"\xff" * 11  # the last record's fields
    data = altered(data)
    await records.append(A, CheckedBatch(parse_header(data), data))
    await records.append(A, sized(timestamps=[500]))
    assert await at(records, 103) == (0, 105)
    assert await at(records, 200) == (2, 500)
    await records.store.delete_records(A, 1)
    assert await at(records, 0) in [(1, 105), (1, 100)]


# Against a model

TIMES = st.integers(NOW_MS - 3, NOW_MS + 3) | st.just(-1)
CONTENTS = st.lists(st.tuples(st.lists(TIMES, min_size=1, max_size=4), st.sampled_from(Codec)), max_size=8)


@given(CONTENTS, st.data())
@hypothesis_settings(max_examples=60, deadline=None)
def test_every_answer_is_that_of_a_scan(
    shared: SharedRecords, contents: Sequence[tuple[list[int], Codec]], data: st.DataObject
) -> None:
    records, log = shared.records, shared.new_log()
    shared.run(records.append_all(log, [timed(times, codec) for times, codec in contents]))
    every = [time for times, _ in contents for time in times]
    start = data.draw(st.integers(0, len(every)))
    shared.run(records.store.delete_records(log, start))
    left = [(offset, time) for offset, time in enumerate(every) if offset >= start and time >= 0]
    for wanted in range(NOW_MS - 4, NOW_MS + 5):
        first = next(((offset, time) for offset, time in left if time >= wanted), None)
        assert shared.run(found_at(records, log, wanted)) == first
    latest = max(left, key=lambda record: (record[1], -record[0]), default=None)
    assert shared.run(found_greatest(records, log)) == latest


def timed(times: list[int], codec: Codec) -> CheckedBatch:
    records = [Record(index, time - times[0], None, b"x" * 300) for index, time in enumerate(times)]
    batch = produced(records, times[0], codec=codec)
    return CheckedBatch(parse_header(batch), batch)


async def found_at(records: Records, log: LogId, wanted: int) -> tuple[int, int] | None:
    found = await records.store.offset_for_time(log, wanted, UNCOMMITTED)
    return None if found is None else (found.offset, found.timestamp_ms)


async def found_greatest(records: Records, log: LogId) -> tuple[int, int] | None:
    found = await records.store.offset_of_max_timestamp(log, UNCOMMITTED)
    return None if found is None else (found.offset, found.timestamp_ms)
