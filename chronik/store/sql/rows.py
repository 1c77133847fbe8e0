"""Which rows a change writes.

Every change becomes (statement, parameters) pairs in the order in which they must run. Running them twice leaves the
same rows as running them once. Neighbouring pairs of one statement run as one `executemany`, also across changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, assert_never

from sqlalchemy import Delete, Insert, Table, bindparam, delete, exists, func, select
from sqlalchemy.dialects.sqlite import insert

from chronik.changes import (
    BrokerConfigsSet,
    Change,
    GroupConfigsSet,
    GroupDeleted,
    GroupSaved,
    LeaderEpochBumped,
    LogsPurged,
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
from chronik.store.sql.tables import (
    broker_configs,
    counters,
    dropped_logs,
    group_configs,
    group_members,
    group_protocols,
    groups,
    offsets,
    partitions,
    staged_offsets,
    topic_configs,
    topics,
    transaction_groups,
    transaction_partitions,
    transactions,
)
from chronik.terms import LogId, TopicId

Write = tuple[Insert | Delete, dict[str, Any]]


def _upsert(table: Table) -> Insert:
    """Insert a whole row, or replace every column but the key of the one that is there."""
    statement = insert(table)
    values = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=values)


def _delete(table: Table, *keys: str) -> Delete:
    """Delete the rows with these values of these columns."""
    return delete(table).where(*(table.c[key] == bindparam(key) for key in keys))


def _raise_counter() -> Insert:
    """Counters only rise, whatever order changes are written in."""
    statement = insert(counters)
    highest = func.max(counters.c.value, statement.excluded.value)
    return statement.on_conflict_do_update(index_elements=[counters.c.name], set_={"value": highest})


def _drop_logs_of_topic() -> Insert:
    logs = select(partitions.c.log_id).where(partitions.c.topic_id == bindparam("topic_id"))
    return insert(dropped_logs).from_select(["log_id"], logs).on_conflict_do_nothing()


def _upsert_if_topic(table: Table) -> Insert:
    """Upsert a row that refers to a topic, unless the topic is gone: a commit of offsets, say, that races with the
    deletion of the topic loses, and must not fail the offsets of other topics that came with it."""
    names = [column.name for column in table.columns]
    there = exists().where(topics.c.topic_id == bindparam("new_topic_id"))
    row = select(*(bindparam(f"new_{name}", type_=table.c[name].type) for name in names)).where(there)
    statement = insert(table).from_select(names, row)
    values = {name: statement.excluded[name] for name in names if not table.c[name].primary_key}
    if not values:
        return statement.on_conflict_do_nothing()
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=values)


_RAISE_COUNTER = _raise_counter()
_UPSERT_TOPIC = _upsert(topics)
_DROP_LOGS_OF_TOPIC = _drop_logs_of_topic()
_DELETE_TOPIC = _delete(topics, "topic_id")
_UPSERT_PARTITION = _upsert(partitions)
_PURGE_LOG = _delete(dropped_logs, "log_id")
_CLEAR_TOPIC_CONFIGS = _delete(topic_configs, "topic_id")
_INSERT_TOPIC_CONFIG = insert(topic_configs)
_CLEAR_BROKER_CONFIGS = _delete(broker_configs, "scope")
_INSERT_BROKER_CONFIG = insert(broker_configs)
_CLEAR_GROUP_CONFIGS = _delete(group_configs, "group_id")
_INSERT_GROUP_CONFIG = insert(group_configs)
_UPSERT_GROUP = _upsert(groups)
_DELETE_GROUP = _delete(groups, "group_id")
_CLEAR_MEMBERS = _delete(group_members, "group_id")
_INSERT_MEMBER = insert(group_members)
_INSERT_PROTOCOL = insert(group_protocols)
_COMMIT_OFFSET = _upsert_if_topic(offsets)
_DELETE_OFFSET = _delete(offsets, "group_id", "topic_id", "partition")
_CLEAR_OFFSETS = _delete(offsets, "group_id")
_UPSERT_TRANSACTION = _upsert(transactions)
_DELETE_TRANSACTION = _delete(transactions, "transactional_id")
_ADD_TRANSACTION_PARTITION = _upsert_if_topic(transaction_partitions)
_ADD_TRANSACTION_GROUP = insert(transaction_groups).on_conflict_do_nothing()
_STAGE_OFFSET = _upsert_if_topic(staged_offsets)
_CLEAR_TRANSACTION = tuple(
    _delete(table, "transactional_id") for table in (transaction_partitions, transaction_groups, staged_offsets)
)
_CLEAR_STAGED_OFFSETS = _delete(staged_offsets, "group_id")


def writes(changes: Iterable[Change]) -> Iterator[Write]:
    """The writes of all changes, in order."""
    for change in changes:
        yield from _writes_of(change)


def _writes_of(change: Change) -> Iterator[Write]:
    match change:
        case OffsetCommitted():
            yield _COMMIT_OFFSET, _offset_row(change)
        case GroupSaved():
            yield from _group(change)
        case TopicCreated():
            row = {"name": change.name, "first_epoch": change.first_epoch, "created_ms": change.created_ms}
            yield _UPSERT_TOPIC, {"topic_id": change.topic_id, **row}
            yield from _partitions(change.topic_id, 0, change.logs)
            yield from _topic_configs(change.topic_id, change.configs)
        case PartitionsAdded():
            yield from _partitions(change.topic_id, change.first_partition, change.logs)
        case TopicDeleted():
            yield _DROP_LOGS_OF_TOPIC, {"topic_id": change.topic_id}
            yield _DELETE_TOPIC, {"topic_id": change.topic_id}
        case LogsPurged():
            for log in change.logs:
                yield _PURGE_LOG, {"log_id": log}
        case TopicConfigsSet():
            yield from _topic_configs(change.topic_id, change.configs)
        case BrokerConfigsSet():
            yield _CLEAR_BROKER_CONFIGS, {"scope": change.scope}
            for name, value in change.configs.items():
                yield _INSERT_BROKER_CONFIG, {"scope": change.scope, "name": name, "value": value}
        case GroupConfigsSet():
            yield _CLEAR_GROUP_CONFIGS, {"group_id": change.group_id}
            for name, value in change.configs.items():
                yield _INSERT_GROUP_CONFIG, {"group_id": change.group_id, "name": name, "value": value}
        case LeaderEpochBumped():
            yield _RAISE_COUNTER, {"name": "leader_epoch", "value": change.epoch}
        case ProducerIdsReserved():
            yield _RAISE_COUNTER, {"name": "next_producer_id", "value": change.next_producer_id}
        case GroupDeleted():
            for clear in (_DELETE_GROUP, _CLEAR_OFFSETS, _CLEAR_STAGED_OFFSETS):
                yield clear, {"group_id": change.group_id}
        case OffsetsDeleted():
            for topic_id, partition in change.partitions:
                yield _DELETE_OFFSET, {"group_id": change.group_id, "topic_id": topic_id, "partition": partition}
        case TransactionSaved():
            yield _UPSERT_TRANSACTION, asdict(change)
        case TransactionPartitionsAdded():
            yield from _transaction_additions(change)
        case OffsetsStaged():
            for staged in change.offsets:
                yield _STAGE_OFFSET, {"new_transactional_id": change.transactional_id, **_offset_row(staged)}
        case TransactionCleared():
            for clear in _CLEAR_TRANSACTION:
                yield clear, {"transactional_id": change.transactional_id}
        case TransactionDeleted():
            yield _DELETE_TRANSACTION, {"transactional_id": change.transactional_id}
        case _:
            assert_never(change)


def _transaction_additions(change: TransactionPartitionsAdded) -> Iterator[Write]:
    transactional_id = change.transactional_id
    for topic_id, partition in change.partitions:
        row = {"new_topic_id": topic_id, "new_partition": partition}
        yield _ADD_TRANSACTION_PARTITION, {"new_transactional_id": transactional_id, **row}
    for group_id in change.groups:
        yield _ADD_TRANSACTION_GROUP, {"transactional_id": transactional_id, "group_id": group_id}


def _partitions(topic_id: TopicId, first: int, logs: tuple[LogId, ...]) -> Iterator[Write]:
    for partition, log in enumerate(logs, first):
        yield _UPSERT_PARTITION, {"topic_id": topic_id, "partition": partition, "log_id": log}
    if logs:
        yield _RAISE_COUNTER, {"name": "next_log_id", "value": max(logs) + 1}


def _topic_configs(topic_id: TopicId, configs: Mapping[str, str]) -> Iterator[Write]:
    yield _CLEAR_TOPIC_CONFIGS, {"topic_id": topic_id}
    for name, value in configs.items():
        yield _INSERT_TOPIC_CONFIG, {"topic_id": topic_id, "name": name, "value": value}


def _group(change: GroupSaved) -> Iterator[Write]:
    group_id = change.group_id
    yield (
        _UPSERT_GROUP,
        {
            "group_id": group_id,
            "protocol_type": change.protocol_type,
            "generation": change.generation,
            "protocol_name": change.protocol_name,
            "leader": change.leader,
            "state_ms": change.state_ms,
        },
    )
    yield _CLEAR_MEMBERS, {"group_id": group_id}
    for position, member in enumerate(change.members):
        yield (
            _INSERT_MEMBER,
            {
                "group_id": group_id,
                "member_id": member.member_id,
                "position": position,
                "group_instance_id": member.group_instance_id,
                "client_id": member.client_id,
                "client_host": member.client_host,
                "session_timeout_ms": member.session_timeout_ms,
                "rebalance_timeout_ms": member.rebalance_timeout_ms,
                "assignment": member.assignment,
            },
        )
    # After all members, so that both kinds of rows are written in one go each.
    for member in change.members:
        for position, (name, metadata) in enumerate(member.protocols):
            row = {"position": position, "name": name, "metadata": metadata}
            yield _INSERT_PROTOCOL, {"group_id": group_id, "member_id": member.member_id, **row}


def _offset_row(change: OffsetCommitted) -> dict[str, Any]:
    return {
        "new_group_id": change.group_id,
        "new_topic_id": change.topic_id,
        "new_partition": change.partition,
        "new_offset": change.offset,
        "new_leader_epoch": change.leader_epoch,
        "new_metadata": change.metadata,
        "new_commit_ms": change.commit_ms,
        "new_expire_ms": change.expire_ms,
    }
