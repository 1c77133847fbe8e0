"""Fixtures of the record stores: the contract's tests run on every engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from chronik.store.rocks.engine import RocksEngine
from tests.store.faulty_rocksdb import FaultyRdict, inject
from tests.store.records import ENGINES, Engine, Records, SharedRecords


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=sorted(ENGINES), scope="module")
def engine(request: pytest.FixtureRequest) -> Engine:
    return ENGINES[request.param]


@pytest.fixture
async def records(engine: Engine, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Records]:
    """A new, open store; closed at the end unless the test closed it."""
    opened = Records(engine, tmp_path / "records")
    opened.open()
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
def shared(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedRecords]:
    """One store for all examples of a module's tests, which take logs of their own; not for tests that are async."""
    with SharedRecords(engine, tmp_path_factory.mktemp("records")) as opened:
        yield opened


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[FaultyRdict]:
    """The databases that RocksDB engines open in this test, the newest last."""
    return inject(monkeypatch)


@pytest.fixture
async def faulty(opened: list[FaultyRdict], tmp_path: Path, anyio_backend: str) -> AsyncIterator[Records]:
    """A new, open RocksDB engine whose faults end before it is closed."""
    records = Records(RocksEngine, tmp_path / "records")
    records.open()
    yield records
    for data in opened:
        data.faults.clear()
    await records.close()
