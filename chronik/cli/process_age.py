"""How long this process has been running: what a start took, the interpreter's own included."""

from __future__ import annotations

import os
import time

_MOST_BEFORE_S = 10.0
"""What an interpreter needs to come to our first line, at the most."""


def process_age_s(first_line_s: float) -> float:
    """Seconds since the process began, as far as the system tells (Linux does, to a hundredth), else since the moment
    `first_line_s` of the monotonic clock.

    A process can be older than its program: a shell that became us by `exec` did other things before. So what is much
    more than a start is not believed.
    """
    known_s = time.monotonic() - first_line_s
    try:
        with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
            # Behind the name, which may hold anything: the state is field 3, the start in clock ticks field 22.
            ticks = int(file.read().rpartition(")")[2].split()[19])
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return known_s
    return age_s if known_s <= age_s <= known_s + _MOST_BEFORE_S else known_s
