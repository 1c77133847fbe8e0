"""RocksDB and a journal with faults: what is raised where a disk fails or RocksDB cannot keep up, at a chosen call."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from rocksdict import Rdict

from chronik.settings import StoreSettings
from chronik.store.rocks import engine, journal
from chronik.store.rocks.options import open_records

DISK_FULL = "IO error: No space left on device: While appending to file: 000004.log"
STALL = "Result incomplete: Write stall"


class FaultyRdict:
    """An Rdict whose calls fail as long as `faults` says so: method name -> what the exception says.

    Those of its journal: "append" (half of the record is written), "cut" (what was written stays there), "sync".
    """

    def __init__(self, data: Rdict) -> None:
        self.data = data
        self.faults: dict[str, str] = {}
        self.write_sizes: list[int] = []
        self.before_write: Callable[[int], None] = lambda number: None
        """Called with the number of each write before it is done."""

    def _raise(self, method: str) -> None:
        if method in self.faults:
            raise Exception(self.faults[method])

    def write(self, batch: Any, options: Any) -> None:
        self.before_write(len(self.write_sizes))
        self._raise("write")
        self.write_sizes.append(batch.size_in_bytes())
        self.data.write(batch, options)

    def flush(self, wait: bool) -> None:
        self._raise("flush")
        self.data.flush(wait)

    def iter(self, options: Any) -> Any:
        self._raise("iter")
        return _FaultyIterator(self.data.iter(options), self.faults)

    def get(self, *arguments: Any) -> Any:
        self._raise("get")
        return self.data.get(*arguments)

    def compact_range(self, *arguments: Any) -> None:
        self._raise("compact_range")
        self.data.compact_range(*arguments)

    def ingest_external_file(self, *arguments: Any) -> None:
        self._raise("ingest_external_file")
        self.data.ingest_external_file(*arguments)

    def close(self) -> None:
        self.data.close()

    def get_column_family(self, name: str) -> FaultyRdict:
        family = FaultyRdict(self.data.get_column_family(name))
        family.faults = self.faults
        return family

    def __getattr__(self, name: str) -> Any:
        return getattr(self.data, name)


class _FaultyIterator:
    """An iterator that ends early, as RocksDB's do, where a block cannot be read: fault "next"."""

    def __init__(self, rows: Any, faults: dict[str, str]) -> None:
        self._rows = rows
        self._faults = faults
        self._failed = False

    def next(self) -> None:
        self._failed = self._failed or "next" in self._faults
        self._rows.next()

    def valid(self) -> bool:
        return not self._failed and bool(self._rows.valid())

    def status(self) -> None:
        if self._failed:
            raise Exception(self._faults["next"])
        self._rows.status()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rows, name)


def inject(monkeypatch: pytest.MonkeyPatch) -> list[FaultyRdict]:
    """Let every engine open a FaultyRdict from now on; they are listed, and the newest, the last, has the journal's
    faults."""
    opened: list[FaultyRdict] = []

    def open_faulty(path: Path, settings: StoreSettings) -> Rdict:
        opened.append(FaultyRdict(open_records(path, settings)))
        return cast("Rdict", opened[-1])

    def fail(call: str) -> None:
        if opened and call in opened[-1].faults:
            raise OSError(errno.ENOSPC, opened[-1].faults[call])

    def write_all(descriptor: int, buffers: Sequence[bytes]) -> None:
        whole = b"".join(buffers)
        try:
            fail("append")
        except OSError:
            real_write_all(descriptor, [whole[: len(whole) // 2]])
            raise
        real_write_all(descriptor, buffers)

    def cut(file: Any) -> None:
        if not opened or "cut" not in opened[-1].faults:
            real_cut(file)

    def sync(descriptor: int) -> None:
        fail("sync")
        real_sync(descriptor)

    real_write_all, real_cut, real_sync = journal._write_all, journal._cut, journal._sync
    monkeypatch.setattr(engine, "open_records", open_faulty)
    monkeypatch.setattr(journal, "_write_all", write_all)
    monkeypatch.setattr(journal, "_cut", cut)
    monkeypatch.setattr(journal, "_sync", sync)
    return opened
