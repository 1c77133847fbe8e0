"""All that the catalog holds, read at once. Standard library only.

`load` reads over the broker's own connection at start; `read_image` reads a file that may belong to a running broker,
to a killed one, or be a copy on a read-only disk, and writes nothing.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from chronik.changes import (
    Change,
    GroupSaved,
    MemberSaved,
    OffsetCommitted,
    OffsetsStaged,
    TransactionPartitionsAdded,
    TransactionSaved,
)
from chronik.store.sql.problems import CatalogError
from chronik.store.sql.schema import is_behind, revision_of
from chronik.terms import LogId, ProducerId, TopicId

CLUSTER_ID = "cluster_id"


@dataclass(frozen=True, slots=True)
class TopicImage:
    """A topic; `logs[p]` is the log of partition p. The other fields are those of `TopicCreated`."""

    topic_id: TopicId
    name: str
    logs: tuple[LogId, ...]
    configs: dict[str, str]
    first_epoch: int
    created_ms: int


@dataclass(slots=True)
class CatalogImage:
    """The catalog as it was when it was read."""

    cluster_id: str
    """22 characters: a UUID in URL-safe base64."""
    leader_epoch: int
    next_log_id: LogId
    """Higher than any log id that was ever used, those of deleted topics included."""
    next_producer_id: ProducerId
    topics: list[TopicImage]
    """By name."""
    dropped_logs: list[LogId]
    """Logs of deleted topics whose records may still be in the record store."""
    broker_configs: dict[str, dict[str, str]]
    """By scope: a node id as text, or "" for the cluster-wide defaults."""
    group_configs: dict[str, dict[str, str]]
    group_changes: list[Change]
    """To replay into the group coordinators: every GroupSaved, then every OffsetCommitted. May be cleared after
    that."""
    transaction_changes: list[Change]
    """To replay into the transaction coordinator: for each transactional id its TransactionSaved, then what belongs to
    its transaction. May be cleared after that."""
    properties: dict[str, str]
    """What `Catalog.set_property` wrote."""


def load(connection: sqlite3.Connection) -> CatalogImage:
    """Read everything as of one moment. The connection must be in autocommit mode, its schema the newest."""
    connection.execute("BEGIN")
    try:
        return _load(connection)
    finally:
        connection.execute("ROLLBACK")


def read_image(path: Path) -> CatalogImage:
    """Read a catalog that somebody else may be writing, without changing it. CatalogError says why not."""
    try:
        with closing(open_to_read(path)) as connection:
            revision = revision_of(connection, path)
            if revision is None:
                raise CatalogError(f"{path} is empty.")
            if is_behind(revision, path):
                raise CatalogError(f"{path} has the old schema {revision}; starting a broker on it once updates it.")
            return load(connection)
    except (sqlite3.Error, OSError) as error:
        raise CatalogError(f"The catalog {path} cannot be read: {error}.") from error


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open a catalog that somebody else may be writing. CatalogError if there is none, what sqlite3 and files raise."""
    if not path.is_file():
        raise CatalogError(f"There is no catalog {path}.")
    if _beside(path, "-shm").exists():
        # A broker is running, or was killed, or the copy is complete. SQLite reads the write-ahead log through the
        # shared index, or through one in its own memory where it may not write.
        return _connect(f"file:{quote(str(path.absolute()))}?mode=ro")
    log = _beside(path, "-wal")
    if not log.exists() or log.stat().st_size == 0:
        # Closed properly: nobody writes and everything is in the file. Without `immutable` SQLite would create the two
        # files of a shared index, and fail where it cannot.
        return _connect(f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1")
    return _copy_into_memory(path, log)


def _copy_into_memory(path: Path, log: Path) -> sqlite3.Connection:
    """A copy that lacks the shared index: let SQLite make one in a temporary place."""
    # Not at the top: a start never comes here.
    import shutil
    import tempfile

    memory = _connect(":memory:")
    with tempfile.TemporaryDirectory(prefix="chronik-") as folder:
        copy = Path(folder) / "catalog"
        shutil.copyfile(path, copy)
        shutil.copyfile(log, _beside(copy, "-wal"))
        with closing(_connect(f"file:{quote(str(copy))}")) as connection:
            connection.backup(memory)
    return memory


def _connect(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(uri, uri=True, timeout=5.0, isolation_level=None)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _load(connection: sqlite3.Connection) -> CatalogImage:
    properties: dict[str, str] = dict(connection.execute("SELECT key, value FROM properties"))
    cluster_id = properties.pop(CLUSTER_ID, None)
    if cluster_id is None:
        raise CatalogError("The catalog has no cluster id.")
    counters: dict[str, int] = dict(connection.execute("SELECT name, value FROM counters"))
    return CatalogImage(
        cluster_id=cluster_id,
        leader_epoch=counters.get("leader_epoch", 0),
        next_log_id=LogId(counters.get("next_log_id", 1)),
        next_producer_id=ProducerId(counters.get("next_producer_id", 0)),
        topics=_topics(connection),
        dropped_logs=[log for (log,) in connection.execute("SELECT log_id FROM dropped_logs ORDER BY log_id")],
        broker_configs=_configs(connection, "SELECT scope, name, value FROM broker_configs"),
        group_configs=_configs(connection, "SELECT group_id, name, value FROM group_configs"),
        group_changes=[*_groups(connection), *_offsets(connection)],
        transaction_changes=list(_transactions(connection)),
        properties=properties,
    )


def _configs(connection: sqlite3.Connection, query: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for owner, name, value in connection.execute(query):
        found[owner][name] = value
    return dict(found)


def _topics(connection: sqlite3.Connection) -> list[TopicImage]:
    logs: dict[bytes, list[LogId]] = defaultdict(list)
    for topic_id, partition, log in connection.execute(
        "SELECT topic_id, partition, log_id FROM partitions ORDER BY topic_id, partition"
    ):
        if partition != len(logs[topic_id]):
            raise CatalogError(f"The catalog lacks partition {len(logs[topic_id])} of the topic {topic_id.hex()}.")
        logs[topic_id].append(log)
    configs: dict[bytes, dict[str, str]] = defaultdict(dict)
    for topic_id, name, value in connection.execute("SELECT topic_id, name, value FROM topic_configs"):
        configs[topic_id][name] = value
    return [
        TopicImage(topic_id, name, tuple(logs[topic_id]), configs.get(topic_id, {}), first_epoch, created_ms)
        for topic_id, name, first_epoch, created_ms in connection.execute(
            "SELECT topic_id, name, first_epoch, created_ms FROM topics ORDER BY name"
        )
    ]


def _groups(connection: sqlite3.Connection) -> Iterator[GroupSaved]:
    protocols: dict[tuple[str, str], list[tuple[str, bytes]]] = defaultdict(list)
    for group_id, member_id, name, metadata in connection.execute(
        "SELECT group_id, member_id, name, metadata FROM group_protocols ORDER BY group_id, member_id, position"
    ):
        protocols[group_id, member_id].append((name, metadata))
    members: dict[str, list[MemberSaved]] = defaultdict(list)
    for group_id, member_id, instance, client, host, session_ms, rebalance_ms, assignment in connection.execute(
        "SELECT group_id, member_id, group_instance_id, client_id, client_host, session_timeout_ms,"
        " rebalance_timeout_ms, assignment FROM group_members ORDER BY group_id, position"
    ):
        offered = tuple(protocols[group_id, member_id])
        members[group_id].append(
            MemberSaved(member_id, instance, client, host, session_ms, rebalance_ms, offered, assignment)
        )
    for group_id, protocol_type, generation, protocol_name, leader, state_ms in connection.execute(
        "SELECT group_id, protocol_type, generation, protocol_name, leader, state_ms FROM groups"
    ):
        yield GroupSaved(group_id, protocol_type, generation, protocol_name, leader, state_ms, tuple(members[group_id]))


_OFFSET = 'group_id, topic_id, partition, "offset", leader_epoch, metadata, commit_ms, expire_ms'
"""The columns in the order of OffsetCommitted's fields."""


def _offsets(connection: sqlite3.Connection) -> Iterator[OffsetCommitted]:
    return (OffsetCommitted(*row) for row in connection.execute(f"SELECT {_OFFSET} FROM offsets"))


def _transactions(connection: sqlite3.Connection) -> Iterator[Change]:
    partitions: dict[str, list[tuple[TopicId, int]]] = defaultdict(list)
    for transactional_id, topic_id, partition in connection.execute(
        "SELECT transactional_id, topic_id, partition FROM transaction_partitions"
        " ORDER BY transactional_id, topic_id, partition"
    ):
        partitions[transactional_id].append((topic_id, partition))
    groups: dict[str, list[str]] = defaultdict(list)
    for transactional_id, group_id in connection.execute(
        "SELECT transactional_id, group_id FROM transaction_groups ORDER BY transactional_id, group_id"
    ):
        groups[transactional_id].append(group_id)
    staged: dict[str, list[OffsetCommitted]] = defaultdict(list)
    for transactional_id, *row in connection.execute(
        f"SELECT transactional_id, {_OFFSET} FROM staged_offsets"
        " ORDER BY transactional_id, group_id, topic_id, partition"
    ):
        staged[transactional_id].append(OffsetCommitted(*row))
    for row in connection.execute(
        "SELECT transactional_id, state, producer_id, producer_epoch, previous_producer_id, last_producer_epoch,"
        " next_producer_id, timeout_ms, start_ms, update_ms FROM transactions ORDER BY transactional_id"
    ):
        saved = TransactionSaved(*row)
        name = saved.transactional_id
        yield saved
        if name in partitions or name in groups:
            yield TransactionPartitionsAdded(name, tuple(partitions[name]), tuple(groups[name]))
        if name in staged:
            yield OffsetsStaged(name, tuple(staged[name]))
