"""CRC-32C (Castagnoli), the checksum of record batches, by the `crc32c` wheel's C module."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import cast

from chronik.batch.header import CRC_FROM, HEADER, HEADER_BYTES, LENGTH_OVERHEAD_BYTES, BatchHeader, Buffer

_Checksum = Callable[[Buffer, int], int]

_native: _Checksum | None = None


def crc32c(data: Buffer, crc: int = 0) -> int:
    """The checksum of the bytes, as an unsigned 32-bit number. The library is loaded by the first call.

    `crc` is the checksum of what comes before the bytes, so that the parts of something need not be joined.
    """
    return (_native or _load())(data, crc)


def sealed(header: BatchHeader, payload: Buffer) -> bytes:
    """A whole batch: the header with its length and CRC as they must be, and the payload, which is copied once."""
    header = header._replace(batch_length=HEADER_BYTES - LENGTH_OVERHEAD_BYTES + len(payload))
    crc = crc32c(payload, crc32c(HEADER.pack(*header)[CRC_FROM:]))
    return b"".join((HEADER.pack(*header._replace(crc=crc)), payload))


def _load() -> _Checksum:
    global _native
    _native = _without_package() or cast("_Checksum", import_module("crc32c").crc32c)
    return _native


def _without_package() -> _Checksum | None:
    """The C module alone: the package around it reads its own version from the metadata, which costs 50 ms of a start.

    None if the wheel is built differently from what we know, or if the package is loaded already.
    """
    package = None if "crc32c" in sys.modules else find_spec("crc32c")
    spec = package and PathFinder.find_spec("_crc32c", package.submodule_search_locations)
    if not spec or not spec.loader:
        return None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast("_Checksum | None", getattr(module, "crc32c", None))
