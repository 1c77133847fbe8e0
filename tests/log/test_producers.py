"""What a log remembers of a producer decides exactly which of its batches are appended, repeated or refused."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chronik.errors import ErrorCode, KafkaError
from chronik.log import producers
from chronik.log.producers import WINDOW, AppendedBatch, ProducerState
from chronik.terms import MAX_SEQUENCE, ProducerId
from tests.batch.strategies import I64
from tests.log.batches import NOW_MS, header

PRODUCER = ProducerId(9)
I32_COUNTS = st.integers(0, MAX_SEQUENCE)


def appended(state: ProducerState | None, epoch: int, sequence: int, count: int = 1, base: int = 0) -> ProducerState:
    """The state after a batch that passes."""
    batch = header(PRODUCER, epoch, sequence, count)
    assert producers.duplicate_of(state, batch) is None
    producers.check(state, batch)
    return producers.advanced(state, batch, base, -1, NOW_MS)


def refusal(
    state: ProducerState | None, epoch: int, sequence: int, count: int = 1, *, is_transactional: bool = False
) -> ErrorCode | None:
    """The code with which a batch is refused; None if it passes."""
    batch = header(PRODUCER, epoch, sequence, count, is_transactional)
    assert producers.duplicate_of(state, batch) is None
    try:
        producers.check(state, batch)
    except KafkaError as error:
        return error.code
    return None


def window(count: int, epoch: int = 0) -> ProducerState:
    """A producer that wrote `count` batches of two records: sequences 0-1, 2-3 …, at offsets 100, 102 …"""
    state = None
    for number in range(count):
        state = appended(state, epoch, 2 * number, 2, 100 + 2 * number)
    assert state is not None
    return state


# Sequences


@pytest.mark.parametrize("sequence", [0, 1, 1000, MAX_SEQUENCE])
@pytest.mark.parametrize("epoch", [0, 5])
def test_a_producer_of_which_nothing_is_known_may_begin_anywhere(epoch: int, sequence: int) -> None:
    assert refusal(None, epoch, sequence) is None


@pytest.mark.parametrize("sequence", [0, 1, 2, 3, 5, 6, MAX_SEQUENCE])
def test_the_next_sequence_follows_the_last_one(sequence: int) -> None:
    state = window(2)
    assert refusal(state, 0, 4, 7) is None
    assert refusal(state, 0, sequence, 7) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_sequences_go_on_at_zero_after_the_last_number() -> None:
    state = appended(None, 0, MAX_SEQUENCE - 2, 3)
    assert state.last_sequence == MAX_SEQUENCE
    assert refusal(state, 0, 1) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert appended(state, 0, 0).last_sequence == 0


def test_a_batch_may_lie_across_the_last_number() -> None:
    state = appended(None, 0, MAX_SEQUENCE - 1, 5, base=30)
    assert state.last_sequence == 2
    assert refusal(state, 0, MAX_SEQUENCE) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    again = producers.duplicate_of(state, header(PRODUCER, 0, MAX_SEQUENCE - 1, 5))
    assert again is not None
    assert again.base_offset == 30
    assert refusal(state, 0, 3) is None


def test_a_state_without_batches_which_a_marker_leaves_begins_at_zero() -> None:
    state = ProducerState(PRODUCER, 3, -1, -1, NOW_MS, ())
    assert state.last_sequence == -1
    assert refusal(state, 3, 0) is None
    assert refusal(state, 3, 17) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert refusal(state, 4, 17) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert refusal(state, 2, 17) is ErrorCode.INVALID_PRODUCER_EPOCH


# Epochs


def test_a_new_epoch_begins_with_sequence_zero_and_forgets_the_window() -> None:
    state = window(3)
    for sequence in (1, 5, 6, MAX_SEQUENCE):
        assert refusal(state, 1, sequence) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    bumped = appended(state, 1, 0, base=200)
    assert (bumped.epoch, bumped.batches) == (1, (AppendedBatch(0, 0, 200, -1),))
    assert refusal(bumped, 0, 6) is ErrorCode.INVALID_PRODUCER_EPOCH
    assert refusal(bumped, 1, 1) is None


def test_a_retry_from_an_older_epoch_is_refused_not_repeated() -> None:
    bumped = appended(window(1), 1, 0)
    assert refusal(bumped, 0, 0, 2) is ErrorCode.INVALID_PRODUCER_EPOCH


# Duplicates


def test_each_of_the_last_five_batches_is_recognised() -> None:
    state = window(8)
    for number in range(8):
        found = producers.duplicate_of(state, header(PRODUCER, 0, 2 * number, 2))
        if number < 8 - WINDOW:
            assert found is None
        else:
            assert found == AppendedBatch(2 * number, 2 * number + 1, 100 + 2 * number, -1)


def test_a_duplicate_older_than_the_window_is_out_of_order() -> None:
    assert refusal(window(8), 0, 4, 2) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


@pytest.mark.parametrize(("sequence", "count"), [(6, 1), (6, 3), (7, 1), (5, 2)])
def test_a_batch_that_only_overlaps_is_no_duplicate(sequence: int, count: int) -> None:
    assert refusal(window(4), 0, sequence, count) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_a_duplicate_is_told_the_original_log_append_time() -> None:
    state = producers.advanced(None, header(PRODUCER, 0, 0), 5, 1234, NOW_MS)
    found = producers.duplicate_of(state, header(PRODUCER, 0, 0))
    assert found is not None
    assert found.log_append_time_ms == 1234


# Transactions


def test_the_first_transactional_batch_opens_a_transaction() -> None:
    state = appended(None, 0, 0, base=10)
    assert state.open_first_offset == -1
    for sequence, base in ((1, 20), (2, 30)):
        batch = header(PRODUCER, 0, sequence, is_transactional=True)
        producers.check(state, batch)
        state = producers.advanced(state, batch, base, -1, NOW_MS)
        assert state.open_first_offset == 20


def test_a_producer_may_begin_with_a_transaction() -> None:
    state = producers.advanced(None, header(PRODUCER, 0, 0, is_transactional=True), 7, -1, NOW_MS)
    assert state.open_first_offset == 7


def test_a_plain_batch_inside_a_transaction_is_refused() -> None:
    state = window(1)._replace(open_first_offset=50)
    assert refusal(state, 0, 2) is ErrorCode.INVALID_TXN_STATE
    assert refusal(state, 1, 0) is ErrorCode.INVALID_TXN_STATE
    assert refusal(state, 0, 2, is_transactional=True) is None


def test_the_coordinator_epoch_stays() -> None:
    state = window(1)._replace(coordinator_epoch=4)
    assert appended(state, 0, 2).coordinator_epoch == 4


# Expiry


@pytest.mark.parametrize(("age_ms", "expired"), [(0, False), (999, False), (1000, True), (5000, True)])
def test_a_producer_expires_by_its_last_batch(age_ms: int, expired: bool) -> None:
    state = window(1)
    assert producers.is_expired(state, NOW_MS + age_ms, 1000) is expired
    assert not producers.is_expired(state._replace(open_first_offset=3), NOW_MS + age_ms, 1000)


# Encoding

BATCHES = st.builds(AppendedBatch, I32_COUNTS, I32_COUNTS, I64, I64)
STATES = st.builds(
    ProducerState,
    st.integers(0, 2**63 - 1).map(ProducerId),
    st.integers(0, 2**15 - 1),
    st.integers(-1, 2**31 - 1),
    st.integers(-1, 2**63 - 1),
    I64,
    st.lists(BATCHES, max_size=WINDOW).map(tuple),
)


@given(STATES)
def test_what_is_encoded_is_decoded(state: ProducerState) -> None:
    value = producers.encode(state)
    assert len(value) == 23 + 24 * len(state.batches)
    assert producers.decode(state.producer_id, value) == state


# A model


@dataclass
class Remembered:
    """A producer as the specification sees it: all that it ever wrote, by absolute numbers that never wrap."""

    epoch: int
    written: list[tuple[int, int, int]] = field(default_factory=list)
    """(absolute first sequence, records, base offset) of the current epoch."""
    open_first: int = -1


class ProducersMachine(RuleBasedStateMachine):
    """Sends right, repeated and wrong batches, and expects what the specification says of each."""

    def __init__(self) -> None:
        super().__init__()
        self.state: ProducerState | None = None
        self.model: Remembered | None = None
        self.end = 0

    def send(self, epoch: int, absolute: int, count: int, is_transactional: bool) -> None:
        batch = header(PRODUCER, epoch, absolute & MAX_SEQUENCE, count, is_transactional)
        expected = self.expected(epoch, absolute, count, is_transactional)
        found = producers.duplicate_of(self.state, batch)
        if found is not None:
            assert expected == found.base_offset
            return
        refused: ErrorCode | None = None
        try:
            producers.check(self.state, batch)
        except KafkaError as error:
            refused = error.code
        assert refused == expected
        if refused is not None:
            return
        self.state = producers.advanced(self.state, batch, self.end, -1, NOW_MS)
        if self.model is None or self.model.epoch != epoch:
            self.model = Remembered(epoch, open_first=-1 if self.model is None else self.model.open_first)
        self.model.written.append((absolute, count, self.end))
        if is_transactional and self.model.open_first < 0:
            self.model.open_first = self.end
        self.end += count

    def expected(self, epoch: int, absolute: int, count: int, is_transactional: bool) -> ErrorCode | int | None:
        """The original offset of a duplicate, the code of a refusal, or None."""
        model = self.model
        if model is None:
            return None
        if epoch == model.epoch:
            for first, length, base in model.written[-5:]:
                if (first & MAX_SEQUENCE, length) == (absolute & MAX_SEQUENCE, count):
                    return base
        if epoch < model.epoch:
            return ErrorCode.INVALID_PRODUCER_EPOCH
        if epoch > model.epoch:
            if absolute != 0:
                return ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        elif (absolute - model.written[-1][0] - model.written[-1][1]) & MAX_SEQUENCE:
            return ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        if model.open_first >= 0 and not is_transactional:
            return ErrorCode.INVALID_TXN_STATE
        return None

    counts = st.integers(1, 4)

    @rule(count=counts, jump=st.sampled_from([0, 0, 0, 0, -1, 1]), is_transactional=st.booleans())
    def goes_on(self, count: int, jump: int, is_transactional: bool) -> None:
        if self.model is None:
            # So that the last number comes soon.
            self.send(0, MAX_SEQUENCE - 7, count, is_transactional)
        else:
            first, length, _ = self.model.written[-1]
            self.send(self.model.epoch, max(first + length + jump, 0), count, is_transactional)

    @rule(back=st.integers(1, 8), is_transactional=st.booleans())
    def repeats(self, back: int, is_transactional: bool) -> None:
        if self.model is not None:
            first, length, _ = self.model.written[-min(back, len(self.model.written))]
            self.send(self.model.epoch, first, length, is_transactional)

    @rule(epoch=st.sampled_from([-1, 1]), sequence=st.sampled_from([0, 0, 3]), is_transactional=st.booleans())
    def changes_epoch(self, epoch: int, sequence: int, is_transactional: bool) -> None:
        if self.model is not None:
            self.send(max(self.model.epoch + epoch, 0), sequence, 1, is_transactional)

    @rule()
    def ends_its_transaction(self) -> None:
        if self.model is not None and self.state is not None:
            self.model.open_first = -1
            self.state = self.state._replace(open_first_offset=-1)

    @invariant()
    def is_what_the_model_says(self) -> None:
        if self.state is None or self.model is None:
            assert (self.state is None) == (self.model is None)
            return
        self.state = producers.decode(PRODUCER, producers.encode(self.state))
        assert len(self.state.batches) <= WINDOW
        assert self.state.epoch == self.model.epoch
        assert self.state.open_first_offset == self.model.open_first
        assert [batch.base_offset for batch in self.state.batches] == [base for _, _, base in self.model.written[-5:]]


ProducersMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_producers_are_what_the_specification_says = ProducersMachine.TestCase
