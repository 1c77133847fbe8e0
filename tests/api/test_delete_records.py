"""DeleteRecords: the start of a partition moves forward, at once and for good."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaException, TopicPartition

from chronik.errors import ErrorCode
from chronik.wire.apis import ApiKey
from chronik.wire.messages.create_topics import CreateTopicsRequest
from chronik.wire.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from tests.api.topics import EARLIEST, LATEST, create_topic, fetch, offset_at, produce, topic_of
from tests.broker_process import BrokerProcess
from tests.conftest import RawFactory
from tests.kafka_python import kafka
from tests.raw_client import RawClient

API = ApiKey.DELETE_RECORDS

HIGH_WATERMARK = -1

Results = dict[tuple[str, int], tuple[int, int]]
"""(topic, partition) -> (error code, low watermark)."""


def delete(client: RawClient, *wanted: tuple[str, int, int], version: int = 2) -> Results:
    """Each wanted is (topic, partition, offset). AssertionError when a partition is answered twice."""
    topics = [
        DeleteRecordsTopic(name=name, partitions=[DeleteRecordsPartition(partition_index=partition, offset=offset)])
        for name, partition, offset in wanted
    ]
    response = client.ask(DeleteRecordsRequest(topics=topics, timeout_ms=60_000), version)
    assert response.throttle_time_ms == 0
    answers = [
        ((topic.name, partition.partition_index), (partition.error_code, partition.low_watermark))
        for topic in response.topics
        for partition in topic.partitions
    ]
    assert len(dict(answers)) == len(answers)
    return dict(answers)


def filled(client: RawClient, count: int = 10, **options: Any) -> str:
    """A new topic with `count` records, each in a batch of its own."""
    name = create_topic(client, **options).name
    for index in range(count):
        produce(client, name, [b"%d" % index], keys=[b"key-%d" % index])
    return name


def test_moves_the_start_in_every_version(client: RawClient, version: int) -> None:
    name = filled(client)
    assert delete(client, (name, 0, 3), version=version) == {(name, 0): (0, 3)}
    assert (offset_at(client, name, EARLIEST), offset_at(client, name, LATEST)) == (3, 10)
    assert fetch(client, name, 2).error_code == ErrorCode.OFFSET_OUT_OF_RANGE
    got = fetch(client, name, 3)
    assert (got.error_code, got.log_start_offset) == (0, 3)
    assert sorted(got.values) == list(range(3, 10))
    assert delete(client, (name, 0, 11), version=version) == {(name, 0): (ErrorCode.OFFSET_OUT_OF_RANGE, -1)}


def test_a_lower_offset_changes_nothing(client: RawClient) -> None:
    name = filled(client)
    delete(client, (name, 0, 5))
    assert delete(client, (name, 0, 2)) == {(name, 0): (0, 5)}
    assert delete(client, (name, 0, 5)) == {(name, 0): (0, 5)}
    assert offset_at(client, name, EARLIEST) == 5


def test_minus_one_is_the_high_watermark(client: RawClient) -> None:
    name = filled(client)
    assert delete(client, (name, 0, HIGH_WATERMARK)) == {(name, 0): (0, 10)}
    assert (offset_at(client, name, EARLIEST), offset_at(client, name, LATEST)) == (10, 10)
    assert produce(client, name, [b"next"]) == 10
    assert fetch(client, name, 10).values == {10: b"next"}


def test_an_empty_partition_has_nothing_to_delete(client: RawClient) -> None:
    name = create_topic(client).name
    assert delete(client, (name, 0, HIGH_WATERMARK)) == {(name, 0): (0, 0)}
    assert delete(client, (name, 0, 1)) == {(name, 0): (ErrorCode.OFFSET_OUT_OF_RANGE, -1)}


@pytest.mark.parametrize("offset", [11, 2**63 - 1, -2, -(2**63)])
def test_refuses_offsets_outside(client: RawClient, offset: int) -> None:
    name = filled(client)
    assert delete(client, (name, 0, offset)) == {(name, 0): (ErrorCode.OFFSET_OUT_OF_RANGE, -1)}
    assert offset_at(client, name, EARLIEST) == 0


def test_the_middle_of_a_batch_is_a_start(client: RawClient) -> None:
    name = create_topic(client).name
    produce(client, name, [b"a", b"b", b"c"])
    delete(client, (name, 0, 1))
    assert fetch(client, name, 0).error_code == ErrorCode.OFFSET_OUT_OF_RANGE
    assert fetch(client, name, 1).values == {1: b"b", 2: b"c"}


def test_refuses_what_does_not_exist(client: RawClient) -> None:
    name = filled(client, 1)
    results = delete(client, (name, 9, 0), (name, -1, 0), ("nobody", 0, 0), ("a b", 0, 0), (name, 0, 1))
    unknown = (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1)
    assert results == {
        (name, 9): unknown,
        (name, -1): unknown,
        ("nobody", 0): unknown,
        ("a b", 0): unknown,
        (name, 0): (0, 1),
    }


@pytest.mark.parametrize(
    ("policy", "error"), [("compact", ErrorCode.POLICY_VIOLATION), ("compact,delete", 0), ("delete", 0), ("", 0)]
)
def test_only_compacted_topics_keep_their_records(client: RawClient, policy: str, error: int) -> None:
    name = filled(client, 3, configs={"cleanup.policy": policy})
    assert delete(client, (name, 0, 1)) == {(name, 0): (error, -1 if error else 1)}


def test_internal_topics_keep_their_records(client: RawClient) -> None:
    client.ask(CreateTopicsRequest(topics=[topic_of("__consumer_offsets")]), 7)
    results = delete(client, ("__consumer_offsets", 0, 0))
    assert results == {("__consumer_offsets", 0): (ErrorCode.INVALID_TOPIC_EXCEPTION, -1)}


def test_the_same_partition_twice_is_answered_once(client: RawClient) -> None:
    name = filled(client)
    assert delete(client, (name, 0, 3), (name, 0, 3)) == {(name, 0): (0, 3)}


def test_an_empty_request_has_an_empty_answer(client: RawClient) -> None:
    assert delete(client) == {}


def test_the_start_survives_a_crash(broker: BrokerProcess, raw: RawFactory, only_chronik: None) -> None:
    client = raw(broker)
    name = filled(client)
    assert delete(client, (name, 0, 4)) == {(name, 0): (0, 4)}
    broker.kill()
    broker.start()
    client = raw(broker)
    assert offset_at(client, name, EARLIEST) == 4
    assert fetch(client, name, 3).error_code == ErrorCode.OFFSET_OUT_OF_RANGE
    assert sorted(fetch(client, name, 4).values) == list(range(4, 10))


def test_admin_clients_delete(kafka_python: Any, librdkafka: Any, client: RawClient) -> None:
    name = filled(client)
    deleted = kafka_python.delete_records({kafka.TopicPartition(name, 0): 2})
    assert deleted[kafka.TopicPartition(name, 0)]["low_watermark"] == 2
    futures = librdkafka.delete_records([TopicPartition(name, 0, 5)])
    (done,) = [future.result() for future in futures.values()]
    assert done.low_watermark == 5
    (refused,) = librdkafka.delete_records([TopicPartition(name, 0, 50)]).values()
    with pytest.raises(KafkaException, match="OFFSET_OUT_OF_RANGE"):
        refused.result()
    assert offset_at(client, name, EARLIEST) == 5
