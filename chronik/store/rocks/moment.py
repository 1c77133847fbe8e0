"""The record store's files as they are at one moment, got hold of from outside, beside a running broker.

RocksDB's table files never change, so a hard link or an open file will do; its manifest and the journals only grow, so
their lengths of that moment will. A file that the manifest needs can be deleted only after the manifest has grown: if
it has, what is new is got hold of too, and so on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

_BLOCK_BYTES = 4 * 1024 * 1024
_NOT_TAKEN = ("LOCK", "LOG", "CURRENT", "MANIFEST-")
"""RocksDB's files that nobody needs, or that are taken in another way."""

TABLE_SUFFIX = ".sst"


class Moment:
    """RocksDB's files, as far as we have got hold of them. Errors: OSError."""

    def __init__(self, records: Path, files: ExitStack, has_table: Callable[[str], bool]) -> None:
        """`files` closes those that are open. `has_table` is asked for each new table file: True if it need not be held
        open, as with a hard link."""
        self._records = records
        self._files = files
        self._has_table = has_table
        self.tables: set[str] = set()
        """Those that are not held open."""
        self.opened: dict[str, IO[bytes]] = {}
        self.sizes: dict[str, int] = {}
        """Of the open files that belong to the moment: how many of their first bytes do."""
        self.manifest = ""

    def attempt(self) -> bool:
        """Get hold of everything that the manifest leads to; True if that is a moment: the manifest has not grown."""
        self.manifest = self._current()
        try:
            manifest = self._open(self.manifest)
            manifest_size = _size(manifest)
            names = self._take_files()
        except FileNotFoundError:
            return False  # deleted since it was named or listed
        if _size(manifest) != manifest_size or self._current() != self.manifest:
            return False
        # Only the newest journal still grows, and one that was begun since would go on where it ends.
        self.sizes = {name: _size(self.opened[name]) for name in names}
        self.sizes[self.manifest] = manifest_size
        return True

    def blocks(self, name: str) -> Iterator[bytes]:
        """What the file has at that moment. EOFError if it has become shorter."""
        left = self.sizes[name]
        while left > 0:
            block = self.opened[name].read(min(left, _BLOCK_BYTES))
            if not block:
                raise EOFError(f"The file {name} of the records ends too early.")
            left -= len(block)
            yield block

    def _take_files(self) -> list[str]:
        """The names of those that are open, without the manifest's."""
        names = []
        for name in os.listdir(self._records):
            if name.startswith(_NOT_TAKEN) or name.endswith(".dbtmp") or name in self.tables:
                continue
            if name.endswith(TABLE_SUFFIX) and name not in self.opened and self._has_table(name):
                self.tables.add(name)
                continue
            self._open(name)
            names.append(name)
        return names

    def _open(self, name: str) -> IO[bytes]:
        file = self.opened.get(name)
        if file is None:
            file = self.opened[name] = self._files.enter_context((self._records / name).open("rb"))
        return file

    def _current(self) -> str:
        return (self._records / "CURRENT").read_text(encoding="ascii").strip()


def _size(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_size
