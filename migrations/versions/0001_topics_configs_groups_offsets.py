"""Topics with their partitions and configs, classic groups with their offsets, and the counters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    keyed_text("properties", "key")
    op.create_table(
        "counters",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
        sqlite_with_rowid=False,
    )
    create_topics()
    keyed_text("broker_configs", "scope", "name")
    keyed_text("group_configs", "group_id", "name")
    create_groups()
    op.create_table(
        "offsets",
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("topic_id", sa.LargeBinary(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("leader_epoch", sa.Integer(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("commit_ms", sa.BigInteger(), nullable=False),
        sa.Column("expire_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("group_id", "topic_id", "partition", name="pk_offsets"),
        of_topic("offsets"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_offsets_topic_id", "offsets", ["topic_id"])


def create_topics() -> None:
    op.create_table(
        "topics",
        sa.Column("topic_id", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("first_epoch", sa.Integer(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic_id", name="pk_topics"),
        sa.UniqueConstraint("name", name="uq_topics_name"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "partitions",
        sa.Column("topic_id", sa.LargeBinary(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("log_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic_id", "partition", name="pk_partitions"),
        of_topic("partitions"),
        sa.UniqueConstraint("log_id", name="uq_partitions_log_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "topic_configs",
        sa.Column("topic_id", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("topic_id", "name", name="pk_topic_configs"),
        of_topic("topic_configs"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "dropped_logs",
        sa.Column("log_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("log_id", name="pk_dropped_logs"),
        sqlite_with_rowid=False,
    )


def create_groups() -> None:
    op.create_table(
        "groups",
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("protocol_type", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("protocol_name", sa.Text(), nullable=True),
        sa.Column("leader", sa.Text(), nullable=True),
        sa.Column("state_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", name="pk_groups"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "group_members",
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("group_instance_id", sa.Text(), nullable=True),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("client_host", sa.Text(), nullable=False),
        sa.Column("session_timeout_ms", sa.Integer(), nullable=False),
        sa.Column("rebalance_timeout_ms", sa.Integer(), nullable=False),
        sa.Column("assignment", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "member_id", name="pk_group_members"),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.group_id"], name="fk_group_members_group_id_groups", ondelete="CASCADE"
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "group_protocols",
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("metadata", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "member_id", "position", name="pk_group_protocols"),
        sa.ForeignKeyConstraint(
            ["group_id", "member_id"],
            ["group_members.group_id", "group_members.member_id"],
            name="fk_group_protocols_group_id_group_members",
            ondelete="CASCADE",
        ),
        sqlite_with_rowid=False,
    )


def keyed_text(table: str, *keys: str) -> None:
    """A table of text keys and a text value."""
    op.create_table(
        table,
        *(sa.Column(key, sa.Text(), nullable=False) for key in keys),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(*keys, name=f"pk_{table}"),
        sqlite_with_rowid=False,
    )


def of_topic(table: str) -> sa.ForeignKeyConstraint:
    """The rows of a topic go with it."""
    return sa.ForeignKeyConstraint(
        ["topic_id"], ["topics.topic_id"], name=f"fk_{table}_topic_id_topics", ondelete="CASCADE"
    )


def downgrade() -> None:
    op.drop_index("ix_offsets_topic_id", "offsets")
    for table in (
        *("offsets", "group_protocols", "group_members", "groups", "group_configs", "broker_configs"),
        *("dropped_logs", "topic_configs", "partitions", "topics", "counters", "properties"),
    ):
        op.drop_table(table)
