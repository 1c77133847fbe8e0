"""The table of declared APIs: key, name, first flexible version, versions; their messages are imported on first use.

Declared is what this room can read and write. What a broker serves is the business of its handlers.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cached_property
from importlib import import_module
from typing import Any, Final

from chronik.wire.decoding import Decoder, decoder
from chronik.wire.encoding import Encoder, encoder
from chronik.wire.primitives import MalformedFrame


class ApiKey(IntEnum):
    """What a request asks for, by Kafka's numbers and names (class ``ApiKeys``)."""

    PRODUCE = 0
    FETCH = 1
    LIST_OFFSETS = 2
    METADATA = 3
    OFFSET_COMMIT = 8
    OFFSET_FETCH = 9
    FIND_COORDINATOR = 10
    JOIN_GROUP = 11
    HEARTBEAT = 12
    LEAVE_GROUP = 13
    SYNC_GROUP = 14
    DESCRIBE_GROUPS = 15
    LIST_GROUPS = 16
    SASL_HANDSHAKE = 17
    API_VERSIONS = 18
    CREATE_TOPICS = 19
    DELETE_TOPICS = 20
    DELETE_RECORDS = 21
    INIT_PRODUCER_ID = 22
    OFFSET_FOR_LEADER_EPOCH = 23
    ADD_PARTITIONS_TO_TXN = 24
    ADD_OFFSETS_TO_TXN = 25
    END_TXN = 26
    WRITE_TXN_MARKERS = 27
    TXN_OFFSET_COMMIT = 28
    DESCRIBE_ACLS = 29
    CREATE_ACLS = 30
    DELETE_ACLS = 31
    DESCRIBE_CONFIGS = 32
    ALTER_CONFIGS = 33
    DESCRIBE_LOG_DIRS = 35
    SASL_AUTHENTICATE = 36
    CREATE_PARTITIONS = 37
    DELETE_GROUPS = 42
    ELECT_LEADERS = 43
    INCREMENTAL_ALTER_CONFIGS = 44
    ALTER_PARTITION_REASSIGNMENTS = 45
    LIST_PARTITION_REASSIGNMENTS = 46
    OFFSET_DELETE = 47
    DESCRIBE_CLIENT_QUOTAS = 48
    ALTER_CLIENT_QUOTAS = 49
    DESCRIBE_USER_SCRAM_CREDENTIALS = 50
    ALTER_USER_SCRAM_CREDENTIALS = 51
    DESCRIBE_QUORUM = 55
    UPDATE_FEATURES = 57
    DESCRIBE_CLUSTER = 60
    DESCRIBE_PRODUCERS = 61
    DESCRIBE_TRANSACTIONS = 65
    LIST_TRANSACTIONS = 66
    CONSUMER_GROUP_HEARTBEAT = 68
    CONSUMER_GROUP_DESCRIBE = 69
    LIST_CONFIG_RESOURCES = 74
    DESCRIBE_TOPIC_PARTITIONS = 75


class Api:
    """One row of the table. The message module is named for the key: ApiKey.LIST_OFFSETS lives in list_offsets.py."""

    def __init__(self, key: ApiKey, name: str, first_flexible: int | None, first: int, last: int) -> None:
        self.key = key
        self.name = name
        """Kafka's name for the pair of messages: "ListOffsets" for ListOffsetsRequest and ListOffsetsResponse."""
        self.first_flexible = first_flexible
        """The first version with compact forms and tag sections (KIP-482); None if there never was one."""
        self.versions = range(first, last + 1)
        """The declared versions."""

    def __repr__(self) -> str:
        return f"<Api {self.name} v{self.versions[0]}-{self.versions[-1]}>"

    def is_flexible(self, version: int) -> bool:
        return self.first_flexible is not None and version >= self.first_flexible

    @cached_property
    def request(self) -> type[Any]:
        """The request's dataclass."""
        return self._message("Request")

    @cached_property
    def response(self) -> type[Any]:
        """The response's dataclass."""
        return self._message("Response")

    def request_decoder(self, version: int) -> Decoder:
        return decoder(self.request, self._declared(version), self.is_flexible(version))

    def request_encoder(self, version: int) -> Encoder:
        return encoder(self.request, self._declared(version), self.is_flexible(version))

    def response_decoder(self, version: int) -> Decoder:
        return decoder(self.response, self._declared(version), self.is_flexible(version))

    def response_encoder(self, version: int) -> Encoder:
        return encoder(self.response, self._declared(version), self.is_flexible(version))

    def _declared(self, version: int) -> int:
        if version not in self.versions:
            raise MalformedFrame(f"{self.name} has no version {version} here")
        return version

    def _message(self, suffix: str) -> type[Any]:
        module = import_module(f"chronik.wire.messages.{self.key.name.lower()}")
        found: type[Any] = getattr(module, self.name + suffix)
        return found


APIS: Final[dict[int, Api]] = {
    api.key: api
    for api in (
        Api(ApiKey.PRODUCE, "Produce", 9, 0, 13),
        Api(ApiKey.FETCH, "Fetch", 12, 0, 18),
        Api(ApiKey.LIST_OFFSETS, "ListOffsets", 6, 0, 11),
        Api(ApiKey.METADATA, "Metadata", 9, 0, 13),
        Api(ApiKey.OFFSET_COMMIT, "OffsetCommit", 8, 1, 10),
        Api(ApiKey.OFFSET_FETCH, "OffsetFetch", 6, 1, 10),
        Api(ApiKey.FIND_COORDINATOR, "FindCoordinator", 3, 0, 6),
        Api(ApiKey.JOIN_GROUP, "JoinGroup", 6, 0, 9),
        Api(ApiKey.HEARTBEAT, "Heartbeat", 4, 0, 4),
        Api(ApiKey.LEAVE_GROUP, "LeaveGroup", 4, 0, 5),
        Api(ApiKey.SYNC_GROUP, "SyncGroup", 4, 0, 5),
        Api(ApiKey.DESCRIBE_GROUPS, "DescribeGroups", 5, 0, 6),
        Api(ApiKey.LIST_GROUPS, "ListGroups", 3, 0, 5),
        Api(ApiKey.SASL_HANDSHAKE, "SaslHandshake", None, 0, 1),
        Api(ApiKey.API_VERSIONS, "ApiVersions", 3, 0, 4),
        Api(ApiKey.CREATE_TOPICS, "CreateTopics", 5, 0, 7),
        Api(ApiKey.DELETE_TOPICS, "DeleteTopics", 4, 0, 6),
        Api(ApiKey.DELETE_RECORDS, "DeleteRecords", 2, 0, 2),
        Api(ApiKey.INIT_PRODUCER_ID, "InitProducerId", 2, 0, 6),
        Api(ApiKey.OFFSET_FOR_LEADER_EPOCH, "OffsetForLeaderEpoch", 4, 0, 4),
        Api(ApiKey.ADD_PARTITIONS_TO_TXN, "AddPartitionsToTxn", 3, 0, 5),
        Api(ApiKey.ADD_OFFSETS_TO_TXN, "AddOffsetsToTxn", 3, 0, 4),
        Api(ApiKey.END_TXN, "EndTxn", 3, 0, 5),
        Api(ApiKey.WRITE_TXN_MARKERS, "WriteTxnMarkers", 1, 0, 2),
        Api(ApiKey.TXN_OFFSET_COMMIT, "TxnOffsetCommit", 3, 0, 5),
        Api(ApiKey.DESCRIBE_ACLS, "DescribeAcls", 2, 0, 3),
        Api(ApiKey.CREATE_ACLS, "CreateAcls", 2, 0, 3),
        Api(ApiKey.DELETE_ACLS, "DeleteAcls", 2, 0, 3),
        Api(ApiKey.DESCRIBE_CONFIGS, "DescribeConfigs", 4, 0, 4),
        Api(ApiKey.ALTER_CONFIGS, "AlterConfigs", 2, 0, 2),
        Api(ApiKey.DESCRIBE_LOG_DIRS, "DescribeLogDirs", 2, 0, 4),
        Api(ApiKey.SASL_AUTHENTICATE, "SaslAuthenticate", 2, 0, 2),
        Api(ApiKey.CREATE_PARTITIONS, "CreatePartitions", 2, 0, 3),
        Api(ApiKey.DELETE_GROUPS, "DeleteGroups", 2, 0, 2),
        Api(ApiKey.ELECT_LEADERS, "ElectLeaders", 2, 0, 2),
        Api(ApiKey.INCREMENTAL_ALTER_CONFIGS, "IncrementalAlterConfigs", 1, 0, 1),
        Api(ApiKey.ALTER_PARTITION_REASSIGNMENTS, "AlterPartitionReassignments", 0, 0, 1),
        Api(ApiKey.LIST_PARTITION_REASSIGNMENTS, "ListPartitionReassignments", 0, 0, 0),
        Api(ApiKey.OFFSET_DELETE, "OffsetDelete", None, 0, 0),
        Api(ApiKey.DESCRIBE_CLIENT_QUOTAS, "DescribeClientQuotas", 1, 0, 1),
        Api(ApiKey.ALTER_CLIENT_QUOTAS, "AlterClientQuotas", 1, 0, 1),
        Api(ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS, "DescribeUserScramCredentials", 0, 0, 0),
        Api(ApiKey.ALTER_USER_SCRAM_CREDENTIALS, "AlterUserScramCredentials", 0, 0, 0),
        Api(ApiKey.DESCRIBE_QUORUM, "DescribeQuorum", 0, 0, 2),
        Api(ApiKey.UPDATE_FEATURES, "UpdateFeatures", 0, 0, 2),
        Api(ApiKey.DESCRIBE_CLUSTER, "DescribeCluster", 0, 0, 2),
        Api(ApiKey.DESCRIBE_PRODUCERS, "DescribeProducers", 0, 0, 0),
        Api(ApiKey.DESCRIBE_TRANSACTIONS, "DescribeTransactions", 0, 0, 0),
        Api(ApiKey.LIST_TRANSACTIONS, "ListTransactions", 0, 0, 2),
        Api(ApiKey.CONSUMER_GROUP_HEARTBEAT, "ConsumerGroupHeartbeat", 0, 0, 1),
        Api(ApiKey.CONSUMER_GROUP_DESCRIBE, "ConsumerGroupDescribe", 0, 0, 1),
        Api(ApiKey.LIST_CONFIG_RESOURCES, "ListConfigResources", 0, 0, 1),
        Api(ApiKey.DESCRIBE_TOPIC_PARTITIONS, "DescribeTopicPartitions", 0, 0, 0),
    )
}
