"""Transaction markers, against those that Kafka wrote."""

from __future__ import annotations

from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronik.batch.compression import Codec
from chronik.batch.control import ControlRecord, ControlType, read_control, transaction_marker
from chronik.batch.crc import sealed
from chronik.batch.header import MalformedBatch, parse_header
from chronik.batch.records import Record, build_batch
from tests.batch.kafka_batches import ABORT_MARKER, COMMIT_MARKER, SENT
from tests.batch.strategies import refuses


def test_a_commit_is_written_as_kafka_writes_it() -> None:
    marker = transaction_marker(ControlType.COMMIT, 1000, 1, 2, 1795573361756, base_offset=5, leader_epoch=0)
    assert marker == COMMIT_MARKER


def test_an_abort_is_written_as_kafka_writes_it() -> None:
    marker = transaction_marker(ControlType.ABORT, 0, 1, 2, 1795573360536, base_offset=1, leader_epoch=0)
    assert marker == ABORT_MARKER


def test_kafkas_markers_are_read() -> None:
    assert read_control(COMMIT_MARKER) == ControlRecord(ControlType.COMMIT, 2)
    assert read_control(memoryview(ABORT_MARKER)) == ControlRecord(ControlType.ABORT, 2)


@settings(deadline=None)
@given(
    st.sampled_from([ControlType.ABORT, ControlType.COMMIT]),
    st.integers(0, 2**63 - 1),
    st.integers(0, 2**15 - 1),
    st.integers(0, 2**31 - 1),
)
def test_a_marker_is_read_as_it_was_written(outcome: ControlType, producer: int, epoch: int, coordinator: int) -> None:
    marker = transaction_marker(outcome, producer, epoch, coordinator, 1)
    assert read_control(marker) == ControlRecord(outcome, coordinator)
    header = parse_header(marker)
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (producer, epoch, -1)
    assert header.is_control
    assert header.is_transactional


def control_batch(key: bytes | None, value: bytes | None, codec: Codec = Codec.NONE) -> bytes:
    return build_batch([Record(0, 0, key, value)], 0, is_control=True, codec=codec)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param(pack(">hh", 0, 2), pack(">hi", 0, 1), id="a leader change of Kafka's controllers"),
        pytest.param(pack(">hh", 0, -1), None, id="a type below all"),
        pytest.param(pack(">hh", 1, 1), pack(">hi", 0, 1), id="a key of another version"),
        pytest.param(pack(">hh", -1, 1), None, id="a key of no version"),
    ],
)
def test_other_control_records_are_unknown(key: bytes, value: bytes | None) -> None:
    assert read_control(control_batch(key, value)) == ControlRecord(ControlType.UNKNOWN, -1)


def test_later_versions_of_a_value_are_read_by_what_is_known_of_them() -> None:
    batch = control_batch(pack(">hhq", 0, 1, 9), pack(">hiq", 1, 7, 9), Codec.ZSTD)
    assert read_control(batch) == ControlRecord(ControlType.COMMIT, 7)


@pytest.mark.parametrize(
    "batch",
    [
        pytest.param(SENT, id="no control batch"),
        pytest.param(build_batch([Record(0, 0, pack(">hh", 0, 1), pack(">hi", 0, 1))], 0), id="no control bit"),
        pytest.param(
            sealed(parse_header(COMMIT_MARKER)._replace(record_count=2), COMMIT_MARKER[61:]), id="a count of 2"
        ),
        pytest.param(control_batch(None, pack(">hi", 0, 1)), id="no key"),
        pytest.param(control_batch(b"\0\0\0", pack(">hi", 0, 1)), id="a short key"),
        pytest.param(control_batch(pack(">hh", 0, 1), None), id="no value"),
        pytest.param(control_batch(pack(">hh", 0, 1), b"\0" * 5), id="a short value"),
        pytest.param(build_batch([], 0, is_control=True), id="no record"),
        pytest.param(build_batch([Record(n, 0, b"\0" * 4, b"\0" * 6) for n in range(2)], 0, is_control=True), id="two"),
    ],
)
def test_what_is_no_marker_is_refused(batch: bytes) -> None:
    with pytest.raises(MalformedBatch):
        read_control(batch)


def test_every_cut_of_a_marker_is_refused() -> None:
    for size in range(len(COMMIT_MARKER)):
        assert refuses(lambda: read_control(COMMIT_MARKER[:size])), size  # noqa: B023


def test_a_marker_says_commit_or_abort() -> None:
    with pytest.raises(ValueError, match="ABORT or COMMIT"):
        transaction_marker(ControlType.UNKNOWN, 1, 1, 1, 1)
