"""The journal: its format, what a start does with what it finds, and what a power cut can take."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rocksdict import WriteBatch

from chronik.log.access import LogBounds
from chronik.settings import MIB
from chronik.store.rocks import journal, keys
from chronik.store.rocks.engine import RocksEngine
from chronik.store.rocks.journal import DamagedJournal
from chronik.store.rocks.journal_format import (
    DELETE_RANGE_DATA,
    DELETE_RANGE_STATE,
    DELETE_STATE,
    MAGIC,
    PUT_BLOCK,
    PUT_DATA,
    PUT_STATE,
    Change,
    JournalReader,
    changes,
    encoded,
    journal_paths,
    parts_of,
)
from chronik.store.rocks.options import STATE_FAMILY, open_records
from chronik.store.rocks.reader import OfflineReader
from chronik.store.rocks.table import Block
from chronik.terms import Durability, LogId
from tests.log.batches import sized
from tests.store.faulty_rocksdb import FaultyRdict
from tests.store.records import SMALL, A, B, Records, copy_as_crashed, eventually, expect_dense

# The format

KEYS = st.binary(max_size=20)
RANGES = st.lists(st.tuples(KEYS, KEYS), max_size=3)
Range = tuple[bytes, bytes]
Written = tuple[list[Range], dict[bytes, bytes | None], list[Range], list[Range], list[Block]]
BLOCKS = st.builds(
    Block,
    *(
        st.integers(keys.BLOCKS, 2**32 - 1),
        st.integers(0, 2**32 - 1),
        st.integers(0, 2**63 - 1),
        st.integers(0, 2**63 - 1),
    ),
    *(st.integers(-1, 2**63 - 1), st.binary(max_size=50) | st.integers(0, 40_000).map(bytes)),
)
WRITES = st.tuples(
    st.lists(st.tuples(KEYS, st.binary(max_size=50) | st.integers(0, 40_000).map(bytes)), max_size=6),
    st.dictionaries(KEYS, st.none() | st.binary(max_size=50), max_size=6),
    RANGES,
    RANGES,
    st.lists(BLOCKS, max_size=3),
)


def read(content: bytes) -> tuple[list[bytes], JournalReader]:
    reader = JournalReader(Path("journal-1"), BytesIO(content), len(content))
    return list(reader), reader


def record(number: int) -> bytes:
    """The larger ones have blocks, the largest one that the record's own CRC does not cover."""
    blocks = [Block(7, 5, number, number + 1, 9, bytes(size)) for size in (100, 20_000)[:number]]
    rows = {b"row": b"%d" % number}
    return b"".join(encoded([(b"%d" % number, bytes(number * 10))], rows, blocks=blocks).buffers)


@given(st.lists(WRITES, max_size=4))
def test_what_is_encoded_is_decoded(writes: list[Written]) -> None:
    content = MAGIC + b"".join(b"".join(encoded(*written).buffers) for written in writes)
    records, reader = read(content)
    assert (reader.damage, reader.position) == (None, len(content))
    assert len(records) == len(writes)
    for found, written in zip(records, writes, strict=True):
        puts, rows, data_ranges, state_ranges, blocks = written
        assert list(changes(found)) == [
            *((DELETE_RANGE_DATA, *bounds) for bounds in data_ranges),
            *((DELETE_RANGE_STATE, *bounds) for bounds in state_ranges),
            *((PUT_DATA, *put) for put in puts),
            *((DELETE_STATE, key, b"") if row is None else (PUT_STATE, key, row) for key, row in rows.items()),
            *(change for block in blocks for change in changes_of(block)),
        ]
        begun = list(zip(blocks, encoded(*written).positions, strict=True))
        assert [(block, at + 8) for block, at in parts_of(found).blocks] == begun


def changes_of(block: Block) -> tuple[Change, Change]:
    chunk, log, base, last, max_timestamp, data = block
    entry = keys.INDEX_VALUE.pack(last, max_timestamp, len(data))
    return (PUT_DATA, keys.index_key(chunk, log, base), entry), (PUT_BLOCK, keys.batch_key(chunk, log, base), data)


def test_a_journal_that_was_cut_off_has_its_whole_records() -> None:
    written = [record(number) for number in range(5)]
    content = MAGIC + b"".join(written)
    ends = [len(MAGIC) + sum(map(len, written[:count])) for count in range(6)]
    near = {size for end in ends for size in range(end - 100, end + 300)}
    for size in sorted({*near, *range(0, len(content) + 1, 501)} & set(range(len(content) + 1))):
        records, reader = read(content[:size])
        whole = sum(end <= size for end in ends[1:])
        assert len(records) == whole
        assert (reader.damage is None) == (size == 0 or size in ends)
        assert reader.damage is None or reader.damage.is_cut


def test_zeros_behind_the_last_record_are_nothing() -> None:
    """What a file system leaves of a file that grew, and whose blocks were not written before the power went."""
    content = MAGIC + record(1)
    for zeros in (1, 7, 8, 100, 5000):
        records, reader = read(content + bytes(zeros))
        assert (len(records), reader.position) == (1, len(content))
        assert reader.damage is None or reader.damage.is_cut
    assert read(bytes(100))[1].damage is None


def test_every_bit_of_a_record_is_checked() -> None:
    content = MAGIC + record(1) + record(2)
    assert len(read(content)[0]) == 2
    for at in (*range(600), *range(600, len(content) - 100, 97), *range(len(content) - 100, len(content))):
        for bit in range(8):
            spoilt = bytearray(content)
            spoilt[at] ^= 1 << bit
            records, reader = read(bytes(spoilt))
            assert len(records) < 2
            assert reader.damage is not None


def test_a_journal_of_the_first_kind_is_read() -> None:
    """Where there were no blocks, and the CRC covered everything."""
    small = record(0)
    assert len(read(b"CHRNKJ1\n" + small * 3)[0]) == 3
    spoilt = small[:-1] + bytes([small[-1] ^ 1])
    assert len(read(b"CHRNKJ1\n" + small + spoilt)[0]) == 1


# Starting


def crashed(records: Records, path: Path) -> Records:
    """What a killed process would leave of an open store, as a store that is not open yet."""
    copy_as_crashed(records.path, path)
    return Records(records.engine, path, records.settings)


async def expect_all(records: Records, log: LogId, count: int) -> None:
    batches = await records.read_all(log)
    expect_dense(batches)
    assert len(batches) == count


@pytest.mark.anyio
@pytest.mark.parametrize("family", ["data", "state", "both", "neither"])
async def test_a_start_does_not_depend_on_which_memtables_rocksdb_has_made_files_of(
    family: str, faulty: Records, opened: list[FaultyRdict], tmp_path: Path
) -> None:
    await faulty.append_all(A, [sized(3000, producer=(1, 0, sequence)) for sequence in range(20)])
    await faulty.store.delete_records(A, 7)
    await faulty.append_all(B, [sized(300)] * 5)
    data = opened[-1].data
    if family in ("data", "both"):
        data.flush(True)
    if family in ("state", "both"):
        data.get_column_family(STATE_FAMILY).flush(True)
    again = crashed(faulty, tmp_path / "crashed")
    again.open()
    assert again.bounds(A) == LogBounds(7, 20, 20)
    await expect_all(again, B, 5)
    assert len(await again.read_all(A)) == 13
    assert again.store.producers(A)[0].last_sequence == 19
    assert (await again.append(A, sized(producer=(1, 0, 20)))).base_offset == 20
    await again.close()


@pytest.mark.anyio
async def test_a_start_after_a_start_after_a_start_finds_everything(tmp_path: Path) -> None:
    """Killed again and again, before anything was flushed."""
    records = Records(RocksEngine, tmp_path / "0", replace(SMALL, chunk_bytes=MIB))
    for number in range(1, 6):
        records.open()
        assert records.bounds().high_watermark == 10 * (number - 1)
        await records.append_all(A, [sized(300)] * 10)
        following = crashed(records, tmp_path / str(number))
        await records.close()
        records = following
    records.open()
    await expect_all(records, A, 50)
    await records.close()


@pytest.mark.anyio
async def test_a_journal_goes_once_rocksdb_has_files_of_it(records: Records) -> None:
    await records.append_all(A, [sized(1000)] * 200)
    assert len(journal_paths(records.path)) >= 1
    await eventually(lambda: len(journal_paths(records.path)) == 1)
    await records.close()
    assert journal_paths(records.path) == []
    records.open()
    await expect_all(records, A, 200)


@pytest.mark.anyio
async def test_a_journal_stays_while_rocksdb_has_no_files_of_it(
    faulty: Records, opened: list[FaultyRdict], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three generations the second has nothing of one family; which are needed is told by the other one."""
    paths = [Path(f"journal-{number}") for number in range(3)]
    unflushed = {"data": 0, "state": 0}
    log = faulty.store._writer._journal  # type: ignore[attr-defined]  # what no user meets: RocksDB is too fast for it
    monkeypatch.setattr(journal, "_unflushed", lambda family: unflushed["data" if family is log._data else "state"])
    for data, state, left in ((0, 0, 0), (1, 0, 1), (0, 1, 1), (2, 0, 3), (0, 2, 2), (1, 2, 2), (2, 1, 3), (0, 3, 3)):
        log._ended = [
            journal._Generation(path, data_count=number != 1, state_count=1) for number, path in enumerate(paths)
        ]
        unflushed.update(data=data, state=state)
        log.tidy()
        assert [ended.path for ended in log._ended] == paths[3 - left :], (data, state)
    log._ended = []


@pytest.mark.anyio
async def test_no_table_file_knows_what_the_journal_could_lose(
    faulty: Records, opened: list[FaultyRdict], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut takes what was not fsynced; were it in a file of one column family, the other would lack it."""
    unsynced = 0
    write_all, sync = journal._write_all, journal._sync

    def count_written(descriptor: int, buffers: list[bytes]) -> None:
        nonlocal unsynced
        unsynced += 1
        write_all(descriptor, buffers)

    def count_synced(descriptor: int) -> None:
        nonlocal unsynced
        unsynced = 0
        sync(descriptor)

    monkeypatch.setattr(journal, "_write_all", count_written)
    monkeypatch.setattr(journal, "_sync", count_synced)
    seen: list[int] = []
    flush = opened[-1].data.flush

    def note_and_flush(wait: bool) -> None:
        seen.append(unsynced)
        flush(wait)

    opened[-1].flush = note_and_flush  # type: ignore[method-assign]  # looks on
    await faulty.append_all(A, [sized(1000)] * 200)
    await faulty.close()
    assert len(seen) > 5
    assert set(seen) == {0}


@pytest.mark.anyio
async def test_an_fsync_that_failed_is_not_followed_by_one_that_vouches_for_it(
    faulty: Records, opened: list[FaultyRdict]
) -> None:
    """The kernel tells an error to one fsync, of whichever thread, and the next one succeeds."""
    log = faulty.store._writer._journal  # type: ignore[attr-defined]  # two threads at the same time cannot be arranged
    opened[-1].faults["sync"] = "the disk is gone"
    for call in (log.turn, log.sync, log.turn):
        with pytest.raises(OSError, match="the disk is gone"):
            call()
        opened[-1].faults.clear()


@pytest.mark.anyio
async def test_what_was_synced_survives_a_power_cut_at_any_moment(records: Records, tmp_path: Path) -> None:
    """Over several chunks: the newest journal loses what no fsync has reached, the older ones are whole."""
    chance = random.Random(3)
    for number in range(12):
        await records.append_all(A, [sized(chance.choice([100, 1000, 9000]))] * chance.randint(1, 8))
        synced = await records.append(A, sized(100), Durability.SYNCED)
        size = journal_paths(records.path)[-1].stat().st_size
        newest = journal_paths(records.path)[-1].name
        await records.append_all(A, [sized(200)] * 3)
        cut = crashed(records, tmp_path / f"cut-{number}")
        if (last := journal_paths(cut.path)[-1]).name == newest:
            with last.open("r+b") as file:
                file.truncate(chance.randint(size, last.stat().st_size))
        cut.open()
        assert cut.bounds().high_watermark > synced.base_offset
        expect_dense(await cut.read_all(A))
        await cut.close()


@pytest.mark.anyio
async def test_a_journal_that_is_broken_in_the_middle_of_the_log_refuses_the_start(
    records: Records, tmp_path: Path
) -> None:
    await records.append_all(A, [sized(300)] * 10)
    again = crashed(records, tmp_path / "crashed")
    (path,) = journal_paths(again.path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    path.with_name("journal-99999999").write_bytes(MAGIC)
    with pytest.raises(DamagedJournal, match=rf"{path.name} cannot be read from byte \d+: a record is cut off"):
        again.open()
    path.write_bytes(whole)
    again.is_open = False
    again.open()
    await expect_all(again, A, 10)
    await again.close()


@pytest.mark.anyio
@pytest.mark.parametrize("size_bytes", [300, 1100], ids=["small", "blocks"])
async def test_the_rest_of_a_broken_journal_is_kept(
    size_bytes: int, records: Records, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A power cut can leave blocks of the last journal that were written, behind others that were not."""
    await records.append_all(A, [sized(size_bytes)] * 3)
    size = journal_paths(records.path)[0].stat().st_size
    await records.append_all(A, [sized(size_bytes)] * 3)
    again = crashed(records, tmp_path / "crashed")
    (path,) = journal_paths(again.path)
    content = bytearray(path.read_bytes())
    content[size + 20] ^= 1
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        again.open()
    assert f"damaged at byte {size} (checksum mismatch), and kept as damaged-{path.name}" in caplog.text
    assert (again.path / f"damaged-{path.name}").read_bytes() == content
    assert again.bounds() == LogBounds(0, 3, 3)
    await again.append_all(A, [sized(size_bytes)] * 3)
    await again.reopen()
    await expect_all(again, A, 6)
    await again.close()


def test_what_rocksdb_logged_itself_is_read_and_kept(tmp_path: Path) -> None:
    """A directory of format 1, after a crash."""
    data = open_records(tmp_path / "records", SMALL)
    batch = WriteBatch(raw_mode=True)
    batch.put(keys.state_key(5, keys.STATE_START), keys.NUMBER.pack(42), data.get_column_family_handle(STATE_FAMILY))
    data.write(batch)
    copy_as_crashed(tmp_path / "records", tmp_path / "crashed")
    del batch
    data.close()
    with OfflineReader(tmp_path / "crashed") as reader:
        assert reader.log(LogId(5)).start == 42

    async def start() -> int:
        records = Records(RocksEngine, tmp_path / "crashed")
        records.open()
        start = records.bounds(LogId(5)).start
        await records.close()
        return start

    assert asyncio.run(start()) == 42
    assert asyncio.run(start()) == 42
