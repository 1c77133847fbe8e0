"""Where batches lie in the table files that journals became (see `table.py`): the kernel can copy them from there to a
socket, and neither RocksDB nor this process has to touch them.

A file is opened, and its index read, when somebody first reads a chunk; it is let go of soon after the last one did, as
a file that RocksDB deletes takes its place on the disk for as long as it is open. Files that are not as `table.py`
writes them, because RocksDB has rewritten them, are left to RocksDB.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_right
from pathlib import Path
from threading import Lock
from time import monotonic

from rocksdict import Rdict

from chronik.store.rocks import keys
from chronik.store.rocks.options import file_of
from chronik.store.rocks.table import block_is_whole, blocks_of, rows_in, value_place
from chronik.terms import FileSlice

LEAST_SLICE_BYTES = 16 * 1024
"""Smaller batches are read: that costs less than a system call for each to send them."""
_MOST_FILES = 32
_KEPT_S = 2.0
"""After which a file that nobody reads is closed, and RocksDB is asked again for one that it did not have."""

Batches = list[bytes | FileSlice]


class _Log:
    """The batches of one log, in parallel lists by their base offsets."""

    __slots__ = ("bases", "ends", "positions", "sizes")

    def __init__(self) -> None:
        self.bases = array("q")
        self.ends = array("q")
        """The offsets after them."""
        self.sizes = array("q")
        self.positions = array("q")


class TableFile:
    """An open file; it is closed when nobody has it any more, nor a slice of it."""

    __slots__ = ("_logs", "descriptor")

    def __init__(self, path: Path, chunk: int) -> None:
        """OSError; ValueError if it is not one of ours, with that chunk and nothing else."""
        self.descriptor = os.open(path, os.O_RDONLY)
        if hasattr(os, "posix_fadvise"):
            # Batches of one log are read in order, with others between them. To ask for each (WILLNEED) was slower: the
            # kernel's own reading ahead takes larger pieces of its memory at a time.
            os.posix_fadvise(self.descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        self._logs = _logs_in(self.descriptor, chunk)

    def __del__(self) -> None:
        descriptor = getattr(self, "descriptor", -1)
        if descriptor >= 0:
            os.close(descriptor)

    def read(
        self,
        log: int,
        offset: int,
        bound: int,
        max_bytes: int,
        at_least_one: bool,
        least_slice_bytes: int = LEAST_SLICE_BYTES,
    ) -> tuple[Batches, bool]:
        """Whole batches from the one that contains `offset`, all below `bound`, and whether more may be read behind
        them. Those below `least_slice_bytes` are read, for which it may wait for the disk."""
        held, found = self._logs.get(log), Batches()
        if held is None:
            return found, True
        bases, ends, sizes, positions = held.bases, held.ends, held.sizes, held.positions
        for at in range(bisect_right(ends, offset), len(bases)):
            if bases[at] >= bound:
                break
            size = sizes[at]
            max_bytes -= size
            if max_bytes < 0 and (found or not at_least_one):
                return found, False
            if size >= least_slice_bytes:
                found.append(FileSlice(self, positions[at], size, ends[at]))
            else:
                found.append(os.pread(self.descriptor, size, positions[at]))
        return found, max_bytes > 0


def _logs_in(descriptor: int, chunk: int) -> dict[int, _Log]:
    def read(position: int, size_bytes: int) -> bytes:
        return os.pread(descriptor, size_bytes, position)

    found: dict[int, _Log] = {}
    unpack, unpack_value = keys.DATA_KEY.unpack_from, keys.INDEX_VALUE.unpack
    for key, position, size in blocks_of(read, os.fstat(descriptor).st_size):
        of, kind, log, base = unpack(key)
        if of != chunk:
            raise ValueError("it has other chunks")
        if kind == keys.BATCH:
            found[log].positions.append(value_place(key, position, size))
            continue
        block = read(position, size + 5)
        if not block_is_whole(memoryview(block)):
            raise ValueError("its index entries are damaged")
        for row_key, value in rows_in(block[:-5]):
            _, _, log, base = unpack(row_key)
            last, _, size_bytes = unpack_value(value)
            held = found.get(log)
            if held is None:
                held = found[log] = _Log()
            held.bases.append(base)
            held.ends.append(last + 1)
            held.sizes.append(size_bytes)
    if any(len(held.positions) != len(held.bases) for held in found.values()):
        raise ValueError("its index entries do not fit its batches")
    return found


class TableFiles:
    """Those that were read of late. Methods may run in any thread."""

    def __init__(self, data: Rdict) -> None:
        self._data = data
        self._lock = Lock()
        self._files: dict[int, tuple[TableFile | None, float]] = {}
        """By chunk, and when it was last asked for; the one that was not for the longest time first."""

    def if_open(self, chunk: int) -> TableFile | None:
        """The file of a chunk of blocks, if somebody has read it before."""
        with self._lock:
            file, _ = self._files.get(chunk, (None, 0.0))
            if file is not None:
                self._note(chunk, file)
            return file

    def of_chunk(self, chunk: int) -> TableFile | None:
        """The file of a chunk of blocks; None if RocksDB has to be asked for what is in it."""
        file = self.if_open(chunk)
        if file is not None:
            return file
        with self._lock:
            known = self._files.get(chunk)
            if known is not None and monotonic() - known[1] <= _KEPT_S:
                return known[0]
        file = _opened(self._data, chunk)  # not under the lock, for which the loop may wait
        with self._lock:
            self._note(chunk, file)
            if len(self._files) > _MOST_FILES:
                del self._files[next(iter(self._files))]
        return file

    def _note(self, chunk: int, file: TableFile | None) -> None:
        """As the one that was asked for last."""
        self._files.pop(chunk, None)
        self._files[chunk] = file, monotonic()

    def forget_unused(self) -> bool:
        """Close what nobody asked for lately; whether others are open."""
        before = monotonic() - _KEPT_S
        with self._lock:
            for chunk in [chunk for chunk, (_, asked_at) in self._files.items() if asked_at < before]:
                del self._files[chunk]
            return bool(self._files)


def _opened(data: Rdict, chunk: int) -> TableFile | None:
    path = file_of(data, chunk)
    if path is None:
        return None
    try:
        return TableFile(path, chunk)
    except (OSError, ValueError, KeyError):
        return None
