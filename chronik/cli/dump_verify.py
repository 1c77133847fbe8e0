"""`chronik dump --verify`: read everything, and tell what is wrong."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chronik.cli.output import Row, View
from chronik.store.datadir import check_format
from chronik.store.rocks.reader_directory import Progress, Verified, verify
from chronik.terms import LogId

FINDING_COLUMNS = ("TOPIC", "PARTITION", "OFFSET", "KIND", "WHAT")


def verified(path: Path) -> tuple[Verified, float]:
    """What was found in a data directory, and the seconds that it took. DataDirectoryError or CatalogError when there
    is nothing to look at."""
    began = time.perf_counter()
    check_format(path)
    with _progress() as progress:
        found = verify(path / "records", path / "catalog.sqlite", progress)
    return found, time.perf_counter() - began


def finding_view(found: Verified) -> View:
    """One line for each thing that is wrong."""
    places = {log: (topic.name, number) for topic in found.image.topics for number, log in enumerate(topic.logs)}
    return View(FINDING_COLUMNS, _rows(found, places))


def _rows(found: Verified, places: dict[LogId, tuple[str, int]]) -> Iterator[Row]:
    for kind, message, log, offset in found.findings:
        topic, partition = places.get(log, (None, None)) if log is not None else (None, None)
        facts = {
            "kind": kind.value,
            "topic": topic,
            "partition": partition,
            "log": log,
            "offset": offset,
            "message": message,
        }
        shown = topic if topic is not None else "" if log is None else f"(log {log})"
        place = (shown, "" if partition is None else partition, "" if offset is None else offset)
        yield Row(facts, [(*place, kind.value, message)])


def summary(found: Verified, seconds: float) -> str:
    """One line that tells what was looked at, and how it is."""
    looked = found.looked
    state = "clean" if not found.findings else f"{len(found.findings)} findings"
    return (
        f"{state}: {len(found.image.topics)} topics, {looked.log_count} logs, {looked.batch_count} batches, "
        f"{looked.record_count} records, {looked.size_bytes} bytes in {seconds:.1f} s"
    )


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on a terminal, nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda read_bytes, all_bytes: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("verify", total=None)
        yield lambda read_bytes, all_bytes: bar.update(task, advance=read_bytes, total=all_bytes)
