"""The contract of a record store: producers. Check and assign is one step, and nothing is forgotten by reopening."""

from __future__ import annotations

import asyncio

import pytest

from chronik.errors import ErrorCode, KafkaError
from chronik.log.access import Appended, LogBounds
from chronik.log.producers import AppendedBatch, ProducerState
from chronik.log.validate import CheckedBatch
from chronik.terms import MAX_SEQUENCE, Durability, IsolationLevel, ProducerId
from tests.log.batches import NOW_MS, sized
from tests.store.records import A, B, Records, expect_dense, succeeded

pytestmark = pytest.mark.anyio

PRODUCER = ProducerId(5)
COMMITTED = IsolationLevel.READ_COMMITTED


def sent(
    sequence: int, count: int = 1, *, epoch: int = 0, is_transactional: bool = False, log_append_time: int = -1
) -> CheckedBatch:
    return sized(
        count=count,
        producer=(PRODUCER, epoch, sequence),
        is_transactional=is_transactional,
        log_append_time=log_append_time,
    )


async def test_a_duplicate_is_told_the_original_offset_and_is_not_appended(records: Records) -> None:
    for number in range(5):
        assert (await records.append(A, sent(2 * number, 2))).base_offset == 2 * number
    await records.append(A)
    for _ in range(2):
        for number in range(5):
            assert (await records.append(A, sent(2 * number, 2))).base_offset == 2 * number
        assert records.bounds() == LogBounds(0, 11, 11)
        await records.reopen()


async def test_a_duplicate_is_told_the_original_log_append_time_and_the_start_of_now(records: Records) -> None:
    await records.append(A, sent(0, 3, log_append_time=NOW_MS - 5))
    await records.store.delete_records(A, 2)
    assert await records.append(A, sent(0, 3, log_append_time=NOW_MS)) == Appended(0, NOW_MS - 5, 2)


async def test_a_duplicate_older_than_the_window_is_refused(records: Records) -> None:
    for sequence in range(6):
        await records.append(A, sent(sequence))
    assert await records.refusal(A, sent(0)) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert (await records.append(A, sent(1))).base_offset == 1


@pytest.mark.parametrize("durability", Durability)
async def test_a_duplicate_of_what_is_still_being_written_is_as_durable_as_it_asks(
    records: Records, durability: Durability
) -> None:
    """A client that lost its connection sends again at once."""
    outcomes = [records.submit(A, sent(0), durability) for _ in range(3)]
    assert [succeeded(outcome) for outcome in await asyncio.gather(*outcomes)] == [Appended(0, -1, 0)] * 3
    assert records.bounds() == LogBounds(0, 1, 1)


async def test_a_refused_batch_uses_no_offset(records: Records) -> None:
    await records.append(A, sent(0, epoch=3))
    refused = [
        (sent(2, epoch=3), ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER),
        (sent(1, epoch=4), ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER),
        (sent(1, epoch=2), ErrorCode.INVALID_PRODUCER_EPOCH),
    ]
    for batch, code in refused:
        outcome = records.submit(A, batch)
        assert outcome.done(), "a refusal needs no disk"
        assert isinstance(outcome.result(), KafkaError)
        assert await records.refusal(A, batch) is code
    assert (await records.append(A, sent(1, epoch=3))).base_offset == 1
    await records.reopen()
    for batch, code in refused[1:]:
        assert await records.refusal(A, batch) is code
    expect_dense(await records.read_all(A))


async def test_batches_in_flight_are_checked_against_each_other(records: Records) -> None:
    batches = [sent(0), sent(1), sent(3), sent(2), sent(1), sent(3)]
    outcomes = await asyncio.gather(*[records.submit(A, batch) for batch in batches])
    assert [outcome.code if isinstance(outcome, KafkaError) else outcome.base_offset for outcome in outcomes] == [
        0,
        1,
        ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
        2,
        1,
        3,
    ]


async def test_sequences_wrap(records: Records) -> None:
    assert (await records.append(A, sent(MAX_SEQUENCE - 1, 3))).base_offset == 0
    await records.reopen()
    assert (await records.append(A, sent(MAX_SEQUENCE - 1, 3))).base_offset == 0
    assert await records.refusal(A, sent(MAX_SEQUENCE)) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert (await records.append(A, sent(1))).base_offset == 3


async def test_each_log_has_its_own_producers(records: Records) -> None:
    await records.append(A, sent(0))
    await records.append(B, sent(7))
    await records.append(A, sent(1))
    assert await records.refusal(B, sent(2)) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    await records.reopen()
    await records.append(A, sent(2))
    await records.append(B, sent(8))


async def test_producers_are_shown(records: Records) -> None:
    await records.append(A, sent(0, 2))
    records.now_ms += 10
    await records.append(A, sent(2, log_append_time=NOW_MS))
    shown = ProducerState(
        PRODUCER, 0, -1, -1, NOW_MS + 10, (AppendedBatch(0, 1, 0, -1), AppendedBatch(2, 2, 2, NOW_MS))
    )
    assert records.store.producers(A) == (shown,)
    await records.reopen()
    assert records.store.producers(A) == (shown,)


async def test_a_producer_stays_when_all_its_batches_are_deleted(records: Records) -> None:
    await records.append(A, sent(0, 4))
    await records.store.delete_records(A, -1)
    await records.reopen()
    assert (await records.append(A, sent(0, 4))).base_offset == 0
    assert await records.refusal(A, sent(0)) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert (await records.append(A, sent(4))).base_offset == 4


# Expiry


async def test_producers_that_write_nothing_any_more_are_forgotten(records: Records) -> None:
    await records.append(A, sized(producer=(1, 0, 0)))
    records.now_ms += 100
    await records.append(A, sized(producer=(2, 0, 0)))
    await records.append(A, sized(producer=(3, 0, 0), is_transactional=True))
    records.store.expire_producers(A, NOW_MS + 100, 100)
    assert [state.producer_id for state in records.store.producers(A)] == [2, 3]
    records.store.expire_producers(A, NOW_MS + 10_000, 100)
    for _ in range(2):
        assert [state.producer_id for state in records.store.producers(A)] == [3]
        await records.reopen()
    assert (await records.append(A, sized(producer=(1, 0, 9)))).base_offset == 3


async def test_a_producer_that_comes_back_in_the_turn_in_which_it_expired_is_kept(records: Records) -> None:
    await records.append(A, sent(0))
    records.store.expire_producers(A, NOW_MS + 10_000, 100)
    outcome = records.submit(A, sent(4))
    assert succeeded(await outcome).base_offset == 1
    await records.reopen()
    assert [state.last_sequence for state in records.store.producers(A)] == [4]


async def test_a_producer_may_expire_while_its_batch_is_being_written(records: Records) -> None:
    outcome = records.submit(A, sent(0))
    records.store.expire_producers(A, NOW_MS, 0)
    assert succeeded(await outcome).base_offset == 0
    await records.reopen()
    assert records.store.producers(A) == ()
    assert records.bounds() == LogBounds(0, 1, 1)


# Open transactions


async def test_a_transaction_holds_back_the_last_stable_offset(records: Records) -> None:
    await records.append(A, sized(count=3))
    await records.append(A, sent(0, 2, is_transactional=True))
    await records.append(A, sent(2, is_transactional=True))
    await records.append(A)
    for _ in range(2):
        assert records.bounds() == LogBounds(0, 3, 7)
        found = await records.slice(A, 0, COMMITTED)
        assert (len(found.buffers), found.aborted, found.bounds) == (1, [], LogBounds(0, 3, 7))
        assert (await records.slice(A, 5, COMMITTED)).buffers == []
        assert (await records.slice(A, 0)).aborted is None
        assert records.store.producers(A)[0].open_first_offset == 3
        await records.reopen()


async def test_the_oldest_of_several_transactions_counts(records: Records) -> None:
    for producer in (1, 2, 3):
        await records.append(A, sized(producer=(producer, 0, 0), is_transactional=True))
    await records.reopen()
    assert records.bounds() == LogBounds(0, 0, 3)


async def test_a_transaction_that_is_not_written_yet_is_not_seen(records: Records) -> None:
    await records.append(A)
    outcome = records.submit(A, sent(0, is_transactional=True))
    assert records.bounds() == LogBounds(0, 1, 1)
    await outcome
    assert records.bounds() == LogBounds(0, 1, 2)


async def test_the_start_never_passes_the_last_stable_offset(records: Records) -> None:
    await records.append(A, sent(0, 6, is_transactional=True))
    await records.store.delete_records(A, 4)
    for _ in range(2):
        assert records.bounds() == LogBounds(4, 4, 6)
        assert (await records.slice(A, 4, COMMITTED)).buffers == []
        assert len((await records.slice(A, 4)).buffers) == 1
        await records.reopen()
