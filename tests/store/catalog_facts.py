"""Facts for the catalog's tests: short ways to write them, and a model of what they mean together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from chronik.changes import (
    BrokerConfigsSet,
    Change,
    GroupConfigsSet,
    GroupDeleted,
    GroupSaved,
    LeaderEpochBumped,
    LogsPurged,
    MemberSaved,
    OffsetCommitted,
    OffsetsDeleted,
    OffsetsStaged,
    PartitionsAdded,
    ProducerIdsReserved,
    TopicConfigsSet,
    TopicCreated,
    TopicDeleted,
    TransactionCleared,
    TransactionDeleted,
    TransactionPartitionsAdded,
    TransactionSaved,
)
from chronik.store.sql.catalog import Catalog
from chronik.store.sql.image import CatalogImage, TopicImage
from chronik.store.sql.problems import CatalogError
from chronik.terms import LogId, ProducerId, TopicId

WAIT_SECONDS = 20.0
"""Longer than any commit takes on a busy machine."""


def submit(catalog: Catalog, changes: Sequence[Change]) -> Future[None]:
    """Queue a unit; the future resolves on the writer's thread."""
    future: Future[None] = Future()

    def done(error: CatalogError | None) -> None:
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    catalog.commit(changes, done)
    return future


def write(catalog: Catalog, changes: Sequence[Change]) -> None:
    """Commit a unit and wait; raises its CatalogError."""
    submit(catalog, changes).result(WAIT_SECONDS)


def topic_id(number: int) -> TopicId:
    return TopicId(bytes([number]) * 16)


def logs(*numbers: int) -> tuple[LogId, ...]:
    return tuple(LogId(number) for number in numbers)


def topic(number: int, *numbers: int, name: str | None = None, **configs: str) -> TopicCreated:
    """The topic of this number (its id too), with these logs."""
    return TopicCreated(topic_id(number), name or f"topic-{number}", logs(*numbers), configs, 3, 1_700_000_000_000)


def offset(group: str, number: int, partition: int, at: int, expire_ms: int | None = None) -> OffsetCommitted:
    return OffsetCommitted(
        group, topic_id(number), partition, at, 2, f"at {at}", 1_700_000_000_000 + at % 1000, expire_ms
    )


def transaction(name: str, state: int, epoch: int = 0) -> TransactionSaved:
    """A transactional id; no two of its numbers are the same."""
    who = (ProducerId(2**62), epoch, ProducerId(2**61), epoch - 1, ProducerId(2**60))
    return TransactionSaved(name, state, *who, 60_000, 1_700_000_000_000, 1_700_000_000_001)


def added(name: str, *partitions: tuple[int, int], groups: Sequence[str] = ()) -> TransactionPartitionsAdded:
    """(number of the topic, partition)."""
    keys = tuple((topic_id(number), partition) for number, partition in partitions)
    return TransactionPartitionsAdded(name, keys, tuple(groups))


def member(name: str, *protocols: str) -> MemberSaved:
    offered = tuple((protocol, b"\0\1" + protocol.encode()) for protocol in protocols)
    return MemberSaved(
        name, f"{name}-instance", "client", "/127.0.0.1", 45_000, 300_000, offered, b"\0\0" + name.encode()
    )


def group(name: str, generation: int, *members: MemberSaved) -> GroupSaved:
    leader = members[0].member_id if members else None
    return GroupSaved(name, "consumer", generation, "range" if members else None, leader, 1_700_000_000_000, members)


@dataclass(slots=True)
class ModelTransaction:
    saved: TransactionSaved
    partitions: set[tuple[TopicId, int]] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    staged: dict[tuple[str, TopicId, int], OffsetCommitted] = field(default_factory=dict)

    def changes(self) -> list[Change]:
        """What would make it anew."""
        name = self.saved.transactional_id
        found: list[Change] = [self.saved]
        if self.partitions or self.groups:
            found.append(TransactionPartitionsAdded(name, tuple(sorted(self.partitions)), tuple(sorted(self.groups))))
        if self.staged:
            found.append(OffsetsStaged(name, tuple(staged for _, staged in sorted(self.staged.items()))))
        return found


@dataclass(slots=True)
class Model:
    """What the changes so far mean, in dictionaries."""

    counters: dict[str, int] = field(default_factory=dict)
    topics: dict[TopicId, TopicImage] = field(default_factory=dict)
    dropped_logs: set[LogId] = field(default_factory=set)
    broker_configs: dict[str, dict[str, str]] = field(default_factory=dict)
    group_configs: dict[str, dict[str, str]] = field(default_factory=dict)
    groups: dict[str, GroupSaved] = field(default_factory=dict)
    offsets: dict[tuple[str, TopicId, int], OffsetCommitted] = field(default_factory=dict)
    transactions: dict[str, ModelTransaction] = field(default_factory=dict)

    def apply(self, change: Change) -> None:
        APPLY[type(change)](self, change)

    def image(self, cluster_id: str) -> CatalogImage:
        return CatalogImage(
            cluster_id=cluster_id,
            leader_epoch=self.counters.get("leader_epoch", 0),
            next_log_id=LogId(self.counters.get("next_log_id", 1)),
            next_producer_id=ProducerId(self.counters.get("next_producer_id", 0)),
            topics=sorted(self.topics.values(), key=lambda topic: topic.name),
            dropped_logs=sorted(self.dropped_logs),
            broker_configs={scope: configs for scope, configs in self.broker_configs.items() if configs},
            group_configs={group_id: configs for group_id, configs in self.group_configs.items() if configs},
            group_changes=[
                *(saved for _, saved in sorted(self.groups.items())),
                *(committed for _, committed in sorted(self.offsets.items())),
            ],
            transaction_changes=[change for _, one in sorted(self.transactions.items()) for change in one.changes()],
            properties={},
        )

    def rise(self, counter: str, value: int) -> None:
        self.counters[counter] = max(value, self.counters.get(counter, 0))

    def topic_created(self, change: TopicCreated) -> None:
        self.topics[change.topic_id] = TopicImage(
            change.topic_id, change.name, change.logs, dict(change.configs), change.first_epoch, change.created_ms
        )
        self.rise("next_log_id", max(change.logs) + 1)

    def partitions_added(self, change: PartitionsAdded) -> None:
        old = self.topics[change.topic_id]
        self.topics[change.topic_id] = replace(old, logs=old.logs[: change.first_partition] + change.logs)
        self.rise("next_log_id", max(change.logs) + 1)

    def topic_deleted(self, change: TopicDeleted) -> None:
        gone = self.topics.pop(change.topic_id, None)
        self.dropped_logs.update(gone.logs if gone else ())
        self.offsets = {key: value for key, value in self.offsets.items() if key[1] != change.topic_id}
        for one in self.transactions.values():
            one.partitions = {key for key in one.partitions if key[0] != change.topic_id}
            one.staged = {key: value for key, value in one.staged.items() if key[1] != change.topic_id}

    def logs_purged(self, change: LogsPurged) -> None:
        self.dropped_logs -= set(change.logs)

    def topic_configs_set(self, change: TopicConfigsSet) -> None:
        self.topics[change.topic_id] = replace(self.topics[change.topic_id], configs=dict(change.configs))

    def broker_configs_set(self, change: BrokerConfigsSet) -> None:
        self.broker_configs[change.scope] = dict(change.configs)

    def group_configs_set(self, change: GroupConfigsSet) -> None:
        self.group_configs[change.group_id] = dict(change.configs)

    def leader_epoch_bumped(self, change: LeaderEpochBumped) -> None:
        self.rise("leader_epoch", change.epoch)

    def producer_ids_reserved(self, change: ProducerIdsReserved) -> None:
        self.rise("next_producer_id", change.next_producer_id)

    def group_saved(self, change: GroupSaved) -> None:
        self.groups[change.group_id] = change

    def group_deleted(self, change: GroupDeleted) -> None:
        self.groups.pop(change.group_id, None)
        self.offsets = {key: value for key, value in self.offsets.items() if key[0] != change.group_id}
        for one in self.transactions.values():
            one.staged = {key: value for key, value in one.staged.items() if key[0] != change.group_id}

    def offset_committed(self, change: OffsetCommitted) -> None:
        if change.topic_id in self.topics:
            self.offsets[change.group_id, change.topic_id, change.partition] = change

    def offsets_deleted(self, change: OffsetsDeleted) -> None:
        for topic_id, partition in change.partitions:
            self.offsets.pop((change.group_id, topic_id, partition), None)

    def transaction_saved(self, change: TransactionSaved) -> None:
        self.transactions.setdefault(change.transactional_id, ModelTransaction(change)).saved = change

    def transaction_partitions_added(self, change: TransactionPartitionsAdded) -> None:
        one = self.transactions[change.transactional_id]
        one.partitions |= {key for key in change.partitions if key[0] in self.topics}
        one.groups |= set(change.groups)

    def offsets_staged(self, change: OffsetsStaged) -> None:
        staged = self.transactions[change.transactional_id].staged
        for one in change.offsets:
            if one.topic_id in self.topics:
                staged[one.group_id, one.topic_id, one.partition] = one

    def transaction_cleared(self, change: TransactionCleared) -> None:
        if (one := self.transactions.get(change.transactional_id)) is not None:
            self.transactions[change.transactional_id] = ModelTransaction(one.saved)

    def transaction_deleted(self, change: TransactionDeleted) -> None:
        self.transactions.pop(change.transactional_id, None)


APPLY: dict[type[Change], Callable[..., None]] = {
    TopicCreated: Model.topic_created,
    PartitionsAdded: Model.partitions_added,
    TopicDeleted: Model.topic_deleted,
    LogsPurged: Model.logs_purged,
    TopicConfigsSet: Model.topic_configs_set,
    BrokerConfigsSet: Model.broker_configs_set,
    GroupConfigsSet: Model.group_configs_set,
    LeaderEpochBumped: Model.leader_epoch_bumped,
    ProducerIdsReserved: Model.producer_ids_reserved,
    GroupSaved: Model.group_saved,
    GroupDeleted: Model.group_deleted,
    OffsetCommitted: Model.offset_committed,
    OffsetsDeleted: Model.offsets_deleted,
    TransactionSaved: Model.transaction_saved,
    TransactionPartitionsAdded: Model.transaction_partitions_added,
    OffsetsStaged: Model.offsets_staged,
    TransactionCleared: Model.transaction_cleared,
    TransactionDeleted: Model.transaction_deleted,
}
"""Has every member of `Change`, which a test checks: a new kind of fact needs a line here."""
