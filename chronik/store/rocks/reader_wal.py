"""The write-ahead logs of RocksDB, read to check their checksums.

RocksDB ends its recovery at the first record that is broken, as if nothing had been written after it: that is right for
the torn end after a power cut, and silent about everything else. So the check is made here, from the format:

    blocks of 32 KiB | in each: crc u32, length u16, type u8, payload | zeros where less than 7 bytes are left

all little-endian. The CRC-32C covers type and payload, and is masked. A record that does not fit into a block goes on
in the next one as another fragment.
"""

from __future__ import annotations

from pathlib import Path
from struct import Struct
from typing import NamedTuple

from chronik.batch.crc import crc32c

_BLOCK_BYTES = 32 * 1024
_HEADER = Struct("<IHB")
_MASK_DELTA = 0xA282EAD8
_ZERO = 0
"""Type of a stretch that was allocated and not written."""


class WalDamage(NamedTuple):
    """A write-ahead log that cannot be replayed from `position` (bytes) on."""

    path: Path
    position: int
    reason: str


def check_wals(records: Path) -> list[WalDamage]:
    """What is wrong with the write-ahead logs of a RocksDB folder. A broken end of the newest one, cut short within a
    record, is not: that is how a crash leaves it, or a broker that is writing."""
    paths = sorted(records.glob("*.log"), key=lambda path: path.name)
    found = []
    for path in paths:
        try:
            damage = _check(path, may_be_cut=path == paths[-1])
        except FileNotFoundError:
            continue  # flushed and deleted by the broker meanwhile
        if damage is not None:
            found.append(damage)
    return found


def _check(path: Path, may_be_cut: bool) -> WalDamage | None:
    with path.open("rb") as file:
        position = 0
        while block := file.read(_BLOCK_BYTES):
            at = _first_damage(block)
            if at is not None:
                offset, reason, is_cut = at
                return None if is_cut and may_be_cut else WalDamage(path, position + offset, reason)
            if len(block) < _BLOCK_BYTES:
                break  # what a broker writes behind it meanwhile begins within this block
            position += len(block)
    return None


def _first_damage(block: bytes) -> tuple[int, str, bool] | None:
    """Where the first broken fragment is, why, and whether it reaches past the block's end."""
    at, end = 0, len(block)
    while end - at >= _HEADER.size:
        crc, length, kind = _HEADER.unpack_from(block, at)
        if kind == _ZERO and length == 0:
            rest = block[at:].strip(b"\x00")
            return (at, "a fragment has no type", False) if rest else None
        stop = at + _HEADER.size + length
        if stop > _BLOCK_BYTES:
            return at, "a fragment is longer than its block", False
        if stop > end:
            return at, "a fragment is cut off", True
        if crc != _masked(crc32c(memoryview(block)[at + _HEADER.size - 1 : stop])):
            return at, "checksum mismatch", False
        at = stop
    if end < _BLOCK_BYTES and at < end and block[at:].strip(b"\x00"):
        return at, "a fragment is cut off", True
    return None


def _masked(crc: int) -> int:
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF
