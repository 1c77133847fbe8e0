"""`chronik dump --verify` finds what is wrong, each thing under its own name, and nothing where nothing is."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rocksdict import Rdict, WriteBatch

from chronik.log import epochs, producers, segments
from chronik.log.epochs import EpochStart
from chronik.settings import StoreSettings
from chronik.store.rocks import keys
from chronik.store.rocks.journal import Journal
from chronik.store.rocks.journal_format import check_journals
from chronik.store.rocks.options import STATE_FAMILY, open_records
from chronik.store.rocks.reader import OfflineReader, StoredBatch, StoredLog, UnreadableRecords
from chronik.store.sql.image import read_image
from chronik.terms import LogId, ProducerId
from tests.broker_process import BrokerProcess
from tests.cli.commands import assert_one_sentence, batch_of, chronik, dump, dump_json, produce, verify
from tests.cli.conftest import PRODUCER_ID, Filled
from tests.raw_client import RawClient

BIG_VALUE = b"4" * 1000
"""A part of a record of topic big that lies in a file; and one of the last, which lies in the journal."""


def flip(path: Path, position: int) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def holders(folder: Path, names: str, text: bytes) -> list[tuple[Path, int]]:
    """The files that hold a text, and where."""
    found = [(path, path.read_bytes().find(text)) for path in sorted((folder / "records").glob(names))]
    return [(path, at) for path, at in found if at >= 0]


def log_of(folder: Path, topic: str, partition: int) -> LogId:
    image = read_image(folder / "catalog.sqlite")
    return next(found.logs[partition] for found in image.topics if found.name == topic)


def stored_log(folder: Path, log: LogId) -> StoredLog:
    with OfflineReader(folder / "records") as reader:
        return reader.log(log)


def stored_batches(folder: Path, log: LogId) -> list[StoredBatch]:
    with OfflineReader(folder / "records") as reader:
        return list(reader.batches(reader.log(log)))


class Spoiler:
    """Writes into a closed directory what no broker would."""

    def __init__(self, data: Rdict) -> None:
        self._state = data.get_column_family_handle(STATE_FAMILY)
        self._batch = WriteBatch(raw_mode=True)
        self._data = data

    def put(self, key: bytes, value: bytes) -> None:
        self._batch.put(key, value)

    def delete(self, key: bytes) -> None:
        self._batch.delete(key)

    def put_state(self, log: int, kind: int, suffix: int, value: bytes) -> None:
        self._batch.put(keys.state_key(log, kind, suffix), value, self._state)

    def delete_state(self, log: int, kind: int, suffix: int) -> None:
        self._batch.delete(keys.state_key(log, kind, suffix), self._state)

    def write(self) -> None:
        self._data.write(self._batch)
        del self._state
        self._data.close()


@contextmanager
def spoiling(folder: Path) -> Iterator[Spoiler]:
    data = open_records(folder / "records", StoreSettings())
    Journal(folder / "records", data).close()  # or it would be done again over what is spoilt
    spoiler = Spoiler(data)
    yield spoiler
    spoiler.write()


# Files


def test_a_flipped_bit_in_a_file_is_found(copy: Path) -> None:
    path, at = holders(copy, "*.sst", BIG_VALUE)[0]
    flip(path, at + 500)
    code, findings = verify(copy)
    assert code == 1
    assert {finding["kind"] for finding in findings} == {"unreadable"}
    assert "big" in {finding["topic"] for finding in findings}
    assert "checksum" in findings[0]["message"]


def test_a_flipped_bit_in_a_journal_is_found(copy: Path) -> None:
    path, at = holders(copy, "journal-*", b"kept")[0]
    flip(path, at)
    code, findings = verify(copy)
    assert code == 1
    wal = next(finding for finding in findings if finding["kind"] == "checksum")
    assert wal["message"].startswith(f"{path.name} cannot be read from byte ")
    assert wal["message"].endswith("checksum mismatch")


def test_every_bit_of_a_journal_counts(copy: Path) -> None:
    path, _ = holders(copy, "journal-*", b"kept")[0]
    whole = path.read_bytes()
    for position in range(0, len(whole), max(len(whole) // 97, 1)):
        flip(path, position)
        # A record that seems to reach past the end of the file is how a crash leaves it, so this is not the last one.
        (copy / "records" / "journal-99999999").write_bytes(b"")
        assert [damage.path for damage in check_journals(copy / "records")] == [path], position
        path.write_bytes(whole)
    assert check_journals(copy / "records") == []


def test_the_torn_end_of_the_newest_journal_is_no_damage(copy: Path) -> None:
    path = max((copy / "records").glob("journal-*"))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 3)
    assert verify(copy)[0] == 0
    (copy / "records" / "journal-99999999").write_bytes(b"")
    assert [damage.reason for damage in check_journals(copy / "records")] == ["a record is cut off"]


def test_a_file_that_is_missing_is_found(copy: Path) -> None:
    next((copy / "records").glob("*.sst")).unlink()
    code, findings = verify(copy)
    assert (code, findings[0]["kind"]) == (1, "unreadable")
    with pytest.raises(UnreadableRecords, match="No such file"):
        OfflineReader(copy / "records")
    assert_one_sentence(chronik("dump", "--data-dir", str(copy), "--topics"), 1, "cannot be read: ")


def test_a_batch_that_is_broken_is_left_out_with_a_complaint(copy: Path) -> None:
    log = log_of(copy, "a", 1)
    (batch,) = stored_batches(copy, log)
    with spoiling(copy) as spoiler:
        spoiler.put(keys.batch_key(stored_log(copy, log).segments[0].chunk, log, 0), _flipped(batch.data, 70))
    done = chronik("dump", "--data-dir", str(copy), "--topic", "a", "--format", "%p")
    assert done.returncode == 1
    assert done.stdout == "0" * 15 + "2" * 12
    assert "a[1], the batch at offset 0: its CRC is wrong; --verify tells more." in done.stderr
    assert dump_json(copy, "--batches", "--topic", "a", "--partition", "1")[0]["crc_ok"] is False


# Rows and batches

Spoil = Callable[[Spoiler, StoredLog, list[StoredBatch]], None]


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


def _spoil_records(spoiler: Spoiler, log: StoredLog, batches: list[StoredBatch]) -> None:
    spoiler.put(keys.batch_key(log.segments[0].chunk, log.log, 4), _flipped(batches[2].data, 65))


def _spoil_header(spoiler: Spoiler, log: StoredLog, batches: list[StoredBatch]) -> None:
    spoiler.put(keys.batch_key(log.segments[0].chunk, log.log, 4), batches[2].data[:-1])


def _lose_batch(spoiler: Spoiler, log: StoredLog, batches: list[StoredBatch]) -> None:
    spoiler.delete(keys.batch_key(log.segments[0].chunk, log.log, 4))


def _lose_entry(spoiler: Spoiler, log: StoredLog, batches: list[StoredBatch]) -> None:
    spoiler.delete(keys.index_key(log.segments[0].chunk, log.log, 4))


def _spoil_entry(spoiler: Spoiler, log: StoredLog, batches: list[StoredBatch]) -> None:
    spoiler.put(keys.index_key(log.segments[0].chunk, log.log, 4), keys.INDEX_VALUE.pack(5, 0, 1))


def _overlap(spoiler: Spoiler, log: StoredLog, batches: list[StoredBatch]) -> None:
    spoiler.put(keys.batch_key(log.segments[0].chunk, log.log, 5), (5).to_bytes(8, "big") + batches[2].data[8:])


def _put_segment(spoiler: Spoiler, log: StoredLog, **changed: Any) -> None:
    segment = replace(log.segments[0], **changed)
    spoiler.put_state(log.log, keys.STATE_SEGMENT, segment.base_offset, segments.encode(segment))


def _spoil_size(spoiler: Spoiler, log: StoredLog, batches: list[StoredBatch]) -> None:
    _put_segment(spoiler, log, size_bytes=1)


def _spoil_count(spoiler: Spoiler, log: StoredLog, batches: list[StoredBatch]) -> None:
    _put_segment(spoiler, log, batch_count=1)


def _shorten(spoiler: Spoiler, log: StoredLog, batches: list[StoredBatch]) -> None:
    _put_segment(spoiler, log, end_offset=10)


def _lengthen(spoiler: Spoiler, log: StoredLog, batches: list[StoredBatch]) -> None:
    _put_segment(spoiler, log, end_offset=20)


def _spoil_epoch(spoiler: Spoiler, log: StoredLog, batches: list[StoredBatch]) -> None:
    spoiler.put_state(log.log, keys.STATE_EPOCHS, 0, epochs.encode((EpochStart(0, 0), EpochStart(1, 6))))


def _spoil_window(spoiler: Spoiler, log: StoredLog, batches: list[StoredBatch]) -> None:
    (state,) = log.producers
    spoiler.put_state(
        log.log, keys.STATE_PRODUCER, PRODUCER_ID, producers.encode(state._replace(batches=state.batches[:-1]))
    )


def _forget_window(spoiler: Spoiler, log: StoredLog, batches: list[StoredBatch]) -> None:
    state = log.producers[0]._replace(batches=())
    spoiler.put_state(log.log, keys.STATE_PRODUCER, PRODUCER_ID, producers.encode(state))


def _forget_window_and_end(spoiler: Spoiler, log: StoredLog, batches: list[StoredBatch]) -> None:
    state = log.producers[0]._replace(batches=(), coordinator_epoch=0)
    spoiler.put_state(log.log, keys.STATE_PRODUCER, PRODUCER_ID, producers.encode(state))


def _open_transaction(spoiler: Spoiler, log: StoredLog, batches: list[StoredBatch]) -> None:
    (state,) = log.producers
    spoiler.put_state(log.log, keys.STATE_PRODUCER, PRODUCER_ID, producers.encode(state._replace(open_first_offset=4)))


def _spoil_row(spoiler: Spoiler, log: StoredLog, batches: list[StoredBatch]) -> None:
    spoiler.put_state(log.log, keys.STATE_PRODUCER, PRODUCER_ID, b"short")


def _raise_start(spoiler: Spoiler, log: StoredLog, batches: list[StoredBatch]) -> None:
    spoiler.put_state(log.log, keys.STATE_START, 0, keys.NUMBER.pack(13))


def _lose_segments(spoiler: Spoiler, log: StoredLog, batches: list[StoredBatch]) -> None:
    spoiler.delete_state(log.log, keys.STATE_SEGMENT, 0)
    spoiler.delete_state(log.log, keys.STATE_PRODUCER, PRODUCER_ID)


def _far_chunk(spoiler: Spoiler, log: StoredLog, batches: list[StoredBatch]) -> None:
    spoiler.put(keys.index_key(99, log.log, 12), keys.INDEX_VALUE.pack(13, 0, 1))


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (_spoil_records, [("checksum", 4)]),
        (_spoil_header, [("records", 4), ("offsets", 6), ("segment", 0), ("segment", 0)]),
        (_lose_batch, [("index", 4), ("offsets", 6), ("segment", 0), ("segment", 0), ("producer", None)]),
        (_lose_entry, [("index", 4)]),
        (_spoil_entry, [("index", 4)]),
        (_overlap, [("offsets", 5), ("index", 5), ("offsets", 6), ("segment", 0), ("segment", 0), ("producer", None)]),
        (_spoil_size, [("segment", 0)]),
        (_spoil_count, [("segment", 0)]),
        (_shorten, [("segment", 0), ("segment", 0), ("producer", None), ("orphan", 10), ("orphan", 10)]),
        (_lengthen, [("segment", 0)]),
        (_spoil_epoch, [("epoch", 6), ("epoch", 8), ("epoch", 10), ("catalog", None)]),
        (_spoil_window, [("producer", None)]),
        (_forget_window, [("producer", None)]),
        (_forget_window_and_end, []),
        (_open_transaction, [("producer", None)]),
        (_spoil_row, [("unreadable", None)]),
        (_raise_start, [("offsets", None)]),
        (_lose_segments, [("orphan", 0), ("orphan", 0), ("catalog", 4)]),
        (_far_chunk, [("orphan", None), ("orphan", 12)]),
    ],
)
def test_what_is_spoilt_is_found(copy: Path, spoil: Spoil, found: list[tuple[str, int | None]]) -> None:
    log = log_of(copy, "a", 2)
    stored, batches = stored_log(copy, log), stored_batches(copy, log)
    with spoiling(copy) as spoiler:
        spoil(spoiler, stored, batches)
    code, findings = verify(copy)
    assert {(finding["topic"], finding["partition"]) for finding in findings} <= {("a", 2)}
    assert sorted((finding["kind"], finding["offset"] or -1) for finding in findings) == sorted(
        (kind, offset or -1) for kind, offset in found
    ), findings
    assert code == (1 if found else 0)


def test_a_log_without_a_topic_is_found(copy: Path) -> None:
    with spoiling(copy) as spoiler:
        spoiler.put_state(4711, keys.STATE_START, 0, keys.NUMBER.pack(0))
    (finding,) = verify(copy)[1]
    assert (finding["kind"], finding["log"], finding["topic"]) == ("orphan", 4711, None)
    assert "(log 4711)" in chronik("dump", "--data-dir", str(copy), "--verify").stdout


# The catalog


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ('UPDATE offsets SET "offset" = 16 WHERE "offset" = 15', ("catalog", "a", 0, 16)),
        ('UPDATE offsets SET partition = 9 WHERE "offset" = 15', ("catalog", None, None, None)),
    ],
)
def test_what_the_catalog_says_of_logs_must_be_true(copy: Path, statement: str, found: tuple[Any, ...]) -> None:
    with closing(sqlite3.connect(copy / "catalog.sqlite")) as connection, connection:
        assert connection.execute(statement).rowcount == 1
    code, findings = verify(copy)
    assert code == 1
    assert [(said["kind"], said["topic"], said["partition"], said["offset"]) for said in findings] == [found]


# Nothing where nothing is


def test_a_deleted_topic_and_deleted_records_are_no_damage(filled: Filled, tmp_path: Path) -> None:
    """What was deleted leaves garbage behind, which is noted."""
    shutil.copytree(filled.closed, tmp_path / "copy")
    log = log_of(tmp_path / "copy", "big", 0)
    stored = stored_log(tmp_path / "copy", log)
    first, second, *_ = stored.segments
    with spoiling(tmp_path / "copy") as spoiler:
        spoiler.delete_state(log, keys.STATE_SEGMENT, first.base_offset)
        spoiler.put_state(log, keys.STATE_START, 0, keys.NUMBER.pack(second.base_offset + 1))
        spoiler.put_state(log, keys.STATE_EPOCHS, 0, epochs.encode((EpochStart(0, second.base_offset + 1),)))
        garbage = keys.garbage_suffix(first.chunk, log)
        spoiler.put_state(keys.ENGINE, keys.ENGINE_GARBAGE, garbage, keys.NUMBER.pack(first.size_bytes))
    assert dump(tmp_path / "copy", "--verify").startswith("clean: ")
    (part,) = dump_json(tmp_path / "copy", "--topics", "--topic", "big", "--partition", "0")[0]["partitions"]
    assert part["log_start_offset"] == second.base_offset + 1


def test_a_broker_that_writes_is_no_damage(broker: BrokerProcess, tmp_path: Path) -> None:
    """Every look is at one moment, and each finds more than the one before."""
    file = tmp_path / "c.toml"
    file.write_text("store.chunk.bytes = 262144\n")
    broker.args = ["--config", str(file), "--topic", "busy:2"]
    broker.restart()
    stop = threading.Event()

    def write() -> None:
        with RawClient(broker.host, broker.port) as client:
            number = 0
            while not stop.is_set():
                produce(
                    client,
                    "busy",
                    number % 2,
                    batch_of([b"x" * 5000] * 5, producer_id=1, base_sequence=0 + number // 2 * 5),
                )
                number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        counts = [_batches(broker.data_dir) for _ in range(6)]
    finally:
        stop.set()
        writer.join()
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]
    assert ProducerId(1) in {found["producer_id"] for found in dump_json(broker.data_dir, "--producers")}


def _batches(data_dir: Path) -> int:
    said = dump(data_dir, "--verify")
    assert said.startswith("clean: "), said
    return int(said.split(" batches")[0].rpartition(" ")[2])
