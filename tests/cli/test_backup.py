"""`chronik backup`, `restore`, `verify` and `reset`, as processes, beside brokers and without."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from chronik import Broker
from chronik.changes import OffsetCommitted
from chronik.store.backup import copy_directory
from chronik.store.rocks.reader import OfflineReader
from chronik.store.rocks.reader_directory import verify as verify_directory
from chronik.store.sql.image import CatalogImage, read_image
from chronik.store.sql.problems import CatalogError
from tests.broker_process import BrokerProcess, wait_until
from tests.cli import load
from tests.cli.commands import assert_one_sentence, batch_of, chronik, commit, dump, dump_json, produce
from tests.cli.conftest import Filled
from tests.conftest import BrokerFactory
from tests.raw_client import RawClient

CHUNK_BYTES = 64 * 1024
"""Far smaller than in earnest, so that RocksDB flushes, compacts and deletes files all the time."""


def backed_up(source: Path, target: Path, *arguments: str) -> str:
    done = chronik("backup", "--data-dir", str(source), str(target), *arguments)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def is_clean(directory: Path) -> bool:
    done = chronik("verify", str(directory))
    return done.returncode == 0 and done.stdout.startswith("clean: ")


# Whole directories


def test_backup_has_what_the_directory_has(data_dir: Path, tmp_path: Path) -> None:
    """Of a running broker, after a crash, and after a stop."""
    printed = backed_up(data_dir, tmp_path / "copy")
    assert printed.startswith(f"backed up {data_dir} to {tmp_path / 'copy'}: ")
    assert is_clean(tmp_path / "copy")
    for what in ("--topics", "--groups", "--producers"):
        assert dump(tmp_path / "copy", what) == dump(data_dir, what)
    for topic in ("a", "big", "c"):
        assert dump_json(tmp_path / "copy", "--topic", topic) == dump_json(data_dir, "--topic", topic)


def test_backup_leaves_the_directory_as_it_is(filled: Filled, tmp_path: Path) -> None:
    for directory in (filled.live, filled.closed):
        before = set(directory.rglob("*"))
        backed_up(directory, tmp_path / directory.name)
        assert set(directory.rglob("*")) == before
    with RawClient(filled.broker.host, filled.broker.port) as client:
        produce(client, "c", 0, batch_of([b"goes on"], key=b"k"))


def test_backup_links_table_files_unless_it_is_told_to_copy(data_dir: Path, tmp_path: Path) -> None:
    backed_up(data_dir, tmp_path / "linked")
    backed_up(data_dir, tmp_path / "copied", "--copy")
    linked = list((tmp_path / "linked" / "records").glob("*.sst"))
    assert linked
    assert all(path.stat().st_nlink > 1 for path in linked)
    for path in (tmp_path / "copied" / "records").glob("*.sst"):
        assert path.stat().st_nlink == 1


def test_backup_outlives_its_source(copy: Path, tmp_path: Path) -> None:
    expected = dump(copy, "--topics")
    backed_up(copy, tmp_path / "backup")
    assert chronik("reset", "--data-dir", str(copy), "--yes").returncode == 0
    assert dump(tmp_path / "backup", "--topics") == expected


def test_restored_directory_goes_on(copy: Path, tmp_path: Path, broker_factory: BrokerFactory) -> None:
    backed_up(copy, tmp_path / "backup")
    broker = broker_factory()
    done = chronik("restore", str(tmp_path / "backup"), "--data-dir", str(broker.data_dir))
    assert (done.returncode, done.stderr) == (0, "")
    broker.start()
    wait_until(lambda: "comes from a backup: the leader epoch is now 1" in broker.log(), 10, "the epoch is told")
    with RawClient(broker.host, broker.port) as client:
        assert produce(client, "a", 1, batch_of([b"more"])) == 3
        commit(client, "h", "a", {1: 4})
    assert broker.stop() == 0
    assert is_clean(broker.data_dir)
    assert is_clean(tmp_path / "backup")
    assert dump(tmp_path / "backup", "--topics") == dump(copy, "--topics")


def test_restore_shares_nothing_with_the_backup(copy: Path, tmp_path: Path) -> None:
    backed_up(copy, tmp_path / "backup", "--copy")
    assert chronik("restore", str(tmp_path / "backup"), "--data-dir", str(tmp_path / "new")).returncode == 0
    assert all(path.stat().st_nlink == 1 for path in (tmp_path / "new").rglob("*") if path.is_file())


def may_only_read(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    """Let SQLite say what it says on a read-only medium, or to somebody who may not write (root may everywhere)."""
    connect = sqlite3.connect

    def connect_to_read(database: Any, **options: Any) -> Any:
        if isinstance(database, Path) and database.parent == directory:
            return connect(f"file:{database}?mode=ro", uri=True, **options)
        return connect(database, **options)

    monkeypatch.setattr(sqlite3, "connect", connect_to_read)


def test_backup_on_a_read_only_medium_can_be_restored(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backed_up(copy, tmp_path / "backup")
    may_only_read(monkeypatch, tmp_path / "backup")
    copy_directory(tmp_path / "backup", tmp_path / "new", links=False)
    assert is_clean(tmp_path / "new")


def test_directory_in_use_that_cannot_be_locked_is_not_copied(
    filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_only_read(monkeypatch, filled.live)
    with pytest.raises(CatalogError, match="may be in use, and you may not write to it"):
        copy_directory(filled.live, tmp_path / "new")
    assert not (tmp_path / "new").exists()


# What can be wrong


def test_target_that_is_not_empty_is_refused(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    full = str(tmp_path / "full")
    assert_one_sentence(chronik("backup", "--data-dir", str(copy), full), 1, f"{full} is not empty")
    assert_one_sentence(chronik("restore", str(copy), "--data-dir", full), 1, "is not empty")
    assert_one_sentence(chronik("restore", str(copy), "--data-dir", str(copy)), 1, "is not empty")
    assert {path.name for path in tmp_path.iterdir()} == {"full", "copy"}


def test_empty_target_is_used(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    backed_up(copy, tmp_path / "empty")
    assert is_clean(tmp_path / "empty")


def no_directory(copy: Path) -> Path:
    return copy / "nowhere"


def no_records(copy: Path) -> Path:
    shutil.rmtree(copy / "records")
    return copy


def no_catalog(copy: Path) -> Path:
    for path in copy.glob("catalog.sqlite*"):
        path.unlink()
    return copy


def missing_table_file(copy: Path) -> Path:
    next((copy / "records").glob("*.sst")).unlink()
    return copy


def other_database(copy: Path) -> Path:
    for path in copy.glob("catalog.sqlite*"):
        path.unlink()
    (copy / "catalog.sqlite").write_text("not a database at all, but long enough to be taken for one" * 20)
    return copy


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (no_directory, "is not a chronik data directory"),
        (no_records, "There are no records in"),
        (no_catalog, "There is no catalog"),
        (missing_table_file, "The copied records cannot be read"),
        (other_database, "cannot be read"),
    ],
)
def test_broken_source_is_one_sentence(spoil: Callable[[Path], Path], message: str, copy: Path, tmp_path: Path) -> None:
    source = spoil(copy)
    assert_one_sentence(chronik("backup", "--data-dir", str(source), str(tmp_path / "to")), 1, message)
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_verify_finds_damage(copy: Path) -> None:
    """The findings themselves are tested with `dump --verify`."""
    path = max((copy / "records").glob("*.sst"), key=lambda path: path.stat().st_size)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    done = chronik("verify", str(copy))
    assert done.returncode == 1
    assert "findings: " in done.stdout


def test_verify_of_nothing_is_one_sentence(tmp_path: Path) -> None:
    assert_one_sentence(chronik("verify", str(tmp_path)), 1, "is not a chronik data directory")


# Reset


def test_reset_empties_a_directory(copy: Path, broker_factory: BrokerFactory) -> None:
    done = chronik("reset", "--data-dir", str(copy), "--yes")
    assert (done.returncode, done.stdout) == (0, f"emptied {copy}\n")
    broker = broker_factory()
    broker.data_dir = copy
    broker.start()
    wait_until(lambda: "0 topics, 0 partitions, 0 records" in broker.log(), 10, "the start is told")


def test_reset_without_yes_asks_or_refuses(copy: Path) -> None:
    before = dump(copy, "--topics")
    assert_one_sentence(chronik("reset", "--data-dir", str(copy)), 2, "--yes is needed where nobody can be asked")
    assert dump(copy, "--topics") == before


def test_reset_of_a_running_broker_is_refused(filled: Filled) -> None:
    done = chronik("reset", "--data-dir", str(filled.live), "--yes")
    assert_one_sentence(done, 1, f"Another broker (process {filled.broker.pid}) is using the data directory")
    assert is_clean(filled.live)


def test_reset_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    for place, message in (("photos", "is not a chronik data directory"), ("nowhere", "There is no directory")):
        assert_one_sentence(chronik("reset", "--data-dir", str(tmp_path / place), "--yes"), 1, message)
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.jpg"]


# Under load


def loaded_broker(broker_factory: BrokerFactory, tmp_path: Path) -> BrokerProcess:
    config = tmp_path / "chronik.toml"
    config.write_text(f"store.chunk.bytes = {CHUNK_BYTES}\n")
    topics = [f"{name}:{load.PARTITIONS}" for name in (load.PLAIN, load.COPY)]
    args = ["--config", str(config), *itertools.chain.from_iterable(("--topic", topic) for topic in topics)]
    broker = broker_factory(args=args)
    broker.start()
    return broker


def committed(image: CatalogImage, group: str) -> int:
    found = [change for change in image.group_changes if isinstance(change, OffsetCommitted)]
    return max((change.offset for change in found if change.group_id == group), default=0)


def test_backup_under_load_is_of_one_moment(broker_factory: BrokerFactory, tmp_path: Path) -> None:
    """Everything that was acknowledged before it began is in it, and nothing is committed that is not there."""
    broker = loaded_broker(broker_factory, tmp_path)
    copies = 10
    with load.Load(broker.bootstrap, transactions=False) as running:
        for number in range(copies):
            produced, seen = running.produced, running.committed
            target = tmp_path / str(number)
            copied = copy_directory(broker.data_dir, target, links=number % 2 == 0)
            assert copied.held_s < 1
            running.check()
            found = verify_directory(target / "records", target / "catalog.sqlite", lambda read_bytes, all_bytes: None)
            assert found.findings == []
            image = read_image(target / "catalog.sqlite")
            (log, _) = next(topic.logs for topic in image.topics if topic.name == load.PLAIN)
            with OfflineReader(target / "records") as reader:
                end = reader.log(log).end
            assert produced <= end
            assert seen <= committed(image, load.GROUP) <= end
            shutil.rmtree(target)
            wait_until(lambda: running.committed > seen, 30, "the load goes on")  # noqa: B023 - called at once
    assert running.committed > 0


def test_backup_under_transactions_is_of_one_moment(broker_factory: BrokerFactory, tmp_path: Path) -> None:
    """Each transaction says which input it has read, in all partitions of a topic, and commits that. In every copy the
    outputs are as complete as the committed input offset says, once what was decided is carried out."""
    broker = loaded_broker(broker_factory, tmp_path)
    copies = 8
    with load.Load(broker.bootstrap, transactions=True) as running:
        wait_until(lambda: running.copied > 0, 30, "transactions begin")
        for number in range(copies):
            committed_before, copied_before = running.committed, running.copied
            target = tmp_path / f"backup-{number}"
            copy_directory(broker.data_dir, target, links=number % 2 == 0)
            running.check()
            findings = verify_directory(target / "records", target / "catalog.sqlite", lambda read, all_: None).findings
            assert findings == []
            with Broker(target).in_thread() as copied:
                assert copied.committed(load.GROUP).get((load.PLAIN, 0), 0) >= committed_before
                end = outputs_end((record.partition, record.value) for record in copied.records(load.COPY))
                assert copied.committed(load.COPIERS).get((load.PLAIN, 0), 0) == end >= copied_before
            shutil.rmtree(target)
            wait_until(lambda: running.copied > copied_before, 30, "the load goes on")  # noqa: B023 - called at once


def test_consumers_resume_exactly_on_a_restored_directory(broker_factory: BrokerFactory, tmp_path: Path) -> None:
    broker = loaded_broker(broker_factory, tmp_path)
    with load.Load(broker.bootstrap, transactions=True) as running:
        wait_until(lambda: min(running.committed, running.copied) > 100, 30, "everybody works")
        committed_before, copied_before = running.committed, running.copied
        backed_up(broker.data_dir, tmp_path / "backup")
    assert is_clean(tmp_path / "backup")
    restored = broker_factory(name="restored")
    assert chronik("restore", str(tmp_path / "backup"), "--data-dir", str(restored.data_dir)).returncode == 0
    restored.start()
    assert next_offset(restored.bootstrap, load.GROUP) >= committed_before
    # As the program does when it goes on: a transaction that was open at that moment is aborted.
    Producer({"bootstrap.servers": restored.bootstrap, "transactional.id": load.TRANSACTIONAL_ID}).init_transactions(
        load.TIMEOUT_S
    )
    assert next_offset(restored.bootstrap, load.COPIERS) == outputs_end(consumed(restored.bootstrap)) >= copied_before
    assert restored.stop() == 0
    assert is_clean(restored.data_dir)


def outputs_end(records: Iterable[tuple[int, bytes | None]]) -> int:
    """Up to where transactions have copied the input: every partition says the same, without gap or repetition."""
    ends = [0] * load.PARTITIONS
    for partition, value in records:
        first, end = map(int, (value or b"").split(b"-"))
        assert first == ends[partition], f"partition {partition}: {first}-{end} follows {ends[partition]}"
        ends[partition] = end
    assert len(set(ends)) == 1, ends
    return ends[0]


def next_offset(bootstrap: str, group: str) -> int:
    """Where a consumer of the group goes on in partition 0 of PLAIN, and really reads."""
    consumer = eof_consumer(bootstrap, group)
    try:
        (known,) = consumer.committed([TopicPartition(load.PLAIN, 0)], load.TIMEOUT_S)
        consumer.assign([TopicPartition(load.PLAIN, 0)])
        (message,) = consumer.consume(1, load.TIMEOUT_S)
        error = message.error()
        assert error is None or error.code() == KafkaError._PARTITION_EOF, error
        assert message.offset() == known.offset
        return int(known.offset)
    finally:
        consumer.close()


def consumed(bootstrap: str) -> Iterator[tuple[int, bytes | None]]:
    """What a read-committed consumer gets of COPY: partitions and values."""
    consumer = eof_consumer(bootstrap, "nobody")
    at_end: set[int] = set()
    try:
        consumer.assign([TopicPartition(load.COPY, partition, 0) for partition in range(load.PARTITIONS)])
        while len(at_end) < load.PARTITIONS:
            (message,) = consumer.consume(1, load.TIMEOUT_S)
            partition, error = int(message.partition() or 0), message.error()
            if error is None:
                yield partition, message.value()
            else:
                assert error.code() == KafkaError._PARTITION_EOF, error
                at_end.add(partition)
    finally:
        consumer.close()


def eof_consumer(bootstrap: str, group: str) -> Consumer:
    """One that says where a partition ends, and that has to know where it begins."""
    settings: dict[str, str | bool] = {"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "error"}
    return Consumer(settings | {"enable.auto.commit": False, "enable.partition.eof": True})
