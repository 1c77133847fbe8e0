-- The catalog's newest schema, for new files.
-- Written by `python -m tools.catalog_snapshot` from the migrations: change those, not this.
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE properties (
    "key" TEXT NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT pk_properties PRIMARY KEY ("key")
)
 WITHOUT ROWID;
CREATE TABLE counters (
    name TEXT NOT NULL,
    value BIGINT NOT NULL,
    CONSTRAINT pk_counters PRIMARY KEY (name)
)
 WITHOUT ROWID;
CREATE TABLE topics (
    topic_id BLOB NOT NULL,
    name TEXT NOT NULL,
    first_epoch INTEGER NOT NULL,
    created_ms BIGINT NOT NULL,
    CONSTRAINT pk_topics PRIMARY KEY (topic_id),
    CONSTRAINT uq_topics_name UNIQUE (name)
)
 WITHOUT ROWID;
CREATE TABLE partitions (
    topic_id BLOB NOT NULL,
    partition INTEGER NOT NULL,
    log_id BIGINT NOT NULL,
    CONSTRAINT pk_partitions PRIMARY KEY (topic_id, partition),
    CONSTRAINT fk_partitions_topic_id_topics FOREIGN KEY(topic_id) REFERENCES topics (topic_id) ON DELETE CASCADE,
    CONSTRAINT uq_partitions_log_id UNIQUE (log_id)
)
 WITHOUT ROWID;
CREATE TABLE topic_configs (
    topic_id BLOB NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT pk_topic_configs PRIMARY KEY (topic_id, name),
    CONSTRAINT fk_topic_configs_topic_id_topics FOREIGN KEY(topic_id) REFERENCES topics (topic_id) ON DELETE CASCADE
)
 WITHOUT ROWID;
CREATE TABLE dropped_logs (
    log_id BIGINT NOT NULL,
    CONSTRAINT pk_dropped_logs PRIMARY KEY (log_id)
)
 WITHOUT ROWID;
CREATE TABLE broker_configs (
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT pk_broker_configs PRIMARY KEY (scope, name)
)
 WITHOUT ROWID;
CREATE TABLE group_configs (
    group_id TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT pk_group_configs PRIMARY KEY (group_id, name)
)
 WITHOUT ROWID;
CREATE TABLE groups (
    group_id TEXT NOT NULL,
    protocol_type TEXT NOT NULL,
    generation INTEGER NOT NULL,
    protocol_name TEXT,
    leader TEXT,
    state_ms BIGINT NOT NULL,
    CONSTRAINT pk_groups PRIMARY KEY (group_id)
)
 WITHOUT ROWID;
CREATE TABLE group_members (
    group_id TEXT NOT NULL,
    member_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    group_instance_id TEXT,
    client_id TEXT NOT NULL,
    client_host TEXT NOT NULL,
    session_timeout_ms INTEGER NOT NULL,
    rebalance_timeout_ms INTEGER NOT NULL,
    assignment BLOB NOT NULL,
    CONSTRAINT pk_group_members PRIMARY KEY (group_id, member_id),
    CONSTRAINT fk_group_members_group_id_groups FOREIGN KEY(group_id) REFERENCES groups (group_id) ON DELETE CASCADE
)
 WITHOUT ROWID;
CREATE TABLE group_protocols (
    group_id TEXT NOT NULL,
    member_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    name TEXT NOT NULL,
    metadata BLOB NOT NULL,
    CONSTRAINT pk_group_protocols PRIMARY KEY (group_id, member_id, position),
    CONSTRAINT fk_group_protocols_group_id_group_members FOREIGN KEY(group_id, member_id) REFERENCES group_members (group_id, member_id) ON DELETE CASCADE
)
 WITHOUT ROWID;
CREATE TABLE offsets (
    group_id TEXT NOT NULL,
    topic_id BLOB NOT NULL,
    partition INTEGER NOT NULL,
    "offset" BIGINT NOT NULL,
    leader_epoch INTEGER NOT NULL,
    metadata TEXT NOT NULL,
    commit_ms BIGINT NOT NULL,
    expire_ms BIGINT,
    CONSTRAINT pk_offsets PRIMARY KEY (group_id, topic_id, partition),
    CONSTRAINT fk_offsets_topic_id_topics FOREIGN KEY(topic_id) REFERENCES topics (topic_id) ON DELETE CASCADE
)
 WITHOUT ROWID;
CREATE INDEX ix_offsets_topic_id ON offsets (topic_id);
CREATE TABLE transactions (
    transactional_id TEXT NOT NULL,
    state INTEGER NOT NULL,
    producer_id BIGINT NOT NULL,
    producer_epoch INTEGER NOT NULL,
    previous_producer_id BIGINT NOT NULL,
    last_producer_epoch INTEGER NOT NULL,
    next_producer_id BIGINT NOT NULL,
    timeout_ms INTEGER NOT NULL,
    start_ms BIGINT NOT NULL,
    update_ms BIGINT NOT NULL,
    CONSTRAINT pk_transactions PRIMARY KEY (transactional_id)
)
 WITHOUT ROWID;
CREATE TABLE transaction_partitions (
    transactional_id TEXT NOT NULL,
    topic_id BLOB NOT NULL,
    partition INTEGER NOT NULL,
    CONSTRAINT pk_transaction_partitions PRIMARY KEY (transactional_id, topic_id, partition),
    CONSTRAINT fk_transaction_partitions_transactional_id_transactions FOREIGN KEY(transactional_id) REFERENCES transactions (transactional_id) ON DELETE CASCADE,
    CONSTRAINT fk_transaction_partitions_topic_id_topics FOREIGN KEY(topic_id) REFERENCES topics (topic_id) ON DELETE CASCADE
)
 WITHOUT ROWID;
CREATE INDEX ix_transaction_partitions_topic_id ON transaction_partitions (topic_id);
CREATE TABLE transaction_groups (
    transactional_id TEXT NOT NULL,
    group_id TEXT NOT NULL,
    CONSTRAINT pk_transaction_groups PRIMARY KEY (transactional_id, group_id),
    CONSTRAINT fk_transaction_groups_transactional_id_transactions FOREIGN KEY(transactional_id) REFERENCES transactions (transactional_id) ON DELETE CASCADE
)
 WITHOUT ROWID;
CREATE TABLE staged_offsets (
    transactional_id TEXT NOT NULL,
    group_id TEXT NOT NULL,
    topic_id BLOB NOT NULL,
    partition INTEGER NOT NULL,
    "offset" BIGINT NOT NULL,
    leader_epoch INTEGER NOT NULL,
    metadata TEXT NOT NULL,
    commit_ms BIGINT NOT NULL,
    expire_ms BIGINT,
    CONSTRAINT pk_staged_offsets PRIMARY KEY (transactional_id, group_id, topic_id, partition),
    CONSTRAINT fk_staged_offsets_transactional_id_transactions FOREIGN KEY(transactional_id) REFERENCES transactions (transactional_id) ON DELETE CASCADE,
    CONSTRAINT fk_staged_offsets_topic_id_topics FOREIGN KEY(topic_id) REFERENCES topics (topic_id) ON DELETE CASCADE
)
 WITHOUT ROWID;
CREATE INDEX ix_staged_offsets_group_id ON staged_offsets (group_id);
CREATE INDEX ix_staged_offsets_topic_id ON staged_offsets (topic_id);
INSERT INTO alembic_version (version_num) VALUES ('0002')
