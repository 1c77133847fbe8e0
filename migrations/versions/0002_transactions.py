"""Transactional ids with their transactions: partitions, groups, and offsets that wait for the end."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "transactions",
        sa.Column("transactional_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Integer(), nullable=False),
        sa.Column("producer_id", sa.BigInteger(), nullable=False),
        sa.Column("producer_epoch", sa.Integer(), nullable=False),
        sa.Column("previous_producer_id", sa.BigInteger(), nullable=False),
        sa.Column("last_producer_epoch", sa.Integer(), nullable=False),
        sa.Column("next_producer_id", sa.BigInteger(), nullable=False),
        sa.Column("timeout_ms", sa.Integer(), nullable=False),
        sa.Column("start_ms", sa.BigInteger(), nullable=False),
        sa.Column("update_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("transactional_id", name="pk_transactions"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "transaction_partitions",
        sa.Column("transactional_id", sa.Text(), nullable=False),
        sa.Column("topic_id", sa.LargeBinary(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("transactional_id", "topic_id", "partition", name="pk_transaction_partitions"),
        of_transaction("transaction_partitions"),
        of_topic("transaction_partitions"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_transaction_partitions_topic_id", "transaction_partitions", ["topic_id"])
    op.create_table(
        "transaction_groups",
        sa.Column("transactional_id", sa.Text(), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("transactional_id", "group_id", name="pk_transaction_groups"),
        of_transaction("transaction_groups"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "staged_offsets",
        sa.Column("transactional_id", sa.Text(), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("topic_id", sa.LargeBinary(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("leader_epoch", sa.Integer(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("commit_ms", sa.BigInteger(), nullable=False),
        sa.Column("expire_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("transactional_id", "group_id", "topic_id", "partition", name="pk_staged_offsets"),
        of_transaction("staged_offsets"),
        of_topic("staged_offsets"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_staged_offsets_group_id", "staged_offsets", ["group_id"])
    op.create_index("ix_staged_offsets_topic_id", "staged_offsets", ["topic_id"])


def of_transaction(table: str) -> sa.ForeignKeyConstraint:
    """The rows of a transactional id go with it."""
    return sa.ForeignKeyConstraint(
        ["transactional_id"],
        ["transactions.transactional_id"],
        name=f"fk_{table}_transactional_id_transactions",
        ondelete="CASCADE",
    )


def of_topic(table: str) -> sa.ForeignKeyConstraint:
    """The rows of a topic go with it."""
    return sa.ForeignKeyConstraint(
        ["topic_id"], ["topics.topic_id"], name=f"fk_{table}_topic_id_topics", ondelete="CASCADE"
    )


def downgrade() -> None:
    for table, column in (
        ("staged_offsets", "topic_id"),
        ("staged_offsets", "group_id"),
        ("transaction_partitions", "topic_id"),
    ):
        op.drop_index(f"ix_{table}_{column}", table)
    for table in ("staged_offsets", "transaction_groups", "transaction_partitions", "transactions"):
        op.drop_table(table)
