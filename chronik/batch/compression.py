"""The codecs of record batches: one block of bytes for all records of a batch.

Libraries are imported at first use, so that a start does not pay for them, and their exceptions become MalformedBatch.
What is compressed here is what every client can read: snappy in xerial's framing, lz4 with independent blocks.
"""

from __future__ import annotations

import threading
import zlib
from enum import IntEnum
from struct import Struct
from typing import TYPE_CHECKING

from chronik.batch.header import Buffer, MalformedBatch

if TYPE_CHECKING:
    from zstandard import ZstdDecompressor

DECOMPRESSED_LIMIT_BYTES = 104_857_600
"""The most that a batch may unpack to: what the largest request (socket.request.max.bytes) could carry plainly."""
FRAMES_LIMIT = 1024
"""The most gzip members or zstd frames in one batch: a packer makes one, and each costs microseconds, even if empty."""

_XERIAL_MAGIC = b"\x82SNAPPY\x00"
_XERIAL_HEADER = _XERIAL_MAGIC + b"\x00\x00\x00\x01" + b"\x00\x00\x00\x01"
"""Magic, version 1, oldest compatible version 1."""
_XERIAL_BLOCK_BYTES = 32 * 1024
_BLOCK_LENGTH = Struct(">i")
_SNAPPY_MAX_RATIO = 64
"""No element of a snappy block makes more than this out of a byte."""

_GZIP_WINDOW = 31
"""zlib's number for: gzip framing, largest window."""
_GZIP_PIECE_BYTES = 64 * 1024
"""What zlib is given at once: at a member's end it copies what it has left over."""

_LZ4_MAGIC = b"\x04\x22\x4d\x18"
_LZ4_INDEPENDENT_BLOCKS = 0x20
_LZ4_FIRST_ROOM_BYTES = 16 * 1024
"""The library allocates all the room that one call may fill, so it is given the usual size first, and then more."""

_ZSTD_MAX_RATIO = 32 * 1024
"""A four-byte zstd block can stand for 128 KiB; bounds what one piece of input can unpack to."""


class Codec(IntEnum):
    """Bits 0 to 2 of a batch's attributes."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


class _Unpackers(threading.local):
    """A thread's own unpackers: to make one costs ten times what a small batch does, and threads cannot share it."""

    zstd: ZstdDecompressor | None = None


_unpackers = _Unpackers()


def decompress(codec: int, payload: Buffer, limit_bytes: int = DECOMPRESSED_LIMIT_BYTES) -> Buffer:
    """The records of a batch, unpacked; `payload` itself for Codec.NONE.

    MalformedBatch if the codec is unknown, the payload is broken, cut or followed by something else, or if it unpacks
    to more than `limit_bytes` (found out before much more than that is in memory).
    """
    match codec:
        case Codec.NONE:
            return payload
        case Codec.GZIP:
            return _gzip_decompress(payload, limit_bytes)
        case Codec.SNAPPY:
            return _snappy_decompress(payload, limit_bytes)
        case Codec.LZ4:
            return _lz4_decompress(payload, limit_bytes)
        case Codec.ZSTD:
            return _zstd_decompress(payload, limit_bytes)
        case _:
            raise MalformedBatch(f"compression codec {codec} is unknown")


def compress(codec: Codec, data: Buffer, level: int | None = None) -> bytes:
    """Pack the records of a batch. `level` has the codec's own meaning and range; None is its default."""
    match codec:
        case Codec.NONE:
            return bytes(data)
        case Codec.GZIP:
            packer = zlib.compressobj(-1 if level is None else level, zlib.DEFLATED, _GZIP_WINDOW)
            return packer.compress(data) + packer.flush()
        case Codec.SNAPPY:
            return _snappy_compress(data)
        case Codec.LZ4:
            import lz4.frame

            return bytes(lz4.frame.compress(data, compression_level=level or 0, block_linked=False, store_size=False))
        case Codec.ZSTD:
            import zstandard

            return zstandard.ZstdCompressor(level=3 if level is None else level).compress(data)


def _too_large(limit_bytes: int) -> MalformedBatch:
    return MalformedBatch(f"the compressed records unpack to more than {limit_bytes} bytes")


def _too_many_frames() -> MalformedBatch:
    return MalformedBatch(f"the compressed records are in more than {FRAMES_LIMIT} frames")


def _gzip_decompress(payload: Buffer, limit_bytes: int) -> bytes:
    """RFC 1952: one member or several, and nothing after them."""
    view = memoryview(payload)
    parts: list[bytes] = []
    size = at = 0
    for _ in range(FRAMES_LIMIT):
        unpacker = zlib.decompressobj(_GZIP_WINDOW)
        while not unpacker.eof:
            piece = view[at : at + _GZIP_PIECE_BYTES]
            if not piece:
                raise MalformedBatch("gzip: the payload is cut off")
            try:
                part = unpacker.decompress(piece, limit_bytes - size + 1)
            except zlib.error as error:
                raise MalformedBatch(f"gzip: {error}") from error
            size += len(part)
            if size > limit_bytes:
                raise _too_large(limit_bytes)
            parts.append(part)
            at += len(piece) - len(unpacker.unused_data)
        if at == len(view):
            return parts[0] if len(parts) == 1 else b"".join(parts)
    raise _too_many_frames()


def _snappy_decompress(payload: Buffer, limit_bytes: int) -> bytes:
    """Xerial's stream of blocks (Java and most clients), or else one bare block (librdkafka and others)."""
    if bytes(payload[:8]) != _XERIAL_MAGIC:
        return _snappy_block(payload, limit_bytes)
    view = memoryview(payload)
    end = len(view)
    if end < len(_XERIAL_HEADER):
        raise MalformedBatch("snappy: the stream's header is cut off")
    parts: list[bytes] = []
    size = 0
    at = len(_XERIAL_HEADER)
    while at < end:
        if end - at < _BLOCK_LENGTH.size:
            raise MalformedBatch("snappy: a block's length is cut off")
        (length,) = _BLOCK_LENGTH.unpack_from(view, at)
        at += _BLOCK_LENGTH.size
        if not 0 < length <= end - at:
            raise MalformedBatch(f"snappy: a block of {length} bytes, where {end - at} are left")
        parts.append(_snappy_block(view[at : at + length], limit_bytes - size))
        size += len(parts[-1])
        at += length
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _snappy_block(block: Buffer, limit_bytes: int) -> bytes:
    import cramjam

    try:
        size = cramjam.snappy.decompress_raw_len(block)
        if size > limit_bytes:
            raise _too_large(limit_bytes)
        if size > len(block) * _SNAPPY_MAX_RATIO:
            raise MalformedBatch(f"snappy: {len(block)} bytes cannot unpack to {size}")
        return bytes(cramjam.snappy.decompress_raw(block))
    except cramjam.DecompressionError as error:
        raise MalformedBatch(f"snappy: {error}") from error


def _snappy_compress(data: Buffer) -> bytes:
    import cramjam

    parts = [_XERIAL_HEADER]
    view = memoryview(data)
    for at in range(0, len(view), _XERIAL_BLOCK_BYTES):
        block = bytes(cramjam.snappy.compress_raw(view[at : at + _XERIAL_BLOCK_BYTES]))
        parts += (_BLOCK_LENGTH.pack(len(block)), block)
    return b"".join(parts)


def _lz4_decompress(payload: Buffer, limit_bytes: int) -> bytes:
    """One LZ4 frame. Its blocks must be independent, as Java's reader refuses linked ones."""
    import lz4.frame

    if bytes(payload[:4]) != _LZ4_MAGIC or len(payload) < 7:
        raise MalformedBatch("lz4: the payload is no LZ4 frame")
    if not payload[4] & _LZ4_INDEPENDENT_BLOCKS:
        raise MalformedBatch("lz4: the frame's blocks depend on each other, which Kafka's readers do not support")
    unpacker = lz4.frame.LZ4FrameDecompressor()
    parts: list[bytes] = []
    size = 0
    rest, room = payload, max(_LZ4_FIRST_ROOM_BYTES, 4 * len(payload))
    while not unpacker.eof:
        try:
            part: bytes = unpacker.decompress(rest, min(room, limit_bytes - size + 1))
        except RuntimeError as error:
            raise MalformedBatch(f"lz4: {error}") from error
        size += len(part)
        if size > limit_bytes:
            raise _too_large(limit_bytes)
        if not part and not unpacker.eof:
            raise MalformedBatch("lz4: the frame is cut off")
        parts.append(part)
        rest, room = b"", room * 4
    if unpacker.unused_data:
        raise MalformedBatch("lz4: the frame is followed by something else")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _zstd_decompress(payload: Buffer, limit_bytes: int) -> bytes:
    """Zstandard frames, with or without their content size."""
    import zstandard

    unpacker = _unpackers.zstd
    if unpacker is None:
        unpacker = _unpackers.zstd = zstandard.ZstdDecompressor()
    try:
        size = zstandard.frame_content_size(payload)
        if size > limit_bytes:
            raise _too_large(limit_bytes)
        if size > 0:
            try:
                return unpacker.decompress(payload, allow_extra_data=False)
            except zstandard.ZstdError:
                pass  # perhaps a second frame follows: the streaming way finds out
        return _zstd_stream(unpacker, payload, limit_bytes)
    except zstandard.ZstdError as error:
        raise MalformedBatch(f"zstd: {error}") from error


def _zstd_stream(unpacker: ZstdDecompressor, payload: Buffer, limit_bytes: int) -> bytes:
    """Unpack piece by piece, as the library has no bound on what one call makes; raises zstandard.ZstdError too."""
    piece_bytes = max(64, limit_bytes // _ZSTD_MAX_RATIO)
    view = memoryview(payload)
    parts: list[bytes] = []
    size = at = 0
    for _ in range(FRAMES_LIMIT):
        frame = unpacker.decompressobj()
        while not frame.eof:
            piece = view[at : at + piece_bytes]
            if not piece:
                raise MalformedBatch("zstd: the frame is cut off")
            part = frame.decompress(piece)
            size += len(part)
            if size > limit_bytes:
                raise _too_large(limit_bytes)
            parts.append(part)
            at += len(piece) - len(frame.unused_data)
        if at == len(view):
            return b"".join(parts)
    raise _too_many_frames()
