"""A killed process loses no commit that it had acknowledged, and half a unit is never seen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from chronik.changes import OffsetCommitted
from chronik.store.sql.catalog import Catalog
from chronik.store.sql.image import CatalogImage, read_image

ROOT = Path(__file__).parents[2]

CHILD = """
import os, sys, threading
from pathlib import Path
from chronik.store.sql.catalog import Catalog
from tests.store.catalog_facts import offset, topic, topic_id, write

catalog = Catalog.open(Path(sys.argv[1]))
if not catalog.image.topics:
    write(catalog, [topic(1, 1, 2, 3)])
in_flight = threading.Semaphore(40)

def acknowledge(at):
    def done(error):
        os.write(1, b"%d\\n" % at if error is None else b"failed\\n")
        in_flight.release()
    return done

for at in range(int(sys.argv[2]), 10**9):
    in_flight.acquire()
    catalog.commit([offset("g", 1, partition, at) for partition in range(3)], acknowledge(at))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.sqlite"


def run_until_killed(path: Path, start: int) -> int:
    """Let a process commit rising numbers, kill it in the middle; returns the last one that it acknowledged."""
    command = [sys.executable, "-c", CHILD, str(path), str(start)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(300)]
    child.kill()
    lines += child.stdout.read().splitlines()
    child.stdout.close()
    child.wait()
    return max(int(line) for line in lines if line)


def number_in(image: CatalogImage) -> int:
    numbers = [change.offset for change in image.group_changes if isinstance(change, OffsetCommitted)]
    assert len(numbers) == 3
    assert len(set(numbers)) == 1
    return numbers[0]


@pytest.mark.skipif(sys.platform == "win32", reason="the pipe's last line may be cut there")
def test_a_killed_process_keeps_every_acknowledged_commit(path: Path) -> None:
    last = 0
    for _ in range(3):
        acknowledged = run_until_killed(path, last + 1)
        assert acknowledged > last
        read = number_in(read_image(path))
        # Those in flight may have been written without having been acknowledged.
        assert acknowledged <= read <= acknowledged + 40
        catalog = Catalog.open(path)
        catalog.close()
        last = number_in(catalog.image)
        assert last == read
