"""The RocksDB engine on disks that fail or are slow: who is told, and who must not see anything of it."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest

from chronik.errors import ErrorCode, KafkaError
from chronik.log.access import LogBounds, LogRead
from chronik.terms import Durability
from tests.log.batches import NOW_MS, sized
from tests.store.faulty_rocksdb import DISK_FULL, FaultyRdict
from tests.store.records import A, B, Records, eventually, expect_dense, succeeded

pytestmark = pytest.mark.anyio


async def expect_broken(records: Records) -> None:
    """Everything that would write is refused, and what is there can be read."""
    with pytest.raises(KafkaError, match="KAFKA_STORAGE_ERROR"):
        await records.append()
    with pytest.raises(KafkaError, match="KAFKA_STORAGE_ERROR"):
        await records.append(B)
    for deletion in (records.store.delete_records(A, 1), records.store.drop([A])):
        with pytest.raises(KafkaError, match="KAFKA_STORAGE_ERROR"):
            await deletion
    records.store.expire_producers(A, NOW_MS * 2, 0)
    assert await records.store.reclaim() == 0
    assert records.store.room() is None
    expect_dense(await records.read_all(A))


@pytest.mark.parametrize("cut", [False, True], ids=["", "and half of it stays there"])
async def test_a_failed_write_is_seen_by_nobody(
    cut: bool, faulty: Records, opened: list[FaultyRdict], caplog: pytest.LogCaptureFixture
) -> None:
    await faulty.append_all(A, [sized(producer=(1, 0, sequence)) for sequence in range(5)])
    woken: list[None] = []
    faulty.store.watch([A], lambda: woken.append(None))
    opened[-1].faults.update({"append": DISK_FULL, "cut": DISK_FULL} if cut else {"append": DISK_FULL})
    outcomes = [
        faulty.submit(A, sized(producer=(1, 0, 5 + index), is_transactional=True), durability)
        for index, durability in enumerate(Durability)
    ]
    results = await asyncio.gather(*outcomes)
    assert [result.code for result in results if isinstance(result, KafkaError)] == [ErrorCode.KAFKA_STORAGE_ERROR] * 3
    opened[-1].faults.clear()
    assert (woken, faulty.bounds()) == ([], LogBounds(0, 5, 5))
    await expect_broken(faulty)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    await faulty.reopen()
    assert faulty.bounds() == LogBounds(0, 5, 5)
    assert (await faulty.append(A, sized(producer=(1, 0, 5)))).base_offset == 5


async def test_what_the_journal_has_and_rocksdb_refuses_is_an_error_and_there_after_a_start(
    faulty: Records, opened: list[FaultyRdict]
) -> None:
    """As with a failed fsync, nobody can say before the next start: whole, once, and the retry is known."""
    opened[-1].faults.update(write=DISK_FULL, flush=DISK_FULL)
    batch = sized(producer=(1, 0, 0))
    assert await faulty.refusal(A, batch) is ErrorCode.KAFKA_STORAGE_ERROR
    assert faulty.bounds() == LogBounds(0, 0, 0)
    await faulty.reopen()
    assert faulty.bounds() == LogBounds(0, 1, 1)
    assert (await faulty.append(A, batch)).base_offset == 0
    assert len(await faulty.read_all(A)) == 1


async def test_a_failed_fsync_fails_those_who_wait_for_it_and_everything_after(
    faulty: Records, opened: list[FaultyRdict]
) -> None:
    opened[-1].faults["sync"] = DISK_FULL
    written = faulty.submit(A, sized())
    synced = faulty.submit(A, sized(), Durability.SYNCED)
    assert succeeded(await written).base_offset == 0
    outcome = await synced
    assert isinstance(outcome, KafkaError)
    assert outcome.code is ErrorCode.KAFKA_STORAGE_ERROR
    opened[-1].faults.clear()
    await expect_broken(faulty)


async def test_an_fsync_in_the_background_that_fails_is_not_passed_over(
    faulty: Records, opened: list[FaultyRdict]
) -> None:
    """Nobody waits for it, but the next who does would be told what is not true."""
    opened[-1].faults["sync"] = DISK_FULL
    await faulty.append()
    await eventually(lambda: faulty.submit(A, sized()).done())
    await expect_broken(faulty)


async def test_a_deletion_whose_fsync_fails_is_an_error(faulty: Records, opened: list[FaultyRdict]) -> None:
    await faulty.append_all(A, [sized()] * 5)
    opened[-1].faults["sync"] = DISK_FULL
    with pytest.raises(KafkaError, match="KAFKA_STORAGE_ERROR"):
        await faulty.store.delete_records(A, 3)


async def test_a_chunk_that_cannot_be_ended_stops_the_writing(faulty: Records, opened: list[FaultyRdict]) -> None:
    await faulty.append()
    opened[-1].faults["flush"] = DISK_FULL
    outcomes = [faulty.submit(A, sized(10_000)) for _ in range(10)]
    results = await asyncio.gather(*outcomes)
    assert isinstance(results[-1], KafkaError)
    written = 1 + sum(not isinstance(result, KafkaError) for result in results)
    assert faulty.bounds().high_watermark == written
    opened[-1].faults.clear()
    await expect_broken(faulty)
    await faulty.reopen()
    assert faulty.bounds().high_watermark == written


async def test_a_store_that_failed_can_be_closed(faulty: Records, opened: list[FaultyRdict]) -> None:
    await faulty.append()
    opened[-1].faults.update(append=DISK_FULL, sync=DISK_FULL, flush=DISK_FULL)
    outcome = faulty.submit(A, sized())
    await faulty.close()
    assert isinstance(outcome.result(), KafkaError)


async def test_a_read_that_fails_is_an_error_of_its_log(faulty: Records, opened: list[FaultyRdict]) -> None:
    await faulty.append_all(A, [sized(9000)] * 5)
    await faulty.append_all(B, [sized(100)] * 5)
    for log, method in ((A, "get"), (A, "iter"), (A, "next"), (B, "iter"), (B, "next")):
        await faulty.reopen()
        faulty.bounds(A), faulty.bounds(B)
        opened[-1].faults[method] = DISK_FULL
        (found,) = await faulty.fetch([LogRead(log, 0, 2**31 - 1)])
        assert isinstance(found, KafkaError)
        assert found.code is ErrorCode.KAFKA_STORAGE_ERROR
        opened[-1].faults.clear()
        assert len(await faulty.read_all(log)) == 5


async def test_a_log_that_cannot_be_loaded_is_not_taken_for_an_empty_one(
    faulty: Records, opened: list[FaultyRdict]
) -> None:
    await faulty.append_all(A, [sized()] * 5)
    await faulty.reopen()
    for method in ("iter", "next"):
        opened[-1].faults[method] = DISK_FULL
        assert await faulty.refusal(A, sized()) is ErrorCode.KAFKA_STORAGE_ERROR
        (found,) = await faulty.fetch([LogRead(A, 0, 1)])
        assert isinstance(found, KafkaError)
        with pytest.raises(KafkaError, match="KAFKA_STORAGE_ERROR"):
            faulty.bounds(A)
        opened[-1].faults.clear()
    assert (await faulty.append()).base_offset == 5


async def test_records_that_are_deleted_while_a_slow_disk_is_read_are_out_of_range(
    faulty: Records, opened: list[FaultyRdict]
) -> None:
    await faulty.append_all(A, [sized(9000)] * 10)
    data = opened[-1]
    reading, go_on = threading.Event(), threading.Event()
    get = data.get

    def get_slowly(*arguments: Any) -> Any:
        reading.set()
        go_on.wait(10)
        return get(*arguments)

    data.get = get_slowly  # type: ignore[method-assign]  # a fault
    fetching = asyncio.ensure_future(faulty.fetch([LogRead(A, 0, 2**31 - 1)]))
    await eventually(reading.is_set)
    await faulty.store.delete_records(A, 5)
    await faulty.store.reclaim()
    go_on.set()
    (found,) = await fetching
    assert isinstance(found, KafkaError)
    assert found.code is ErrorCode.OFFSET_OUT_OF_RANGE


async def test_closing_waits_for_a_compaction_that_nobody_waits_for_any_more(
    faulty: Records, opened: list[FaultyRdict]
) -> None:
    """A thread cannot be cancelled, and RocksDB must not be closed under it."""
    await faulty.append_all(A, [sized(9000)] * 10)
    await faulty.store.delete_records(A, -1)
    data = opened[-1]
    running, closed = threading.Event(), threading.Event()
    compact, close = data.data.compact_range, data.data.close
    order: list[str] = []

    def compact_slowly(*arguments: Any) -> None:
        running.set()
        closed.wait(0.2)  # what it must not come to
        compact(*arguments)
        order.append("compacted")

    def close_and_tell() -> None:
        order.append("closed")
        closed.set()
        close()

    data.compact_range, data.close = compact_slowly, close_and_tell  # type: ignore[method-assign]  # faults
    reclaiming = asyncio.ensure_future(faulty.store.reclaim())
    await eventually(running.is_set)
    reclaiming.cancel()
    await asyncio.wait([reclaiming])
    closing = asyncio.ensure_future(faulty.close())
    await asyncio.sleep(0)
    assert await faulty.refusal(A, sized()) is ErrorCode.KAFKA_STORAGE_ERROR
    await closing
    assert order == ["compacted", "closed"]


async def test_a_compaction_that_fails_is_an_error_and_is_done_another_time(
    faulty: Records, opened: list[FaultyRdict]
) -> None:
    await faulty.append_all(A, [sized(9000)] * 10)
    await faulty.store.delete_records(A, -1)
    opened[-1].faults["compact_range"] = DISK_FULL
    with pytest.raises(KafkaError, match="KAFKA_STORAGE_ERROR"):
        await faulty.store.reclaim()
    opened[-1].faults.clear()
    assert await faulty.store.reclaim() > 80_000
    assert (await faulty.append()).base_offset == 10
