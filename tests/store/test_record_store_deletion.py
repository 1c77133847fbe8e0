"""The contract of a record store: deleting records, retention, dropping logs, and that their space really returns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from chronik.errors import ErrorCode, KafkaError
from chronik.log.access import LogBounds, LogInfo, LogRead
from chronik.settings import MIB
from chronik.terms import IsolationLevel, LogId
from tests.log.batches import NOW_MS, sized
from tests.store.records import SMALL, A, B, C, Engine, Records, eventually, expect_dense

pytestmark = pytest.mark.anyio

UNCOMMITTED = IsolationLevel.READ_UNCOMMITTED
MUCH = 2**31 - 1


async def fetch_error(records: Records, log: LogId, offset: int) -> ErrorCode | None:
    (found,) = await records.fetch([LogRead(log, offset, MUCH)])
    return found.code if isinstance(found, KafkaError) else None


# delete_records


async def test_records_below_the_new_start_are_out_of_range(records: Records) -> None:
    await records.append_all(A, [sized(1000, 2)] * 30)
    assert await records.store.delete_records(A, 25) == 25
    for _ in range(2):
        assert records.bounds() == LogBounds(25, 60, 60)
        assert await fetch_error(records, A, 24) is ErrorCode.OFFSET_OUT_OF_RANGE
        assert await fetch_error(records, A, 25) is None
        expect_dense(await records.read_all(A), 24)
        await records.reopen()


@pytest.mark.parametrize("offset", [0, 3, 7])
async def test_a_start_that_is_lower_changes_nothing(records: Records, offset: int) -> None:
    await records.append_all(A, [sized()] * 10)
    await records.store.delete_records(A, 7)
    assert await records.store.delete_records(A, offset) == 7
    assert records.bounds() == LogBounds(7, 10, 10)


@pytest.mark.parametrize("offset", [11, 2**62, -2])
async def test_an_offset_above_the_high_watermark_is_refused(records: Records, offset: int) -> None:
    await records.append_all(A, [sized()] * 10)
    with pytest.raises(KafkaError) as refused:
        await records.store.delete_records(A, offset)
    assert refused.value.code is ErrorCode.OFFSET_OUT_OF_RANGE
    assert records.bounds() == LogBounds(0, 10, 10)


async def test_everything_can_be_deleted_and_offsets_go_on(records: Records) -> None:
    await records.append_all(A, [sized(1000)] * 20)
    assert await records.store.delete_records(A, -1) == 20
    assert records.store.info(A) == LogInfo(LogBounds(20, 20, 20), 0)
    await records.reopen()
    assert records.bounds() == LogBounds(20, 20, 20)
    assert (await records.append()).base_offset == 20
    await records.reopen()
    expect_dense(await records.read_all(A), 20)


async def test_only_what_is_visible_can_be_deleted(records: Records) -> None:
    await records.append()
    outcome = records.submit(A, sized())
    assert await records.store.delete_records(A, -1) == 1
    await outcome
    assert records.bounds() == LogBounds(1, 2, 2)


async def test_two_deletions_at_once_are_both_durable(records: Records) -> None:
    await records.append_all(A, [sized()] * 10)
    starts = await asyncio.gather(records.store.delete_records(A, 7), records.store.delete_records(A, 4))
    assert list(starts) == [7, 7]
    await records.reopen()
    assert records.bounds().start == 7


async def test_epochs_follow_the_start(records: Records) -> None:
    for epoch in (0, 1, 2):
        records.leader_epoch = epoch
        await records.append_all(A, [sized()] * 5)
    await records.store.delete_records(A, 7)
    for _ in range(2):
        assert [records.store.epoch_end(A, epoch, 3) for epoch in (0, 1, 2)] == [(0, 7), (1, 10), (2, 15)]
        await records.reopen()


# retain


async def test_retention_by_size_keeps_the_newest_segments(records: Records) -> None:
    await records.append_all(A, [sized(1000)] * 40)
    before = records.store.info(A).size_bytes
    start = await records.store.retain(A, -1, 10_000, NOW_MS)
    assert 20 <= start <= 30
    info = records.store.info(A)
    assert info.bounds == LogBounds(start, 40, 40)
    assert 10_000 <= info.size_bytes <= 10_000 + records.segment_bytes < before
    assert await records.store.retain(A, -1, 10_000, NOW_MS) == start
    await records.reopen()
    assert records.store.info(A) == info
    expect_dense(await records.read_all(A), start)


async def test_retention_by_time_empties_a_log_at_rest(records: Records) -> None:
    await records.append_all(A, [sized(1000, timestamps=[NOW_MS - 100])] * 10)
    assert await records.store.retain(A, 100, -1, NOW_MS) == 0
    assert await records.store.retain(A, 99, -1, NOW_MS) == 10
    assert records.bounds() == LogBounds(10, 10, 10)
    assert await records.store.retain(A, 99, -1, NOW_MS) == 10
    assert (await records.append()).base_offset == 10


async def test_retention_without_limits_keeps_everything(records: Records) -> None:
    await records.append_all(A, [sized(1000, timestamps=[0])] * 10)
    assert await records.store.retain(A, -1, -1, NOW_MS) == 0
    assert await records.store.retain(B, 0, 0, NOW_MS) == 0


async def test_retention_leaves_alone_what_is_being_written(records: Records) -> None:
    await records.append_all(A, [sized(1000)] * 5)
    outcomes = [records.submit(A, sized(100)) for _ in range(3)]
    start = await records.store.retain(A, -1, 0, NOW_MS)
    await asyncio.gather(*outcomes)
    assert start <= 5
    assert records.bounds() == LogBounds(start, 8, 8)
    expect_dense(await records.read_all(A), start)


# drop


async def test_a_dropped_log_is_gone(records: Records) -> None:
    for log in (A, B, C):
        await records.append_all(log, [sized(1000, producer=(1, 0, sequence)) for sequence in range(10)])
    await records.store.drop([A, C])
    for log in (A, C):
        assert await records.refusal(log, sized()) is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert await fetch_error(records, log, 0) is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert records.store.info(log).size_bytes == 0
        assert records.store.producers(log) == ()
        with pytest.raises(KafkaError):
            records.store.available_bytes(log, 0, UNCOMMITTED, 1)
        with pytest.raises(KafkaError):
            await records.store.delete_records(log, 0)
        assert await records.store.retain(log, 0, 0, NOW_MS) == 0
        assert await records.store.offset_for_time(log, 0, UNCOMMITTED) is None
        records.store.expire_producers(log, NOW_MS, 0)
    expect_dense(await records.read_all(B))
    await records.store.drop([A, C])
    await records.reopen()
    for log in (A, C):
        assert records.store.info(log) == LogInfo(LogBounds(0, 0, 0), 0)
        assert records.store.producers(log) == ()
    expect_dense(await records.read_all(B))


async def test_a_log_that_is_dropped_while_it_is_written_is_gone(records: Records) -> None:
    outcomes = [records.submit(log, sized(producer=(1, 0, 0))) for log in (A, B)]
    dropping = asyncio.ensure_future(records.store.drop([A]))
    late = records.submit(A, sized())
    await asyncio.gather(*outcomes, dropping, late)
    assert await records.refusal(A, sized()) is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    await records.reopen()
    assert records.bounds(A) == LogBounds(0, 0, 0)
    assert records.store.producers(A) == ()
    assert records.bounds(B) == LogBounds(0, 1, 1)


async def test_a_log_whose_records_are_deleted_in_the_turn_in_which_it_is_dropped_is_gone(records: Records) -> None:
    await records.append_all(A, [sized(1000, producer=(1, 0, sequence)) for sequence in range(9)])
    records.store.expire_producers(A, NOW_MS + 10, 1)
    await asyncio.gather(records.store.delete_records(A, 5), records.store.drop([A]))
    await records.reopen()
    assert records.store.info(A) == LogInfo(LogBounds(0, 0, 0), 0)


async def test_dropping_a_log_that_was_never_written_to_is_no_error(records: Records) -> None:
    await records.store.drop([LogId(99)])
    await records.store.drop([])


# reclaim


def directory_bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


async def expect_bytes(path: Path, less_than: int) -> None:
    """Wait for it: files that are not needed any more go in the background."""
    await eventually(lambda: directory_bytes(path) < less_than)


async def reclaim_all(records: Records) -> int:
    total = 0
    while size := await records.store.reclaim():
        total += size
    return total


LOGS = (A, B, C, LogId(4))


async def fill(records: Records, rounds: int) -> None:
    """Ten batches of 10 KB in each of the four logs, so many times."""
    for _ in range(rounds):
        for log in LOGS:
            await records.append_all(log, [sized(10_000)] * 10)


@pytest.fixture
async def spacious(engine: Engine, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Records]:
    """Four logs of 400 batches, 4 MB each, in chunks of 256 KB."""
    settings = replace(SMALL, chunk_bytes=MIB // 4)
    records = Records(engine, tmp_path / "spacious", settings, segment_bytes=MIB)
    records.open()
    await fill(records, 40)
    yield records
    await records.close()


async def test_the_space_of_deleted_records_returns(spacious: Records) -> None:
    await fill(spacious, 110)
    assert directory_bytes(spacious.path) > 60_000_000
    for log in LOGS:
        await spacious.store.retain(log, -1, 1_250_000, NOW_MS)
    alive = sum(spacious.store.info(log).size_bytes for log in LOGS)
    assert await reclaim_all(spacious) > 50_000_000
    await expect_bytes(spacious.path, alive + 3_000_000)
    for _ in range(2):
        for log in LOGS:
            expect_dense(await spacious.read_all(log), spacious.bounds(log).start)
        assert await reclaim_all(spacious) == 0
        await spacious.reopen()


async def test_the_space_of_logs_among_others_returns(spacious: Records) -> None:
    """Their batches lie between those that stay, and the last of them in the chunk that is being written."""
    await spacious.store.drop([A, C])
    assert await reclaim_all(spacious) > 7_500_000
    await expect_bytes(spacious.path, 10_000_000)
    for log in (B, LogId(4)):
        assert len(await spacious.read_all(log)) == 400


async def test_space_is_not_forgotten_by_a_restart(spacious: Records) -> None:
    for log in (A, B, C):
        await spacious.store.delete_records(log, -1)
    await spacious.store.drop([LogId(4)])
    await spacious.reopen()
    assert await reclaim_all(spacious) > 15_000_000
    await spacious.reopen()
    await expect_bytes(spacious.path, 1_000_000)
    assert [spacious.bounds(log) for log in (A, B, C)] == [LogBounds(400, 400, 400)] * 3


async def test_what_is_alive_beside_the_deleted_stays(engine: Engine, tmp_path: Path) -> None:
    """In the same chunk, of the same log: only whole segments below the start go."""
    records = Records(engine, tmp_path / "records", replace(SMALL, chunk_bytes=100_000))
    records.open()
    stored: list[bytes] = []
    for index in range(40):
        await records.append(A, sized(4000 + index))
        await records.append(B, sized(4000))
    stored = await records.read_all(A)
    for start in (7, 9, 19, 33):
        await records.store.delete_records(A, start)
        await reclaim_all(records)
        await records.reopen()
        assert await records.read_all(A) == stored[start:]
        assert len(await records.read_all(B)) == 40
    await records.close()


async def test_reclaiming_goes_on_beside_writing_and_reading(spacious: Records) -> None:
    for log in (A, B, C):
        await spacious.store.delete_records(log, 370)
    reclaiming = asyncio.ensure_future(reclaim_all(spacious))
    await asyncio.sleep(0)  # it has begun
    assert await spacious.store.reclaim() == 0, "one at a time"
    for log in (A, B, C):
        await spacious.append_all(log, [sized(10_000)] * 50)
        await spacious.store.delete_records(log, 390)
    await reclaiming
    await reclaim_all(spacious)
    for log in (A, B, C):
        expect_dense(await spacious.read_all(log), 390)
        assert spacious.bounds(log) == LogBounds(390, 450, 450)


async def test_a_store_that_reclaims_can_be_closed(spacious: Records) -> None:
    for log in (A, B, C):
        await spacious.store.delete_records(log, -1)
    reclaiming = asyncio.ensure_future(reclaim_all(spacious))
    for _ in range(3):
        await asyncio.sleep(0)
    await spacious.close()
    await reclaiming
    assert await spacious.store.reclaim() == 0
    spacious.open()
    await reclaim_all(spacious)
    await expect_bytes(spacious.path, 6_000_000)
    assert len(await spacious.read_all(LogId(4))) == 400


async def test_a_reclaim_that_is_cancelled_does_no_harm(spacious: Records) -> None:
    for log in (A, B, C):
        await spacious.store.delete_records(log, -1)
    for turns in range(1, 12):
        reclaiming = asyncio.ensure_future(spacious.store.reclaim())
        for _ in range(turns):
            await asyncio.sleep(0)
        reclaiming.cancel()
        await asyncio.wait([reclaiming])
    await spacious.reopen()
    await reclaim_all(spacious)
    await expect_bytes(spacious.path, 6_000_000)
    assert len(await spacious.read_all(LogId(4))) == 400


async def test_the_leavings_of_many_short_runs_return(records: Records) -> None:
    """Symptom: chunks that ended early, because the broker was restarted, kept their deleted records for ever."""
    for _ in range(12):
        await records.append_all(A, [sized(4000)] * 3)
        await records.append(B)
        await records.reopen()
    before = directory_bytes(records.path)
    await records.store.drop([A])
    assert await reclaim_all(records) > 130_000
    await expect_bytes(records.path, before - 100_000)
    assert len(await records.read_all(B)) == 12


async def test_nothing_is_reclaimed_where_nothing_was_deleted(records: Records) -> None:
    await records.append_all(A, [sized(1000)] * 100)
    assert await records.store.reclaim() == 0
