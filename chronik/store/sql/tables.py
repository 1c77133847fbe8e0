"""The catalog's tables, in SQLAlchemy Core. What they look like on the disk is decided by `migrations/`; tests hold the
two together.

Times are milliseconds since the epoch. A `topic_id` is 16 raw bytes. Names of topics, groups and members are case
sensitive (SQLite's BINARY collation).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, ForeignKeyConstraint, Integer, LargeBinary, MetaData, Table, Text

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)
"""Every constraint has a name, so that a migration can drop it."""


def _topic() -> Column[bytes]:
    """Part of a primary key that ends with its topic: deleting the topic deletes the row."""
    return Column("topic_id", LargeBinary, ForeignKey("topics.topic_id", ondelete="CASCADE"), primary_key=True)


# WITHOUT ROWID: the rows lie in the order of their key, which is the order in which the image reads them, and a key is
# stored once instead of twice.
properties = Table(
    "properties",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Numbers that only rise: leader_epoch, next_log_id, next_producer_id."""

topics = Table(
    "topics",
    metadata,
    Column("topic_id", LargeBinary, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("first_epoch", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

partitions = Table(
    "partitions",
    metadata,
    _topic(),
    Column("partition", Integer, primary_key=True),
    Column("log_id", BigInteger, nullable=False, unique=True),
    sqlite_with_rowid=False,
)

topic_configs = Table(
    "topic_configs",
    metadata,
    _topic(),
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

broker_configs = Table(
    "broker_configs",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

group_configs = Table(
    "group_configs",
    metadata,
    Column("group_id", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

dropped_logs = Table(
    "dropped_logs",
    metadata,
    Column("log_id", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

groups = Table(
    "groups",
    metadata,
    Column("group_id", Text, primary_key=True),
    Column("protocol_type", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("protocol_name", Text),
    Column("leader", Text),
    Column("state_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

group_members = Table(
    "group_members",
    metadata,
    Column("group_id", Text, ForeignKey("groups.group_id", ondelete="CASCADE"), primary_key=True),
    Column("member_id", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("group_instance_id", Text),
    Column("client_id", Text, nullable=False),
    Column("client_host", Text, nullable=False),
    Column("session_timeout_ms", Integer, nullable=False),
    Column("rebalance_timeout_ms", Integer, nullable=False),
    Column("assignment", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""`position` keeps the order in which the group listed its members."""

group_protocols = Table(
    "group_protocols",
    metadata,
    Column("group_id", Text, primary_key=True),
    Column("member_id", Text, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("metadata", LargeBinary, nullable=False),
    ForeignKeyConstraint(
        ["group_id", "member_id"], ["group_members.group_id", "group_members.member_id"], ondelete="CASCADE"
    ),
    sqlite_with_rowid=False,
)
"""What each member offers, in its own order of preference."""

offsets = Table(
    "offsets",
    metadata,
    Column("group_id", Text, primary_key=True),
    Column("topic_id", LargeBinary, ForeignKey("topics.topic_id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("partition", Integer, primary_key=True),
    Column("offset", BigInteger, nullable=False),
    Column("leader_epoch", Integer, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("commit_ms", BigInteger, nullable=False),
    Column("expire_ms", BigInteger),
    sqlite_with_rowid=False,
)
"""Not tied to `groups`: a group that only ever committed offsets has no row there. The index is for deleting a
topic."""

transactions = Table(
    "transactions",
    metadata,
    Column("transactional_id", Text, primary_key=True),
    Column("state", Integer, nullable=False),
    Column("producer_id", BigInteger, nullable=False),
    Column("producer_epoch", Integer, nullable=False),
    Column("previous_producer_id", BigInteger, nullable=False),
    Column("last_producer_epoch", Integer, nullable=False),
    Column("next_producer_id", BigInteger, nullable=False),
    Column("timeout_ms", Integer, nullable=False),
    Column("start_ms", BigInteger, nullable=False),
    Column("update_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""The columns stand in the order of TransactionSaved's fields."""


def _transaction() -> Column[str]:
    """Part of a primary key that begins with its transactional id: deleting that deletes the row."""
    reference = ForeignKey("transactions.transactional_id", ondelete="CASCADE")
    return Column("transactional_id", Text, reference, primary_key=True)


def _indexed_topic() -> Column[bytes]:
    """As `_topic`, not first in the key; the index is for deleting a topic."""
    reference = ForeignKey("topics.topic_id", ondelete="CASCADE")
    return Column("topic_id", LargeBinary, reference, primary_key=True, index=True)


transaction_partitions = Table(
    "transaction_partitions",
    metadata,
    _transaction(),
    _indexed_topic(),
    Column("partition", Integer, primary_key=True),
    sqlite_with_rowid=False,
)

transaction_groups = Table(
    "transaction_groups",
    metadata,
    _transaction(),
    Column("group_id", Text, primary_key=True),
    sqlite_with_rowid=False,
)

staged_offsets = Table(
    "staged_offsets",
    metadata,
    _transaction(),
    Column("group_id", Text, primary_key=True, index=True),
    _indexed_topic(),
    Column("partition", Integer, primary_key=True),
    Column("offset", BigInteger, nullable=False),
    Column("leader_epoch", Integer, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("commit_ms", BigInteger, nullable=False),
    Column("expire_ms", BigInteger),
    sqlite_with_rowid=False,
)
"""Offsets as in `offsets`, which get there when their transaction is committed."""
