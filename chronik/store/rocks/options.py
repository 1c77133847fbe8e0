"""How RocksDB is opened. Each setting was measured; ARCHITECTURE.md has the numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from rocksdict import (
    AccessType,
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    Options,
    Rdict,
    ReadOptions,
    WriteOptions,
)

from chronik.settings import MIB, StoreSettings

STATE_FAMILY = "state"


def _family_options(settings: StoreSettings, cache: Cache, write_buffer_bytes: int) -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.create_missing_column_families(True)
    # Producers compress; compressing again costs CPU and gains nothing.
    options.set_compression_type(DBCompressionType.none())
    options.set_write_buffer_size(write_buffer_bytes)
    options.set_max_write_buffer_number(3)
    options.set_max_background_jobs(2)
    # Shortens the stalls of the disk: dirty pages leave while they are written, not at the fsync.
    options.set_wal_bytes_per_sync(512 * 1024)
    options.set_bytes_per_sync(1 * MIB)
    # Two families share the log: a family with little data must not keep the log of the other alive.
    options.set_max_total_wal_size(4 * settings.chunk_bytes)
    options.set_keep_log_file_num(2)
    options.set_stats_dump_period_sec(0)
    options.set_max_open_files(512)
    table = BlockBasedOptions()
    table.set_block_size(16 * 1024)
    table.set_block_cache(cache)
    options.set_block_based_table_factory(table)
    return options


def open_records(path: Path, settings: StoreSettings, access: AccessType | None = None) -> Rdict:
    """Open (creating if need be) the database; `access` for read-only openings beside a running broker."""
    cache = Cache(settings.block_cache_bytes)
    data = _family_options(settings, cache, settings.write_buffer_bytes)
    state = _family_options(settings, cache, min(settings.write_buffer_bytes, 16 * MIB))
    return Rdict(str(path), data, {STATE_FAMILY: state}, access or AccessType.read_write())


def cold_reads() -> ReadOptions:
    """Reads that must not push out what the cache holds."""
    options = ReadOptions()
    options.fill_cache(False)  # type: ignore[call-arg]  # rocksdict's stub lacks the parameter
    return options


def bounded_reads(upper: bytes) -> ReadOptions:
    """The same, for an iterator that ends before `upper`."""
    options = cold_reads()
    options.set_iterate_upper_bound(upper)
    return options


def rows_between(family: Rdict, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a family opened in raw mode, in [first, end)."""
    return cast("Iterator[tuple[bytes, bytes]]", family.items(from_key=first, read_opt=bounded_reads(end)))


def values_of(data: Rdict, wanted: list[bytes], options: ReadOptions) -> list[bytes | None]:
    """The values of these keys in one call, during which other Python threads run."""
    return cast("list[bytes | None]", data.get(cast("list[Any]", wanted), None, options))


def unstalled_writes() -> WriteOptions:
    """Writes that fail instead of blocking the loop when RocksDB stalls."""
    options = WriteOptions()
    options.no_slowdown = True
    return options
