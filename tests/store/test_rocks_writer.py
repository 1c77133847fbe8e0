"""The RocksDB engine's writer: groups, chunks, and stalls."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from chronik.errors import KafkaError
from chronik.log.access import LogBounds
from chronik.settings import MIB
from chronik.store.rocks import writer
from chronik.store.rocks.engine import RocksEngine
from chronik.store.rocks.options import file_ranges, open_records
from tests.log.batches import sized
from tests.store.faulty_rocksdb import DISK_FULL, STALL, FaultyRdict
from tests.store.records import SMALL, A, B, C, Records, eventually, expect_dense, succeeded

pytestmark = pytest.mark.anyio


# Groups and chunks


async def test_what_comes_in_a_turn_is_one_write(faulty: Records, opened: list[FaultyRdict]) -> None:
    await asyncio.gather(*[faulty.submit(log, sized()) for log in (A, B, C) for _ in range(5)])
    assert len(opened[-1].write_sizes) == 1


async def test_what_comes_in_the_turns_after_it_is_written_with_it(faulty: Records, opened: list[FaultyRdict]) -> None:
    """As long as each turn of the loop brings more: small requests share a write and an fsync."""
    outcomes = [faulty.submit(A, sized()), faulty.submit(B, sized())]
    for _ in range(3):
        await asyncio.sleep(0)
        outcomes.append(faulty.submit(A, sized()))
    await asyncio.gather(*outcomes)
    assert len(opened[-1].write_sizes) == 1


async def test_one_request_alone_does_not_wait_for_others(faulty: Records, opened: list[FaultyRdict]) -> None:
    faulty.submit(A, sized())
    await asyncio.sleep(0)
    assert len(opened[-1].write_sizes) == 1


async def test_requests_that_go_on_coming_are_written_all_the_same(faulty: Records, opened: list[FaultyRdict]) -> None:
    submitted = 0
    while not opened[-1].write_sizes:
        faulty.submit(A, sized())
        faulty.submit(B, sized())
        submitted += 1
        assert submitted < 20
        await asyncio.sleep(0)


async def test_a_great_turn_is_written_in_pieces(opened: list[FaultyRdict], tmp_path: Path) -> None:
    """Symptom: after a stall the loop stood still for as long as 64 MB took to be written."""
    settings = replace(SMALL, chunk_bytes=64 * MIB)
    records = Records(RocksEngine, tmp_path / "records", settings)
    records.open()
    outcomes = [records.submit(A, sized(200_000)) for _ in range(50)]
    turns = 0
    while not all(outcome.done() for outcome in outcomes):
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 8
    sizes = opened[-1].write_sizes
    assert len(sizes) >= 8
    assert max(sizes) < MIB + 210_000
    await records.close()


async def test_chunks_lie_in_files_of_their_own(tmp_path: Path) -> None:
    """Whatever is written at once: no file reaches from one chunk into another one's middle."""
    settings = replace(SMALL, chunk_bytes=MIB, max_staged_bytes=8 * MIB)
    records = Records(RocksEngine, tmp_path / "records", settings)
    records.open()
    for _ in range(3):
        await records.append_all(A, [sized(40_000)] * 100)
        await records.append_all(B, [sized(300)] * 3000)
    await records.close()
    data = open_records(records.path, settings)
    ranges = sorted(file_ranges(data))
    assert len(ranges) >= 4
    for (_, last, _), (first, _, _) in pairwise(ranges):
        assert last < first
    data.close()


async def test_a_turn_that_is_half_written_is_half_there(faulty: Records, opened: list[FaultyRdict]) -> None:
    """The disk fails between the writes of one turn: what the first ones held is there, exact to the last offset."""
    data = opened[-1]

    def fail_after_second(number: int) -> None:
        if number == 1:
            data.faults["append"] = DISK_FULL

    data.before_write = fail_after_second
    outcomes = [faulty.submit(A, sized(100_000, producer=(1, 0, sequence))) for sequence in range(40)]
    results = await asyncio.gather(*outcomes)
    written = [result.base_offset for result in results if not isinstance(result, KafkaError)]
    assert written == list(range(len(written)))
    assert 0 < len(written) < 40
    assert faulty.bounds() == LogBounds(0, len(written), len(written))
    data.faults.clear()
    await faulty.reopen()
    assert faulty.bounds() == LogBounds(0, len(written), len(written))
    assert faulty.store.info(A).size_bytes == sum(map(len, await faulty.read_all(A)))
    assert faulty.store.producers(A)[0].last_sequence == len(written) - 1


# Stalls


async def test_a_stall_of_rocksdb_makes_producers_wait_and_loses_nothing(
    faulty: Records, opened: list[FaultyRdict]
) -> None:
    """Symptom: the message of a stall was not recognised, and the store gave up for good. So RocksDB itself stalls."""
    data = opened[-1].data
    data.set_options({"disable_auto_compactions": "true", "level0_stop_writes_trigger": "2"})
    await faulty.append_all(A, [sized(1000)] * 100)
    outcomes = []
    while (room := faulty.store.room()) is None:
        outcomes.append(faulty.submit(A, sized(10_000)))
        await asyncio.sleep(0)
        assert len(outcomes) < 1000, "it never stalled"
    assert not outcomes[-1].done()
    data.set_options({"level0_stop_writes_trigger": "1000"})
    await room
    assert faulty.store.room() is None
    bases = [succeeded(outcome).base_offset for outcome in await asyncio.gather(*outcomes)]
    assert bases == list(range(100, 100 + len(outcomes)))
    await faulty.append()
    expect_dense(await faulty.read_all(A))
    await faulty.reopen()
    expect_dense(await faulty.read_all(A))


async def test_tiny_buffers_only_slow_down(tmp_path: Path) -> None:
    settings = replace(SMALL, chunk_bytes=64 * 1024, max_staged_bytes=100_000)
    records = Records(RocksEngine, tmp_path / "records", settings)
    records.open()
    appended = await records.append_all(A, [sized(9000)] * 1500)
    assert [outcome.base_offset for outcome in appended] == list(range(1500))
    await records.reopen()
    assert len(await records.read_all(A)) == 1500
    await records.close()


async def test_a_long_stall_is_told_once(
    faulty: Records, opened: list[FaultyRdict], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(writer, "_STALL_WARNING_COUNT", 3)
    opened[-1].faults["write"] = STALL
    attempts: list[int] = []
    opened[-1].before_write = attempts.append
    outcome = faulty.submit(A, sized())
    await eventually(lambda: len(attempts) > 8)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    opened[-1].faults.clear()
    assert succeeded(await outcome).base_offset == 0


async def test_one_who_gives_up_waiting_for_room_lets_the_others_wait_on(
    faulty: Records, opened: list[FaultyRdict]
) -> None:
    """Symptom: a connection that was closed during a stall cancelled the requests of all others."""
    opened[-1].faults["write"] = STALL
    outcomes = []
    while faulty.store.room() is None:
        outcomes.append(faulty.submit(A, sized(50_000)))
    rooms = [faulty.store.room() for _ in range(3)]
    waiting = [asyncio.ensure_future(room) for room in rooms if room is not None]
    await asyncio.sleep(0)
    waiting[0].cancel()
    opened[-1].faults.clear()
    await asyncio.gather(*outcomes, *waiting[1:])


async def test_a_store_that_stalls_is_closed_once_it_does_not(faulty: Records, opened: list[FaultyRdict]) -> None:
    opened[-1].faults["write"] = STALL
    outcome = faulty.submit(A, sized())
    closing = asyncio.ensure_future(faulty.close())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not closing.done()
    opened[-1].faults.clear()
    await closing
    assert succeeded(outcome.result()).base_offset == 0
