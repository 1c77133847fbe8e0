"""How RocksDB is opened. Each setting was measured; ARCHITECTURE.md has the numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

from rocksdict import (
    AccessType,
    BlockBasedOptions,
    Cache,
    CompactOptions,
    DBCompressionType,
    Options,
    Rdict,
    ReadOptions,
    WriteOptions,
)

from chronik.settings import MIB, StoreSettings
from chronik.store.rocks import keys

STATE_FAMILY = "state"


MEMTABLE_BYTES = 1024 * MIB
"""More than any memtable comes to have: the writer alone says when they are switched, once the journal is synced."""


def _family_options(cache: Cache) -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.create_missing_column_families(True)
    # Producers compress; compressing again costs CPU and gains nothing.
    options.set_compression_type(DBCompressionType.none())
    options.set_write_buffer_size(MEMTABLE_BYTES)
    options.set_max_write_buffer_number(3)
    options.set_max_background_jobs(2)
    # Shortens the stalls of the disk: dirty pages leave while they are written, not at the fsync.
    options.set_bytes_per_sync(1 * MIB)
    options.set_keep_log_file_num(2)
    options.set_stats_dump_period_sec(0)
    options.set_max_open_files(512)
    # Old records are read in order: let the kernel read ahead. Not mmap, though it took another third of the CPU: a
    # disk's error would kill the process.
    options.set_advise_random_on_open(False)
    table = BlockBasedOptions()
    table.set_block_size(16 * 1024)
    table.set_block_cache(cache)
    options.set_block_based_table_factory(table)
    return options


def open_records(path: Path, settings: StoreSettings) -> Rdict:
    """Open (creating if need be) the database, without what only the journal knows."""
    cache = Cache(settings.block_cache_bytes)
    return Rdict(str(path), _family_options(cache), {STATE_FAMILY: _family_options(cache)}, AccessType.read_write())


def cold_reads() -> ReadOptions:
    """Reads that must not push out what the cache holds."""
    options = ReadOptions()
    options.fill_cache(False)  # type: ignore[call-arg]  # rocksdict's stub lacks the parameter
    return options


def bounded_reads(upper: bytes) -> ReadOptions:
    """The same, for an iterator that ends before `upper`.

    An iterator only points to the bound, which lives in these options: whoever makes one keeps them as long as it
    (without them it reads whatever comes to lie there, and stops too early or too late).
    """
    options = cold_reads()
    options.set_iterate_upper_bound(upper)
    return options


def rows_between(family: Rdict, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a family opened in raw mode, in [first, end). Raises if the disk fails on the way: what is
    missing must not look like the end."""
    options = bounded_reads(end)  # a local of this generator, so that it outlives the iterator
    rows = family.iter(options)
    rows.seek(first)
    while rows.valid():
        yield rows.key(), rows.value()
        rows.next()
    rows.status()


def values_of(data: Rdict, wanted: list[bytes], options: ReadOptions) -> list[bytes | None]:
    """The values of these keys in one call, during which other Python threads run."""
    return cast("list[bytes | None]", data.get(cast("list[Any]", wanted), None, options))


def unlogged_writes() -> WriteOptions:
    """Writes that go to the memtables only: the journal has them."""
    options = WriteOptions()
    options.disable_wal = True  # type: ignore[assignment,method-assign]  # a property, which rocksdict's stub has wrong
    return options


def unstalled_writes() -> WriteOptions:
    """The same, and they fail instead of blocking the loop when RocksDB stalls."""
    options = unlogged_writes()
    options.no_slowdown = True
    return options


def file_ranges(data: Rdict) -> Iterator[tuple[int, int, int]]:
    """(first chunk, last chunk, bytes) of each file of the data."""
    for file in data.live_files():
        first, last = file["start_key"], file["end_key"]
        if len(first) == keys.DATA_KEY.size:  # the state family's keys are shorter
            yield keys.LOG_PREFIX.unpack_from(first)[0], keys.LOG_PREFIX.unpack_from(last)[0], file["size"]


def file_of(data: Rdict, chunk: int) -> Path | None:
    """The one table file that has nothing but that chunk, as far as there is one."""
    first = keys.LOG_PREFIX.pack(chunk)
    for file in data.live_files():
        if file["start_key"][:4] == first == file["end_key"][:4]:
            name: str = file["name"]
            return Path(data.path()) / name.lstrip("/")
    return None


def background_compaction(data: Rdict, first: bytes, end: bytes) -> Callable[[], None]:
    """What rewrites, in a thread, the files between two keys as far as deletions lie in them, beside the automatic
    compactions."""
    options = CompactOptions()
    options.set_exclusive_manual_compaction(False)
    return partial(data.compact_range, first, end, options)
