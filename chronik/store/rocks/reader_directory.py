"""Whether a whole data directory is in order: each log by itself, the files, what nothing leads to, the catalog."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from chronik.changes import OffsetCommitted
from chronik.store.rocks import keys
from chronik.store.rocks.journal_format import check_journals
from chronik.store.rocks.reader import OfflineReader, StoredLog, UnreadableRecords
from chronik.store.rocks.reader_findings import Finding, FindingKind, Looked
from chronik.store.rocks.reader_verify import LogVerifier
from chronik.store.sql.image import CatalogImage, read_image
from chronik.terms import LogId

_PASSES = 3

Progress = Callable[[int, int], None]
"""Told how many bytes of batches were read since the last call, and how many there are in all."""


class Verified(NamedTuple):
    """What was found, and what was looked at. `image` is the catalog as of the first pass."""

    findings: list[Finding]
    looked: Looked
    image: CatalogImage


def verify(records: Path, catalog: Path, progress: Progress) -> Verified:
    """Look at everything. CatalogError when the catalog cannot be read.

    While a broker writes, its files and its catalog are not read as of the same moment. So what seems wrong is looked
    at again, and only what is wrong each time counts.
    """
    looked = Looked()
    image = read_image(catalog)
    findings = list(_findings(records, image, looked, progress, None))
    for _ in range(1, _PASSES):
        if not findings:
            break
        logs = {finding.log for finding in findings}
        again = list(_findings(records, read_image(catalog), Looked(), _silent, logs))
        still = {_identity(finding) for finding in again}
        findings = [finding for finding in findings if _identity(finding) in still]
    return Verified(findings, looked, image)


def _identity(finding: Finding) -> tuple[object, ...]:
    """What makes two findings of different passes the same; the messages may tell how far the log had come."""
    return finding.kind, finding.log, finding.offset


def _silent(read_bytes: int, all_bytes: int) -> None:
    pass


def _findings(
    records: Path, image: CatalogImage, looked: Looked, progress: Progress, only: set[LogId | None] | None
) -> Iterator[Finding]:
    """One pass over everything, or over some logs; None among them stands for what is in no log."""
    if only is None or None in only:
        for damage in check_journals(records):
            message = f"{damage.path.name} cannot be read from byte {damage.position}: {damage.reason}"
            yield Finding(FindingKind.CHECKSUM, message)
    try:
        with OfflineReader(records) as reader:
            yield from _records(reader, image, looked, progress, only)
    except UnreadableRecords as error:
        yield Finding(FindingKind.UNREADABLE, f"the records cannot be read: {error}")


def _records(
    reader: OfflineReader, image: CatalogImage, looked: Looked, progress: Progress, only: set[LogId | None] | None
) -> Iterator[Finding]:
    logs = {log: reader.log(log) for log in reader.logs()}
    total = sum(stored.size_bytes for stored in logs.values())
    compacted = _compacted(image)
    for log, stored in logs.items():
        if only is None or log in only:
            verifier = LogVerifier(
                reader,
                stored,
                looked,
                is_compacted=log in compacted,
                progress=lambda read_bytes: progress(read_bytes, total),
            )
            yield from verifier.findings()
    try:
        yield from _strays(reader, logs)
    except UnreadableRecords as error:
        yield Finding(FindingKind.UNREADABLE, f"there may be more data that nothing leads to: {error}")
    yield from _orphans(logs, image)
    yield from _beyond_the_end(logs, image)


def _compacted(image: CatalogImage) -> set[LogId]:
    """The logs in which compaction may have left gaps, as far as the catalog knows: a default that the broker is
    started with does not stand there."""
    defaults = [configs.get("log.cleanup.policy", "") for configs in image.broker_configs.values()]
    return {
        log
        for topic in image.topics
        for log in topic.logs
        if "compact" in topic.configs.get("cleanup.policy", ",".join(defaults))
    }


def _strays(reader: OfflineReader, logs: Mapping[LogId, StoredLog]) -> Iterator[Finding]:
    """Batches and index entries that are in no segment, and are not noted as garbage."""
    garbage = reader.garbage()
    newest = reader.newest_chunk()
    for place in reader.places():
        if place.chunk & ~keys.BLOCKS > newest:
            yield Finding(
                FindingKind.ORPHAN, f"it has data in chunk {place.chunk}, and the newest is {newest}", place.log
            )
        if place.kind not in (keys.INDEX, keys.BATCH) or (place.chunk, place.log) in garbage:
            continue
        stored = logs.get(place.log)
        segments = [segment for segment in stored.segments if segment.chunk == place.chunk] if stored else []
        outside = list(reader.offsets_outside(place, segments))
        if outside:
            what = "index entries" if place.kind == keys.INDEX else "batches"
            yield Finding(
                FindingKind.ORPHAN,
                f"{len(outside)} {what} of chunk {place.chunk} are in no segment, from {outside[0]} to {outside[-1]}",
                place.log,
                outside[0],
            )


def _orphans(logs: Mapping[LogId, StoredLog], image: CatalogImage) -> Iterator[Finding]:
    """Logs that no topic has, and that are not noted as dropped."""
    known = {log for topic in image.topics for log in topic.logs} | set(image.dropped_logs)
    for log, stored in logs.items():
        if log not in known:
            yield Finding(FindingKind.ORPHAN, f"it is no topic's, and has {stored.size_bytes} bytes", log)


def _beyond_the_end(logs: Mapping[LogId, StoredLog], image: CatalogImage) -> Iterator[Finding]:
    """What the catalog says of logs that cannot be: committed offsets and leader epochs past the end."""
    topics = {topic.topic_id: topic for topic in image.topics}
    for change in image.group_changes:
        if not isinstance(change, OffsetCommitted):
            continue
        topic = topics.get(change.topic_id)
        if topic is None or change.partition >= len(topic.logs):
            yield Finding(
                FindingKind.CATALOG,
                f"group {change.group_id} has an offset of partition {change.partition} of a topic that lacks it",
            )
            continue
        log = topic.logs[change.partition]
        end = logs[log].end if log in logs else 0
        if change.offset > end:
            yield Finding(
                FindingKind.CATALOG,
                f"group {change.group_id} has committed offset {change.offset}, past the log's end {end}",
                log,
                change.offset,
            )
    for topic in image.topics:
        newest = image.leader_epoch - topic.first_epoch
        for log in topic.logs:
            epochs = logs[log].epochs if log in logs else ()
            if epochs and epochs[-1].epoch > newest:
                yield Finding(
                    FindingKind.CATALOG, f"it has the leader epoch {epochs[-1].epoch}, and the topic only {newest}", log
                )
