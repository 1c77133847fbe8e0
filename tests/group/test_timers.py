"""Timers fire once, in time, and not after they were cancelled or moved away."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chronik.group.timers import TimerKey, TimerKind, Timers

A = TimerKey(TimerKind.SESSION, "g", "a")
B = TimerKey(TimerKind.SESSION, "g", "b")


def fired(timers: Timers, now_ms: int) -> list[TimerKey]:
    found = []
    while (key := timers.pop_due(now_ms)) is not None:
        found.append(key)
    return found


def test_without_timers_there_is_no_deadline() -> None:
    assert Timers().next_deadline() is None
    assert Timers().pop_due(10**12) is None


def test_timers_fire_at_their_deadline_and_once() -> None:
    timers = Timers()
    timers.set(A, 10)
    assert fired(timers, 9) == []
    assert timers.next_deadline() == 10
    assert fired(timers, 10) == [A]
    assert fired(timers, 100) == []
    assert timers.deadline_of(A) is None


def test_a_deadline_moves_both_ways() -> None:
    timers = Timers()
    timers.set(A, 10)
    timers.set(A, 20)
    assert timers.next_deadline() == 20
    timers.set(A, 5)
    assert timers.next_deadline() == 5
    assert fired(timers, 30) == [A]


def test_timers_of_one_moment_fire_in_the_order_in_which_they_were_set() -> None:
    timers = Timers()
    timers.set(B, 10)
    timers.set(A, 10)
    assert fired(timers, 10) == [B, A]


def test_a_cancelled_timer_can_be_set_again() -> None:
    timers = Timers()
    timers.cancel(A)
    timers.set(A, 10)
    timers.cancel(A)
    assert timers.next_deadline() is None
    timers.set(A, 30)
    timers.cancel(A)
    timers.set(A, 20)
    assert fired(timers, 19) == []
    assert fired(timers, 20) == [A]


def test_heartbeats_do_not_fill_the_heap() -> None:
    timers = Timers()
    for now_ms in range(1000):
        timers.cancel(A)
        timers.set(A, now_ms + 10_000)
    assert len(timers._heap) == 1


@given(st.lists(st.tuples(st.sampled_from("sct"), st.integers(0, 3), st.integers(0, 30))))
def test_timers_are_a_table_of_deadlines(operations: list[tuple[str, int, int]]) -> None:
    """The same as a plain dictionary that is searched each time."""
    timers, expected, now_ms = Timers(), dict[TimerKey, int](), 0
    for operation, number, ahead_ms in operations:
        key = TimerKey(TimerKind.SESSION, "g", str(number))
        match operation:
            case "s":
                timers.set(key, now_ms + ahead_ms)
                expected[key] = now_ms + ahead_ms
            case "c":
                timers.cancel(key)
                expected.pop(key, None)
            case _:
                now_ms += ahead_ms
                due = sorted(expected[key] for key in expected if expected[key] <= now_ms)
                assert sorted(expected.pop(key) for key in fired(timers, now_ms)) == due
        assert timers.next_deadline() == min(expected.values(), default=None)
        assert timers.deadline_of(key) == expected.get(key)
