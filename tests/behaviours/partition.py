"""A partition as a raw client sees it: what is appended, fetched and asked there, one request a call."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

from chronik.errors import ErrorCode
from chronik.wire.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from chronik.wire.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from chronik.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic, PartitionData
from chronik.wire.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from chronik.wire.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from chronik.wire.messages.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    TopicProduceData,
)
from tests.behaviours.batches import New, Stored, batch, records_in
from tests.broker_process import wait_until
from tests.raw_client import RawClient

LATEST, EARLIEST = -1, -2
WHOLE = 1 << 26
"""More bytes than any fetch here brings."""
SETTLED_S = 20.0

_number = itertools.count(1)


def unique(stem: str = "topic") -> str:
    """A name that nobody had."""
    return f"{stem}-{next(_number)}"


class Place(NamedTuple):
    """A partition by name: what requests consist of."""

    topic: str
    number: int = 0

    def produced(self, records: bytes | None) -> TopicProduceData:
        """This partition in a Produce request."""
        view = None if records is None else memoryview(records)
        return TopicProduceData(name=self.topic, partition_data=[PartitionProduceData(index=self.number, records=view)])

    def fetched(self, offset: int, *, max_bytes: int = WHOLE, leader_epoch: int = -1) -> FetchTopic:
        """This partition in a Fetch request (up to version 12)."""
        wanted = FetchPartition(
            partition=self.number,
            fetch_offset=offset,
            partition_max_bytes=max_bytes,
            current_leader_epoch=leader_epoch,
        )
        return FetchTopic(topic=self.topic, partitions=[wanted])

    def listed(self, timestamp: int, *, leader_epoch: int = -1, max_num_offsets: int = 1) -> ListOffsetsTopic:
        """This partition in a ListOffsets request."""
        wanted = ListOffsetsPartition(
            partition_index=self.number,
            timestamp=timestamp,
            current_leader_epoch=leader_epoch,
            max_num_offsets=max_num_offsets,
        )
        return ListOffsetsTopic(name=self.topic, partitions=[wanted])


class Partition:
    """A partition over one connection. Every call is one request with one partition."""

    def __init__(self, client: RawClient, topic: str, number: int = 0) -> None:
        self.client = client
        self.place = Place(topic, number)

    @property
    def topic(self) -> str:
        return self.place.topic

    def over(self, client: RawClient) -> Partition:
        """The same partition over another connection."""
        return Partition(client, self.topic, self.place.number)

    def produce(self, records: bytes | None, *, acks: int = -1, version: int = 9) -> PartitionProduceResponse:
        """Produce these bytes; the answer for the partition."""
        response = self.client.ask(produce_request(self.place.produced(records), acks=acks), version)
        (topic,) = response.responses
        (partition,) = topic.partition_responses
        assert (topic.name, partition.index) == self.place
        assert isinstance(partition, PartitionProduceResponse)
        return partition

    def append(self, *records: New | bytes, **options: Any) -> int:
        """Append one batch (`options` as of `batch`) with acks=all; its base offset."""
        answer = self.produce(batch(*records, **options))
        assert answer.error_code == 0, f"{ErrorCode(answer.error_code)!r}: {answer.error_message}"
        return answer.base_offset

    def fetch(self, offset: int, *, version: int = 11, leader_epoch: int = -1, **options: Any) -> PartitionData:
        """Fetch from an offset; `options` as of `fetch_request`. Without any, what is there at once."""
        max_bytes = options.pop("partition_max_bytes", WHOLE)
        request = fetch_request(self.place.fetched(offset, max_bytes=max_bytes, leader_epoch=leader_epoch), **options)
        return only_partition(self.client.ask(request, version))

    def records(self, offset: int = 0) -> list[Stored]:
        """Everything from an offset to the end of the log, by as many fetches as it takes."""
        found: list[Stored] = []
        while True:
            data = self.fetch(offset)
            assert data.error_code == 0, repr(ErrorCode(data.error_code))
            records = [record for record in records_in(data.records) if record.offset >= offset]
            if not records:
                assert offset == data.high_watermark
                return found
            found += records
            offset = records[-1].offset + 1

    def list_offset(self, timestamp: int, *, version: int = 5, leader_epoch: int = -1) -> ListOffsetsPartitionResponse:
        """Ask ListOffsets for a timestamp, or for LATEST or EARLIEST."""
        request = ListOffsetsRequest(replica_id=-1, topics=[self.place.listed(timestamp, leader_epoch=leader_epoch)])
        (partition,) = self.client.ask(request, version).topics[0].partitions
        assert isinstance(partition, ListOffsetsPartitionResponse)
        return partition

    @property
    def start(self) -> int:
        """The log start offset."""
        return self._bound(EARLIEST)

    @property
    def end(self) -> int:
        """The high watermark: on one node, the log end offset."""
        return self._bound(LATEST)

    def _bound(self, timestamp: int) -> int:
        found = self.list_offset(timestamp)
        assert found.error_code == 0, repr(ErrorCode(found.error_code))
        return found.offset


def produce_request(*topics: TopicProduceData, acks: int = -1) -> ProduceRequest:
    return ProduceRequest(acks=acks, timeout_ms=30_000, topic_data=list(topics))


def fetch_request(
    *topics: FetchTopic, max_wait_ms: int = 0, min_bytes: int = 0, max_bytes: int = WHOLE, **options: Any
) -> FetchRequest:
    """A Fetch request without a session, unless `options` say otherwise."""
    return FetchRequest(
        max_wait_ms=max_wait_ms, min_bytes=min_bytes, max_bytes=max_bytes, topics=list(topics), **options
    )


def only_partition(response: Any) -> PartitionData:
    """The one partition of a Fetch response."""
    assert response.error_code == 0, repr(ErrorCode(response.error_code))
    (topic,) = response.responses
    (partition,) = topic.partitions
    assert isinstance(partition, PartitionData)
    return partition


def create_topic(
    client: RawClient, partitions: int = 1, *, stem: str = "topic", configs: Mapping[str, str] | None = None
) -> str:
    """Create a topic of a new name; returns when every partition of it can be used (Kafka takes a little longer)."""
    name = unique(stem)
    create_named(client, name, partitions, configs=configs)
    return name


def create_named(
    client: RawClient, name: str, partitions: int = 1, *, configs: Mapping[str, str] | None = None
) -> None:
    """The same, with a name given."""
    wanted = CreatableTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=1,
        configs=[CreatableTopicConfig(name=key, value=value) for key, value in (configs or {}).items()],
    )
    (result,) = client.ask(CreateTopicsRequest(topics=[wanted], timeout_ms=30_000), 7).topics
    assert result.error_code == 0, f"{ErrorCode(result.error_code)!r}: {result.error_message}"

    wait_usable(client, name, partitions)


def wait_usable(client: RawClient, name: str, partitions: int = 1) -> None:
    """Wait until Metadata has a topic and its partitions can be used, after it was created or the broker started. Here
    that is at once."""

    def usable() -> bool:
        places = [Partition(client, name, number) for number in range(partitions)]
        return metadata_of(client, name).error_code == 0 and all(
            place.list_offset(LATEST).error_code == 0 for place in places
        )

    wait_until(usable, SETTLED_S, f"{name} cannot be used")


def delete_topic(client: RawClient, name: str) -> None:
    """Delete a topic; returns when Metadata does not have it any more."""
    request = DeleteTopicsRequest(topics=[DeleteTopicState(name=name)], timeout_ms=30_000)
    (result,) = client.ask(request, 6).responses
    assert result.error_code == 0, f"{ErrorCode(result.error_code)!r}: {result.error_message}"
    gone = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    wait_until(lambda: metadata_of(client, name).error_code == gone, SETTLED_S, f"{name} does not go")


def new_partition(client: RawClient, *, configs: Mapping[str, str] | None = None) -> Partition:
    """The one partition of a new topic."""
    return Partition(client, create_topic(client, configs=configs))


def metadata_of(client: RawClient, name: str, *, create: bool = False, version: int = 12) -> MetadataResponseTopic:
    """What Metadata says of one topic."""
    request = MetadataRequest(topics=[MetadataRequestTopic(name=name)], allow_auto_topic_creation=create)
    (topic,) = client.ask(request, version).topics
    assert isinstance(topic, MetadataResponseTopic)
    return topic


def partitions_of(topic: MetadataResponseTopic) -> list[MetadataResponsePartition]:
    """The partitions that Metadata lists for a topic."""
    assert isinstance(topic.partitions, list)
    return topic.partitions
