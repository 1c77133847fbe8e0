"""Time as the rules get it."""

from __future__ import annotations

import time


def now_ms() -> int:
    """The wall clock, in milliseconds since the epoch: what records and logs are stamped with."""
    return time.time_ns() // 1_000_000


class SteadyClock:
    """Milliseconds since the epoch that never go back, whatever is done to the wall clock: what timers count by."""

    def __init__(self) -> None:
        self._base_ms = now_ms() - time.monotonic_ns() // 1_000_000

    def now_ms(self) -> int:
        """The wall clock's time at the start of the process, and what has passed since."""
        return self._base_ms + time.monotonic_ns() // 1_000_000
