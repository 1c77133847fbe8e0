"""The broker's settings: Kafka's names (dots written as underscores), units and defaults.

`BrokerSettings` is fixed for the life of a process, but for the dynamic broker configs, which replace it by a new
value. `TopicConfig` holds a topic's resolved configs as typed values; `chronik.configs` knows every config by its
Kafka name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

LONG_MAX = 2**63 - 1
INT_MAX = 2**31 - 1
MIB = 1024 * 1024


class DurabilityMode(Enum):
    """How acks map to durability: strict fsyncs acks=1 too, relaxed fsyncs in the background only."""

    STRICT = "strict"
    DEFAULT = "default"
    RELAXED = "relaxed"


@dataclass(frozen=True, slots=True)
class TopicConfig:
    """A topic's effective configs. Defaults are Kafka 4.2's; -1 in a retention means "for ever"."""

    cleanup_delete: bool = True
    cleanup_compact: bool = False
    compression_type: str = "producer"
    compression_gzip_level: int = -1
    compression_lz4_level: int = 9
    compression_zstd_level: int = 3
    delete_retention_ms: int = 86_400_000
    flush_messages: int = LONG_MAX
    flush_ms: int = LONG_MAX
    max_compaction_lag_ms: int = LONG_MAX
    max_message_bytes: int = 1_048_588
    message_timestamp_type: str = "CreateTime"
    message_timestamp_before_max_ms: int = LONG_MAX
    message_timestamp_after_max_ms: int = 3_600_000
    min_cleanable_dirty_ratio: float = 0.5
    min_compaction_lag_ms: int = 0
    min_insync_replicas: int = 1
    retention_bytes: int = -1
    retention_ms: int = 604_800_000
    segment_bytes: int = 1_073_741_824
    segment_ms: int = 604_800_000
    plain_batch_bytes: int = field(init=False, repr=False, compare=False, default=0)
    """The largest batch that these configs let be stored as it came, with its records only counted; 0 where each must
    be looked at, or written anew."""

    def __post_init__(self) -> None:
        is_plain = (
            not self.cleanup_compact
            and self.compression_type == "producer"
            and self.message_timestamp_type == "CreateTime"
            and self.message_timestamp_before_max_ms == LONG_MAX
        )
        limit = min(self.max_message_bytes, self.segment_bytes) if is_plain else 0
        object.__setattr__(self, "plain_batch_bytes", limit)


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """The record store's sizes. See ARCHITECTURE.md for the measurements that chose them."""

    chunk_bytes: int = 64 * MIB
    """A chunk ends, and its table files are made, after this many bytes of batches."""
    least_block_bytes: int = 8 * 1024
    """Batches of at least this size are written once, into what becomes a table file; smaller ones go through a
    memtable, which costs less than a block of their own."""
    block_cache_bytes: int = 16 * MIB
    tail_cache_bytes: int = 32 * MIB
    """The newest batches, kept as the very bytes objects that were written, for readers at the tail."""
    max_staged_bytes: int = 64 * MIB
    """Appends that are ordered but not yet written; above it producers wait (back-pressure)."""
    cold_read_bytes: int = 64 * MIB
    """Bytes that reads from the disk may hold in memory at the same time."""
    read_ahead_bytes: int = 16 * MIB
    """What is read from the disk for consumers that have not asked for it yet, all together."""
    background_sync_ms: int = 200
    """How often writes that nobody waits for (acks 0 and 1) are fsynced; also the relaxed mode's whole durability."""


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """All settings of one broker process. Times are milliseconds, sizes are bytes."""

    node_id: int = 0
    rack: str | None = None
    listeners: tuple[tuple[str, int], ...] = (("127.0.0.1", 9092),)
    advertised: tuple[str, int] | None = None
    """None: the address that the client dialled."""
    durability: DurabilityMode = DurabilityMode.DEFAULT

    auto_create_topics_enable: bool = True
    delete_topic_enable: bool = True
    num_partitions: int = 1
    default_replication_factor: int = 1
    message_max_bytes: int = 1_048_588
    fetch_max_bytes: int = 57_671_680
    max_incremental_fetch_session_cache_slots: int = 1000
    log_retention_check_interval_ms: int = 300_000
    producer_id_expiration_ms: int = 86_400_000

    socket_request_max_bytes: int = 104_857_600
    connections_max_idle_ms: int = 600_000
    max_connections: int = INT_MAX
    max_requests_in_flight: int = 64
    """Requests of one connection that are read ahead while an earlier one waits."""
    max_unsent_bytes: int = 64 * MIB
    """Answers that all clients together have not taken yet, above which a fetch gets one batch only."""
    max_output_bytes: int = 1 * MIB
    """Unsent answer bytes of one connection above which its next request is not begun."""

    group_min_session_timeout_ms: int = 6_000
    group_max_session_timeout_ms: int = 1_800_000
    group_initial_rebalance_delay_ms: int = 0
    """Kafka's default is 3000; a broker for developers answers the first member at once."""
    group_max_size: int = INT_MAX
    offset_metadata_max_bytes: int = 4096
    offsets_retention_minutes: int = 10_080
    offsets_retention_check_interval_ms: int = 600_000

    transaction_max_timeout_ms: int = 900_000
    transactional_id_expiration_ms: int = 604_800_000
    transaction_remove_expired_transaction_cleanup_interval_ms: int = 3_600_000
    transaction_partition_verification_enable: bool = True
    """Whether a transactional batch must belong to a partition that was added to the transaction. Without it a producer
    that hangs can leave a transaction open that nobody ends (KIP-890)."""

    topic_defaults: TopicConfig = field(default_factory=TopicConfig)
    store: StoreSettings = field(default_factory=StoreSettings)
