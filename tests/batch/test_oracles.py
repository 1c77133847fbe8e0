"""Batches written here and read by two clients' own code, and the other way round."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import aiokafka.record.default_records as aiokafka_records
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronik.batch.compression import Codec, decompress
from chronik.batch.control import ControlType, transaction_marker
from chronik.batch.header import parse_header
from chronik.batch.records import Record, build_batch, check_records, encode_records, read_records, survey
from chronik.batch.rewrite import recompressed, with_log_append_time
from tests.batch.kafka_batches import ABORT_MARKER, COMMIT_MARKER
from tests.batch.strategies import produced_records

with warnings.catch_warnings():
    # It reads its schemas when it is imported, by a function that the standard library deprecates.
    warnings.simplefilter("ignore", DeprecationWarning)
    import kafka.record.default_records as kafka_python_records


class Oracle(NamedTuple):
    """Another implementation of the format: its class of batches to read, and of batches to write."""

    reader: Callable[[bytes], Any]
    builder: Callable[..., Any]


ORACLES = {
    "kafka-python": Oracle(kafka_python_records.DefaultRecordBatch, kafka_python_records.DefaultRecordBatchBuilder),
    "aiokafka": Oracle(aiokafka_records.DefaultRecordBatch, aiokafka_records.DefaultRecordBatchBuilder),
    "aiokafka in Python": Oracle(aiokafka_records._DefaultRecordBatchPy, aiokafka_records._DefaultRecordBatchBuilderPy),
}

PRODUCERS = st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 2**15 - 1), st.integers(0, 2**31 - 1))
NO_PRODUCER = st.just((-1, -1, -1))

every_oracle = pytest.mark.parametrize("oracle", ORACLES.values(), ids=ORACLES)
every_codec = pytest.mark.parametrize("codec", list(Codec), ids=lambda codec: codec.name)


def built(oracle: Oracle, base: int, records: Iterable[Record], codec: Codec, producer: tuple[int, int, int]) -> bytes:
    """The batch as the oracle writes it."""
    builder = oracle.builder(
        magic=2,
        compression_type=int(codec),
        is_transactional=int(producer[0] >= 0),
        producer_id=producer[0],
        producer_epoch=producer[1],
        base_sequence=producer[2],
        batch_size=1 << 30,
    )
    for offset_delta, timestamp_delta, key, value, headers in records:
        assert builder.append(offset_delta, base + timestamp_delta, key, value, list(headers))
    return bytes(builder.build())


@every_oracle
@settings(deadline=None)
@given(produced_records(), PRODUCERS | NO_PRODUCER)
def test_a_plain_batch_is_written_to_the_byte(
    oracle: Oracle, produced: tuple[int, list[Record]], producer: tuple[int, int, int]
) -> None:
    base, records = produced
    theirs = built(oracle, base, records, Codec.NONE, producer)
    ours = build_batch(
        records,
        base,
        leader_epoch=parse_header(theirs).leader_epoch,
        producer_id=producer[0],
        producer_epoch=producer[1],
        base_sequence=producer[2],
        is_transactional=producer[0] >= 0,
    )
    assert ours == theirs


@every_oracle
@every_codec
@settings(max_examples=40, deadline=None)
@given(produced=produced_records(), producer=PRODUCERS | NO_PRODUCER)
def test_their_batches_are_read(
    oracle: Oracle, codec: Codec, produced: tuple[int, list[Record]], producer: tuple[int, int, int]
) -> None:
    base, records = produced
    batch = built(oracle, base, records, codec, producer)
    header = parse_header(batch)
    assert header.codec in (codec, Codec.NONE)  # they leave as it is what does not shrink
    payload = decompress(header.codec, memoryview(batch)[61:])
    assert payload == encode_records(records)
    check_records(payload, header.record_count)
    found = survey(payload, header.record_count)
    assert found.has_consecutive_offsets
    assert base + found.greatest_timestamp_delta == header.max_timestamp
    assert list(read_records(payload, header.record_count)) == records
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == producer
    assert header.is_transactional == (producer[0] >= 0)


@every_oracle
@every_codec
@settings(max_examples=40, deadline=None)
@given(
    produced=produced_records(),
    base_offset=st.integers(0, 2**62),
    producer=PRODUCERS | NO_PRODUCER,
    log_append_time=st.booleans(),
)
def test_our_batches_are_read_by_them(
    oracle: Oracle,
    codec: Codec,
    produced: tuple[int, list[Record]],
    base_offset: int,
    producer: tuple[int, int, int],
    log_append_time: bool,
) -> None:
    base, records = produced
    batch = build_batch(
        records,
        base,
        base_offset=base_offset,
        codec=codec,
        producer_id=producer[0],
        producer_epoch=producer[1],
        base_sequence=producer[2],
    )
    expected = [base + record.timestamp_delta for record in records]
    if log_append_time:
        batch, expected = with_log_append_time(batch, 77), [77] * len(records)
    for written in (batch, recompressed(batch, Codec.ZSTD), recompressed(batch, Codec.LZ4, 9)):
        theirs = oracle.reader(written)
        assert theirs.validate_crc()
        assert theirs.next_offset == parse_header(written).last_offset + 1
        assert (theirs.producer_id, theirs.producer_epoch, theirs.base_sequence) == producer
        found = list(theirs)
        assert [(each.offset - base_offset, each.key, each.value, tuple(each.headers)) for each in found] == [
            (record.offset_delta, record.key, record.value, record.headers) for record in records
        ]
        assert [each.timestamp for each in found] == expected


@every_oracle
def test_they_read_our_markers_as_they_read_kafkas(oracle: Oracle) -> None:
    ours = transaction_marker(ControlType.COMMIT, 7, 8, 9, 10, base_offset=11)
    for batch, producer, key in (
        (COMMIT_MARKER, (1000, 1), b"\0\0\0\1"),
        (ABORT_MARKER, (0, 1), b"\0\0\0\0"),
        (ours, (7, 8), b"\0\0\0\1"),
    ):
        theirs = oracle.reader(batch)
        assert theirs.validate_crc()
        assert theirs.is_control_batch
        assert theirs.is_transactional
        assert (theirs.producer_id, theirs.producer_epoch) == producer
        assert [record.key for record in theirs] == [key]
