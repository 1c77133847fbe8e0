"""What may differ between two brokers that behave alike: a declared list, applied to both sides before they are
compared."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import cache
from typing import Any


class Kind(enum.Enum):
    """How a field is made comparable."""

    ANY = "any"
    """Not compared."""
    ID = "id"
    """An id that the broker chose: it has a name, the same wherever the id appears."""
    WORDED = "worded"
    """A text for people. Beside an error it is not compared; else, whether there is one (null, empty, or some)."""
    TIME = "time"
    """A time of now: compared is whether it is a time."""
    NOW = "now"
    """A time that may be one of now: those of scenarios' records are compared."""
    ORDER = "order"
    """The order of a list's elements means nothing: they are sorted by a field of theirs, or as they are."""
    OURS = "ours"
    """A list of everything: what other scenarios made, and internal topics, are left out."""
    BATCHES = "batches"
    """Record batches: compared by their fields, ids and times masked, the compression of the same records not."""


OF_LISTS = frozenset({Kind.ORDER, Kind.OURS})


@dataclass(frozen=True, slots=True)
class Mask:
    """`path` names a field of an API's replies, lists being passed through (`topics.partitions.records`). With "**."
    in front of a name, that field wherever it is; with the API "*", in every API."""

    api: str
    path: str
    kind: Kind
    reason: str
    key: str = ""
    """ORDER: what is sorted by ("" for elements without fields). OURS: the field with the name. ID: whose id."""
    none: tuple[Any, ...] = (None, "", -1)
    """ID: values that say that there is none."""

    @property
    def is_needed_by_chance(self) -> bool:
        """Whether two brokers can happen to agree: on an order, or on the room on a disk that they share."""
        return self.kind is Kind.ORDER or self.path.endswith("usable_bytes")


_ADDRESS = "each broker has its own port"
_HASHED = "Kafka answers in the order of a hash map"
_SHARDED = "Kafka answers for groups by the partitions of its offsets topic"
_SHUFFLED = "Kafka shuffles the results"
_ALL = "a broker holds more than this scenario's: other scenarios', and Kafka its internal topics"
_CHOSEN = "chosen by the broker, at random or by counting"
_FEATURES = "features of a cluster of Kafka brokers"
_DISK = "each broker has its own disk format and directory"
_WORDS = "each says it in its own words, and chronik also where Kafka says nothing"

MASKS = (
    Mask("*", "**.error_message", Kind.WORDED, _WORDS),
    Mask("*", "**.port", Kind.ANY, _ADDRESS),
    Mask("*", "cluster_id", Kind.ANY, "each cluster has its own id"),
    Mask("*", "**.topic_id", Kind.ID, _CHOSEN, "topic_id"),
    Mask("*", "**.member_id", Kind.ID, _CHOSEN, "member_id"),
    Mask("*", "**.producer_id", Kind.ID, _CHOSEN, "producer_id"),
    Mask("ApiVersions", "api_keys", Kind.ANY, "chronik serves other APIs; the table of versions compares them"),
    Mask("ApiVersions", "supported_features", Kind.ANY, _FEATURES),
    Mask("ApiVersions", "finalized_features", Kind.ANY, _FEATURES),
    Mask("ApiVersions", "finalized_features_epoch", Kind.ANY, "an offset of Kafka's metadata log"),
    Mask("AddPartitionsToTxn", "results_by_topic_v3_and_below", Kind.ORDER, _HASHED, "name"),
    Mask(
        *("AddPartitionsToTxn", "results_by_topic_v3_and_below.results_by_partition", Kind.ORDER, _HASHED),
        "partition_index",
    ),
    Mask("CreatePartitions", "results", Kind.ORDER, _HASHED, "name"),
    Mask("CreateTopics", "topics", Kind.ORDER, _HASHED, "name"),
    Mask("CreateTopics", "topics.configs", Kind.ORDER, _HASHED, "name"),
    Mask("DeleteRecords", "topics", Kind.ORDER, _HASHED, "name"),
    Mask("DeleteRecords", "topics.partitions", Kind.ORDER, _HASHED, "partition_index"),
    Mask("DeleteTopics", "responses", Kind.ORDER, _SHUFFLED, "topic_id"),
    Mask("DeleteTopics", "responses", Kind.ORDER, _SHUFFLED, "name"),
    Mask("DeleteGroups", "results", Kind.ORDER, _SHARDED, "group_id"),
    Mask("DescribeConfigs", "results.configs", Kind.ORDER, _HASHED, "name"),
    Mask("DescribeConfigs", "results.configs.documentation", Kind.WORDED, _WORDS),
    Mask("DescribeLogDirs", "results.log_dir", Kind.ANY, _DISK),
    Mask("DescribeLogDirs", "results.topics", Kind.OURS, _ALL, "name"),
    Mask("DescribeLogDirs", "results.topics", Kind.ORDER, _HASHED, "name"),
    Mask("DescribeLogDirs", "results.topics.partitions", Kind.ORDER, _HASHED, "partition_index"),
    Mask("DescribeLogDirs", "results.usable_bytes", Kind.ANY, _DISK),
    Mask("DescribeTopicPartitions", "topics", Kind.OURS, _ALL, "name"),
    Mask("DescribeTransactions", "transaction_states", Kind.ORDER, _SHARDED, "transactional_id"),
    Mask("DescribeTransactions", "transaction_states.transaction_start_time", Kind.TIME, "the broker's clock"),
    Mask("DescribeTransactions", "transaction_states.topics.partitions", Kind.ORDER, _HASHED),
    Mask(
        *("DescribeProducers", "topics.partitions.active_producers.last_timestamp", Kind.TIME),
        "the time of the newest record to Kafka, of its arrival to chronik",
    ),
    Mask("DescribeProducers", "topics", Kind.ORDER, _HASHED, "name"),
    Mask("WriteTxnMarkers", "markers.topics", Kind.ORDER, _HASHED, "name"),
    Mask("WriteTxnMarkers", "markers.topics.partitions", Kind.ORDER, _HASHED, "partition_index"),
    Mask("ElectLeaders", "replica_election_results", Kind.OURS, _ALL, "topic"),
    Mask("ElectLeaders", "replica_election_results", Kind.ORDER, _HASHED, "topic"),
    Mask("ElectLeaders", "replica_election_results.partition_result", Kind.ORDER, _HASHED, "partition_id"),
    Mask("Fetch", "responses.partitions", Kind.ORDER, "Kafka puts those that it does not find last", "partition_index"),
    Mask("Fetch", "session_id", Kind.ID, _CHOSEN, "session_id", (0,)),
    Mask("Fetch", "responses.partitions.records", Kind.BATCHES, "ids, times, compressors, and what Kafka cuts off"),
    Mask("DescribeGroups", "groups", Kind.ORDER, _SHARDED, "group_id"),
    Mask("DescribeGroups", "groups.members", Kind.ORDER, _HASHED, "client_id"),
    Mask("JoinGroup", "leader", Kind.ID, _CHOSEN, "member_id"),
    Mask("JoinGroup", "members", Kind.ORDER, _HASHED, "metadata"),
    Mask("ListConfigResources", "config_resources", Kind.OURS, _ALL, "resource_name"),
    Mask("ListConfigResources", "config_resources", Kind.ORDER, _HASHED, "resource_name"),
    Mask("ListConfigResources", "config_resources", Kind.ORDER, _HASHED, "resource_type"),
    Mask("ListGroups", "groups", Kind.OURS, _ALL, "group_id"),
    Mask("ListGroups", "groups", Kind.ORDER, _HASHED, "group_id"),
    Mask("ListTransactions", "transaction_states", Kind.OURS, _ALL, "transactional_id"),
    Mask("ListTransactions", "transaction_states", Kind.ORDER, _SHARDED, "transactional_id"),
    Mask("ListOffsets", "topics", Kind.ORDER, _HASHED, "name"),
    Mask("ListOffsets", "topics.partitions.timestamp", Kind.NOW, "markers of transactions have the broker's time"),
    Mask("ListOffsets", "topics.partitions", Kind.ORDER, _HASHED, "partition_index"),
    Mask("Metadata", "topics", Kind.OURS, _ALL, "name"),
    Mask("Metadata", "topics", Kind.ORDER, _HASHED, "topic_id"),
    Mask("Metadata", "topics", Kind.ORDER, _HASHED, "name"),
    Mask("Metadata", "topics.partitions", Kind.ORDER, _HASHED, "partition_index"),
    Mask("OffsetFetch", "topics", Kind.ORDER, _HASHED, "name"),
    Mask("OffsetFetch", "topics.partitions", Kind.ORDER, _HASHED, "partition_index"),
    Mask("OffsetFetch", "groups.topics", Kind.ORDER, _HASHED, "name"),
    Mask("OffsetFetch", "groups.topics", Kind.ORDER, _HASHED, "topic_id"),
    Mask("OffsetFetch", "groups.topics.partitions", Kind.ORDER, _HASHED, "partition_index"),
    Mask("Produce", "responses", Kind.ORDER, _HASHED, "name"),
    Mask("Produce", "responses", Kind.ORDER, _HASHED, "topic_id"),
    Mask("Produce", "responses.partition_responses", Kind.ORDER, _HASHED, "index"),
    Mask("Produce", "responses.partition_responses.log_append_time", Kind.TIME, "the broker's clock"),
    Mask("Produce", "responses.partition_responses.record_errors.batch_index_error_message", Kind.WORDED, _WORDS),
)


@cache
def masks_at(api: str, path: str) -> tuple[Mask, ...]:
    """The masks for a field, in the order in which they apply."""
    last = path.rpartition(".")[2]
    return tuple(
        mask
        for mask in MASKS
        if mask.api in ("*", api) and (mask.path == path or (mask.path[:3] == "**." and mask.path[3:] == last))
    )
