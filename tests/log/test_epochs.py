"""Leader epochs: which offsets were written under which epoch, and what followers and consumers are told of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronik.log import epochs
from chronik.log.epochs import Epochs, EpochStart

HISTORY: Epochs = (EpochStart(0, 0), EpochStart(2, 10), EpochStart(5, 30))
CURRENT, START, END = 5, 0, 45


@pytest.mark.parametrize(
    ("requested", "answer"),
    [
        (-1, (-1, -1)),  # no epoch at all
        (0, (0, 10)),
        (1, (0, 10)),  # never used: the one before it
        (2, (2, 30)),
        (4, (2, 30)),
        (5, (5, END)),  # the current one
        (6, (-1, -1)),  # a future one
    ],
)
def test_an_epoch_ends_where_the_next_one_starts(requested: int, answer: tuple[int, int]) -> None:
    assert epochs.end_of(HISTORY, requested, CURRENT, START, END) == answer


def test_an_epoch_below_the_first_known_ends_where_that_starts() -> None:
    assert epochs.end_of((EpochStart(3, 20),), 1, 5, 20, END) == (1, 20)


def test_the_last_epoch_that_was_written_under_ends_at_the_end() -> None:
    """The broker was started again, under epoch 7, and nothing was written since."""
    assert epochs.end_of(HISTORY, 5, 7, START, END) == (5, END)
    assert epochs.end_of(HISTORY, 6, 7, START, END) == (5, END)
    assert epochs.end_of(HISTORY, 7, 7, START, END) == (7, END)


def test_a_log_without_records_knows_the_current_epoch_only() -> None:
    assert epochs.end_of((), 4, 4, 0, 0) == (4, 0)
    assert epochs.end_of((), 3, 4, 0, 0) == (3, 0)
    assert epochs.end_of((), 5, 4, 0, 0) == (-1, -1)


@pytest.mark.parametrize(("offset", "epoch"), [(0, 0), (9, 0), (10, 2), (29, 2), (30, 5), (1000, 5)])
def test_an_offset_was_written_under_an_epoch(offset: int, epoch: int) -> None:
    assert epochs.epoch_at(HISTORY, offset, 9) == epoch
    assert epochs.epoch_at((), offset, 9) == 9


def test_an_append_under_a_new_epoch_is_noted_once() -> None:
    noted = epochs.extended((), 3, 100)
    assert noted == (EpochStart(3, 100),)
    assert epochs.extended(noted, 3, 101) is noted
    assert epochs.extended(noted, 2, 102) is noted
    assert epochs.extended(noted, 4, 103) == (EpochStart(3, 100), EpochStart(4, 103))


@pytest.mark.parametrize(
    ("start", "left"),
    [
        (0, HISTORY),
        (5, (EpochStart(0, 5), EpochStart(2, 10), EpochStart(5, 30))),
        (10, (EpochStart(2, 10), EpochStart(5, 30))),
        (15, (EpochStart(2, 15), EpochStart(5, 30))),
        (30, (EpochStart(5, 30),)),
        (45, (EpochStart(5, 45),)),
    ],
)
def test_entries_go_as_the_start_rises(start: int, left: Epochs) -> None:
    assert epochs.trimmed(HISTORY, start) == left
    assert epochs.trimmed((), start) == ()


@st.composite
def histories(draw: st.DrawFn) -> Epochs:
    numbers = draw(st.lists(st.integers(0, 40), unique=True, max_size=6).map(sorted))
    offsets = draw(st.lists(st.integers(0, 60), min_size=len(numbers), max_size=len(numbers), unique=True).map(sorted))
    return tuple(map(EpochStart, numbers, offsets))


@given(histories())
def test_what_is_encoded_is_decoded(history: Epochs) -> None:
    assert epochs.decode(epochs.encode(history)) == history
    assert len(epochs.encode(history)) == 12 * len(history)


@given(histories(), st.integers(0, 60), st.integers(0, 60))
def test_a_risen_start_changes_nothing_above_it(history: Epochs, start: int, offset: int) -> None:
    if history and start <= offset and offset >= history[0].start_offset:
        assert epochs.epoch_at(epochs.trimmed(history, start), offset, 99) == epochs.epoch_at(history, offset, 99)


@given(histories(), st.integers(0, 45))
def test_an_end_is_that_of_a_scan(history: Epochs, requested: int) -> None:
    end = 70
    if history and requested < 41:
        written = range(history[0].start_offset, end)
        under = [offset for offset in written if epochs.epoch_at(history, offset, 99) <= requested]
        assert epochs.end_of(history, requested, 41, 0, end)[1] == (under[-1] + 1 if under else written[0])
