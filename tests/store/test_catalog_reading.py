"""Reading somebody else's catalog: beside a running broker, after a kill, from copies, and without leaving a trace."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chronik.changes import OffsetCommitted
from chronik.store.sql import image
from chronik.store.sql.catalog import Catalog
from chronik.store.sql.image import CatalogImage, read_image
from chronik.store.sql.problems import CatalogError
from tests.store.catalog_facts import offset, submit, topic, write

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """In a folder whose name has all that is special in a URI."""
    folder = tmp_path / "50% of #1?mode=rw&x"
    folder.mkdir()
    return folder / "catalog.sqlite"


@pytest.fixture
def live(path: Path) -> Iterator[Catalog]:
    """An open catalog whose last commits are in the write-ahead log only."""
    catalog = Catalog.open(path)
    write(catalog, [topic(1, 1), topic(2, 2)])
    write(catalog, [offset("g", 1, 0, 5)])
    yield catalog
    catalog.close()


def positions(found: CatalogImage) -> set[int]:
    return {change.offset for change in found.group_changes if isinstance(change, OffsetCommitted)}


def copy(path: Path, folder: Path, *suffixes: str) -> Path:
    folder.mkdir()
    for suffix in ("", *suffixes):
        shutil.copy(path.with_name(path.name + suffix), folder)
    return folder / path.name


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def test_beside_a_running_broker_every_commit_is_seen(
    live: Catalog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two files that somebody writes cannot be copied as of one moment.
    monkeypatch.delattr(image, "_copy_into_memory")
    assert positions(read_image(path)) == {5}
    write(live, [offset("g", 2, 0, 6)])
    found = read_image(path)
    assert positions(found) == {5, 6}
    assert found.cluster_id == live.image.cluster_id


def test_a_reader_sees_one_moment_while_units_are_written(live: Catalog, path: Path) -> None:
    """Both offsets of a unit, or neither of them, also while the write-ahead log moves into the file all the time."""
    live._connection.execute("PRAGMA wal_autocheckpoint = 3")
    stop = threading.Event()
    failures: list[BaseException] = []

    def keep_writing() -> None:
        at = 10
        try:
            while not stop.is_set():
                submit(live, [offset("g", 1, 0, at), offset("g", 2, 0, at)]).result(20)
                at += 1
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=keep_writing)
    thread.start()
    seen = [positions(read_image(path)) for _ in range(100)]
    stop.set()
    thread.join()
    assert failures == []
    assert all(len(found) == 1 for found in seen)
    assert len({number for found in seen for number in found}) > 1


@pytest.mark.parametrize("suffixes", [("-wal", "-shm"), ("-wal",)], ids=["complete", "without the shared index"])
def test_a_copy_made_while_the_broker_ran_is_readable(
    live: Catalog, path: Path, tmp_path: Path, suffixes: tuple[str, ...]
) -> None:
    copied = copy(path, tmp_path / "copy", *suffixes)
    before = {file: file.read_bytes() for file in copied.parent.iterdir() if not file.name.endswith("-shm")}
    assert positions(read_image(copied)) == {5}
    assert {file: file.read_bytes() for file in before} == before
    assert names(copied.parent) == {path.name, *(path.name + suffix for suffix in suffixes)}


def test_a_closed_catalog_is_read_without_leaving_files(live: Catalog, path: Path) -> None:
    live.close()
    assert positions(read_image(path)) == {5}
    assert names(path.parent) == {path.name}


READ = """
import ctypes, os, sys
from pathlib import Path
from chronik.store.sql.image import read_image
path = Path(sys.argv[1])
if os.getuid() == 0:
    # A superuser may write anywhere; without capabilities (version 3 of the call, none set) it is a user like others.
    assert ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()) == 0
try:
    path.with_name("written").touch()
except PermissionError:
    print(sorted(change.offset for change in read_image(path).group_changes))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="folders have no permissions there")
@pytest.mark.parametrize(
    "suffixes", [(), ("-wal",), ("-wal", "-shm")], ids=["closed", "without the shared index", "complete"]
)
def test_a_copy_on_a_disk_that_cannot_be_written_is_readable(
    live: Catalog, path: Path, tmp_path: Path, suffixes: tuple[str, ...]
) -> None:
    if not suffixes:
        live.close()
    copied = copy(path, tmp_path / "read only", *suffixes)
    for file in copied.parent.iterdir():
        file.chmod(0o444)
    copied.parent.chmod(0o555)
    try:
        command = [sys.executable, "-c", READ, str(copied)]
        read = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        assert (read.stdout, read.stderr) == ("[5]\n", "")
    finally:
        copied.parent.chmod(0o755)


def test_what_is_not_there_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"^There is no catalog .*nothing\.$"):
        read_image(tmp_path / "nothing")
    assert names(tmp_path) == set()
    (tmp_path / "empty").touch()
    with pytest.raises(CatalogError, match="is empty"):
        read_image(tmp_path / "empty")
