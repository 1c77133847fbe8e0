"""When open transactions have been open for too long: which one is next, and which are over."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush

DeadlineOf = Callable[[str], int | None]
"""The deadline of the transaction with this id, as it is now; None if it has none."""


class Deadlines:
    """A heap of moments at which to look at a transaction. Those that turn out to be of a transaction that has ended
    since are left out when they come up."""

    def __init__(self, deadline_of: DeadlineOf) -> None:
        self._deadline_of = deadline_of
        self._heap: list[tuple[int, str]] = []

    def add(self, transactional_id: str, at_ms: int) -> None:
        """Have the transaction come up at this moment, which is its deadline or later. Once too often is harmless."""
        heappush(self._heap, (at_ms, transactional_id))

    def next(self) -> int | None:
        """The earliest moment; None if there is none."""
        while self._heap:
            at_ms, transactional_id = self._heap[0]
            deadline_ms = self._deadline_of(transactional_id)
            if deadline_ms is not None and deadline_ms <= at_ms:
                return at_ms
            heappop(self._heap)
        return None

    def pop_due(self, now_ms: int) -> str | None:
        """Take the transaction whose moment is the earliest, if that is not after `now_ms`."""
        at_ms = self.next()
        if at_ms is None or at_ms > now_ms:
            return None
        _, transactional_id = heappop(self._heap)
        return transactional_id
