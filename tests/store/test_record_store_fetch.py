"""The contract of a record store: reading. Whole batches within the limits, the same from memory and from the disk."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from chronik.errors import ErrorCode, KafkaError
from chronik.log.access import LogBounds, LogRead, LogSlice
from chronik.log.validate import CheckedBatch
from chronik.terms import IsolationLevel, LogId
from tests.log.batches import sized
from tests.store.records import SMALL, A, B, Records, SharedRecords, base_of, end_of

UNCOMMITTED, COMMITTED = IsolationLevel.READ_UNCOMMITTED, IsolationLevel.READ_COMMITTED
MUCH = 2**31 - 1


async def sizes(records: Records, reads: Sequence[LogRead], max_bytes: int = MUCH) -> list[list[int]]:
    """The sizes of the batches that a fetch returns of each log."""
    result = await records.fetch(reads, max_bytes)
    return [[len(buffer) for buffer in found.buffers] for found in result if isinstance(found, LogSlice)]


# Limits, in memory and on the disk


@pytest.fixture(params=["memory", "disk"])
async def hundreds(records: Records, request: pytest.FixtureRequest) -> Records:
    """Logs A and B with five batches of exactly 100 bytes each."""
    for log in (A, B):
        for _ in range(5):
            assert len(sized(101).data) == 100
            await records.append(log, sized(101))
    if request.param == "disk":
        await records.reopen()
    return records


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("limits", "max_bytes", "found"),
    [
        ((MUCH, MUCH), MUCH, (5, 5)),
        ((300, 200), MUCH, (3, 2)),
        ((299, 199), MUCH, (2, 1)),
        ((MUCH, MUCH), 700, (5, 2)),
        ((MUCH, MUCH), 599, (5, 0)),
        ((MUCH, MUCH), 500, (5, 0)),
        ((99, 99), MUCH, (1, 0)),  # only the first batch of all may be larger than its limit
        ((0, 0), MUCH, (1, 0)),
        ((MUCH, MUCH), 0, (1, 0)),
        ((MUCH, MUCH), 1, (1, 0)),
        ((99, 100), MUCH, (1, 1)),
        ((99, MUCH), 199, (1, 0)),
        ((99, MUCH), 200, (1, 1)),
    ],
)
async def test_a_fetch_keeps_its_limits(
    hundreds: Records, limits: tuple[int, int], max_bytes: int, found: tuple[int, int]
) -> None:
    reads = [LogRead(A, 0, limits[0]), LogRead(B, 0, limits[1])]
    assert await sizes(hundreds, reads, max_bytes) == [[100] * count for count in found]


@pytest.mark.anyio
async def test_the_first_batch_may_be_that_of_a_later_log(hundreds: Records) -> None:
    reads = [LogRead(A, 5, 10), LogRead(LogId(77), 0, 10), LogRead(B, 4, 10), LogRead(A, 0, 10)]
    assert await sizes(hundreds, reads, 10) == [[], [], [100], []]


@pytest.mark.anyio
async def test_a_fetch_of_the_same_log_twice_is_two_reads(hundreds: Records) -> None:
    assert await sizes(hundreds, [LogRead(A, 0, 200), LogRead(A, 3, 200)]) == [[100, 100], [100, 100]]


@pytest.mark.anyio
async def test_an_offset_out_of_range_is_an_error_of_its_own_log_only(hundreds: Records) -> None:
    await hundreds.store.delete_records(A, 2)
    reads = [LogRead(A, 1, MUCH), LogRead(B, 0, MUCH), LogRead(A, 6, MUCH), LogRead(A, 2, MUCH), LogRead(A, 5, MUCH)]
    result = await hundreds.fetch(reads)
    found = [entry.code if isinstance(entry, KafkaError) else len(entry.buffers) for entry in result]
    assert found == [ErrorCode.OFFSET_OUT_OF_RANGE, 5, ErrorCode.OFFSET_OUT_OF_RANGE, 3, 0]


@pytest.mark.anyio
async def test_nothing_is_asked_of_a_fetch_of_nothing(records: Records) -> None:
    assert await records.fetch([]) == []


@pytest.mark.anyio
async def test_a_read_begins_with_the_batch_that_contains_the_offset(records: Records) -> None:
    await records.append_all(A, [sized(count=5)] * 4)
    for _ in range(2):
        for offset in range(20):
            first = (await records.slice(A, offset)).buffers[0]
            assert base_of(first) <= offset < end_of(first)
        assert (await records.slice(A, 20)).buffers == []
        await records.reopen()


@pytest.mark.anyio
async def test_the_tail_is_read_at_once_and_the_disk_in_the_background(records: Records) -> None:
    await records.append_all(A, [sized(1000)] * 100)
    at_once = records.store.fetch([LogRead(A, 99, MUCH)], MUCH, UNCOMMITTED)
    assert not inspect.isawaitable(at_once)
    later = records.store.fetch([LogRead(A, 0, MUCH)], MUCH, UNCOMMITTED)
    assert inspect.isawaitable(later)
    await later


@pytest.mark.anyio
async def test_the_tail_is_bounded(records: Records) -> None:
    """What does not fit is read from the disk: a log at rest, and one with endless tiny batches."""
    await records.append_all(A, [sized(100)] * 5)
    await records.append_all(B, [sized(70)] * 2000)
    for log in (A, B):
        result = records.store.fetch([LogRead(log, 0, 100)], 100, UNCOMMITTED)
        assert inspect.isawaitable(result)
        await result
    in_memory = 0
    for offset in range(2000):
        result = records.store.fetch([LogRead(B, offset, 1)], 1, UNCOMMITTED)
        if inspect.isawaitable(result):
            await result
        else:
            in_memory += 1
    assert 10 <= in_memory <= SMALL.tail_cache_bytes // 70


@pytest.mark.anyio
async def test_what_is_read_while_it_is_deleted_is_whole_or_out_of_range(records: Records) -> None:
    await records.append_all(A, [sized(500)] * 200)
    reads = [asyncio.ensure_future(records.fetch([LogRead(A, offset, MUCH)])) for offset in range(0, 150, 10)]
    await asyncio.sleep(0)
    await records.store.delete_records(A, 150)
    await records.store.reclaim()
    for offset, read in zip(range(0, 150, 10), reads, strict=True):
        (found,) = await read
        if isinstance(found, KafkaError):
            assert found.code is ErrorCode.OFFSET_OUT_OF_RANGE
        else:
            assert base_of(found.buffers[0]) == offset


# Reading ahead: who reads in order gets the same as everybody


async def part(
    records: Records, log: LogId, offset: int, max_bytes: int, isolation: IsolationLevel = UNCOMMITTED
) -> LogSlice:
    """What one fetch gives."""
    (found,) = await records.fetch([LogRead(log, offset, max_bytes)], isolation=isolation)
    assert isinstance(found, LogSlice), found
    return found


async def read_in_order(records: Records, log: LogId, max_bytes: int, isolation: IsolationLevel) -> list[bytes]:
    """As a consumer does, to the end that it may see."""
    found: list[bytes] = []
    offset = records.store.bounds(log).start
    while buffers := (await part(records, log, offset, max_bytes, isolation)).buffers:
        assert base_of(buffers[0]) == offset
        found += buffers
        offset = end_of(buffers[-1])
    return found


@pytest.mark.anyio
@pytest.mark.parametrize("size", [100, 9000])
async def test_consumers_that_read_in_order_side_by_side_get_everything_once(records: Records, size: int) -> None:
    await records.append_all(A, [sized(size)] * 300)
    await records.append_all(B, [sized(size)] * 300)
    limits = (size // 2, size * 3, size * 3, size * 7 + 1)
    reads = [read_in_order(records, log, limit, UNCOMMITTED) for log in (A, B) for limit in limits]
    for found in await asyncio.gather(*reads):
        assert [base_of(batch) for batch in found] == list(range(300))


@pytest.mark.anyio
async def test_what_was_read_ahead_is_cut_to_what_is_asked_for(records: Records) -> None:
    await records.append_all(A, [sized(101)] * 200)
    for offset in (0, 20, 40):  # from the second on it is a sequence
        assert len((await part(records, A, offset, 2000)).buffers) == 20
    assert len((await part(records, A, 60, 399)).buffers) == 3
    assert len((await part(records, A, 63, 1)).buffers) == 1


@pytest.mark.anyio
async def test_what_was_read_ahead_is_filled_up_to_what_is_asked_for(records: Records) -> None:
    await records.append_all(A, [sized(101)] * 200)
    for offset in (0, 2, 4):
        assert len((await part(records, A, offset, 200)).buffers) == 2
    assert [base_of(batch) for batch in (await part(records, A, 6, 2000)).buffers] == list(range(6, 26))
    for offset in (196, 197, 198):
        assert len((await part(records, A, offset, 100)).buffers) == 1
    assert [base_of(batch) for batch in (await part(records, A, 199, 2000)).buffers] == [199]


@pytest.mark.anyio
async def test_what_was_read_ahead_waits_for_its_turn(records: Records) -> None:
    """A batch that is too large for what is left of an answer comes in one where it is the first."""
    await records.append_all(A, [sized(9000)] * 10)
    await records.append_all(B, [sized(9000)] * 10)
    for offset in range(4):
        assert await sizes(records, [LogRead(A, offset, 100), LogRead(B, offset, 100)]) == [[9003], []]
        assert await sizes(records, [LogRead(B, offset, 100), LogRead(A, offset + 1, 100)]) == [[9003], []]


@pytest.mark.anyio
async def test_what_was_read_ahead_and_then_deleted_is_out_of_range(records: Records) -> None:
    await records.append_all(A, [sized(101)] * 200)
    for offset in (0, 20, 40):
        assert (await part(records, A, offset, 2000)).buffers
    await records.store.delete_records(A, 100)
    (found,) = await records.fetch([LogRead(A, 60, 2000)])
    assert isinstance(found, KafkaError)
    assert found.code is ErrorCode.OFFSET_OUT_OF_RANGE


@pytest.mark.anyio
async def test_a_committed_reader_gets_nothing_that_was_read_ahead_for_others(records: Records) -> None:
    await records.append_all(A, [sized(500)] * 100)
    opened = [sized(500, producer=(3, 0, number), is_transactional=True) for number in range(100)]
    await records.append_all(A, opened)
    committed, uncommitted = await asyncio.gather(
        read_in_order(records, A, 5000, COMMITTED), read_in_order(records, A, 5000, UNCOMMITTED)
    )
    assert (len(committed), len(uncommitted)) == (100, 200)


@pytest.mark.anyio
async def test_a_consumer_that_gives_up_takes_nothing_from_another_at_the_same_place(records: Records) -> None:
    await records.append_all(A, [sized(101)] * 200)
    for offset in (0, 20):
        await part(records, A, offset, 2000)
    leaving, staying = (asyncio.ensure_future(part(records, A, 40, 2000)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert [base_of(batch) for batch in (await staying).buffers] == list(range(40, 60))


# Against a model


class Model:
    """A log as a list of batches."""

    def __init__(self, log: LogId) -> None:
        self.log = log
        self.start = 0
        self.stored: list[bytes] = []

    @property
    def end(self) -> int:
        return end_of(self.stored[-1]) if self.stored else 0

    def read(self, offset: int, bound: int, max_bytes: int, at_least_one: bool) -> list[bytes]:
        found: list[bytes] = []
        left = max_bytes
        for batch in self.stored:
            if end_of(batch) <= offset:
                continue
            left -= len(batch)
            if base_of(batch) >= bound or (left < 0 and (found or not at_least_one)):
                break
            found.append(batch)
        return found if offset < bound else []


SIZES = st.one_of(
    st.lists(st.integers(70, 400), max_size=30),
    st.lists(st.integers(70, 9000), max_size=12),
    st.lists(st.sampled_from([9000, 12_000, 20_000]), max_size=6),
)


@st.composite
def batches(draw: st.DrawFn) -> list[CheckedBatch]:
    """Of any sizes; perhaps from some place on inside a transaction."""
    lengths = draw(SIZES)
    opened = draw(st.none() | st.integers(0, 30))
    made, sequence = [], 0
    for index, size in enumerate(lengths):
        count = draw(st.sampled_from([1, 1, 2, 5]))
        in_transaction = opened is not None and index >= opened
        producer = (3, 0, sequence) if in_transaction else (-1, -1, -1)
        sequence += count if in_transaction else 0
        made.append(sized(size, count, producer=producer, is_transactional=in_transaction))
    return made


async def filled(shared: SharedRecords, made: Sequence[CheckedBatch]) -> Model:
    """A log with these batches, each with its place in it."""
    model = Model(shared.new_log())
    await shared.records.append_all(model.log, made)
    end = 0
    for batch in made:
        place = end.to_bytes(8, "big") + bytes(batch.data)[8:12] + shared.records.leader_epoch.to_bytes(4, "big")
        model.stored.append(place + bytes(batch.data)[16:])
        end += batch.header.record_count
    return model


@given(st.data(), st.lists(batches(), min_size=1, max_size=3))
@hypothesis_settings(max_examples=80, deadline=None)
def test_every_fetch_is_what_a_list_would_give(
    shared: SharedRecords, data: st.DataObject, contents: list[list[CheckedBatch]]
) -> None:
    records = shared.records
    models = [shared.run(filled(shared, made)) for made in contents]
    limits = st.sampled_from([0, 1, 100, 500, 5000, 20_000, MUCH]) | st.integers(0, 30_000)
    for isolation in (UNCOMMITTED, COMMITTED):
        for _ in range(6):
            chosen = data.draw(st.lists(st.sampled_from(models), min_size=1, max_size=4))
            reads = [
                LogRead(model.log, data.draw(st.integers(0, model.end)), data.draw(limits, label="limit"))
                for model in chosen
            ]
            max_bytes = data.draw(limits, label="max_bytes")
            result = shared.run(records.fetch(reads, max_bytes, isolation))
            left, any_found = max_bytes, False
            for model, read, found in zip(chosen, reads, result, strict=True):
                assert isinstance(found, LogSlice)
                bounds = records.bounds(model.log)
                bound = bounds.last_stable if isolation is COMMITTED else bounds.high_watermark
                expected = model.read(read.offset, bound, min(read.max_bytes, left), not any_found)
                assert found.buffers == expected
                assert found.size_bytes == sum(map(len, expected))
                assert found.bounds == bounds == LogBounds(0, bounds.last_stable, model.end)
                left = max(left - found.size_bytes, 0)
                any_found = any_found or bool(expected)


@given(batches())
@hypothesis_settings(max_examples=40, deadline=None)
def test_reading_on_and_on_gives_every_batch_once(shared: SharedRecords, made: list[CheckedBatch]) -> None:
    model = shared.run(filled(shared, made))
    for limit in (1, 1000, MUCH):
        at, found = 0, list[bytes]()
        while at < model.end:
            (part,) = shared.run(shared.records.fetch([LogRead(model.log, at, limit)]))
            assert isinstance(part, LogSlice)
            assert part.buffers
            found += part.buffers
            at = end_of(part.buffers[-1])
        assert found == model.stored
