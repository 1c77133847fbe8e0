"""The RocksDB engine's files: what is rewritten for deleted records, what an iterator sees, and a cut-off log."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronik.batch.header import stamped
from chronik.log.segments import Segment
from chronik.settings import MIB
from chronik.store.rocks import keys
from chronik.store.rocks.disk import DiskReader
from chronik.store.rocks.engine import RocksEngine
from chronik.store.rocks.garbage import next_run, stretches
from chronik.store.rocks.options import bounded_reads, open_records, rows_between
from chronik.store.rocks.tail import Tail
from chronik.terms import Durability
from tests.log.batches import sized
from tests.store.faulty_rocksdb import FaultyRdict, inject
from tests.store.records import SMALL, A, B, Records, copy_as_crashed, eventually, expect_dense

# Which chunks are rewritten

CHUNK = 1000


def chosen(files: list[tuple[int, int, int]], garbage: Mapping[int, int]) -> tuple[int, int] | None:
    """The first and the last chunk of what is to be rewritten."""
    run = next_run(stretches(files, garbage, CHUNK), CHUNK)
    return (run[0].first_chunk, run[-1].last_chunk) if run else None


@pytest.mark.parametrize(
    ("files", "garbage", "expected"),
    [
        ([(0, 0, 1000)], {}, None),
        ([(0, 0, 1000)], {0: 249}, None),
        ([(0, 0, 1000)], {0: 250}, (0, 0)),
        # Neighbours go together, the others have to wait.
        ([(0, 0, 1000), (1, 1, 1000), (2, 2, 1000)], {0: 1000, 1: 300}, (0, 1)),
        ([(0, 0, 1000), (1, 1, 1000), (2, 2, 1000)], {0: 300, 2: 1000}, (2, 2)),
        ([(0, 0, 1000), (1, 1, 1000), (2, 2, 1000)], {0: 1000, 1: 100, 2: 500}, (0, 0)),
        # A file with several chunks is one thing; so is a chunk in several files.
        ([(0, 4, 1000), (5, 5, 1000)], {0: 100, 2: 100, 4: 100}, (0, 4)),
        ([(0, 4, 1000), (5, 5, 1000)], {0: 100, 4: 100}, None),
        ([(0, 0, 600), (0, 0, 600), (1, 1, 1000)], {0: 299}, None),
        ([(0, 1, 600), (1, 2, 600), (3, 3, 1000)], {1: 300}, (0, 2)),
        # Small files are worthwhile by their own size, once there are enough of them.
        ([(chunk, chunk, 20) for chunk in range(5)], dict.fromkeys(range(5), 20), None),
        ([(chunk, chunk, 20) for chunk in range(20)], dict.fromkeys(range(20), 20), (0, 19)),
        # What is in no file yet counts as a whole chunk.
        ([(0, 0, 1000)], {1: 249}, None),
        ([(0, 0, 1000)], {1: 250}, (1, 1)),
        # Deleted chunks of which nothing is left.
        ([(0, 0, 1000), (9, 9, 1000)], {0: 1000, 9: 1000}, (0, 9)),
    ],
)
def test_a_run_of_chunks_is_chosen(
    files: list[tuple[int, int, int]], garbage: dict[int, int], expected: tuple[int, int] | None
) -> None:
    assert chosen(files, garbage) == expected


def test_a_call_is_bounded_by_what_it_rewrites_and_by_what_it_takes_up() -> None:
    files = [(chunk, chunk, CHUNK) for chunk in range(100)]
    assert chosen(files, dict.fromkeys(range(100), CHUNK)) == (0, 31)
    assert chosen(files, dict.fromkeys(range(100), CHUNK // 2)) == (0, 7)
    assert chosen([(0, 0, 90 * CHUNK), *files[1:]], {0: 80 * CHUNK, 1: 500}) == (0, 0)


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5), st.integers(1, 2000)), max_size=15),
    st.dictionaries(st.integers(0, 40), st.integers(1, 1500), max_size=15),
)
def test_stretches_are_apart_and_hold_all_files_and_garbage(
    files: list[tuple[int, int, int]], garbage: dict[int, int]
) -> None:
    ranges = [(first, first + length, size) for first, length, size in files]
    found = stretches(ranges, garbage, CHUNK)
    assert all(before.last_chunk < after.first_chunk for before, after in pairwise(found))
    assert sum(stretch.garbage_bytes for stretch in found) == sum(garbage.values())
    unflushed = [stretch for stretch in found if not any(first == stretch.first_chunk for first, _, _ in ranges)]
    assert sum(stretch.size_bytes for stretch in found) == sum(size for _, _, size in files) + CHUNK * len(unflushed)
    for stretch in found:
        expected = sum(size for chunk, size in garbage.items() if stretch.first_chunk <= chunk <= stretch.last_chunk)
        assert stretch.garbage_bytes == expected
    assert all(stretch.is_worthwhile for stretch in next_run(found, CHUNK))


def is_idle(data: FaultyRdict) -> bool:
    waiting = ("mem-table-flush-pending", "compaction-pending", "num-running-flushes", "num-running-compactions")
    return not any(data.property_int_value(f"rocksdb.{name}") for name in waiting)


@pytest.mark.anyio
async def test_reclaiming_old_chunks_leaves_the_files_of_the_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Symptom: deletions lay in one file with the newest records, so all that was between them was rewritten."""
    opened = inject(monkeypatch)
    settings = replace(SMALL, chunk_bytes=MIB // 2, max_staged_bytes=4 * MIB)
    records = Records(RocksEngine, tmp_path / "records", settings, segment_bytes=MIB // 4)
    records.open()
    await records.append_all(A, [sized(10_000)] * 1000)
    await records.reopen()  # so that all of it is in files
    await records.append_all(A, [sized(10_000)] * 20)
    await eventually(lambda: is_idle(opened[-1]))
    sizes = {path.name: path.stat().st_size for path in records.path.glob("*.sst")}
    await records.store.retain(A, -1, 8_000_000, records.now_ms)
    assert await records.store.reclaim() > 1_000_000
    await eventually(lambda: not sizes.keys() <= {path.name for path in records.path.glob("*.sst")})
    kept = sizes.keys() & {path.name for path in records.path.glob("*.sst")}
    assert sum(sizes[name] for name in kept) > 6_000_000
    expect_dense(await records.read_all(A), records.bounds().start)
    await records.close()


# Iterators


def test_rows_end_where_they_should_whatever_the_memory_holds(tmp_path: Path) -> None:
    """Symptom: the bound of an iterator was freed before it, so a log was loaded with rows of others, or not whole."""
    data = open_records(tmp_path / "records", SMALL)
    for number in range(100):
        data[keys.batch_key(0, 1, number)] = b"%d" % number
    for end in (50, 10, 99):
        rows = rows_between(data, keys.batch_key(0, 1, 5), keys.batch_key(0, 1, end))
        first = next(rows)
        gc.collect()
        others = [bounded_reads(random.randbytes(17)) for _ in range(200)]
        assert [first[1], *(value for _, value in rows)] == [b"%d" % number for number in range(5, end)]
        del others
    assert list(rows_between(data, keys.batch_key(0, 2, 0), keys.batch_key(0, 3, 0))) == []
    data.close()


@pytest.mark.parametrize("size", [100, 10_000], ids=["small", "large"])
def test_a_read_between_batches_begins_with_the_next_one(tmp_path: Path, size: int) -> None:
    """Compaction leaves gaps. What ends before the offset would make a client read it again and again."""
    data = open_records(tmp_path / "records", SMALL)
    stored = [stamped(sized(size).data, base, 0) for base in (0, 4, 9)]
    segments = [Segment(0, 6, 1, 2 * size, 2, 0, 0, 0), Segment(6, 12, 2, size, 1, 0, 0, 0)]
    for base, chunk, batch in zip((0, 4, 9), (1, 1, 2), stored, strict=True):
        data[keys.batch_key(chunk, 7, base)] = batch
        data[keys.index_key(chunk, 7, base)] = keys.INDEX_VALUE.pack(base, 0, len(batch))
    reader = DiskReader(data, {}, MIB)
    found = {offset: reader.read(7, segments, offset, 12, MIB, True)[0] for offset in range(10)}
    assert found == {offset: stored[0 if offset == 0 else 1 if offset <= 4 else 2 :] for offset in range(10)}
    data.close()


def test_reads_at_the_same_time_share_the_memory(tmp_path: Path) -> None:
    data = open_records(tmp_path / "records", SMALL)
    for base in range(200):
        data[keys.batch_key(1, 7, base)] = stamped(sized(1000).data, base, 0)
    segment = Segment(0, 200, 1, 200_000, 200, 0, 0, 0)
    reader = DiskReader(data, {}, 160_000)
    _, size = reader.read(7, [segment], 0, 200, 10**9, True)
    assert 75_000 < size <= 80_000
    reader._reading_bytes = 150_000
    _, size = reader.read(7, [segment], 0, 200, 10**9, True)
    assert 60_000 < size <= 64 * 1024
    assert reader._reading_bytes == 150_000
    data.close()


# The tail


@given(st.lists(st.integers(1, 5), max_size=80), st.data())
def test_a_tail_holds_the_newest_batches_and_nothing_of_the_others(counts: list[int], data: st.DataObject) -> None:
    tail = Tail(1000)
    held: list[tuple[int, bytes]] = []
    for count in counts:
        held.append((tail.end, b"%d" % count * 3))
        tail.append(tail.end, tail.end + count, held[-1][1])
        for _ in range(data.draw(st.integers(0, min(2, len(held))))):
            tail.drop_oldest()
            del held[0]
        assert tail.first == (held[0][0] if held else tail.end)
        assert len(tail._bases) <= 2 * len(held) + 33
        for offset, _ in held:
            expected = [batch for base, batch in held if base >= offset]
            assert tail.read(offset, tail.end, 10**9, False) == (expected, 3 * len(expected))
            assert tail.available(offset, tail.end, 10**9) == 3 * len(expected)


# A power cut


def test_a_log_that_was_cut_off_keeps_what_was_synced(tmp_path: Path) -> None:
    """The journal loses its end, which no fsync had reached, at any byte: a prefix of it is what there is."""
    settings = replace(SMALL, chunk_bytes=8 * MIB, background_sync_ms=60_000)
    records = Records(RocksEngine, tmp_path / "records", settings)

    async def write() -> tuple[int, Path]:
        records.open()
        for sequence in range(10):
            await records.append(A, sized(300, producer=(1, 0, sequence)), Durability.SYNCED)
            await records.append(B, sized(300), Durability.SYNCED)
        (log,) = records.path.glob("journal-*")
        synced = log.stat().st_size
        for sequence in range(10, 20):
            await records.append(A, sized(300, producer=(1, 0, sequence)))
            await records.append(B, sized(300))
        copy_as_crashed(records.path, tmp_path / "crashed")
        await records.close()
        return synced, Path(log.name)

    async def expect_prefix(path: Path) -> tuple[int, int]:
        copy = Records(RocksEngine, path, settings)
        copy.open()
        ends = copy.bounds(A).high_watermark, copy.bounds(B).high_watermark
        for log, end in zip((A, B), ends, strict=True):
            batches = await copy.read_all(log)
            expect_dense(batches)
            assert len(batches) == end >= 10
        assert 0 <= ends[0] - ends[1] <= 1
        assert copy.store.producers(A)[0].last_sequence == ends[0] - 1
        assert (await copy.append(A, sized(producer=(1, 0, ends[0])))).base_offset == ends[0]
        await copy.close()
        return ends

    synced, name = asyncio.run(write())
    whole = (tmp_path / "crashed" / name).stat().st_size
    seen = set()
    for cut in sorted({synced, whole, *(random.Random(7).randint(synced, whole) for _ in range(12))}):
        path = tmp_path / f"cut-{cut}"
        copy_as_crashed(tmp_path / "crashed", path)
        with open(path / name, "r+b") as log:
            log.truncate(cut)
        seen.add(asyncio.run(expect_prefix(path)))
    assert {(10, 10), (20, 20)} < seen
