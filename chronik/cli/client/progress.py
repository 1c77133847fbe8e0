"""How far long work is: on stderr while that is a terminal, nowhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_EVERY_S = 0.1

Advance = Callable[[int], None]


@contextmanager
def progress(noun: str, total: int | None, *, shown: bool = True) -> Iterator[Advance]:
    """Gives a function that is told of every step. `shown` is false where something else needs the terminal."""
    if not shown or not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn() if total is None else TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(noun, total=total, rate="")
        started = time.monotonic()
        done, told_s = 0, started

        def advance(count: int) -> None:
            nonlocal done, told_s
            done += count
            now = time.monotonic()
            if now - told_s >= _EVERY_S:
                told_s = now
                bar.update(task, completed=done, rate=f"{done / (now - started):,.0f}/s")

        yield advance
        bar.update(task, completed=done)
