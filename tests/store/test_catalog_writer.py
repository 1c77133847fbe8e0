"""The writer's thread: commits are grouped, a unit fails alone, and nobody who waits is forgotten."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chronik.changes import Change, PartitionsAdded, TopicConfigsSet, TopicDeleted
from chronik.store.sql import schema, writer
from chronik.store.sql.catalog import Catalog
from chronik.store.sql.problems import CatalogError, CatalogUnavailable
from chronik.store.sql.schema import Synchronous
from chronik.store.sql.session import Session
from tests.store.catalog_facts import WAIT_SECONDS, group, logs, offset, submit, topic, topic_id, write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.sqlite"


@pytest.fixture
def catalog(path: Path) -> Iterator[Catalog]:
    """With one topic, written in one transaction."""
    catalog = Catalog.open(path, synchronous="OFF")
    write(catalog, [topic(1, 1, 2, 3)])
    yield catalog
    catalog.close()


def committed(path: Path) -> dict[tuple[str, int], int]:
    """(group, partition) -> offset, as another process sees it."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute('SELECT group_id, partition, "offset" FROM offsets')
        return {(group_id, partition): at for group_id, partition, at in rows}


def held(catalog: Catalog) -> threading.Lock:
    """While this is held the writer's thread waits, and whatever is submitted gathers."""
    return catalog._connection_lock


def test_what_gathers_is_written_in_one_transaction(catalog: Catalog, path: Path) -> None:
    with held(catalog):
        futures = [submit(catalog, [offset("g", 1, 0, at), offset("g", 1, 1, at)]) for at in range(100)]
    for future in futures:
        future.result(WAIT_SECONDS)
    # The thread may have taken the first unit alone before the others came.
    assert catalog.statistics.transactions in (2, 3)
    assert catalog.statistics.units == 101
    assert committed(path) == {("g", 0): 99, ("g", 1): 99}


def test_concurrent_tasks_share_fsyncs(path: Path) -> None:
    catalog = Catalog.open(path, synchronous="FULL")
    write(catalog, [topic(1, 1)])

    async def commits(name: str) -> None:
        for at in range(20):
            await catalog.persist([offset(name, 1, 0, at)])

    async def main() -> None:
        await asyncio.gather(*(commits(f"group-{number}") for number in range(30)))

    asyncio.run(main())
    catalog.close()
    assert catalog.statistics.units == 601
    assert catalog.statistics.transactions < 200
    assert committed(path) == {(f"group-{number}", 0): 19 for number in range(30)}


def test_commits_are_fsynced_unless_asked_otherwise(tmp_path: Path) -> None:
    levels: list[tuple[Synchronous, int]] = [("FULL", 2), ("NORMAL", 1), ("OFF", 0)]
    for synchronous, level in levels:
        catalog = Catalog.open(tmp_path / synchronous, synchronous=synchronous)
        write(catalog, [topic(1, 1)])
        assert catalog._connection.execute("PRAGMA synchronous").fetchone() == (level,)
        catalog.close()
    by_default = Catalog.open(tmp_path / "default")
    assert by_default._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    by_default.close()


def test_a_group_has_a_bound(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MAX_GROUP_CHANGES", 10)
    with held(catalog):
        futures = [submit(catalog, [offset("g", 1, 0, at), offset("g", 1, 1, at)]) for at in range(100)]
    for future in futures:
        future.result(WAIT_SECONDS)
    assert 1 + 20 <= catalog.statistics.transactions <= 1 + 21


def test_a_group_resolves_with_one_hop_to_the_loop_and_in_order(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        original = loop.call_soon_threadsafe
        hops = 0

        def counted(callback: Callable[..., object], *args: Any) -> asyncio.Handle:
            nonlocal hops
            hops += 1
            return original(callback, *args)

        monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
        order: list[asyncio.Future[None]] = []
        with held(catalog):
            futures = [catalog.persist([offset("g", 1, 0, at)]) for at in range(50)]
            for future in futures:
                future.add_done_callback(order.append)
        await asyncio.gather(*futures)
        assert order == futures
        return hops

    assert asyncio.run(main()) in (1, 2)


def test_done_is_called_on_the_writers_thread(catalog: Catalog) -> None:
    seen: list[str] = []
    called = threading.Event()

    def done(error: CatalogError | None) -> None:
        seen.append(threading.current_thread().name)
        called.set()

    catalog.commit([], done)
    assert called.wait(WAIT_SECONDS)
    assert seen == ["chronik-catalog"]


def test_persisting_nothing_is_done_at_once(catalog: Catalog) -> None:
    async def main() -> bool:
        return catalog.persist([]).done()

    with held(catalog):
        assert asyncio.run(main())


POISON: dict[str, Change] = {
    "a name that another topic has": topic(2, 9, name="topic-1"),
    "a log that another partition has": topic(2, 1),
    "more partitions of a topic that is gone": PartitionsAdded(topic_id(7), 0, logs(9)),
    "configs of a topic that is gone": TopicConfigsSet(topic_id(7), {"a": "b"}),
    "a number beyond 64 bits": offset("bad", 1, 0, 2**63),
    "text that is not Unicode": group("bad \ud800", 1),
}


@pytest.mark.parametrize("poison", POISON)
def test_a_unit_that_cannot_be_written_fails_alone_and_as_a_whole(catalog: Catalog, path: Path, poison: str) -> None:
    with held(catalog):
        before = submit(catalog, [offset("before", 1, 0, 1)])
        bad = submit(catalog, [offset("bad", 1, 1, 1), POISON[poison], offset("bad", 1, 2, 1)])
        after = submit(catalog, [offset("after", 1, 0, 1)])
    assert before.exception(WAIT_SECONDS) is None
    assert isinstance(bad.exception(WAIT_SECONDS), CatalogError)
    assert after.exception(WAIT_SECONDS) is None
    assert committed(path) == {("before", 0): 1, ("after", 0): 1}
    assert catalog.statistics.failed_units == 1


def test_a_unit_that_cannot_be_written_fails_in_the_loop_too(catalog: Catalog) -> None:
    async def main() -> list[object]:
        with held(catalog):
            units = offset("a", 1, 0, 1), POISON["a number beyond 64 bits"], TopicDeleted(topic_id(1))
            futures = [catalog.persist([change]) for change in units]
        return await asyncio.gather(*futures, return_exceptions=True)

    first, second, third = asyncio.run(main())
    assert (first, third) == (None, None)
    assert isinstance(second, CatalogError)


def test_an_unexpected_fault_fails_the_unit_and_not_the_writer(
    catalog: Catalog, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    strange: Any = "no change at all"
    with pytest.raises(CatalogError, match="could not be written"):
        write(catalog, [offset("g", 1, 0, 1), strange])
    assert "unexpected" in caplog.text
    assert committed(path) == {}
    write(catalog, [offset("g", 1, 0, 2)])
    assert committed(path) == {("g", 0): 2}


def test_while_another_program_locks_the_file_commits_fail_and_later_ones_succeed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "_BUSY_SECONDS", 0.01)
    catalog = Catalog.open(path, synchronous="OFF")
    write(catalog, [topic(1, 1)])
    attempts: list[int] = []
    write_all = Session.write

    def counted(session: Session, changes: Sequence[Change]) -> None:
        attempts.append(len(changes))
        write_all(session, changes)

    monkeypatch.setattr(Session, "write", counted)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with held(catalog):
            futures = [submit(catalog, [offset("g", 1, 0, at)]) for at in range(5)]
        errors = [future.exception(WAIT_SECONDS) for future in futures]
        assert [str(error) for error in errors] == ["The catalog cannot be written now: database is locked."] * 5
        assert all(isinstance(error, CatalogUnavailable) for error in errors)
        # Not every unit has waited for the lock: the first alone or not, the others together, one of them alone.
        assert len(attempts) <= 3
        # A transaction takes the lock when it begins.
        with pytest.raises(CatalogUnavailable):
            write(catalog, [])
        with pytest.raises(CatalogError, match="database is locked"):
            catalog.set_property("clean", "no")
        other.execute("ROLLBACK")
    write(catalog, [offset("g", 1, 0, 7)])
    catalog.close()
    assert committed(path) == {("g", 0): 7}


def test_a_full_disk_fails_the_commit_and_nothing_else(catalog: Catalog, path: Path) -> None:
    (pages,) = catalog._connection.execute("PRAGMA page_count").fetchone()
    catalog._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(CatalogUnavailable, match="full"):
        write(catalog, [topic(2, *range(10, 5000))])
    write(catalog, [offset("g", 1, 0, 1)])
    catalog._connection.execute("PRAGMA max_page_count = 100000")
    write(catalog, [topic(2, *range(10, 5000))])
    assert committed(path) == {("g", 0): 1}


def test_a_reader_does_not_hold_up_commits(catalog: Catalog, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        count = "SELECT count(*) FROM offsets"
        assert reader.execute(count).fetchone() == (0,)
        write(catalog, [offset("g", 1, 0, 1)])
        assert reader.execute(count).fetchone() == (0,)
        reader.execute("ROLLBACK")
        assert reader.execute(count).fetchone() == (1,)


def test_a_cancelled_wait_leaves_the_unit_in_the_queue(catalog: Catalog, path: Path) -> None:
    async def main() -> None:
        with held(catalog):
            given_up, waited_for = (catalog.persist([offset("g", 1, partition, 1)]) for partition in (0, 1))
            given_up.cancel()
        await waited_for
        assert given_up.cancelled()

    asyncio.run(main())
    assert committed(path) == {("g", 0): 1, ("g", 1): 1}


def test_a_loop_that_ended_does_not_stop_the_writer(catalog: Catalog, path: Path) -> None:
    async def main() -> None:
        catalog.persist([offset("g", 1, 0, 1)])

    with held(catalog):
        asyncio.run(main())
    write(catalog, [offset("g", 1, 1, 1)])
    assert committed(path) == {("g", 0): 1, ("g", 1): 1}


def test_a_callback_that_raises_is_logged_and_does_not_stop_the_writer(
    catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    def done(error: CatalogError | None) -> None:
        raise ZeroDivisionError

    with held(catalog):
        catalog.commit([], done)
        after = submit(catalog, [offset("g", 1, 0, 1)])
    after.result(WAIT_SECONDS)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_closing_writes_what_waits_and_refuses_what_comes_after(catalog: Catalog, path: Path) -> None:
    with held(catalog):
        futures = [submit(catalog, [offset("g", 1, 0, at)]) for at in range(300)]
    catalog.close()
    assert all(future.done() and future.exception() is None for future in futures)
    assert committed(path) == {("g", 0): 299}
    assert not path.with_name(path.name + "-wal").exists()
    with pytest.raises(CatalogError, match="closed"):
        write(catalog, [offset("g", 1, 0, 1)])
    catalog.warm()
    catalog.close()


def test_warming_starts_the_writer_before_the_first_commit(path: Path) -> None:
    catalog = Catalog.open(path)
    assert "chronik-catalog" not in {thread.name for thread in threading.enumerate()}
    catalog.warm()
    catalog.warm()
    assert [thread.name for thread in threading.enumerate()].count("chronik-catalog") == 1
    catalog.close()
    assert "chronik-catalog" not in {thread.name for thread in threading.enumerate()}
