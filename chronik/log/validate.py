"""What a producer's batch must be before it may be appended (Kafka's ``LogValidator`` and ``UnifiedLog``).

A batch that passes is stored as it was sent, but for its place in the log; only a topic whose compression.type or
message.timestamp.type asks for it has its batches rewritten.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from chronik.batch.compression import Codec, decompress
from chronik.batch.crc import crc32c
from chronik.batch.header import (
    CODEC_MASK,
    CONTROL_BIT,
    CRC_FROM,
    HEADER,
    HEADER_BYTES,
    LENGTH_OVERHEAD_BYTES,
    LOG_APPEND_TIME_BIT,
    MAGIC,
    TRANSACTIONAL_BIT,
    BatchHeader,
    Buffer,
    MalformedBatch,
    parse_header,
)
from chronik.batch.records import Survey, check_records, read_records, survey
from chronik.batch.rewrite import recompressed, with_log_append_time, with_max_timestamp
from chronik.errors import ErrorCode, KafkaError
from chronik.settings import LONG_MAX, TopicConfig
from chronik.terms import NO_TIMESTAMP

_LENGTH = Struct(">8xi4xb")
_TO_MAGIC_BYTES = 17
_LEAST_LENGTH = 14
"""The least value of the length field in any message format, which is what Kafka checks first."""

_CLOSE_LOOK_BITS = CONTROL_BIT | LOG_APPEND_TIME_BIT
"""Attributes for which a batch is refused."""

_CODECS = {
    "uncompressed": Codec.NONE,
    "gzip": Codec.GZIP,
    "snappy": Codec.SNAPPY,
    "lz4": Codec.LZ4,
    "zstd": Codec.ZSTD,
}
"""compression.type, but for "producer"."""


class RecordError(NamedTuple):
    """One record that is the reason for a refusal, by its position in the batch (KIP-467)."""

    batch_index: int
    message: str


class RejectedBatch(KafkaError):
    """The batch is refused as a whole and nothing of it is appended."""

    def __init__(self, code: ErrorCode, message: str, record_errors: tuple[RecordError, ...] = ()) -> None:
        super().__init__(code, message)
        self.record_errors = record_errors


class CheckedBatch(NamedTuple):
    """A batch that may be appended: its header, and all of its bytes as they are to be stored.

    `log_append_time_ms` is the time that every record has, or -1 where the producer's own timestamps stay.
    """

    header: BatchHeader
    data: Buffer
    log_append_time_ms: int = NO_TIMESTAMP


def check_batch(records: Buffer | None, config: TopicConfig, now_ms: int, *, zstd_allowed: bool = True) -> CheckedBatch:
    """Check what a Produce request holds for one partition; RejectedBatch says why it is refused.

    `zstd_allowed`: whether the request's version (7 or later) may carry that codec.
    """
    view = memoryview(records or b"")
    header = _plain(view, config, now_ms)
    if header is None or not (zstd_allowed or header.codec != Codec.ZSTD):
        return _checked_closely(view, config, now_ms, zstd_allowed)
    _check_records(header, view[HEADER_BYTES:])
    return CheckedBatch(header, view)


def check_plain(batch: memoryview, config: TopicConfig, now_ms: int) -> BatchHeader | None:
    """The header of a batch that `check_batch` would let pass as it is, where zstd is allowed; None if that has to
    look at it."""
    header = _plain(batch, config, now_ms)
    if header is None:
        return None
    try:
        _check_records(header, batch[HEADER_BYTES:])
    except RejectedBatch:
        return None  # to be found out again, and told
    return header


def _plain(view: memoryview, config: TopicConfig, now_ms: int) -> BatchHeader | None:
    """The header of a batch in which `_checked_closely` would find nothing wrong, but perhaps its records, and which it
    would leave as it is; or None. The same questions all at once, as nearly every batch is right: half of the time."""
    size = len(view)
    if not HEADER_BYTES < size <= config.plain_batch_bytes:
        return None
    header = BatchHeader._make(HEADER.unpack_from(view))
    base_offset, length, _, magic, crc, attributes, last_offset_delta, base_timestamp, max_timestamp = header[:9]
    producer_id, producer_epoch, base_sequence, record_count = header[9:]
    if (
        length == size - LENGTH_OVERHEAD_BYTES
        and magic == MAGIC
        and base_offset == 0
        and attributes & _CLOSE_LOOK_BITS == 0
        and attributes & CODEC_MASK <= Codec.ZSTD
        and record_count == last_offset_delta + 1 > 0
        and (attributes & TRANSACTIONAL_BIT == 0 if producer_id < 0 else producer_epoch >= 0 and base_sequence >= 0)
        and base_timestamp <= max_timestamp <= now_ms + config.message_timestamp_after_max_ms
        and crc32c(view[CRC_FROM:]) == crc
    ):
        return header
    return None


def _check_records(header: BatchHeader, payload: memoryview) -> None:
    codec = header.attributes & CODEC_MASK
    try:
        check_records(decompress(codec, payload) if codec else payload, header.record_count)
    except MalformedBatch as error:
        raise _unreadable(error) from error


def _checked_closely(view: memoryview, config: TopicConfig, now_ms: int, zstd_allowed: bool) -> CheckedBatch:
    batch = _single_batch(view)
    header = parse_header(batch)
    _check_header(batch, header, config, zstd_allowed)
    if header.codec > Codec.ZSTD:
        raise _invalid(f"Compression codec {header.codec} is unknown.")
    payload = batch[HEADER_BYTES:]
    if not _needs_survey(header, config, now_ms):
        _check_records(header, payload)
        return _as_stored(batch, header, None, config, now_ms)
    try:
        plain = decompress(header.codec, payload) if header.codec else payload
        surveyed = survey(plain, header.record_count)
    except MalformedBatch as error:
        raise _unreadable(error) from error
    _check_surveyed(header, surveyed, plain, config, now_ms)
    return _as_stored(batch, header, surveyed, config, now_ms)


def _single_batch(view: memoryview) -> memoryview:
    """The one batch in the records; what follows it must be too short to be another."""
    size = _batch_size(view)
    if size is None:
        raise _invalid("A partition's records must hold one record batch.")
    magic = _LENGTH.unpack_from(view)[1]
    if not 0 <= magic <= MAGIC:
        raise RejectedBatch(ErrorCode.CORRUPT_MESSAGE, f"There is no message format {magic}.")
    if magic != MAGIC:
        raise _invalid(f"Record batches must have magic {MAGIC}.")
    if _batch_size(view[size:]) is not None:
        raise _invalid("A partition's records must hold exactly one record batch.")
    if size < HEADER_BYTES:
        raise RejectedBatch(ErrorCode.CORRUPT_MESSAGE, f"A record batch of {size} bytes is shorter than its header.")
    return view[:size]


def _batch_size(view: memoryview) -> int | None:
    """The size of the batch at the view's front; None if there is no whole one. CORRUPT_MESSAGE for a wrong length."""
    if len(view) < LENGTH_OVERHEAD_BYTES:
        return None
    length = int.from_bytes(view[8:12], "big", signed=True)
    if length < _LEAST_LENGTH:
        raise RejectedBatch(ErrorCode.CORRUPT_MESSAGE, f"A record batch cannot have the length {length}.")
    size = length + LENGTH_OVERHEAD_BYTES
    return size if max(size, _TO_MAGIC_BYTES) <= len(view) else None


def _check_header(batch: memoryview, header: BatchHeader, config: TopicConfig, zstd_allowed: bool) -> None:
    if header.codec == Codec.ZSTD and not zstd_allowed:
        raise RejectedBatch(
            ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, "zstd is only allowed in Produce requests of version 7 or later."
        )
    if header.base_offset != 0:
        raise _invalid(f"The base offset of a record batch must be 0, it is {header.base_offset}.")
    _check_size(len(batch), config)
    if crc32c(batch[CRC_FROM:]) != header.crc:
        raise RejectedBatch(ErrorCode.CORRUPT_MESSAGE, "The record batch does not match its CRC.")
    if header.record_count <= 0 or header.last_offset_delta + 1 != header.record_count:
        raise _invalid(
            f"A record batch with {header.record_count} records cannot have the last offset delta "
            f"{header.last_offset_delta}."
        )
    if header.is_control:
        raise _invalid("Clients are not allowed to write control records.")
    if header.is_log_append_time:
        raise RejectedBatch(ErrorCode.INVALID_TIMESTAMP, "Only the broker may set the timestamp type LogAppendTime.")
    if header.producer_id >= 0 and (header.producer_epoch < 0 or header.base_sequence < 0):
        raise _invalid("A record batch with a producer id must have an epoch and a sequence.")
    if header.is_transactional and header.producer_id < 0:
        raise _invalid("A transactional record batch must have a producer id.")


def _check_size(size: int, config: TopicConfig) -> None:
    if size > config.max_message_bytes:
        raise RejectedBatch(
            ErrorCode.MESSAGE_TOO_LARGE,
            f"The record batch has {size} bytes, more than max.message.bytes ({config.max_message_bytes}).",
        )
    if size > config.segment_bytes:
        raise RejectedBatch(
            ErrorCode.RECORD_LIST_TOO_LARGE,
            f"The record batch has {size} bytes, more than segment.bytes ({config.segment_bytes}).",
        )


def _needs_survey(header: BatchHeader, config: TopicConfig, now_ms: int) -> bool:
    """Whether each record must be looked at, not only counted: it costs several times as much."""
    if config.cleanup_compact:
        return True
    if config.message_timestamp_type == "LogAppendTime":
        return False
    return (
        config.message_timestamp_before_max_ms != LONG_MAX
        or header.max_timestamp > now_ms + config.message_timestamp_after_max_ms
        # No honest maximum is below the first record's timestamp; -1 stands for "no timestamps".
        or header.max_timestamp < header.base_timestamp
    )


def _check_surveyed(header: BatchHeader, found: Survey, payload: Buffer, config: TopicConfig, now_ms: int) -> None:
    if not found.has_consecutive_offsets:
        raise _invalid("The offset deltas of the records must be 0, 1, 2 and so on.")
    if config.cleanup_compact and found.first_null_key_index >= 0:
        message = "A compacted topic does not accept records without a key."
        errors = [
            RecordError(index, message)
            for index, record in enumerate(read_records(payload, header.record_count))
            if record.key is None
        ]
        raise RejectedBatch(ErrorCode.INVALID_RECORD, message, tuple(errors))
    if config.message_timestamp_type == "LogAppendTime":
        return
    latest = min(now_ms + config.message_timestamp_after_max_ms, LONG_MAX)
    earliest = now_ms - config.message_timestamp_before_max_ms
    if (
        header.base_timestamp + found.greatest_timestamp_delta <= latest
        and header.base_timestamp + found.least_timestamp_delta >= earliest
    ):
        return
    errors = []
    for index, record in enumerate(read_records(payload, header.record_count)):
        timestamp = header.base_timestamp + record.timestamp_delta
        if timestamp != NO_TIMESTAMP and not earliest <= timestamp <= latest:
            text = f"Timestamp {timestamp} of record {index} is out of range: it must be within [{earliest}, {latest}]."
            errors.append(RecordError(index, text))
    if errors:
        raise RejectedBatch(ErrorCode.INVALID_TIMESTAMP, errors[0].message, tuple(errors))


def _as_stored(
    batch: memoryview, header: BatchHeader, found: Survey | None, config: TopicConfig, now_ms: int
) -> CheckedBatch:
    """The batch in the form in which this topic keeps it."""
    data: Buffer = batch
    log_append_time_ms = NO_TIMESTAMP
    if config.compression_type != "producer" and _CODECS[config.compression_type] != header.codec:
        codec = _CODECS[config.compression_type]
        data = recompressed(data, codec, _level(codec, config))
        _check_size(len(data), config)
    if config.message_timestamp_type == "LogAppendTime":
        log_append_time_ms = now_ms
        data = with_log_append_time(data, now_ms)
    elif found is not None:
        true_maximum = header.base_timestamp + found.greatest_timestamp_delta
        if true_maximum != header.max_timestamp:
            data = with_max_timestamp(data, true_maximum)
    if data is not batch:
        header = parse_header(data)
    return CheckedBatch(header, data, log_append_time_ms)


def _level(codec: Codec, config: TopicConfig) -> int | None:
    match codec:
        case Codec.GZIP:
            return config.compression_gzip_level
        case Codec.LZ4:
            return config.compression_lz4_level
        case Codec.ZSTD:
            return config.compression_zstd_level
        case _:
            return None


def _unreadable(error: MalformedBatch) -> RejectedBatch:
    return _invalid(f"The records cannot be read: {error}.")


def _invalid(message: str) -> RejectedBatch:
    return RejectedBatch(ErrorCode.INVALID_RECORD, message)
