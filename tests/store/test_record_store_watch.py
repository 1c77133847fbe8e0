"""The contract of a record store: who waits for data is woken, and told how much there is."""

from __future__ import annotations

import pytest

from chronik.errors import ErrorCode, KafkaError
from chronik.store.interface import Watch
from chronik.terms import Durability, IsolationLevel, LogId
from tests.log.batches import sized
from tests.store.records import A, B, C, Records

pytestmark = pytest.mark.anyio

UNCOMMITTED, COMMITTED = IsolationLevel.READ_UNCOMMITTED, IsolationLevel.READ_COMMITTED
MUCH = 2**31 - 1


class Waker:
    """Counts how often it was woken."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1

    def take(self) -> bool:
        count, self.count = self.count, 0
        return count > 0


async def test_an_append_wakes_the_watchers_of_its_log(records: Records) -> None:
    waker, other = Waker(), Waker()
    records.store.watch([A, B], waker)
    records.store.watch([C], other)
    for log in (A, B):
        await records.append(log)
        assert waker.take()
        assert not other.take()
    await records.append(C)
    assert (waker.take(), other.take()) == (False, True)


@pytest.mark.parametrize("durability", Durability)
async def test_who_is_woken_can_read(records: Records, durability: Durability) -> None:
    seen: list[int] = []
    records.store.watch([A], lambda: seen.append(records.bounds().high_watermark))
    await records.submit(A, sized(count=3), durability)
    assert seen == [3]


async def test_a_cancelled_watch_stays_silent(records: Records) -> None:
    waker, other = Waker(), Waker()
    watch = records.store.watch([A, B], waker)
    records.store.watch([A], other)
    watch.cancel()
    watch.cancel()
    await records.append(A)
    await records.append(B)
    assert (waker.take(), other.take()) == (False, True)


async def test_two_watches_may_wake_the_same(records: Records) -> None:
    """Symptom: the second of two long polls with one callback slept on when the first ended."""
    waker = Waker()
    first, second = records.store.watch([A], waker), records.store.watch([A], waker)
    first.cancel()
    await records.append()
    assert waker.take()
    second.cancel()
    await records.append()
    assert not waker.take()


async def test_a_watch_that_another_one_cancels_stays_silent(records: Records) -> None:
    watches: list[Watch] = []
    waker = Waker()

    def wake() -> None:
        waker()
        for watch in watches:
            watch.cancel()

    watches += [records.store.watch([A], wake) for _ in range(3)]
    await records.append()
    assert waker.count == 1


async def test_bounds_that_change_wake(records: Records) -> None:
    await records.append_all(A, [sized()] * 5)
    waker = Waker()
    records.store.watch([A], waker)
    await records.store.delete_records(A, 3)
    assert waker.take()
    await records.store.delete_records(A, 2)
    assert not waker.take()
    await records.store.retain(A, -1, 0, records.now_ms)
    assert waker.take()


async def test_a_dropped_log_wakes_at_once(records: Records) -> None:
    waker = Waker()
    watch = records.store.watch([A, B], waker)
    await records.store.drop([A])
    assert waker.take()
    await records.append(B)
    assert waker.take()
    watch.cancel()
    await records.append(B)
    assert not waker.take()


# How much there is


async def test_available_bytes_are_those_of_a_read(records: Records) -> None:
    size = len(sized(200, 2).data)
    await records.append_all(A, [sized(200, 2)] * 4)
    available = records.store.available_bytes
    assert available(A, 0, UNCOMMITTED, MUCH) == 4 * size
    assert available(A, 3, UNCOMMITTED, MUCH) == 3 * size
    assert available(A, 8, UNCOMMITTED, MUCH) == 0
    assert available(A, 0, UNCOMMITTED, size + 1) == size + 1
    assert available(B, 0, UNCOMMITTED, MUCH) == 0


async def test_available_bytes_end_where_a_reader_must_stop(records: Records) -> None:
    await records.append()
    await records.append(A, sized(producer=(1, 0, 0), is_transactional=True))
    available = records.store.available_bytes
    assert available(A, 0, UNCOMMITTED, MUCH) == 2 * available(A, 0, COMMITTED, MUCH)
    assert available(A, 1, COMMITTED, MUCH) == 0


async def test_what_is_on_the_disk_is_enough_whatever_is_asked(records: Records) -> None:
    await records.append_all(A, [sized(1000)] * 50)
    assert records.store.available_bytes(A, 0, UNCOMMITTED, 12_345) == 12_345


@pytest.mark.parametrize(("log", "offset"), [(A, 0), (A, 6), (A, -1), (B, 1)])
async def test_available_bytes_out_of_range_are_an_error(records: Records, log: LogId, offset: int) -> None:
    await records.append_all(A, [sized()] * 5)
    await records.store.delete_records(A, 1)
    with pytest.raises(KafkaError) as refused:
        records.store.available_bytes(log, offset, UNCOMMITTED, 1)
    assert refused.value.code is ErrorCode.OFFSET_OUT_OF_RANGE
