"""The contract of a record store: appends. Order, offsets, durability, epochs, and what a reopened store knows."""

from __future__ import annotations

import asyncio

import pytest

from chronik.batch.header import HEADER_BYTES, parse_header
from chronik.errors import ErrorCode
from chronik.log.access import Appended, LogBounds, LogInfo
from chronik.terms import Durability, LogId
from tests.log.batches import NOW_MS, sized
from tests.store.records import SMALL, A, B, C, Records, expect_dense, succeeded

pytestmark = pytest.mark.anyio

# Order and offsets


async def test_a_log_that_was_never_written_to_is_empty(records: Records) -> None:
    assert records.bounds() == LogBounds(0, 0, 0)
    assert records.store.info(A) == LogInfo(LogBounds(0, 0, 0), 0)
    assert records.store.producers(A) == ()
    assert (await records.slice(A, 0)).buffers == []


async def test_an_append_is_answered_later_not_at_once(records: Records) -> None:
    outcome = records.submit(A, sized())
    assert not outcome.done()
    assert records.bounds() == LogBounds(0, 0, 0)
    assert await outcome == Appended(0, -1, 0)
    assert records.bounds() == LogBounds(0, 1, 1)


async def test_offsets_are_dense_in_the_order_of_submission(records: Records) -> None:
    counts = [1, 3, 2, 1, 5] * 20
    outcomes = [records.submit(A, sized(count=count)) for count in counts]
    bases = [succeeded(outcome).base_offset for outcome in await asyncio.gather(*outcomes)]
    assert bases == [sum(counts[:index]) for index in range(len(counts))]
    expect_dense(await records.read_all(A))
    assert records.bounds() == LogBounds(0, sum(counts), sum(counts))


async def test_each_log_has_its_own_offsets(records: Records) -> None:
    for log, count in ((A, 1), (B, 2), (A, 3), (C, 1), (B, 1), (LogId(2**32 - 2), 4)):
        await records.append(log, sized(count=count))
    assert [records.bounds(log).high_watermark for log in (A, B, C, LogId(2**32 - 2), LogId(9))] == [4, 3, 1, 4, 0]


async def test_a_batch_is_stored_as_it_is_but_for_its_place(records: Records) -> None:
    batch = sized(200, 2)
    records.leader_epoch = 7
    await records.append(A)
    await records.append(A, batch)
    (stored,) = (await records.slice(A, 1)).buffers
    assert parse_header(stored) == batch.header._replace(base_offset=1, leader_epoch=7)
    assert stored[HEADER_BYTES:] == batch.data[HEADER_BYTES:]


async def test_the_log_append_time_is_told(records: Records) -> None:
    assert await records.append(A, sized(log_append_time=NOW_MS)) == Appended(0, NOW_MS, 0)


async def test_an_append_is_told_where_the_log_starts(records: Records) -> None:
    await records.append(A, sized(count=5))
    await records.store.delete_records(A, 3)
    assert await records.append(A) == Appended(5, -1, 3)


async def test_what_is_stored_is_counted(records: Records) -> None:
    batches = [sized(size) for size in (100, 2000, 500)]
    await records.append_all(A, batches)
    stored = sum(len(batch.data) for batch in batches)
    assert records.store.info(A) == LogInfo(LogBounds(0, 3, 3), stored)
    await records.reopen()
    assert records.store.info(A) == LogInfo(LogBounds(0, 3, 3), stored)


async def test_a_batch_much_larger_than_every_setting_is_kept(records: Records) -> None:
    huge = sized(10 * SMALL.chunk_bytes)
    await records.append_all(A, [huge, sized()])
    for _ in range(2):
        assert [len(batch) for batch in await records.read_all(A)] == [len(huge.data), len(sized().data)]
        await records.reopen()


# Durability


@pytest.mark.parametrize("durability", Durability)
async def test_every_durability_is_answered_once(records: Records, durability: Durability) -> None:
    outcomes = [records.submit(A, sized(), durability) for _ in range(30)]
    bases = [succeeded(outcome).base_offset for outcome in await asyncio.gather(*outcomes)]
    assert bases == list(range(30))


async def test_durabilities_mix(records: Records) -> None:
    wanted = [Durability(index % 3) for index in range(60)]
    outcomes = [records.submit(LogId(index % 2), sized(), durability) for index, durability in enumerate(wanted)]
    assert [succeeded(outcome).base_offset for outcome in await asyncio.gather(*outcomes)] == [
        index // 2 for index in range(60)
    ]


async def test_what_was_appended_is_there_after_closing(records: Records) -> None:
    outcomes = [records.submit(A, sized(count=2), durability) for durability in Durability for _ in range(10)]
    await records.close()
    assert all(outcome.done() for outcome in outcomes)
    records.open()
    assert records.bounds() == LogBounds(0, 60, 60)
    expect_dense(await records.read_all(A))


async def test_an_append_to_a_closed_store_fails(records: Records) -> None:
    accepted = records.submit(A, sized())
    closing = asyncio.ensure_future(records.close())
    await asyncio.sleep(0)  # it has begun
    assert await records.refusal(A, sized()) is ErrorCode.KAFKA_STORAGE_ERROR
    assert succeeded(await accepted).base_offset == 0
    await closing
    assert await records.refusal(A, sized()) is ErrorCode.KAFKA_STORAGE_ERROR
    assert await records.refusal(B, sized()) is ErrorCode.KAFKA_STORAGE_ERROR
    records.open()
    assert (await records.append()).base_offset == 1


async def test_a_store_can_be_opened_and_closed_without_any_use(records: Records) -> None:
    for _ in range(3):
        await records.reopen()
    await records.append()
    for _ in range(3):
        await records.reopen()
    assert records.bounds() == LogBounds(0, 1, 1)


async def test_offsets_go_on_where_they_ended(records: Records) -> None:
    for base in range(0, 50, 10):
        assert (await records.append_all(A, [sized(1000)] * 10))[0].base_offset == base
        await records.reopen()
    expect_dense(await records.read_all(A))


async def test_a_reopened_log_holds_its_own_records_only(records: Records) -> None:
    """Symptom: a log that was loaded again knew the segments of others, or only its first one."""
    for _ in range(30):
        for log in (A, B, C):
            await records.append(log, sized(2000, producer=(log, 0, records.bounds(log).high_watermark)))
    infos = [records.store.info(log) for log in (A, B, C)]
    await records.reopen()
    assert [records.store.info(log) for log in (C, B, A)] == infos[::-1]
    assert [[int(state.producer_id) for state in records.store.producers(log)] for log in (A, B, C)] == [[1], [2], [3]]


# Leader epochs


async def test_leader_epochs_are_kept(records: Records) -> None:
    for epoch, count in ((0, 3), (2, 4), (5, 1)):
        records.leader_epoch = epoch
        for _ in range(count):
            await records.append()
    for _ in range(2):
        store = records.store
        assert [store.epoch_end(A, epoch, 6) for epoch in (-1, 0, 1, 2, 4, 5, 6, 7)] == [
            (-1, -1),
            (0, 3),
            (0, 3),
            (2, 7),
            (2, 7),
            (5, 8),
            (6, 8),
            (-1, -1),
        ]
        assert [store.epoch_at(A, offset, 6) for offset in (0, 2, 3, 6, 7, 8, 99)] == [0, 0, 2, 2, 5, 6, 6]
        await records.reopen()
    assert records.store.epoch_end(B, 3, 6) == (3, 0)
    assert records.store.epoch_at(B, 0, 6) == 6
