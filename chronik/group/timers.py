"""Deadlines by key, for all groups of a coordinator: which one is next, and which ones have passed.

Nearly every heartbeat moves a deadline further away, and few deadlines are ever reached. So moving one away only writes
down the new moment; the heap keeps the old entry, and looks again when that comes up.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple


class TimerKind(Enum):
    """What happens when the moment has come."""

    SESSION = "session"
    """A member, or the holder of a member id that did not join with it yet, was silent for too long."""
    JOIN = "join"
    """A group has waited long enough for its members to join."""
    SYNC = "sync"
    """A group has waited long enough for its members to sync."""


class TimerKey(NamedTuple):
    """Names a timer; there is at most one of each. `member_id` is "" where the timer is the group's."""

    kind: TimerKind
    group_id: str
    member_id: str = ""


@dataclass(slots=True)
class _Timer:
    deadline_ms: int | None
    """None: cancelled, but its heap entry is still to come up."""
    queued_ms: int
    """Where its heap entry stands, at or before the deadline. Other entries of its key are leftovers."""


class Timers:
    """Set and cancelled in O(1), but for a deadline that comes nearer: O(log n)."""

    def __init__(self) -> None:
        self._timers: dict[TimerKey, _Timer] = {}
        self._heap: list[tuple[int, int, TimerKey]] = []
        self._sequence = count()
        """Timers of the same moment fire in the order in which they were queued."""

    def set(self, key: TimerKey, deadline_ms: int) -> None:
        """Set the timer, or move it."""
        timer = self._timers.get(key)
        if timer is not None and timer.queued_ms <= deadline_ms:
            timer.deadline_ms = deadline_ms
            return
        self._timers[key] = _Timer(deadline_ms, deadline_ms)
        heappush(self._heap, (deadline_ms, next(self._sequence), key))

    def cancel(self, key: TimerKey) -> None:
        """Forget the timer, if there is one."""
        timer = self._timers.get(key)
        if timer is not None:
            timer.deadline_ms = None

    def deadline_of(self, key: TimerKey) -> int | None:
        timer = self._timers.get(key)
        return None if timer is None else timer.deadline_ms

    def next_deadline(self) -> int | None:
        """The earliest deadline; None when no timer is set."""
        while self._heap:
            queued_ms, _, key = self._heap[0]
            timer = self._timers.get(key)
            if timer is None or timer.queued_ms != queued_ms:
                heappop(self._heap)
            elif timer.deadline_ms is None:
                heappop(self._heap)
                del self._timers[key]
            elif timer.deadline_ms > queued_ms:
                heappop(self._heap)
                timer.queued_ms = timer.deadline_ms
                heappush(self._heap, (timer.deadline_ms, next(self._sequence), key))
            else:
                return queued_ms
        return None

    def pop_due(self, now_ms: int) -> TimerKey | None:
        """Take the earliest timer whose deadline is not after `now_ms`; None when there is none."""
        deadline_ms = self.next_deadline()
        if deadline_ms is None or deadline_ms > now_ms:
            return None
        _, _, key = heappop(self._heap)
        del self._timers[key]
        return key
