"""The contract of a record store: markers end transactions, at one moment for all readers, and once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from chronik.batch.control import ControlType, read_control
from chronik.batch.header import parse_header
from chronik.errors import ErrorCode, KafkaError
from chronik.log.access import AppendTerms, LogBounds
from chronik.log.markers import Marker
from chronik.terms import Durability, IsolationLevel, LogId, ProducerId
from tests.log.batches import sized
from tests.store.records import A, B, Records, copy_as_crashed

pytestmark = pytest.mark.anyio

ONE, TWO = 1, 2
COMMITTED = IsolationLevel.READ_COMMITTED


def mark(
    records: Records,
    log: LogId = A,
    producer: int = ONE,
    epoch: int = 0,
    *,
    commits: bool = True,
    coordinator_epoch: int = 0,
    only_open: bool = True,
    durability: Durability = Durability.SYNCED,
    raises_epoch: bool = False,
) -> asyncio.Future[int | KafkaError | None]:
    """Append a marker and return at once; the future has the outcome, and would fail if there were two."""
    outcome: asyncio.Future[int | KafkaError | None] = asyncio.get_running_loop().create_future()
    terms = AppendTerms(records.leader_epoch, records.now_ms, records.segment_bytes, records.segment_ms)
    control = ControlType.COMMIT if commits else ControlType.ABORT
    marker = Marker(ProducerId(producer), epoch, control, coordinator_epoch, raises_epoch)
    records.store.append_marker(log, marker, terms, durability, outcome.set_result, only_open=only_open)
    return outcome


async def open_transaction(
    records: Records, producer: int = ONE, log: LogId = A, epoch: int = 0, sequence: int = 0
) -> int:
    batch = sized(producer=(producer, epoch, sequence), is_transactional=True)
    return (await records.append(log, batch)).base_offset


async def told(records: Records, offset: int, log: LogId = A) -> tuple[int, list[tuple[int, int]]]:
    """What a read-committed reader gets from an offset: how many batches, and the aborted ranges beside them."""
    found = await records.slice(log, offset, COMMITTED)
    assert found.aborted is not None
    return len(found.buffers), [(entry.producer_id, entry.first_offset) for entry in found.aborted]


async def code_of(outcome: asyncio.Future[int | KafkaError | None]) -> ErrorCode:
    found = await outcome
    assert isinstance(found, KafkaError)
    return found.code


@pytest.mark.parametrize("commits", [True, False])
@pytest.mark.parametrize("durability", Durability)
async def test_a_marker_is_one_control_batch(records: Records, commits: bool, durability: Durability) -> None:
    await open_transaction(records)
    records.now_ms += 5
    records.leader_epoch = 3
    assert await mark(records, commits=commits, coordinator_epoch=7, durability=durability) == 1
    (stored,) = (await records.slice(A, 1)).buffers
    header = parse_header(stored)
    assert (header.base_offset, header.record_count, header.base_sequence) == (1, 1, -1)
    assert (header.producer_id, header.producer_epoch, header.leader_epoch) == (ONE, 0, 3)
    assert header.is_control
    assert header.is_transactional
    assert header.max_timestamp == records.now_ms
    control = read_control(stored)
    assert (control.type, control.coordinator_epoch) == (ControlType.COMMIT if commits else ControlType.ABORT, 7)
    (producer,) = records.store.producers(A)
    assert (producer.open_first_offset, producer.coordinator_epoch, producer.last_sequence) == (-1, 7, 0)


async def test_readers_see_the_end_at_once(records: Records) -> None:
    """The last stable offset, the marker and the aborted range appear together, with one wake-up."""
    await open_transaction(records)
    await records.append()
    seen: list[tuple[LogBounds, int]] = []
    watch = records.store.watch([A], lambda: seen.append((records.bounds(), len(records.store.producers(A)))))
    ending = mark(records, commits=False)
    # Ordered, but not written yet: nobody sees anything.
    assert records.bounds() == LogBounds(0, 0, 2)
    assert await told(records, 0) == (0, [])
    await ending
    watch.cancel()
    assert seen[0][0] == LogBounds(0, 3, 3)
    assert await told(records, 0) == (3, [(ONE, 0)])
    assert await told(records, 2) == (1, [(ONE, 0)])


async def test_the_last_stable_offset_is_that_of_the_oldest_open_transaction(records: Records) -> None:
    await records.append()
    await open_transaction(records, ONE)
    await open_transaction(records, TWO)
    assert records.bounds().last_stable == 1
    await mark(records, producer=ONE)
    assert records.bounds() == LogBounds(0, 2, 4)
    await open_transaction(records, ONE, sequence=1)
    await mark(records, producer=TWO, commits=False)
    assert records.bounds() == LogBounds(0, 4, 6)
    assert await told(records, 0) == (4, [(TWO, 2)])
    await mark(records, producer=ONE)
    assert records.bounds() == LogBounds(0, 7, 7)


async def test_a_marker_is_appended_once(records: Records) -> None:
    await open_transaction(records)
    first, again = mark(records, commits=False), mark(records, commits=False)
    assert (await first, await again) == (1, None)
    assert await mark(records, commits=False) is None
    await records.reopen()
    assert await mark(records, commits=False) is None
    assert records.bounds() == LogBounds(0, 2, 2)
    assert await told(records, 0) == (2, [(ONE, 0)])


async def test_nothing_is_appended_where_nothing_is_open(records: Records) -> None:
    assert await mark(records) is None
    await records.append(A, sized(producer=(ONE, 0, 0)))
    assert await mark(records, epoch=5) is None
    assert records.bounds() == LogBounds(0, 1, 1)
    assert records.store.producers(A)[0].epoch == 0


async def test_a_marker_that_is_asked_for_is_appended_anyhow_and_raises_the_epoch(records: Records) -> None:
    """As WriteTxnMarkers does, which an administrator sends."""
    assert await mark(records, epoch=3, only_open=False, commits=False) == 0
    assert await mark(records, epoch=3, only_open=False, commits=False) == 1
    assert records.bounds() == LogBounds(0, 2, 2)
    assert await told(records, 0) == (2, [])
    old = sized(producer=(ONE, 2, 0))
    assert await records.refusal(A, old) is ErrorCode.INVALID_PRODUCER_EPOCH
    assert await records.refusal(A, sized(producer=(ONE, 3, 5))) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert (await records.append(A, sized(producer=(ONE, 3, 0)))).base_offset == 2


async def test_markers_of_the_past_are_refused_and_leave_no_trace(records: Records) -> None:
    await open_transaction(records, epoch=2)
    before = records.store.producers(A)
    assert await code_of(mark(records, epoch=1)) is ErrorCode.INVALID_PRODUCER_EPOCH
    assert await code_of(mark(records, epoch=2, raises_epoch=True)) is ErrorCode.INVALID_PRODUCER_EPOCH
    assert records.store.producers(A) == before
    assert await mark(records, epoch=3, coordinator_epoch=5, raises_epoch=True) == 1
    await open_transaction(records, epoch=3)
    fenced = ErrorCode.TRANSACTION_COORDINATOR_FENCED
    assert await code_of(mark(records, epoch=3, coordinator_epoch=4)) is fenced
    assert records.bounds() == LogBounds(0, 2, 3)


async def test_a_new_epoch_stops_the_producer_of_the_old_one(records: Records) -> None:
    await open_transaction(records)
    await mark(records, epoch=1, commits=False)
    late = sized(producer=(ONE, 0, 1), is_transactional=True)
    assert await records.refusal(A, late) is ErrorCode.INVALID_PRODUCER_EPOCH
    assert await records.refusal(A, sized(producer=(ONE, 0, 0), is_transactional=True)) is (
        ErrorCode.INVALID_PRODUCER_EPOCH
    ), "nor is a retry of it a duplicate"
    assert await open_transaction(records, epoch=1) == 2


async def test_all_of_it_is_there_after_a_crash(records: Records, tmp_path: Path) -> None:
    await open_transaction(records, ONE)
    await open_transaction(records, TWO)
    await mark(records, producer=ONE, epoch=1, commits=False, coordinator_epoch=4, durability=Durability.WRITTEN)
    await open_transaction(records, ONE, B)
    await mark(records, B, durability=Durability.WRITTEN)
    copy_as_crashed(records.path, tmp_path / "copy")
    copy = Records(records.engine, tmp_path / "copy", records.settings)
    copy.open()
    for log in (A, B):
        assert copy.bounds(log) == records.bounds(log)
        assert copy.store.producers(log) == records.store.producers(log)
        assert await told(copy, 0, log) == await told(records, 0, log)
    assert copy.bounds() == LogBounds(0, 1, 3)
    await mark(copy, producer=TWO)
    assert await told(copy, 0) == (4, [(ONE, 0)])
    await copy.close()


async def test_deleted_records_take_their_aborted_ranges_with_them(records: Records) -> None:
    for sequence in range(0, 6, 2):
        await open_transaction(records, sequence=sequence)
        await open_transaction(records, sequence=sequence + 1)
        await mark(records, commits=False)
    # The middle of the second transaction: a reader that begins there must still be told.
    assert await records.store.delete_records(A, 4) == 4
    for _ in range(2):
        assert await told(records, 4) == (5, [(ONE, 3), (ONE, 6)])
        await records.reopen()
    assert await records.store.delete_records(A, 6) == 6
    assert await told(records, 6) == (3, [(ONE, 6)])


async def test_a_deleted_beginning_does_not_hold_the_last_stable_offset_back(records: Records) -> None:
    await open_transaction(records)
    await records.append_all(A, [sized()] * 4)
    await records.store.delete_records(A, 3)
    assert records.bounds() == LogBounds(3, 3, 5)
    assert await mark(records, commits=False) == 5
    assert records.bounds() == LogBounds(3, 6, 6)
    assert await told(records, 3) == (3, [(ONE, 0)])


async def test_retention_does_not_forget_an_open_transaction(records: Records) -> None:
    await open_transaction(records)
    await records.append_all(A, [sized(3000)] * 10)
    records.now_ms += 10_000
    await records.store.retain(A, 1, -1, records.now_ms)
    assert records.bounds().start > 0
    records.store.expire_producers(A, records.now_ms, 1)
    await records.reopen()
    assert records.bounds().last_stable == records.bounds().start
    await mark(records, commits=False)
    assert records.bounds().last_stable == records.bounds().high_watermark


async def test_a_dropped_log_has_nothing_to_end(records: Records) -> None:
    await open_transaction(records)
    await records.store.drop([A])
    assert await mark(records) is None
    assert await mark(records, only_open=False) is None


async def test_a_closed_store_refuses_markers(records: Records) -> None:
    await open_transaction(records)
    await records.close()
    assert await code_of(mark(records)) is ErrorCode.KAFKA_STORAGE_ERROR


async def test_many_markers_fill_segments_and_chunks_as_batches_do(records: Records) -> None:
    for sequence in range(300):
        await open_transaction(records, sequence=sequence)
        assert await mark(records, commits=sequence % 2 == 0) == 2 * sequence + 1
    await records.reopen()
    assert records.bounds() == LogBounds(0, 600, 600)
    batches, ranges = 0, set[tuple[int, int]]()
    while batches < 600:
        found = await records.slice(A, batches, COMMITTED)
        assert found.aborted is not None
        batches += len(found.buffers)
        ranges |= {(entry.producer_id, entry.first_offset) for entry in found.aborted}
    assert ranges == {(ONE, 2 * sequence) for sequence in range(1, 300, 2)}
