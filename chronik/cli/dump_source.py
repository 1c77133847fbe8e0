"""The data directory that `chronik dump` looks into: its catalog, its records, and what was selected of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from chronik.store.datadir import check_format
from chronik.store.rocks.reader import OfflineReader, StoredLog
from chronik.store.sql.image import CatalogImage, TopicImage, read_image


class NothingToShow(Exception):
    """What was asked for is not there; the message is one sentence."""


class Selection(NamedTuple):
    """What of the directory is wanted. No topics, and no partitions: all of them."""

    topics: tuple[str, ...] = ()
    partitions: tuple[int, ...] = ()
    start: int | None = None
    """The first offset; a negative one counts from the end."""
    end: int | None = None
    """The offset after the last one."""
    since_ms: int | None = None


class PartitionLog(NamedTuple):
    """A partition of a topic, and what there is of its log."""

    topic: TopicImage
    partition: int
    stored: StoredLog


class DumpSource(NamedTuple):
    """An opened directory."""

    path: Path
    read_ms: int
    """When the catalog was read: a moment before the records were."""
    image: CatalogImage
    reader: OfflineReader

    def partitions(self, selection: Selection) -> Iterator[PartitionLog]:
        """The selected partitions, by topic and number. NothingToShow if one does not exist."""
        topics = {topic.name: topic for topic in self.image.topics}
        places = []
        for name in selection.topics or topics:
            topic = topics.get(name)
            if topic is None:
                raise NothingToShow(f"There is no topic {name} in {self.path}.")
            for partition in selection.partitions or range(len(topic.logs)):
                if partition >= len(topic.logs):
                    raise NothingToShow(f"Topic {name} has no partition {partition}, only {len(topic.logs)} of them.")
                places.append((topic, partition))
        for topic, partition in places:
            yield PartitionLog(topic, partition, self.reader.log(topic.logs[partition]))


@contextmanager
def dump_source(path: Path) -> Iterator[DumpSource]:
    """Open a directory to look at it. DataDirectoryError, CatalogError or UnreadableRecords says why not."""
    check_format(path)
    # The catalog first: so every committed offset in it is one that the records, seen later, have.
    read_ms = time.time_ns() // 1_000_000
    image = read_image(path / "catalog.sqlite")
    with OfflineReader(path / "records") as reader:
        yield DumpSource(path, read_ms, image, reader)
