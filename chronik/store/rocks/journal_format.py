"""The journal's files: what was written to RocksDB, to be done again where its memtables were lost. Never change, only
add.

    magic | record | record ...
    record: crc u32, length u32, then `length` bytes: changes, which belong together
    change: kind u8, key length u8, value length u32, key, value

All integers are little-endian. The CRC-32C covers the length and the changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from struct import Struct
from typing import IO, NamedTuple

from chronik.batch.crc import crc32c

MAGIC = b"CHRNKJ1\n"
_RECORD = Struct("<II")
_LENGTH = Struct("<I")
_CHANGE = Struct("<BBI")
_PREFIX, _SUFFIX = "journal-", 8
_JOINED_BYTES = 16 * 1024
"""Values up to this size are copied together: that costs less than a buffer of their own."""


PUT_DATA, PUT_STATE, DELETE_STATE, DELETE_RANGE_DATA, DELETE_RANGE_STATE = range(5)
"""Kinds of changes: what is done, in which column family. A range's last key, which stays, stands as the value."""

Change = tuple[int, bytes, bytes]
"""Kind, key, value."""


class JournalDamage(NamedTuple):
    """A journal that says nothing from `position` (bytes) on. `is_cut`: as a crash leaves it, within a record."""

    path: Path
    position: int
    reason: str
    is_cut: bool


def encoded(
    puts: Iterable[tuple[bytes, bytes]],
    rows: Mapping[bytes, bytes | None],
    data_ranges: Iterable[tuple[bytes, bytes]] = (),
    state_ranges: Iterable[tuple[bytes, bytes]] = (),
) -> list[bytes]:
    """A record, as buffers that are to be written one after the other; large values are the very objects given.

    `puts` are of the data, `rows` of the state (None: a deletion); the deletions of ranges come before all of it.
    """
    pack = _CHANGE.pack
    buffers = [b""]
    small: list[bytes] = []
    for kind, ranges in ((DELETE_RANGE_DATA, data_ranges), (DELETE_RANGE_STATE, state_ranges)):
        for first, end in ranges:
            small += (pack(kind, len(first), len(end)), first, end)
    for key, value in puts:
        if len(value) <= _JOINED_BYTES:
            small += (pack(PUT_DATA, len(key), len(value)), key, value)
        else:
            small += (pack(PUT_DATA, len(key), len(value)), key)
            buffers += (b"".join(small), value)
            small = []
    for key, row in rows.items():
        if row is None:
            small += (pack(DELETE_STATE, len(key), 0), key)
        else:
            small += (pack(PUT_STATE, len(key), len(row)), key, row)
    buffers.append(b"".join(small))
    length = sum(map(len, buffers))
    crc = crc32c(_LENGTH.pack(length))
    for buffer in buffers:
        crc = crc32c(buffer, crc)
    buffers[0] = _RECORD.pack(crc, length)
    return buffers


def changes(record: bytes) -> Iterator[Change]:
    """The changes of a record, in order."""
    at, end, unpack, size = 0, len(record), _CHANGE.unpack_from, _CHANGE.size
    while at < end:
        kind, key_length, value_length = unpack(record, at)
        key_at = at + size
        value_at = key_at + key_length
        at = value_at + value_length
        yield kind, record[key_at:value_at], record[value_at:at]


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
        if magic != MAGIC:
            if magic.strip(b"\x00"):
                self._end("it is no journal", is_cut=MAGIC.startswith(magic))
            return
        self.position = at = len(MAGIC)
        while size - at >= _RECORD.size:
            header = read(_RECORD.size)
            crc, length = _RECORD.unpack(header)
            if at + _RECORD.size + length > size:
                break
            record = read(length)
            if crc != crc32c(record, crc32c(header[4:])):
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
