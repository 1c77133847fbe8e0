"""The keys of the RocksDB engine. Written to disk: never change, only add.

Default column family, everything that is written once and dies with its chunk:

    chunk u32 | kind u8 | log u32 | base offset u64        kind 0: index entry, 1: the batch as stored

A chunk number in front keeps the files of different chunks from ever overlapping, so that compaction only moves them
and retention drops whole ranges. Batches that are blocks of their own (see `table.py`) have chunks of their own, with
BLOCKS set, so that their files share no range with those of memtables either.

Column family "state", small and rewritten in place:

    log u32 | kind u8 | suffix u64                         see the STATE_ constants

All integers are big-endian and unsigned, so that byte order is number order.
"""

from __future__ import annotations

from struct import Struct

from chronik.terms import FileSlice

BLOCKS = 1 << 31
"""Set in the chunk numbers of blocks."""

INDEX = 0
BATCH = 1

STATE_START = 0
"""suffix 0 -> log start offset q"""
STATE_SEGMENT = 1
"""suffix base offset -> chronik.log.segments"""
STATE_EPOCHS = 2
"""suffix 0 -> chronik.log.epochs"""
STATE_PRODUCER = 3
"""suffix producer id -> chronik.log.producers"""
STATE_ABORTED = 4
"""suffix marker offset -> chronik.log.aborted"""

ENGINE = 0xFFFFFFFF
"""The log number of rows that belong to the engine itself."""
ENGINE_CHUNK = 0
"""suffix 0 -> number of the newest chunk q"""
ENGINE_GARBAGE = 1
"""suffix chunk u32 << 32 | log u32 -> bytes q of batches of that log in that chunk that are to be deleted"""

DATA_KEY = Struct(">IBIQ")
STATE_PREFIX = Struct(">IB")
STATE_KEY = Struct(">IBQ")
INDEX_VALUE = Struct(">Qqi")
"""last offset, max timestamp, size in bytes of the batch"""
NUMBER = Struct(">q")
LOG_PREFIX = Struct(">I")
_OFFSETS = Struct(">q15xi")
"""Of a batch: base offset, and last offset delta."""

MAX_OFFSET = 2**63 - 1


def state_key(log: int, kind: int, suffix: int = 0) -> bytes:
    """The key of a state row."""
    return STATE_KEY.pack(log, kind, suffix)


def batch_key(chunk: int, log: int, base_offset: int) -> bytes:
    """Where a batch is stored."""
    return DATA_KEY.pack(chunk, BATCH, log, base_offset)


def index_key(chunk: int, log: int, base_offset: int) -> bytes:
    """Where a batch's index entry is stored."""
    return DATA_KEY.pack(chunk, INDEX, log, base_offset)


def is_of_blocks(key: bytes) -> bool:
    """Whether a key of the data is one of a block chunk."""
    return key[:1] >= b"\x80"


def end_of(batch: bytes | FileSlice) -> int:
    """The offset after a batch, as stored."""
    if isinstance(batch, FileSlice):
        return batch.end_offset
    base_offset, last_offset_delta = _OFFSETS.unpack_from(batch)
    return int(base_offset + last_offset_delta + 1)


def garbage_suffix(chunk: int, log: int) -> int:
    """The suffix of a garbage row."""
    return chunk << 32 | log
