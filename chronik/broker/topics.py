"""The topics of this broker: looked up by name and by id, changed durably first and in memory after."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chronik.changes import (
    Change,
    LogsPurged,
    PartitionsAdded,
    TopicConfigsSet,
    TopicCreated,
    TopicDeleted,
)
from chronik.configs.layers import topic_config
from chronik.errors import ErrorCode, KafkaError
from chronik.settings import BrokerSettings, TopicConfig
from chronik.store.interface import RecordStore
from chronik.store.sql.catalog import Catalog
from chronik.store.sql.image import TopicImage
from chronik.store.sql.problems import CatalogError
from chronik.terms import LogId, TopicId

_log = logging.getLogger(__name__)

MAX_NAME_LENGTH = 249
MAX_NEW_PARTITIONS = 10_000
"""That one request may make: a request of a few bytes must not fill a disk. Kafka has the same limit."""
_LEGAL_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}\Z")
INTERNAL_TOPICS = frozenset({"__consumer_offsets", "__transaction_state", "__share_group_state"})


@dataclass(slots=True)
class Topic:
    """A live topic. `logs[p]` is the log of partition p; `configs` are the overrides, `config` all of them resolved."""

    topic_id: TopicId
    name: str
    logs: list[LogId]
    configs: dict[str, str]
    config: TopicConfig
    leader_epoch: int
    """Of every partition: how often the broker's epoch rose since the topic was created."""
    created_ms: int
    deleted: bool = field(default=False)
    described: dict[int, Any] = field(default_factory=dict)
    """For who describes its partitions to keep what is told, by version; emptied when there are more of them."""

    @property
    def is_internal(self) -> bool:
        """Whether clients hide it by default."""
        return self.name in INTERNAL_TOPICS

    def log_of(self, partition: int) -> LogId | None:
        """The log of a partition, None if there is no such partition."""
        return self.logs[partition] if 0 <= partition < len(self.logs) else None


@dataclass(frozen=True, slots=True)
class NewTopic:
    """A topic to be created; everything in it has been checked but the name."""

    name: str
    partition_count: int
    configs: Mapping[str, str]


class Topics:
    """All topics. Reading is synchronous and always consistent; changes go through one lock, in order."""

    def __init__(
        self,
        settings: BrokerSettings,
        catalog: Catalog,
        store: RecordStore,
        broker_epoch: int,
    ) -> None:
        self._settings = settings
        self._catalog = catalog
        self._store = store
        self._broker_epoch = broker_epoch
        self._lock = asyncio.Lock()
        self.generation = object()
        """Another object whenever a topic came, went or got more partitions: what was looked up before may be wrong."""
        self._by_name: dict[str, Topic] = {}
        self._by_id: dict[TopicId, Topic] = {}
        self._folded: dict[str, set[str]] = {}
        self.on_deleted: Callable[[TopicId], None] = _ignore
        """Told of each deleted topic, once it is durably gone."""
        self._next_log_id = int(catalog.image.next_log_id)
        for image in catalog.image.topics:
            self._add(self._from_image(image))

    def __len__(self) -> int:
        return len(self._by_name)

    def __iter__(self) -> Iterator[Topic]:
        """All topics, by name."""
        return iter([self._by_name[name] for name in sorted(self._by_name)])

    @property
    def partition_count(self) -> int:
        """Over all topics."""
        return sum(len(topic.logs) for topic in self._by_name.values())

    def get(self, name: str) -> Topic | None:
        """The topic of that name."""
        return self._by_name.get(name)

    def by_id(self, topic_id: bytes) -> Topic | None:
        """The topic of that id."""
        return self._by_id.get(TopicId(topic_id))

    def name_of(self, topic_id: TopicId) -> str | None:
        """The name of a live topic."""
        topic = self._by_id.get(topic_id)
        return None if topic is None else topic.name

    def check_new(self, name: str) -> None:
        """Whether a topic of that name can be created.

        KafkaError INVALID_TOPIC_EXCEPTION for a name that no topic may have, or that collides with another's: names
        that differ only in '.' and '_' do, because metrics cannot tell them apart. TOPIC_ALREADY_EXISTS.
        """
        check_name(name)
        others = self._folded.get(_fold(name), ())
        if others and name not in others:
            raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, f"Topic {name!r} collides with topic {min(others)!r}.")
        if name in self._by_name:
            raise KafkaError(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic {name!r} already exists.")

    async def create(self, wanted: Sequence[NewTopic], now_ms: int) -> list[Topic | KafkaError]:
        """Create topics, all that can be in one commit; for each what came of it, in order.

        INVALID_TOPIC_EXCEPTION, TOPIC_ALREADY_EXISTS, or KAFKA_STORAGE_ERROR when the catalog cannot be written.
        """
        async with self._lock:
            results: list[Topic | KafkaError] = []
            made: list[Topic] = []
            names: set[str] = set()
            for new in wanted:
                try:
                    self.check_new(new.name)
                    if new.name in names:
                        raise KafkaError(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic {new.name!r} already exists.")
                except KafkaError as error:
                    results.append(error)
                    continue
                names.add(new.name)
                topic = self._made(new, now_ms)
                made.append(topic)
                results.append(topic)
            if made:
                try:
                    await self._commit([self._created(topic) for topic in made])
                except KafkaError as error:
                    return [error if isinstance(result, Topic) else result for result in results]
                for topic in made:
                    self._add(topic)
            return results

    async def delete(self, topics: Iterable[Topic]) -> None:
        """Delete topics: out of sight first, their records after. Idempotent.

        KafkaError KAFKA_STORAGE_ERROR: they are still there. Records that cannot be dropped now are so at the next
        start.
        """
        async with self._lock:
            gone = [topic for topic in topics if not topic.deleted]
            if not gone:
                return
            await self._commit([TopicDeleted(topic.topic_id) for topic in gone])
            for topic in gone:
                self._remove(topic)
                self.on_deleted(topic.topic_id)
            logs = [log for topic in gone for log in topic.logs]
        try:
            await self.purge(logs)
        except KafkaError as error:
            _log.warning("The records of deleted topics are still on the disk: %s", error)

    def forget(self) -> None:
        """Let nobody see a topic any more: somebody else looks after them."""
        for topic in tuple(self._by_name.values()):
            self._remove(topic)

    async def purge(self, logs: Sequence[LogId]) -> None:
        """Drop the records of logs that no topic has any more, then forget that they were there."""
        if logs:
            await self._store.drop(logs)
            await self._commit([LogsPurged(tuple(logs))])

    async def add_partitions(self, topic: Topic, count: int) -> None:
        """Raise the number of partitions to `count`; KafkaError UNKNOWN_TOPIC_OR_PARTITION, INVALID_PARTITIONS."""
        async with self._lock:
            if topic.deleted:
                raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Topic {topic.name!r} does not exist.")
            first = len(topic.logs)
            if count <= first:
                raise KafkaError(
                    ErrorCode.INVALID_PARTITIONS, f"Topic {topic.name!r} has {first} partitions, {count} is not more."
                )
            logs = self._new_logs(count - first)
            await self._commit([PartitionsAdded(topic.topic_id, first, tuple(logs))])
            topic.logs.extend(logs)
            topic.described.clear()
            self.generation = object()

    async def alter_configs(self, topic: Topic, alter: Callable[[Mapping[str, str]], Mapping[str, str]]) -> None:
        """Replace a topic's overrides by what `alter` makes of them. What it raises is raised, and nothing changes;
        KafkaError UNKNOWN_TOPIC_OR_PARTITION also, KAFKA_STORAGE_ERROR."""
        async with self._lock:
            configs = dict(alter(topic.configs))
            if topic.deleted:
                raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Topic {topic.name!r} does not exist.")
            await self._commit([TopicConfigsSet(topic.topic_id, configs)])
            topic.configs = configs
            topic.config = self._resolve(configs)

    async def use(self, settings: BrokerSettings) -> None:
        """Take on settings in which dynamic broker configs have changed: what topics do not override follows them."""
        async with self._lock:
            self._settings = settings
            for topic in self._by_name.values():
                topic.config = self._resolve(topic.configs)

    def _made(self, new: NewTopic, now_ms: int) -> Topic:
        topic_id = TopicId(uuid.uuid4().bytes)
        logs = self._new_logs(new.partition_count)
        return Topic(topic_id, new.name, logs, dict(new.configs), self._resolve(new.configs), 0, now_ms)

    def _created(self, topic: Topic) -> TopicCreated:
        return TopicCreated(
            topic.topic_id, topic.name, tuple(topic.logs), topic.configs, self._broker_epoch, topic.created_ms
        )

    def _from_image(self, image: TopicImage) -> Topic:
        return Topic(
            image.topic_id,
            image.name,
            list(image.logs),
            dict(image.configs),
            self._resolve(image.configs),
            self._broker_epoch - image.first_epoch,
            image.created_ms,
        )

    def _resolve(self, configs: Mapping[str, str]) -> TopicConfig:
        return topic_config(configs, self._settings)

    def _new_logs(self, count: int) -> list[LogId]:
        first = self._next_log_id
        self._next_log_id += count
        return [LogId(log) for log in range(first, first + count)]

    def _add(self, topic: Topic) -> None:
        self.generation = object()
        self._by_name[topic.name] = topic
        self._by_id[topic.topic_id] = topic
        self._folded.setdefault(_fold(topic.name), set()).add(topic.name)

    def _remove(self, topic: Topic) -> None:
        topic.deleted = True
        self.generation = object()
        del self._by_name[topic.name]
        del self._by_id[topic.topic_id]
        names = self._folded[_fold(topic.name)]
        names.discard(topic.name)
        if not names:
            del self._folded[_fold(topic.name)]

    async def _commit(self, changes: Sequence[Change]) -> None:
        """Make changes durable; KafkaError KAFKA_STORAGE_ERROR when that cannot be told."""
        try:
            await self._catalog.persist(changes)
        except CatalogError as error:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, str(error)) from error


def check_name(name: str) -> None:
    """KafkaError INVALID_TOPIC_EXCEPTION for a name that no topic may have."""
    if not _LEGAL_NAME.match(name) or name in (".", ".."):
        raise KafkaError(
            ErrorCode.INVALID_TOPIC_EXCEPTION,
            f"Topic name {name[:300]!r} is illegal: it must be 1 to {MAX_NAME_LENGTH} letters, digits, '.', '_' or "
            "'-', and not '.' or '..'.",
        )


def _fold(name: str) -> str:
    return name.replace(".", "_")


def _ignore(topic_id: TopicId) -> None:
    pass
