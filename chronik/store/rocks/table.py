"""The large batches of a chunk, on their way into RocksDB without being written a second time.

The journal writes each of them as a data block of RocksDB's table format (BlockBasedTable, format version 5). When the
chunk ends, what makes a table of the file is put behind them: index entries, RocksDB's own index, properties and
footer. RocksDB then takes the file over as it is (`ingest_external_file`). What else the journal has in it lies between
blocks, where nothing leads to; so do the blocks in the order in which they came, as only the index must be in order.

Until then the batches are read here, from memory.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from struct import Struct, pack
from struct import error as StructError
from typing import NamedTuple

from xxhash import xxh3_64, xxh3_64_intdigest

from chronik.batch.varint import read_uvarint, uvarint
from chronik.store.rocks import keys
from chronik.store.rocks.moment import TABLE_SUFFIX

MOST_BLOCKS = 16 * 1024
"""Small batches of logs that have large ones too are blocks as well, until the chunk has so many."""

TAIL_BYTES = 13
"""Of a block behind its value: one restart point, their number, the compression, and the checksum."""
_RESTARTS = pack("<II", 0, 1)
_TAIL = Struct("<IIBI")
_U32 = Struct("<I")
_U64 = Struct("<Q")
_INTERNAL = _U64.pack(1)
"""Behind each key: sequence number 0 (it is the whole file's that counts), and that it is a value."""
_KEY_BYTES = keys.DATA_KEY.size
_BLOCK_ENTRIES = 16 * 1024 // (_KEY_BYTES + keys.INDEX_VALUE.size)
"""So many index entries are put together, in a block of the size that RocksDB's have."""

IDENTITY = b"chronik"
"""Says in a table's properties that it was made here."""
_FOOTER = Struct("<B40sIQ")
_XXH3, _FORMAT_VERSION, _MAGIC = 4, 5, 0x88E241B785F4CFF7


class Block(NamedTuple):
    """A batch that is to be a block; `data` has it as stored."""

    chunk: int
    log: int
    base_offset: int
    last_offset: int
    max_timestamp_ms: int
    data: bytes


class Entry(NamedTuple):
    """An index entry, and where its batch is."""

    chunk: int
    base_offset: int
    last_offset: int
    max_timestamp_ms: int
    size_bytes: int


class Table:
    """The blocks of a chunk that the journal has. `add` on the loop, everything else in any thread."""

    def __init__(self, chunk: int) -> None:
        self.chunk = chunk
        self._logs: dict[int, _Log] = {}

    def add(self, block: Block, position: int) -> None:
        """Note a block that was written to the file, from `position` on (bytes)."""
        log = self._logs.get(block.log)
        if log is None:
            log = self._logs[block.log] = _Log()
        log.positions.append(position)
        log.ends.append((block.last_offset, block.max_timestamp_ms))
        log.data.append(block.data)
        log.bases.append(block.base_offset)  # the last of all: readers go by it

    def read(self, log: int, offset: int, bound: int, max_bytes: int, at_least_one: bool) -> tuple[list[bytes], bool]:
        """Whole batches from the one that contains `offset`, all below `bound`, and whether more may be read behind
        them."""
        held, found = self._logs.get(log), list[bytes]()
        if held is None:
            return found, True
        for at in range(held.index_of(offset), len(held.bases)):
            if held.bases[at] >= bound:
                break
            data = held.data[at]
            max_bytes -= len(data)
            if max_bytes < 0 and (found or not at_least_one):
                return found, False
            found.append(data)
        return found, max_bytes > 0

    def entries(self, log: int, offset: int, end: int) -> Iterator[Entry]:
        """The index entries of the batches with offsets in [offset, end)."""
        held = self._logs.get(log)
        if held is None:
            return
        for at in range(held.index_of(offset), len(held.bases)):
            if held.bases[at] >= end:
                return
            yield Entry(self.chunk, held.bases[at], *held.ends[at], len(held.data[at]))

    def batch(self, log: int, base_offset: int) -> bytes | None:
        """The batch with that base offset."""
        held = self._logs.get(log)
        if held is None:
            return None
        at = bisect_left(held.bases, base_offset)
        return held.data[at] if at < len(held.bases) and held.bases[at] == base_offset else None

    def first_key(self) -> bytes:
        """The key of one of its batches."""
        log = min(self._logs)
        return keys.batch_key(self.chunk, log, self._logs[log].bases[0])

    def rows(self) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values of all that RocksDB is to have, in order."""
        yield from self._index_rows()
        for log, held in sorted(self._logs.items()):
            for base, data in zip(held.bases, held.data, strict=True):
                yield keys.batch_key(self.chunk, log, base), data

    def ending(self, position: int) -> bytes:
        """What makes a table of the file, to be written from `position` on, as its last bytes."""
        parts = _Parts(position)
        index: list[tuple[bytes, _Handle]] = []
        rows = [(key + _INTERNAL, value) for key, value in self._index_rows()]
        for at in range(0, len(rows), _BLOCK_ENTRIES):
            together = rows[at : at + _BLOCK_ENTRIES]
            index.append((together[-1][0][:_KEY_BYTES], parts.add(_block(together))))
        values_bytes = len(rows) * keys.INDEX_VALUE.size
        for log, held in sorted(self._logs.items()):
            for base, at, data in zip(held.bases, held.positions, held.data, strict=True):
                key = keys.batch_key(self.chunk, log, base)
                values_bytes += len(data)
                index.append((key, _Handle(at, len(head_of(key, len(data))) + len(data) + TAIL_BYTES - 5)))
        top = parts.add(_block((key, handle.encoded()) for key, handle in index))
        properties = parts.add(_block(_properties(2 * len(rows), values_bytes, len(index), parts.position - position)))
        meta = parts.add(_block([(b"rocksdb.properties", properties.encoded())]))
        handles = (meta.encoded() + top.encoded()).ljust(40, b"\x00")
        return b"".join((*parts.written, _FOOTER.pack(_XXH3, handles, _FORMAT_VERSION, _MAGIC)))

    def _index_rows(self) -> Iterator[tuple[bytes, bytes]]:
        pack_value = keys.INDEX_VALUE.pack
        for log, held in sorted(self._logs.items()):
            for base, ends, data in zip(held.bases, held.ends, held.data, strict=True):
                yield keys.index_key(self.chunk, log, base), pack_value(*ends, len(data))


class _Log:
    """The blocks of one log, in parallel lists: nothing in them is followed by the garbage collector for long."""

    __slots__ = ("bases", "data", "ends", "positions")

    def __init__(self) -> None:
        self.bases = array("q")
        self.positions = array("q")
        self.ends: list[tuple[int, int]] = []
        """Last offset, and max timestamp."""
        self.data: list[bytes] = []

    def index_of(self, offset: int) -> int:
        """Of the first block that reaches to `offset` or beyond."""
        at = bisect_right(self.bases, offset) - 1
        return at + (self.ends[at][0] < offset) if at >= 0 else 0


class _Handle(NamedTuple):
    """Where a block is in the file: its size is without compression and checksum."""

    position: int
    size_bytes: int

    def encoded(self) -> bytes:
        return uvarint(self.position) + uvarint(self.size_bytes)


class _Parts:
    """Blocks that are written one after the other."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.written: list[bytes] = []

    def add(self, block: bytes) -> _Handle:
        handle = _Handle(self.position, len(block))
        self.written += (block, b"\x00", _U32.pack(block_checksum(block)))
        self.position += len(block) + 5
        return handle


def _block(rows: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Rows in order, each of them a restart point, so that no key leans on another one."""
    parts, restarts, at = list[bytes](), array("I"), 0
    for key, value in rows:
        row = b"\x00" + uvarint(len(key)) + uvarint(len(value)) + key + value
        restarts.append(at)
        parts.append(row)
        at += len(row)
    restarts.append(len(restarts))
    return b"".join((*parts, pack(f"<{len(restarts)}I", *restarts)))


def _properties(rows: int, values_bytes: int, blocks: int, data_bytes: int) -> Sequence[tuple[bytes, bytes]]:
    """Those without which RocksDB does not take a file over, and those that it counts with."""
    return sorted(
        (b"rocksdb." + name, value)
        for name, value in (
            (b"block.based.table.index.type", _U32.pack(0)),
            (b"block.based.table.prefix.filtering", b"0"),
            (b"block.based.table.whole.key.filtering", b"1"),
            (b"comparator", b"leveldb.BytewiseComparator"),
            (b"compression", b"NoCompression"),
            (b"creating.db.identity", IDENTITY),
            (b"data.size", uvarint(data_bytes)),
            (b"external_sst_file.global_seqno", _U64.pack(0)),
            (b"external_sst_file.version", _U32.pack(2)),
            (b"format.version", uvarint(_FORMAT_VERSION)),
            (b"index.key.is.user.key", uvarint(1)),
            (b"index.value.is.delta.encoded", uvarint(0)),
            (b"num.data.blocks", uvarint(blocks)),
            (b"num.entries", uvarint(rows)),
            (b"raw.key.size", uvarint(rows * (_KEY_BYTES + 8))),
            (b"raw.value.size", uvarint(values_bytes)),
        )
    )


def head_of(key: bytes, size_bytes: int) -> bytes:
    """What stands before a value of that size in a block of its own."""
    return b"\x00" + uvarint(len(key) + 8) + uvarint(size_bytes) + key + _INTERNAL


def tail_of(head: bytes, value: bytes) -> bytes:
    """What stands behind it."""
    digest = xxh3_64(head)
    digest.update(value)
    digest.update(_RESTARTS)
    return _TAIL.pack(0, 1, 0, digest.intdigest() & 0xFFFFFFFF)


def block_checksum(block: bytes | memoryview) -> int:
    """RocksDB's checksum of an uncompressed block, given without compression and checksum."""
    return xxh3_64_intdigest(block) & 0xFFFFFFFF


def block_is_whole(block: memoryview) -> bool:
    """Whether a block, with everything that belongs to it, has the checksum that it says."""
    checksum: int = _U32.unpack_from(block, len(block) - 4)[0]
    return checksum == block_checksum(block[:-5])


def value_place(key: bytes, position: int, size_bytes: int) -> int:
    """Where the value of that key begins, in a block of its own at `position`; ValueError if the block, whose size is
    without compression and checksum, is none."""
    head_bytes = len(head_of(key, 0))
    for head in range(head_bytes, head_bytes + 5):  # the value's size takes one byte, or up to five
        value_bytes = size_bytes - head - (TAIL_BYTES - 5)
        if value_bytes >= 0 and len(head_of(key, value_bytes)) == head:
            return position + head
    raise ValueError("a block has no value")


def blocks_of(read: Callable[[int, int], bytes], file_bytes: int) -> Iterator[tuple[bytes, int, int]]:
    """Key, position and size (without compression and checksum) of each block of a table that was made here, in the
    order of the keys. `read` gives bytes of the file, from a position on. ValueError for other files."""
    if file_bytes < _FOOTER.size:
        raise ValueError("it is too short for a table")

    def part(handle: _Handle) -> bytes:
        if handle.position + handle.size_bytes + 5 > file_bytes:
            raise ValueError("it is cut off")
        return read(*handle)

    try:
        _, handles, version, magic = _FOOTER.unpack(read(file_bytes - _FOOTER.size, _FOOTER.size))
        if (version, magic) != (_FORMAT_VERSION, _MAGIC):
            raise ValueError("it is no table of this format")
        at_meta, at = _handle_in(handles, 0)
        at_top, _ = _handle_in(handles, at)
        ((_, value),) = rows_in(part(at_meta))
        properties = dict(rows_in(part(_handle_in(value, 0)[0])))
        if properties.get(b"rocksdb.creating.db.identity") != IDENTITY:
            raise ValueError("it was not made here")
        top = part(at_top)
    except (IndexError, StructError) as error:
        raise ValueError("it is no table of this format") from error
    if block_checksum(top) != _U32.unpack(read(sum(at_top) + 1, 4))[0]:
        raise ValueError("its index is damaged")
    for key, value in rows_in(top):
        yield key, *_handle_in(value, 0)[0]


def _handle_in(data: bytes, at: int) -> tuple[_Handle, int]:
    position, at = read_uvarint(data, at)
    size, at = read_uvarint(data, at)
    return _Handle(position, size), at


def rows_in(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block that was made here, of several rows; behind the keys of index entries stands what
    RocksDB has there. ValueError for a block in which keys lean on others."""
    (count,) = _U32.unpack_from(block, len(block) - 4)
    at, end = 0, len(block) - 4 * (count + 1)
    while at < end:
        if block[at]:
            raise ValueError("a key leans on another one")
        key_bytes, key_at = read_uvarint(block, at + 1)
        value_bytes, key_at = read_uvarint(block, key_at)
        at = key_at + key_bytes + value_bytes
        yield block[key_at : key_at + key_bytes], block[key_at + key_bytes : at]


def key_in(head: bytes) -> bytes:
    """The key in what `head_of` made."""
    return head[-_KEY_BYTES - 8 : -8]


def link_path(journal: Path) -> Path:
    """A second name for a journal, under which RocksDB is given it: one that it does not take for its own."""
    return journal.with_name(f"table-{journal.name}{TABLE_SUFFIX}")


def stray_links(folder: Path) -> list[Path]:
    """Second names that a crash has left."""
    return list(folder.glob(f"table-*{TABLE_SUFFIX}"))
