"""The durable facts: what the rules decide and the catalog writes down.

A change says what is now true, in full, so that writing it twice is the same as writing it once. The order at run
time is decide -> persist -> replay -> answer: a coordinator's hard state moves only through `replay(change)`, live
and at start-up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chronik.terms import LogId, ProducerId, TopicId


@dataclass(frozen=True, slots=True)
class TopicCreated:
    """A topic exists. `logs[p]` is the log of partition p. `first_epoch` is the broker's leader epoch at that moment:
    a partition's own leader epoch counts from it."""

    topic_id: TopicId
    name: str
    logs: tuple[LogId, ...]
    configs: Mapping[str, str]
    first_epoch: int
    created_ms: int


@dataclass(frozen=True, slots=True)
class PartitionsAdded:
    """A topic has more partitions: `logs` are those of the new ones, numbered from `first_partition`."""

    topic_id: TopicId
    first_partition: int
    logs: tuple[LogId, ...]


@dataclass(frozen=True, slots=True)
class TopicDeleted:
    """A topic is gone, and with it its configs, every group's offsets of it, and its part in transactions. Its logs are
    remembered as dropped until `LogsPurged`, so that a crash in between forgets no data on the disk."""

    topic_id: TopicId


@dataclass(frozen=True, slots=True)
class LogsPurged:
    """The records of these dropped logs have left the record store."""

    logs: tuple[LogId, ...]


@dataclass(frozen=True, slots=True)
class TopicConfigsSet:
    """All configs that the topic overrides; what is not listed has its default."""

    topic_id: TopicId
    configs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BrokerConfigsSet:
    """All dynamic broker configs of one scope: a node id as text, or "" for the cluster-wide defaults."""

    scope: str
    configs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class GroupConfigsSet:
    """All dynamic configs of a group (KIP-848's group resource)."""

    group_id: str
    configs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LeaderEpochBumped:
    """The broker's leader epoch. It rises when acknowledged tail data may have been lost (the machine went down)."""

    epoch: int


@dataclass(frozen=True, slots=True)
class ProducerIdsReserved:
    """Producer ids below `next_producer_id` may have been handed out, and never are again."""

    next_producer_id: ProducerId


@dataclass(frozen=True, slots=True)
class MemberSaved:
    """A classic group's member as it is written down. Protocols are (name, metadata) in the member's own order."""

    member_id: str
    group_instance_id: str | None
    client_id: str
    client_host: str
    session_timeout_ms: int
    rebalance_timeout_ms: int
    protocols: tuple[tuple[str, bytes], ...]
    assignment: bytes


@dataclass(frozen=True, slots=True)
class GroupSaved:
    """A classic group as of a completed sync, or of becoming empty (then `members` is empty). Offsets are not part
    of it."""

    group_id: str
    protocol_type: str
    generation: int
    protocol_name: str | None
    leader: str | None
    state_ms: int
    members: tuple[MemberSaved, ...]


@dataclass(frozen=True, slots=True)
class GroupDeleted:
    """A group is gone, with all its offsets, those that are staged in transactions too. Its configs stay, as in Kafka:
    they are for whoever uses the name next."""

    group_id: str


@dataclass(frozen=True, slots=True)
class OffsetCommitted:
    """A group's position in one partition. `expire_ms` is the moment given by retention_time_ms (OffsetCommit 2-4),
    if any."""

    group_id: str
    topic_id: TopicId
    partition: int
    offset: int
    leader_epoch: int
    metadata: str
    commit_ms: int
    expire_ms: int | None = None


@dataclass(frozen=True, slots=True)
class OffsetsDeleted:
    """These (topic id, partition) positions of a group are gone: expired, or deleted by an administrator."""

    group_id: str
    partitions: tuple[tuple[TopicId, int], ...]


@dataclass(frozen=True, slots=True)
class TransactionSaved:
    """A transactional id: who produces under it, and how far its transaction is. What belongs to the transaction is not
    part of it. `state` is a number of `chronik.txn.states`."""

    transactional_id: str
    state: int
    producer_id: ProducerId
    producer_epoch: int
    previous_producer_id: ProducerId
    """The producer id before the last change of any kind: another one only right after the epochs were exhausted."""
    last_producer_epoch: int
    """The epoch before the last one, if the producer raised it itself; -1 if another one took over."""
    next_producer_id: ProducerId
    """The one that takes over when the transaction is complete, because the epochs are exhausted; else -1."""
    timeout_ms: int
    start_ms: int
    """When the transaction began, or the last one did; -1 if there was none since the producer began."""
    update_ms: int


@dataclass(frozen=True, slots=True)
class TransactionPartitionsAdded:
    """The transaction has these partitions too, and the offsets of these groups."""

    transactional_id: str
    partitions: tuple[tuple[TopicId, int], ...]
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OffsetsStaged:
    """Offsets that are committed if and when the transaction is. A later one of the same partition replaces it."""

    transactional_id: str
    offsets: tuple[OffsetCommitted, ...]


@dataclass(frozen=True, slots=True)
class TransactionCleared:
    """The transaction has ended: it has no partitions, no groups and no staged offsets any more."""

    transactional_id: str


@dataclass(frozen=True, slots=True)
class TransactionDeleted:
    """A transactional id is gone, and everything of it."""

    transactional_id: str


Change = (
    TopicCreated
    | PartitionsAdded
    | TopicDeleted
    | LogsPurged
    | TopicConfigsSet
    | BrokerConfigsSet
    | GroupConfigsSet
    | LeaderEpochBumped
    | ProducerIdsReserved
    | GroupSaved
    | GroupDeleted
    | OffsetCommitted
    | OffsetsDeleted
    | TransactionSaved
    | TransactionPartitionsAdded
    | OffsetsStaged
    | TransactionCleared
    | TransactionDeleted
)
