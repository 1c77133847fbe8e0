"""Large batches, which are written once: the journal's file becomes a table of RocksDB's."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rocksdict import BottommostLevelCompaction, CompactOptions, IngestExternalFileOptions, Rdict

from chronik.log.access import LogBounds
from chronik.settings import MIB
from chronik.store.rocks import journal, keys
from chronik.store.rocks.engine import RocksEngine
from chronik.store.rocks.journal_format import MAGIC, encoded, encoded_ending, journal_paths
from chronik.store.rocks.options import cold_reads, file_of, open_records, values_of
from chronik.store.rocks.reader import OfflineReader
from chronik.store.rocks.table import Block, Table, link_path
from chronik.store.rocks.table_files import LEAST_SLICE_BYTES, TableFile, TableFiles
from chronik.terms import Durability, FileSlice, IsolationLevel
from tests.log.batches import NOW_MS, sized
from tests.store.faulty_rocksdb import FaultyRdict
from tests.store.records import SMALL, A, B, C, Records, copy_as_crashed, eventually, expect_dense

CHUNK = keys.BLOCKS | 9

# The format


def write(path: Path, batches: list[tuple[int, int]]) -> Table:
    """A journal with these (log, bytes) as blocks, a few to each record, which ends as a table."""
    table, ends = Table(CHUNK), dict[int, int]()
    content = MAGIC
    chance = random.Random(len(batches))
    while batches:
        count = chance.randint(1, 4)
        blocks = []
        for log, size in batches[:count]:
            base = ends.get(log, 0)
            ends[log] = base + chance.randint(1, 5)
            blocks.append(Block(CHUNK, log, base, ends[log] - 1, base * 10, chance.randbytes(size)))
        batches = batches[count:]
        record = encoded([(b"small", b"batch")], {b"a": b"row"}, blocks=blocks)
        for block, position in zip(blocks, record.positions, strict=True):
            table.add(block, len(content) + position)
        content += b"".join(record.buffers)
    path.write_bytes(content + encoded_ending(len(content), table.ending))
    return table


def rows_of(data: Rdict) -> Iterator[tuple[bytes, bytes]]:
    rows = data.iter()
    rows.seek(b"")
    while rows.valid():
        yield rows.key(), rows.value()
        rows.next()
    rows.status()


def take_over(data: Rdict, path: Path) -> None:
    options = IngestExternalFileOptions()
    options.set_move_files(True)
    data.ingest_external_file([str(path)], options)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from([1, 2, 3, 2**32 - 1]), st.integers(0, 40_000)), min_size=1, max_size=60))
def test_rocksdb_reads_what_is_written(
    tmp_path_factory: pytest.TempPathFactory, batches: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("table")
    table = write(folder / "journal", batches)
    expected = list(table.rows())
    assert expected == sorted(expected)
    data = open_records(folder / "records", SMALL)
    take_over(data, folder / "journal")
    for _ in range(2):
        assert list(rows_of(data)) == expected
        assert values_of(data, [key for key, _ in expected], cold_reads()) == [value for _, value in expected]
        assert [data[key] for key, _ in expected] == [value for _, value in expected]
        assert data.get(keys.batch_key(CHUNK, 1, 2**40)) is None
        # Compaction counts the rows and reads all blocks, in their order.
        options = CompactOptions()
        options.set_bottommost_level_compaction(BottommostLevelCompaction.force())
        data.compact_range(None, None, options)
    data.close()


def test_a_spoilt_block_cannot_be_read(tmp_path: Path) -> None:
    """Wherever it is: a disk's error must not become a record."""
    whole = tmp_path / "whole"
    table = write(whole, [(1, 20_000), (2, 9000), (1, 30_000), (3, 100)])
    (key,) = (key for key, value in table.rows() if len(value) == 9000)
    value = table.batch(2, 0)
    assert value is not None
    content = whole.read_bytes()
    at = content.index(value)
    for spoilt_at in (at - 29, at - 20, at, at + 4500, at + 8999, at + 9000, at + 9008, at + 9012):
        spoilt = bytearray(content)
        spoilt[spoilt_at] ^= 4
        path = tmp_path / f"spoilt-{spoilt_at}"
        path.write_bytes(spoilt)
        data = open_records(tmp_path / f"records-{spoilt_at}", SMALL)
        take_over(data, path)
        with pytest.raises(Exception, match="Corruption"):
            data.get(key)
        for other, _ in table.rows():
            if other != key:
                assert data.get(other) is not None
        data.close()


# Where batches are in it


def whole(batch: bytes | FileSlice) -> bytes:
    if isinstance(batch, FileSlice):
        return os.pread(batch.file.descriptor, len(batch), batch.position)
    return batch


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from([1, 2, 3]), st.integers(1, 40_000)), min_size=1, max_size=60),
    st.lists(st.tuples(st.integers(0, 200), st.integers(1, 300), st.integers(0, 200_000), st.booleans()), max_size=20),
)
def test_a_file_is_read_like_the_table_that_was_in_memory(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[tuple[int, int]],
    reads: list[tuple[int, int, int, bool]],
) -> None:
    path = tmp_path_factory.mktemp("table") / "journal"
    table = write(path, batches)
    file = TableFile(path, CHUNK)
    for log in (1, 2, 3, 4):
        for offset, bound, max_bytes, at_least_one in ((0, 2**40, 2**40, True), *reads):
            found, goes_on = file.read(log, offset, bound, max_bytes, at_least_one)
            expected, expected_to_go_on = table.read(log, offset, bound, max_bytes, at_least_one)
            assert [whole(batch) for batch in found] == expected
            assert goes_on is expected_to_go_on
            slices = [batch for batch in found if isinstance(batch, FileSlice)]
            assert all(len(batch) >= LEAST_SLICE_BYTES for batch in slices)
            told, goes_on = file.read(log, offset, bound, max_bytes, at_least_one, 0)
            assert [whole(batch) for batch in told] == expected
            assert goes_on is expected_to_go_on
            assert all(isinstance(batch, FileSlice) for batch in told)


def test_only_files_that_were_made_here_are_read_past_rocksdb(tmp_path: Path) -> None:
    """RocksDB's own, spoilt ones, others' chunks, anything."""
    good = tmp_path / "good"
    write(good, [(1, 20_000), (2, 9000), (1, 30_000)])
    content = good.read_bytes()
    TableFile(good, CHUNK)
    with pytest.raises(ValueError):
        TableFile(good, CHUNK + 1)
    strange = tmp_path / "strange"
    index_at = len(content) - 53 - 60
    for spoilt in (
        b"",
        b"x" * 10,
        bytes(1000),
        content[:-1],
        content[:index_at] + bytes(40) + content[index_at + 40 :],
    ):
        strange.write_bytes(spoilt)
        with pytest.raises(ValueError):
            TableFile(strange, CHUNK)
    data = open_records(tmp_path / "records", SMALL)
    take_over(data, good)
    (path,) = (tmp_path / "records").glob("*.sst")
    assert file_of(data, CHUNK) == path
    assert file_of(data, CHUNK + 1) is None
    files = TableFiles(data)
    assert files.if_open(CHUNK) is None
    file = files.of_chunk(CHUNK)
    assert file is not None
    assert files.if_open(CHUNK) is file
    options = CompactOptions()
    options.set_bottommost_level_compaction(BottommostLevelCompaction.force())
    data.compact_range(None, None, options)
    assert TableFiles(data).of_chunk(CHUNK) is None
    # Who has the old one can go on with it.
    found, _ = file.read(1, 0, 2**40, 2**40, True)
    assert [len(batch) for batch in found] == [20_000, 30_000]
    assert all(whole(batch) in content for batch in found)
    data.close()


# What becomes of it


def inodes(path: Path, pattern: str) -> set[int]:
    return {file.stat().st_ino for file in path.glob(pattern)}


@pytest.mark.anyio
async def test_large_batches_are_written_once(tmp_path: Path) -> None:
    """The file that was the journal is the table file."""
    records = Records(RocksEngine, tmp_path / "records", replace(SMALL, chunk_bytes=MIB))
    records.open()
    journals: set[int] = set()
    for _ in range(20):
        await records.append_all(A, [sized(50_000)] * 10)
        journals |= inodes(records.path, "journal-*")
    await records.close()
    tables = inodes(records.path, "*.sst")
    large = {file.stat().st_ino for file in records.path.glob("*.sst") if file.stat().st_size > MIB // 4}
    assert len(large) >= 9
    assert large <= journals
    assert len(tables) < len(large) + 10
    records.open()
    assert len(await records.read_all(A)) == 200
    await records.close()


@pytest.mark.anyio
async def test_what_rocksdb_does_not_have_yet_is_read_from_memory(tmp_path: Path) -> None:
    """Behind the tail, before the chunk ends: by offset, by time, and across the border to what is in a file."""
    records = Records(RocksEngine, tmp_path / "records", replace(SMALL, chunk_bytes=100_000), segment_bytes=30_000)
    records.open()
    for number in range(40):
        records.now_ms = NOW_MS + number
        await records.append(A, sized(4000, timestamps=[NOW_MS + 10 * number]))
        await records.append(B, sized(100 if number % 3 else 5000))
    for log in (A, B):
        expect_dense(await records.read_all(log))
        for offset in range(40):
            assert len(await records.read_all(log, offset)) == 40 - offset
    for number in range(40):
        found = await records.store.offset_for_time(A, NOW_MS + 10 * number - 3, IsolationLevel.READ_UNCOMMITTED)
        assert found is not None
        assert (found.offset, found.timestamp_ms) == (number, NOW_MS + 10 * number)
    newest = await records.store.offset_of_max_timestamp(A, IsolationLevel.READ_UNCOMMITTED)
    assert newest is not None
    assert newest.offset == 39
    await records.close()


@pytest.mark.anyio
async def test_a_log_of_large_and_small_batches_has_them_in_few_segments(tmp_path: Path) -> None:
    records = Records(RocksEngine, tmp_path / "records", replace(SMALL, chunk_bytes=MIB), segment_bytes=MIB)
    records.open()
    await records.append_all(A, [sized(100), sized(5000)] * 100)
    await records.append_all(B, [sized(100)] * 100)
    await records.close()
    with OfflineReader(records.path) as reader:
        segments = reader.log(A).segments
        assert len(segments) == 2
        assert [bool(segment.chunk & keys.BLOCKS) for segment in segments] == [False, True]
        assert not any(segment.chunk & keys.BLOCKS for segment in reader.log(B).segments)
        assert len(list(reader.batches(reader.log(A)))) == 200


@pytest.mark.anyio
@pytest.mark.parametrize("step", ["_end_table", "sync", "_hand_over", "link", "ingest", "after"])
async def test_a_death_at_every_step_of_a_chunks_end_loses_nothing(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory is copied as a killed process would leave it, before that step and again after it."""
    records = Records(RocksEngine, tmp_path / "records")
    copies: list[Path] = []

    def copy() -> None:
        if len(copies) < 6:
            copies.append(tmp_path / f"copy-{len(copies)}")
            copy_as_crashed(records.path, copies[-1])

    def copied_around(owner: object, name: str) -> None:
        real = getattr(owner, name)

        def call(*arguments: object, **named: object) -> object:
            copy()
            try:
                return real(*arguments, **named)
            finally:
                copy()

        monkeypatch.setattr(owner, name, call)

    records.open()
    acknowledged = 0
    log = records.store._writer._journal  # type: ignore[attr-defined]  # a kill cannot be aimed so well
    owners = {"link": (os, "link"), "ingest": (journal, "_ingest"), "after": (log, "tidy")}
    copied_around(*owners.get(step, (log, step)))
    for _ in range(40):
        await records.append(A, sized(1500))
        await records.append(B, sized(70))
        acknowledged += 1
        if len(copies) >= 6:
            break
    await eventually(lambda: len(copies) >= 2)
    monkeypatch.undo()
    await records.close()
    for path in copies:
        for _ in range(2):
            again = Records(RocksEngine, path)
            again.open()
            for log_id in (A, B):
                batches = await again.read_all(log_id)
                expect_dense(batches)
                assert len(batches) >= acknowledged - 20
            await again.append(A, sized(1500), Durability.SYNCED)
            await again.close()
            assert not list(path.glob("table-*"))
            assert journal_paths(path) == []


@pytest.mark.anyio
async def test_a_start_hands_over_what_a_killed_broker_had_begun(tmp_path: Path) -> None:
    """The journal of an unfinished chunk becomes a table too, and none that reaches into other chunks."""
    records = Records(RocksEngine, tmp_path / "records", replace(SMALL, chunk_bytes=MIB))
    records.open()
    await records.append_all(A, [sized(20_000)] * 20)
    await records.append_all(B, [sized(100)] * 20)
    (written,) = inodes(records.path, "journal-*")
    copy_as_crashed(records.path, tmp_path / "crashed")
    await records.close()
    again = Records(RocksEngine, tmp_path / "crashed", records.settings)
    (journal_path,) = journal_paths(again.path)
    inode = journal_path.stat().st_ino
    assert inode != written
    again.open()
    assert inode in inodes(again.path, "*.sst")
    assert [len(await again.read_all(log)) for log in (A, B)] == [20, 20]
    data = again.store._data  # type: ignore[attr-defined]  # which keys a file has is told by RocksDB only
    for file in data.live_files():
        if len(file["start_key"]) == keys.DATA_KEY.size:
            assert file["start_key"][:4] == file["end_key"][:4]
    await again.close()


@pytest.mark.anyio
async def test_what_rocksdb_does_not_take_over_is_copied(
    faulty: Records, opened: list[FaultyRdict], caplog: pytest.LogCaptureFixture
) -> None:
    opened[-1].faults["ingest_external_file"] = "Not implemented: it does not want to"
    with caplog.at_level(logging.WARNING):
        await faulty.append_all(A, [sized(3000)] * 40)
    assert "RocksDB does not take journal-00000001 over, so that it is copied: Not implemented" in caplog.text
    assert len(await faulty.read_all(A)) == 40
    opened[-1].faults.clear()
    await faulty.append_all(A, [sized(3000)] * 10)
    await faulty.reopen()
    batches = await faulty.read_all(A)
    expect_dense(batches)
    assert len(batches) == 50
    await eventually(lambda: len(journal_paths(faulty.path)) == 1)


@pytest.mark.anyio
async def test_links_that_a_crash_left_are_removed(records: Records) -> None:
    await records.append_all(A, [sized(3000)] * 3)
    await records.close()
    stray = link_path(records.path / "journal-00000001")
    stray.write_bytes(b"a second name of a journal")
    records.open()
    assert not stray.exists()
    assert records.bounds(A) == LogBounds(0, 3, 3)


@pytest.mark.anyio
async def test_dropped_logs_leave_their_tables(tmp_path: Path) -> None:
    """Also where the table was not finished when its log was dropped."""
    records = Records(RocksEngine, tmp_path / "records", replace(SMALL, chunk_bytes=MIB))
    records.open()
    for log in (A, B, C):
        await records.append_all(log, [sized(20_000)] * 120)
    await records.store.drop([A, C])
    while await records.store.reclaim():
        pass
    assert len(await records.read_all(B)) == 120
    await eventually(lambda: sum(file.stat().st_size for file in records.path.glob("*.sst")) < 4 * MIB)
    await records.reopen()
    batches = await records.read_all(B)
    expect_dense(batches)
    assert len(batches) == 120
    await records.close()
