"""What a marker does to the state of its producer, and which markers are refused; as Apache Kafka answers them."""

from __future__ import annotations

import pytest

from chronik.batch.control import ControlType
from chronik.errors import ErrorCode, KafkaError
from chronik.log import markers, producers
from chronik.log.aborted import AbortedTransaction
from chronik.log.markers import Marker
from chronik.log.producers import ProducerState
from chronik.terms import ProducerId
from tests.log.batches import NOW_MS, header

PRODUCER, OTHER = ProducerId(9), ProducerId(7)


def marker(epoch: int, coordinator_epoch: int = 0, *, commits: bool = False, raises_epoch: bool = False) -> Marker:
    outcome = ControlType.COMMIT if commits else ControlType.ABORT
    return Marker(PRODUCER, epoch, outcome, coordinator_epoch, raises_epoch)


def state(
    epoch: int, *, opened_at: int = -1, coordinator_epoch: int = -1, producer: ProducerId = PRODUCER
) -> ProducerState:
    """A producer with two batches of this epoch."""
    found = producers.advanced(None, header(producer, epoch, 0), 5, -1, NOW_MS)
    found = producers.advanced(found, header(producer, epoch, 1, 3), 6, -1, NOW_MS)
    return found._replace(open_first_offset=opened_at, coordinator_epoch=coordinator_epoch)


def refusal(found: ProducerState | None, ending: Marker) -> ErrorCode | None:
    try:
        markers.check(found, ending)
    except KafkaError as error:
        return error.code
    return None


@pytest.mark.parametrize(
    ("found", "ending", "code"),
    [
        (None, marker(0), None),
        (None, marker(0, raises_epoch=True), None),
        (state(3), marker(3), None),
        (state(3), marker(4), None),
        (state(3), marker(2), ErrorCode.INVALID_PRODUCER_EPOCH),
        (state(3, opened_at=5), marker(3), None),
        (state(3, opened_at=5), marker(3, raises_epoch=True), ErrorCode.INVALID_PRODUCER_EPOCH),
        (state(3, opened_at=5), marker(4, raises_epoch=True), None),
        (state(3, opened_at=5), marker(2, raises_epoch=True), ErrorCode.INVALID_PRODUCER_EPOCH),
        # Nothing is open any more: the marker comes again, its answer was lost.
        (state(3), marker(3, raises_epoch=True), None),
        (state(3, coordinator_epoch=5), marker(3, 5), None),
        (state(3, coordinator_epoch=5), marker(4, 4), ErrorCode.TRANSACTION_COORDINATOR_FENCED),
        (state(3, coordinator_epoch=5), marker(2, 4), ErrorCode.INVALID_PRODUCER_EPOCH),
    ],
)
def test_who_may_end_a_transaction(found: ProducerState | None, ending: Marker, code: ErrorCode | None) -> None:
    assert refusal(found, ending) is code


def test_a_marker_of_the_same_epoch_lets_the_sequences_go_on() -> None:
    before = state(3, opened_at=5)
    after = markers.ended(before, marker(3, 2), NOW_MS + 7)
    assert after == before._replace(open_first_offset=-1, coordinator_epoch=2, last_ms=NOW_MS + 7)
    assert not markers.is_open(after)
    producers.check(after, header(PRODUCER, 3, 4))
    assert producers.duplicate_of(after, header(PRODUCER, 3, 1, 3)) is not None


def test_after_a_marker_of_a_new_epoch_sequences_begin_at_zero() -> None:
    after = markers.ended(state(3, opened_at=5), marker(4), NOW_MS)
    assert (after.epoch, after.batches, after.last_sequence) == (4, (), -1)
    producers.check(after, header(PRODUCER, 4, 0))
    for epoch, sequence, code in (
        (4, 4, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER),
        (3, 4, ErrorCode.INVALID_PRODUCER_EPOCH),
    ):
        with pytest.raises(KafkaError) as refused:
            producers.check(after, header(PRODUCER, epoch, sequence))
        assert refused.value.code is code


def test_a_marker_makes_an_unknown_producer_known() -> None:
    after = markers.ended(None, marker(4, 1), NOW_MS)
    assert after == ProducerState(PRODUCER, 4, 1, -1, NOW_MS, ())


def test_a_new_producer_may_have_to_begin_at_zero() -> None:
    producers.check(None, header(PRODUCER, 0, 17))
    producers.check(None, header(PRODUCER, 0, 0), begins_at_zero=True)
    with pytest.raises(KafkaError) as refused:
        producers.check(None, header(PRODUCER, 0, 17), begins_at_zero=True)
    assert refused.value.code is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_the_index_tells_the_aborted_range_and_where_the_log_was_stable() -> None:
    mine = state(3, opened_at=5)
    earlier = state(0, opened_at=2, producer=OTHER)
    closed = state(0, producer=ProducerId(1))
    assert markers.aborted(mine, marker(3), 30, [mine, closed]) == AbortedTransaction(PRODUCER, 5, 30, 31)
    assert markers.aborted(mine, marker(3), 30, [mine, earlier, closed]) == AbortedTransaction(PRODUCER, 5, 30, 2)
    assert markers.aborted(mine, marker(3, commits=True), 30, [mine]) is None
    assert markers.aborted(state(3), marker(3), 30, []) is None
    assert markers.aborted(None, marker(3), 30, []) is None
