"""Record batches, made and read by kafka-python."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import crc32c

from tests.kafka_python import kafka

NOW_MS = 1_700_000_000_000
"""The timestamp of records where nobody cares; the topics of scenarios keep records for ever."""

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}

_HEADER = struct.Struct(">qiibIhiqqqhii")
_HEADER_FIELDS = (
    *("base_offset", "length", "leader_epoch", "magic", "crc", "attributes", "last_offset_delta", "base_timestamp"),
    *("max_timestamp", "producer_id", "producer_epoch", "base_sequence", "record_count"),
)
_CRC_AT, _CRC_FROM, _HEADER_BYTES, _LOG_FRONT = 17, 21, 61, 12
_CODEC_BITS, _APPEND_TIME_BIT, _CONTROL_BIT = 7, 8, 32

_USUAL = {"leader_epoch": 0, "magic": 2, "attributes": 0, "producer_id": -1, "producer_epoch": -1, "base_sequence": -1}
"""Header fields that are left out where they say this."""


def batch(*values: bytes | None, **options: Any) -> dict[str, Any]:
    """A batch that is yet to be made (see `made`), so that its producer id can be a name. What options mean: `codec`;
    `keys` and `timestamps`, one a record; `producer_id`, `epoch`, `sequence`, `transactional`; or a header field, which
    is overwritten in the end. Unless the CRC is among them, it is right for what is sent."""
    keys = options.pop("keys", None)
    spec = {"values": [_hex(value) for value in values], **options}
    return {"batch": spec if keys is None else spec | {"keys": [_hex(key) for key in keys]}}


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else bytes.fromhex(value)


def made(spec: dict[str, Any]) -> str:
    """The batch that `batch` described, as hexadecimal text."""
    left = dict(spec)
    values = left.pop("values")
    keys = left.pop("keys", [None] * len(values))
    timestamps = left.pop("timestamps", [NOW_MS] * len(values))
    builder = kafka.record.default_records.DefaultRecordBatchBuilder(
        magic=2,
        compression_type=CODECS[left.pop("codec", "none")],
        is_transactional=left.pop("transactional", False),
        producer_id=left.pop("producer_id", -1),
        producer_epoch=left.pop("epoch", -1),
        base_sequence=left.pop("sequence", -1),
        batch_size=1 << 30,
    )
    for offset, (value, key, timestamp) in enumerate(zip(values, keys, timestamps, strict=True)):
        builder.append(offset, timestamp, _bytes(key), _bytes(value), [])
    return rewritten(bytes(builder.build()).hex(), **left)


def rewritten(data: str, **patched: int) -> str:
    """A batch with other values in its header, and a right CRC unless that is given."""
    made = bytearray.fromhex(data)
    header = dict(zip(_HEADER_FIELDS, _HEADER.unpack_from(made), strict=True)) | patched
    _HEADER.pack_into(made, 0, *header.values())
    if "crc" not in patched:
        struct.pack_into(">I", made, _CRC_AT, crc32c.crc32c(bytes(made[_CRC_FROM:])))
    return made.hex()


def split(data: str) -> Iterator[str]:
    """Record batches one behind the other, each by itself."""
    raw = bytes.fromhex(data)
    while raw:
        size = _LOG_FRONT + int.from_bytes(raw[8:12], "big")
        yield raw[:size].hex()
        raw = raw[size:]


def stamped(data: str) -> tuple[str, int]:
    """A batch with its first record at `NOW_MS`; and its producer id."""
    header = dict(zip(_HEADER_FIELDS, _HEADER.unpack_from(bytes.fromhex(data)), strict=True))
    newest = NOW_MS + header["max_timestamp"] - header["base_timestamp"]
    return rewritten(data, base_timestamp=NOW_MS, max_timestamp=newest), header["producer_id"]


def readable(data: str) -> list[dict[str, Any]]:
    """Fetched record batches by their fields, as far as they say something. One that is cut off at the end, as Kafka
    sends it and clients ignore it, is left out.

    The CRC is checked and left out, because it covers ids and times; the length too where the broker may have
    compressed, because compressors differ.
    """
    raw, batches = bytes.fromhex(data), []
    while len(raw) >= _HEADER_BYTES:
        header = dict(zip(_HEADER_FIELDS, _HEADER.unpack_from(raw), strict=True))
        whole, raw = raw[: header["length"] + _LOG_FRONT], raw[header["length"] + _LOG_FRONT :]
        if len(whole) < header["length"] + _LOG_FRONT:
            break
        if crc32c.crc32c(whole[_CRC_FROM:]) == header.pop("crc"):
            header.pop("length")
        else:
            header["crc"] = "wrong"
        if header["attributes"] & _APPEND_TIME_BIT:
            header["max_timestamp"] = "time"
        if header["attributes"] & _CONTROL_BIT:
            header["base_timestamp"] = header["max_timestamp"] = "time"
        kept = {name: value for name, value in header.items() if _USUAL.get(name) != value}
        batches.append(kept | {"records": _records(whole, header["attributes"])})
    return batches


def _records(whole: bytes, attributes: int) -> list[Any]:
    """The records of a batch: offset, key, value, and the timestamp where it is not the broker's."""
    records = []
    for record in kafka.record.memory_records.MemoryRecords(whole).next_batch():
        key, value = (None if part is None else part.hex() for part in (record.key, record.value))
        if attributes & _CONTROL_BIT:
            records.append([record.offset, key])
        elif attributes & _APPEND_TIME_BIT:
            records.append([record.offset, key, value])
        else:
            records.append([record.offset, key, value, record.timestamp])
    return records
