"""The journal's files: what was written to RocksDB, to be done again where its memtables were lost. Never change, only
add.

    magic | record | record ...
    record: crc u32, length u32, then `length` bytes: changes, which belong together
    change: kind u8, key length u8, value length u32, key, value
    of kind PUT_BLOCK: the key and the value of such a change, and 13 bytes more, are a block of a RocksDB table

All integers are little-endian. The CRC-32C covers the length and the changes, but for the values of large blocks, which
have a checksum of their own, and what stands in ENDING: with it the file is a table as a whole (see `table.py`).

Before there were blocks a journal began with another magic; there the CRC covers everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from struct import Struct
from struct import error as StructError
from typing import IO, NamedTuple

from chronik.batch.crc import crc32c
from chronik.store.rocks import keys
from chronik.store.rocks.table import TAIL_BYTES, Block, block_is_whole, head_of, key_in, tail_of

MAGIC = b"CHRNKJ2\n"
_MAGICS = (MAGIC, b"CHRNKJ1\n")
_RECORD = Struct("<II")
_LENGTH = Struct("<I")
_CHANGE = Struct("<BBI")
_ENTRY = Struct(f"<BBI{keys.DATA_KEY.size}s{keys.INDEX_VALUE.size}sBBI")
"""The change that puts a block's index entry, and the beginning of the one that puts the block."""
_PREFIX, _SUFFIX = "journal-", 8
_COVERED_BYTES = 16 * 1024
"""Blocks with values up to this size are covered by the record's CRC, and copied together with what is around them:
that costs less than a buffer of their own."""


PUT_DATA, PUT_STATE, DELETE_STATE, DELETE_RANGE_DATA, DELETE_RANGE_STATE, PUT_BLOCK, ENDING = range(7)
"""Kinds of changes: what is done, in which column family. A range's last key, which stays, stands as the value."""

Change = tuple[int, bytes, bytes]
"""Kind, key, value."""


class JournalDamage(NamedTuple):
    """A journal that says nothing from `position` (bytes) on. `is_cut`: as a crash leaves it, within a record."""

    path: Path
    position: int
    reason: str
    is_cut: bool


class Encoded(NamedTuple):
    """A record, as buffers that are to be written one after the other; large values are the very objects given."""

    buffers: list[bytes]
    positions: list[int]
    """Where in it each block begins (bytes)."""


def encoded(
    puts: Iterable[tuple[bytes, bytes]],
    rows: Mapping[bytes, bytes | None],
    data_ranges: Iterable[tuple[bytes, bytes]] = (),
    state_ranges: Iterable[tuple[bytes, bytes]] = (),
    blocks: Iterable[Block] = (),
) -> Encoded:
    """`puts` are of the data, `rows` of the state (None: a deletion); the deletions of ranges come before all of it,
    and the blocks, with their index entries, behind it."""
    pack = _CHANGE.pack
    small: list[bytes] = []
    for kind, ranges in ((DELETE_RANGE_DATA, data_ranges), (DELETE_RANGE_STATE, state_ranges)):
        for first, end in ranges:
            small += (pack(kind, len(first), len(end)), first, end)
    for key, value in puts:
        small += (pack(PUT_DATA, len(key), len(value)), key, value)
    for key, row in rows.items():
        if row is None:
            small += (pack(DELETE_STATE, len(key), 0), key)
        else:
            small += (pack(PUT_STATE, len(key), len(row)), key, row)
    record = _Record(small)
    for block in blocks:
        record.add(block)
    return record.encoded()


class _Record:
    """A record that is being put together, from its small changes on."""

    def __init__(self, small: list[bytes]) -> None:
        self._buffers = [b""]
        self._small = small
        self._small_bytes = sum(map(len, small))
        self._length = 0
        """Of the buffers."""
        self._values: list[int] = []
        """The indices of those that the CRC does not cover."""
        self._positions: list[int] = []

    def add(self, block: Block) -> None:
        chunk, log, base, last, max_timestamp, data = block
        size = len(data)
        head = head_of(keys.batch_key(chunk, log, base), size)
        entry = _ENTRY.pack(
            *(PUT_DATA, keys.DATA_KEY.size, keys.INDEX_VALUE.size, keys.index_key(chunk, log, base)),
            *(keys.INDEX_VALUE.pack(last, max_timestamp, size), PUT_BLOCK, len(head), size),
        )
        self._positions.append(_RECORD.size + self._length + self._small_bytes + len(entry))
        if size <= _COVERED_BYTES:
            self._small += (entry, head, data, tail_of(head, data))
            self._small_bytes += len(entry) + len(head) + size + TAIL_BYTES
        else:
            self._small += (entry, head)
            self._values.append(len(self._buffers) + 1)
            self._buffers += (b"".join(self._small), data)
            self._length += self._small_bytes + len(entry) + len(head) + size
            self._small = [tail_of(head, data)]
            self._small_bytes = TAIL_BYTES

    def encoded(self) -> Encoded:
        buffers = self._buffers
        buffers.append(b"".join(self._small))
        length = self._length + self._small_bytes
        crc = crc32c(_LENGTH.pack(length))
        for index, buffer in enumerate(buffers):
            if index not in self._values:
                crc = crc32c(buffer, crc)
        buffers[0] = _RECORD.pack(crc, length)
        return Encoded(buffers, self._positions)


def encoded_ending(position: int, make: Callable[[int], bytes]) -> bytes:
    """The last record of a file with blocks: what `make` gives, told where in the file it will stand. The record will
    begin at `position`."""
    change_at = position + _RECORD.size
    ending = make(change_at + _CHANGE.size)
    change = _CHANGE.pack(ENDING, 0, len(ending))
    length = _LENGTH.pack(len(change) + len(ending))
    return b"".join((_LENGTH.pack(crc32c(change, crc32c(length))), length, change, ending))


def changes(record: bytes) -> Iterator[Change]:
    """The changes of a record, in order, but for ENDING; a block has its batch's key, and the batch for a value."""
    for kind, key_at, value_at, end in _places(record):
        if kind == PUT_BLOCK:
            yield kind, key_in(record[key_at:value_at]), record[value_at:end]
        elif kind != ENDING:
            yield kind, record[key_at:value_at], record[value_at:end]


class Parts(NamedTuple):
    """A record, taken apart. `ends`: with it the file became a table."""

    changes: list[Change]
    """All but those of blocks."""
    blocks: list[tuple[Block, int]]
    """And where in the record each begins (bytes)."""
    ends: bool


def parts_of(record: bytes) -> Parts:
    """What a start needs of a record, which gives blocks and other changes to RocksDB in different ways."""
    found = Parts([], [], False)
    entry = b""
    for kind, key_at, value_at, end in _places(record):
        if kind == PUT_BLOCK:
            chunk, _, log, base = keys.DATA_KEY.unpack(key_in(record[key_at:value_at]))
            last, max_timestamp, _ = keys.INDEX_VALUE.unpack(entry)
            found.blocks.append((Block(chunk, log, base, last, max_timestamp, record[value_at:end]), key_at))
        elif kind == ENDING:
            found = found._replace(ends=True)
        elif kind == PUT_DATA and keys.is_of_blocks(record[key_at:value_at]):
            entry = record[value_at:end]  # of the block behind it
        else:
            found.changes.append((kind, record[key_at:value_at], record[value_at:end]))
    return found


def _places(record: bytes | memoryview) -> Iterator[tuple[int, int, int, int]]:
    """(kind, where the key begins, where the value does, where that ends) of each change."""
    at, end, unpack, size = 0, len(record), _CHANGE.unpack_from, _CHANGE.size
    while at < end:
        kind, key_length, value_length = unpack(record, at)
        key_at = at + size
        value_at = key_at + key_length
        value_end = value_at + value_length
        yield kind, key_at, value_at, value_end
        at = value_end + TAIL_BYTES if kind == PUT_BLOCK else value_end


def _is_whole(record: bytes, crc: int, expected: int) -> bool:
    """Whether its CRC, begun with that of its length, is as expected, and so are the checksums of large blocks."""
    if crc32c(record, crc) == expected:
        return True  # it has none, and so need not be taken apart
    view, covered_from = memoryview(record), 0
    try:
        for kind, key_at, value_at, value_end in _places(view):
            if kind == ENDING or (kind == PUT_BLOCK and value_end - value_at > _COVERED_BYTES):
                crc = crc32c(view[covered_from:value_at], crc)
                covered_from = value_end
            if kind == PUT_BLOCK and not block_is_whole(view[key_at : value_end + TAIL_BYTES]):
                return False
    except StructError:
        return False
    return crc32c(view[covered_from:], crc) == expected


class JournalReader:
    """Iterates over the records of a file, as bytes without their header, up to the first that is broken.

    `position` is where the last whole record ends; `damage` says what is behind it, once all was read.
    """

    def __init__(self, path: Path, file: IO[bytes], size_bytes: int) -> None:
        """`file` is open at its beginning; what lies behind `size_bytes` is not looked at."""
        self._path = path
        self._file = file
        self._size_bytes = size_bytes
        self.position = 0
        self.damage: JournalDamage | None = None

    def __iter__(self) -> Iterator[bytes]:
        read, size = self._file.read, self._size_bytes
        magic = read(min(len(MAGIC), size))
        if magic not in _MAGICS:
            if magic.strip(b"\x00"):
                self._end("it is no journal", is_cut=any(known.startswith(magic) for known in _MAGICS))
            return
        self.position = at = len(MAGIC)
        while size - at >= _RECORD.size:
            header = read(_RECORD.size)
            crc, length = _RECORD.unpack(header)
            if at + _RECORD.size + length > size:
                break
            record = read(length)
            begun = crc32c(header[4:])
            if not (_is_whole(record, begun, crc) if magic == MAGIC else crc32c(record, begun) == crc):
                rest = (header, record, *iter(lambda: read(1 << 20), b""))
                if any(part.strip(b"\x00") for part in rest):
                    self._end("checksum mismatch", is_cut=False)
                return
            self.position = at = at + _RECORD.size + length
            yield record
        if at < size:
            self._end("a record is cut off", is_cut=True)

    def _end(self, reason: str, is_cut: bool) -> None:
        self.damage = JournalDamage(self._path, self.position, reason, is_cut)


def journal_path(folder: Path, number: int) -> Path:
    """The file of that number. They are written in the order of their numbers."""
    return folder / f"{_PREFIX}{number:0{_SUFFIX}}"


def is_journal(name: str) -> bool:
    """Whether a file of a RocksDB folder is one, by its name. Their names are in the order of their numbers."""
    return name.startswith(_PREFIX)


def journal_paths(folder: Path) -> list[Path]:
    """All journals of a RocksDB folder, the oldest first."""
    return sorted(path for path in folder.iterdir() if is_journal(path.name))


def number_of(path: Path) -> int:
    """The number of a journal."""
    return int(path.name.removeprefix(_PREFIX))


def check_journals(folder: Path) -> list[JournalDamage]:
    """What is wrong with the journals of a RocksDB folder. A broken end of the newest one, cut short within a record,
    is not: that is how a crash leaves it, or a broker that is writing."""
    paths = journal_paths(folder)
    found = []
    for path in paths:
        try:
            with path.open("rb") as file:
                reader = JournalReader(path, file, path.stat().st_size)
                for _ in reader:
                    pass
        except FileNotFoundError:
            continue  # deleted by the broker meanwhile
        if reader.damage is not None and not (reader.damage.is_cut and path == paths[-1]):
            found.append(reader.damage)
    return found
