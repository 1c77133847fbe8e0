"""Whole batches made from others: what a broker may change of a producer's batch. Each has a new CRC.

`batch` is one whole batch, header first. What a function does not name stays: offsets, sequences, counts, the producer.
"""

from __future__ import annotations

from chronik.batch.compression import DECOMPRESSED_LIMIT_BYTES, Codec, compress, decompress
from chronik.batch.crc import sealed
from chronik.batch.header import CODEC_MASK, HEADER_BYTES, LOG_APPEND_TIME_BIT, Buffer, parse_header


def recompressed(
    batch: Buffer, codec: Codec, level: int | None = None, limit_bytes: int = DECOMPRESSED_LIMIT_BYTES
) -> bytes:
    """The batch with its records packed by `codec`; as it was if it is packed so already, or has no records.

    MalformedBatch if its records cannot be unpacked, or not in `limit_bytes`.
    """
    header = parse_header(batch)
    if header.codec == codec or header.record_count == 0:
        return bytes(batch)
    payload = decompress(header.codec, memoryview(batch)[HEADER_BYTES:], limit_bytes)
    header = header._replace(attributes=header.attributes & ~CODEC_MASK | codec)
    return sealed(header, payload if codec is Codec.NONE else compress(codec, payload, level))


def with_log_append_time(batch: Buffer, now_ms: int) -> bytes:
    """The batch with the broker's time in place of its records' own: they stay in it, and no reader looks at them."""
    header = parse_header(batch)
    header = header._replace(attributes=header.attributes | LOG_APPEND_TIME_BIT, max_timestamp=now_ms)
    return sealed(header, memoryview(batch)[HEADER_BYTES:])


def with_max_timestamp(batch: Buffer, max_timestamp: int) -> bytes:
    """The batch with the true greatest timestamp of its records, where its producer wrote something else."""
    header = parse_header(batch)._replace(max_timestamp=max_timestamp)
    return sealed(header, memoryview(batch)[HEADER_BYTES:])
