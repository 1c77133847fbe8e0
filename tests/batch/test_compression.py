"""The codecs: round trips, the framings that clients write, and bombs."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import cramjam
import lz4.frame
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from chronik.batch.compression import FRAMES_LIMIT, Codec, compress, decompress
from chronik.batch.header import Buffer, MalformedBatch
from tests.batch.strategies import refuses

TEXT = b"".join(b"record %d of the log; " % number for number in range(5000))
PACKED = list(Codec)[1:]
every_codec = pytest.mark.parametrize("codec", PACKED, ids=lambda codec: codec.name)


@settings(deadline=None)
@given(st.sampled_from(list(Codec)), st.binary(max_size=200), st.integers(0, 2000))
def test_what_was_packed_is_unpacked(codec: Codec, data: bytes, times: int) -> None:
    for form in (bytes, bytearray, memoryview):
        packed = compress(codec, form(data * times))
        assert type(packed) is bytes
        assert decompress(codec, form(packed)) == data * times


@every_codec
@pytest.mark.parametrize("size", [0, 1, 32 * 1024 - 1, 32 * 1024, 32 * 1024 + 1, len(TEXT)])
def test_sizes_around_those_of_blocks(codec: Codec, size: int) -> None:
    assert decompress(codec, compress(codec, TEXT[:size])) == TEXT[:size]


@every_codec
def test_levels_pack_the_same(codec: Codec) -> None:
    for level in (None, -1, 1, 9):
        assert decompress(codec, compress(codec, TEXT, level)) == TEXT


def test_plain_records_are_not_copied() -> None:
    view = memoryview(TEXT)
    assert decompress(Codec.NONE, view) is view


@pytest.mark.parametrize("codec", [5, 6, 7, -1])
def test_an_unknown_codec_is_refused(codec: int) -> None:
    with pytest.raises(MalformedBatch, match="unknown"):
        decompress(codec, TEXT)


@every_codec
def test_every_cut_is_refused(codec: Codec) -> None:
    """But at the end of a snappy block, where only the records can tell."""
    packed = compress(codec, TEXT)
    complete = set(ends_of_snappy_blocks(packed)) if codec is Codec.SNAPPY else set[int]()
    for size in (*range(300), *range(300, len(packed), 61), *complete - {len(packed)}):
        assert refuses(lambda: decompress(codec, packed[:size])) == (size not in complete), f"cut at {size}"  # noqa: B023


def ends_of_snappy_blocks(packed: bytes) -> list[int]:
    ends = [16]
    while ends[-1] < len(packed):
        ends.append(ends[-1] + 4 + int.from_bytes(packed[ends[-1] : ends[-1] + 4], "big"))
    return ends


@every_codec
def test_what_follows_is_refused(codec: Codec) -> None:
    for rest in (b"\0", b"xx", b"\xff" * 40):
        assert refuses(lambda: decompress(codec, compress(codec, TEXT) + rest)), rest  # noqa: B023


def test_gzip_of_several_members() -> None:
    members = gzip.compress(b"one ") + gzip.compress(b"") + gzip.compress(TEXT) + gzip.compress(b" three")
    assert decompress(Codec.GZIP, members) == b"one " + TEXT + b" three"
    assert refuses(lambda: decompress(Codec.GZIP, members[:-1]))
    assert refuses(lambda: decompress(Codec.GZIP, members + b"\0"))


def test_gzip_with_a_name_and_a_wrong_checksum() -> None:
    named = b"\x1f\x8b\x08\x08" + bytes(6) + b"name\0" + gzip.compress(TEXT)[10:]
    assert decompress(Codec.GZIP, named) == TEXT
    assert refuses(lambda: decompress(Codec.GZIP, named[:-5] + bytes([named[-5] ^ 1]) + named[-4:]))
    assert refuses(lambda: decompress(Codec.GZIP, zlib.compress(TEXT)))


def test_snappy_is_xerials_stream_of_blocks() -> None:
    packed = compress(Codec.SNAPPY, TEXT)
    assert packed[:16] == b"\x82SNAPPY\0\0\0\0\1\0\0\0\1"
    assert len(ends_of_snappy_blocks(packed)) == 1 + -(-len(TEXT) // (32 * 1024))
    assert compress(Codec.SNAPPY, b"") == packed[:16]


def test_snappy_as_one_bare_block() -> None:
    assert decompress(Codec.SNAPPY, bytes(cramjam.snappy.compress_raw(TEXT))) == TEXT
    assert decompress(Codec.SNAPPY, bytes(cramjam.snappy.compress_raw(b""))) == b""


@pytest.mark.parametrize("length", [-(2**31), -1, 0, 2**31 - 1])
def test_a_snappy_block_of_a_wrong_length_is_refused(length: int) -> None:
    packed = compress(Codec.SNAPPY, b"")
    block = bytes(cramjam.snappy.compress_raw(b"data"))
    assert decompress(Codec.SNAPPY, packed + len(block).to_bytes(4, "big") + block) == b"data"
    assert refuses(lambda: decompress(Codec.SNAPPY, packed + length.to_bytes(4, "big", signed=True) + block))


def test_a_snappy_block_cannot_say_that_it_is_huge() -> None:
    """The library would make room for what it says, whatever follows."""
    with pytest.raises(MalformedBatch, match="cannot unpack to 67108864"):
        decompress(Codec.SNAPPY, b"\x80\x80\x80\x20" + b"\0a")


def test_snappys_own_framing_is_not_kafkas() -> None:
    assert refuses(lambda: decompress(Codec.SNAPPY, bytes(cramjam.snappy.compress(TEXT))))


@pytest.mark.parametrize("linked", [False, True])
def test_lz4_blocks_must_be_independent(linked: bool) -> None:
    packed = lz4.frame.compress(TEXT, block_linked=linked)
    assert refuses(lambda: decompress(Codec.LZ4, packed)) == linked


def test_lz4_is_a_frame_of_data() -> None:
    skippable = b"\x50\x2a\x4d\x18" + (32).to_bytes(4, "little") + bytes(32)
    assert refuses(lambda: decompress(Codec.LZ4, skippable))
    assert refuses(lambda: decompress(Codec.LZ4, skippable + compress(Codec.LZ4, TEXT)))


@pytest.mark.parametrize("store_size", [False, True])
@pytest.mark.parametrize("checksums", [False, True])
@pytest.mark.parametrize("block_size", [4, 5, 6, 7])
def test_lz4_frames_of_every_kind(store_size: bool, checksums: bool, block_size: int) -> None:
    packed = lz4.frame.compress(
        TEXT * 3,
        store_size=store_size,
        content_checksum=checksums,
        block_checksum=checksums,
        block_size=block_size,
        block_linked=False,
    )
    assert decompress(Codec.LZ4, packed) == TEXT * 3
    assert refuses(lambda: decompress(Codec.LZ4, packed + packed))
    assert refuses(lambda: decompress(Codec.LZ4, packed[:-1]))


def test_lz4_that_grows_in_steps() -> None:
    """Far more than the room that is made at first, with and without a rest at each step's end."""
    for size in (16_384, 16_385, 16_384 * 5, 16_384 * 21, 5_000_000):
        packed = compress(Codec.LZ4, bytes(size))
        assert decompress(Codec.LZ4, packed) == bytes(size)
        assert decompress(Codec.LZ4, packed, size) == bytes(size)
        assert refuses(lambda: decompress(Codec.LZ4, packed, size - 1))  # noqa: B023


def zstd(data: bytes, sized: bool = True) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=sized).compress(data)


@pytest.mark.parametrize("sized", [True, False])
def test_zstd_with_and_without_its_size(sized: bool) -> None:
    packed = zstd(TEXT, sized)
    assert (zstandard.frame_content_size(packed) == len(TEXT)) == sized
    assert decompress(Codec.ZSTD, packed) == TEXT
    assert decompress(Codec.ZSTD, packed, len(TEXT)) == TEXT
    assert refuses(lambda: decompress(Codec.ZSTD, packed, len(TEXT) - 1))


def test_zstd_as_a_stream_writes_it() -> None:
    packer = zstandard.ZstdCompressor(write_checksum=True).compressobj()
    packed = b"".join([packer.compress(TEXT[:7000]), packer.flush(1), packer.compress(TEXT[7000:]), packer.flush()])
    assert zstandard.frame_content_size(packed) == -1
    assert decompress(Codec.ZSTD, packed) == TEXT
    assert refuses(lambda: decompress(Codec.ZSTD, packed[:-1] + bytes([packed[-1] ^ 1])))


def test_zstd_of_several_frames() -> None:
    skippable = b"\x50\x2a\x4d\x18\x03\0\0\0xyz"
    for first in (zstd(b"one "), zstd(b"one ", sized=False), skippable + zstd(b"one "), zstd(b"") + zstd(b"one ")):
        assert decompress(Codec.ZSTD, first + zstd(TEXT)) == b"one " + TEXT
    assert refuses(lambda: decompress(Codec.ZSTD, zstd(b"one ") + zstd(TEXT)[:-1]))


def test_a_broken_payload_leaves_nothing_behind() -> None:
    for broken in (zstd(TEXT)[:-9], zstd(TEXT, sized=False)[:-9], zstd(TEXT)[:90] + bytes(500)):
        assert refuses(lambda: decompress(Codec.ZSTD, broken))  # noqa: B023
        assert decompress(Codec.ZSTD, zstd(b"next")) == b"next"
        assert decompress(Codec.ZSTD, zstd(b"next", sized=False)) == b"next"


def test_threads_unpack_at_the_same_time() -> None:
    texts = [TEXT + bytes([number]) * 100_000 for number in range(4)]
    payloads = [zstd(text, sized=number % 2 == 0) for number, text in enumerate(texts)]
    wrong = 0

    def unpack(number: int) -> None:
        nonlocal wrong
        for _ in range(30):
            wrong += decompress(Codec.ZSTD, payloads[number]) != texts[number]

    threads = [threading.Thread(target=unpack, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == 0


@pytest.mark.parametrize("pack", [gzip.compress, zstd], ids=["gzip", "zstd"])
def test_a_payload_has_not_too_many_frames(pack: Callable[[bytes], bytes]) -> None:
    codec = Codec.GZIP if pack is gzip.compress else Codec.ZSTD
    frame = pack(b"x")
    assert decompress(codec, frame * FRAMES_LIMIT) == b"x" * FRAMES_LIMIT
    with pytest.raises(MalformedBatch, match="frames"):
        decompress(codec, frame * (FRAMES_LIMIT + 1))


@every_codec
def test_the_limit_is_what_may_come_out(codec: Codec) -> None:
    packed = compress(codec, TEXT)
    assert decompress(codec, packed, len(TEXT)) == TEXT
    for limit_bytes in (len(TEXT) - 1, 1000, 1, 0):
        with pytest.raises(MalformedBatch, match=r"more than|cannot"):
            decompress(codec, packed, limit_bytes)


BOMB_BYTES = 1 << 28
BOMB_LIMIT_BYTES = 1 << 22


def snappy_bomb(size: int) -> bytes:
    """A block of size + 1 bytes: it says so, then comes one byte, then copies of 64 bytes from one byte before."""
    length = bytearray()
    rest = size + 1
    while rest > 127:
        length.append(rest & 127 | 128)
        rest >>= 7
    return bytes(length) + bytes((rest, 0, 0x61)) + b"\xfe\x01\x00" * (size // 64)


def gzip_bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()


def lz4_bomb(size: int) -> bytes:
    packer = lz4.frame.LZ4FrameCompressor(block_linked=False, block_size=7)
    parts = [packer.begin(), *(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)), packer.flush()]
    return b"".join(parts)


def zstd_bomb(size: int) -> bytes:
    packer = zstandard.ZstdCompressor().compressobj()
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()


def xerial(*blocks: bytes) -> bytes:
    return compress(Codec.SNAPPY, b"") + b"".join(len(block).to_bytes(4, "big") + block for block in blocks)


BOMBS: dict[str, tuple[Codec, Callable[[], bytes]]] = {
    "gzip": (Codec.GZIP, lambda: gzip_bomb(BOMB_BYTES)),
    "gzip of many members": (Codec.GZIP, lambda: gzip_bomb(1 << 20) * 256),
    "snappy": (Codec.SNAPPY, lambda: snappy_bomb(BOMB_BYTES)),
    "snappy that lies about its size": (Codec.SNAPPY, lambda: b"\x80\x80\x80\x02" + b"\0a" * 1000),
    "snappy of many blocks": (Codec.SNAPPY, lambda: xerial(*[snappy_bomb(1 << 16)] * 4096)),
    "lz4": (Codec.LZ4, lambda: lz4_bomb(BOMB_BYTES)),
    "zstd without its size": (Codec.ZSTD, lambda: zstd_bomb(BOMB_BYTES)),
    "zstd with its size": (Codec.ZSTD, lambda: zstd(bytes(BOMB_BYTES))),
    "zstd that lies about its size": (Codec.ZSTD, lambda: zstd(b"x" * 1000) + zstd_bomb(BOMB_BYTES)),
    "zstd of many frames": (Codec.ZSTD, lambda: zstd_bomb(1 << 21) * 128),
}

UNPACK = """
import sys
from chronik.batch.compression import compress, decompress
from chronik.batch.header import MalformedBatch

def peak_bytes():
    with open("/proc/self/status") as status:
        return 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

codec, limit_bytes = int(sys.argv[1]), int(sys.argv[2])
decompress(codec, compress(codec, bytes(1000)))
payload = sys.stdin.buffer.read()
before = peak_bytes()
try:
    decompress(codec, payload, limit_bytes)
except MalformedBatch:
    print(peak_bytes() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process's memory is read from /proc")
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_before_it_fills_the_memory(name: str) -> None:
    codec, make = BOMBS[name]
    command = [sys.executable, "-c", UNPACK, str(int(codec)), str(BOMB_LIMIT_BYTES)]
    result = subprocess.run(command, input=make(), stdout=subprocess.PIPE, check=True)
    assert int(result.stdout) < 4 * BOMB_LIMIT_BYTES


def test_a_snappy_bomb_is_a_block_that_can_be_read() -> None:
    """Otherwise it would be refused for the wrong reason."""
    assert decompress(Codec.SNAPPY, snappy_bomb(1 << 20)) == b"a" * ((1 << 20) + 1)


def test_a_tiny_limit_is_kept_by_every_kind_of_buffer() -> None:
    forms: list[type[Buffer]] = [bytes, bytearray, memoryview]
    for form in forms:
        for codec in PACKED:
            assert refuses(lambda: decompress(codec, form(compress(codec, b"12345678")), 7))  # noqa: B023
