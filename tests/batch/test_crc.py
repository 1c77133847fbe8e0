"""CRC-32C: known values, in parts, and loaded without what a start should not pay for."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronik.batch import crc
from chronik.batch.crc import crc32c, sealed
from chronik.batch.header import parse_header
from tests.batch.kafka_batches import COMMIT_MARKER, SENT

ISCSI_READ = bytes.fromhex(
    "01c00000 00000000 00000000 00000000 14000000 00000400 00000014 00000018 28000000 00000000 02000000 00000000"
)

KNOWN = [
    (b"", 0),
    (b"123456789", 0xE3069283),
    # RFC 3720, appendix B.4
    (bytes(32), 0x8A9136AA),
    (b"\xff" * 32, 0x62A8AB43),
    (bytes(range(32)), 0x46DD794E),
    (bytes(range(31, -1, -1)), 0x113FDB5C),
    (ISCSI_READ, 0xD9963A56),
]


@pytest.mark.parametrize(("data", "expected"), KNOWN)
def test_known_checksums(data: bytes, expected: int) -> None:
    assert crc32c(data) == crc32c(bytearray(data)) == crc32c(memoryview(data)) == expected


@settings(deadline=None)
@given(st.lists(st.binary(max_size=100), max_size=5))
def test_the_checksum_of_parts_is_that_of_the_whole(parts: list[bytes]) -> None:
    checksum = 0
    for part in parts:
        checksum = crc32c(part, checksum)
    assert checksum == crc32c(b"".join(parts))


@pytest.mark.parametrize("batch", [SENT, COMMIT_MARKER])
def test_a_sealed_batch_has_the_length_and_checksum_of_its_bytes(batch: bytes) -> None:
    header = parse_header(batch)
    for form in (bytes, bytearray, memoryview):
        assert sealed(header._replace(crc=1, batch_length=2), form(batch)[61:]) == batch


def test_the_checksum_works_without_the_module_that_we_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crc, "_native", None)
    monkeypatch.setattr(crc, "_without_package", lambda: None)
    assert crc32c(b"6789", crc32c(b"12345")) == 0xE3069283


def test_libraries_are_loaded_at_first_use() -> None:
    program = """
import sys
from chronik.batch import control, rewrite
loaded = {"crc32c", "cramjam", "lz4", "zstandard"} & {name.partition(".")[0] for name in sys.modules}
assert not loaded, loaded
from chronik.batch.crc import crc32c
assert crc32c(b"123456789") == 0xE3069283
assert "importlib.metadata" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
