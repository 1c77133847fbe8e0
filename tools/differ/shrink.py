"""Makes a sequence whose replies differ shorter (delta debugging), so that one can see why."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tools.differ.script import Step

Differs = Callable[[Sequence[Step]], bool]


def shrunk(steps: Sequence[Step], differs: Differs, most_plays: int = 80) -> Sequence[Step]:
    """The fewest steps found that still differ: halves, quarters, and so on to single steps are left out as long as the
    rest does. `differs` plays steps; it is asked at most `most_plays` times."""
    plays = 0
    size = max(len(steps) // 2, 1)
    while plays < most_plays:
        start = len(steps)
        shorter = False
        # From the end: what comes after the difference goes first.
        while start > 0 and plays < most_plays:
            start = max(start - size, 0)
            without = [*steps[:start], *steps[start + size :]]
            if without and len(without) < len(steps):
                plays += 1
                if differs(without):
                    steps, shorter = without, True
        if size == 1 and not shorter:
            break
        size = max(size // 2, 1)
    return steps
