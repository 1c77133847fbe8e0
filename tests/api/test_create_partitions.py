"""CreatePartitions: more partitions, never fewer, and records stay where they are."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.cimpl import NewPartitions

from chronik.errors import ErrorCode
from chronik.wire.apis import ApiKey
from chronik.wire.messages.create_partitions import (
    CreatePartitionsAssignment,
    CreatePartitionsRequest,
    CreatePartitionsTopic,
    CreatePartitionsTopicResult,
)
from tests.api.topics import create_topic, fetch, metadata_of, node_id, produce
from tests.broker_process import BrokerProcess, wait_until
from tests.conftest import RawFactory
from tests.kafka_python import kafka
from tests.raw_client import RawClient

API = ApiKey.CREATE_PARTITIONS

ME = -100
"""Stands for the broker's own id in an assignment."""
STRANGER = 99


def wanted(name: str, count: int, assignments: list[list[int]] | None = None) -> CreatePartitionsTopic:
    topic = CreatePartitionsTopic(name=name, count=count, assignments=None)
    if assignments is not None:
        topic.assignments = [CreatePartitionsAssignment(broker_ids=ids) for ids in assignments]
    return topic


def grow(
    client: RawClient, *topics: CreatePartitionsTopic, version: int = 3, validate_only: bool = False
) -> dict[str, CreatePartitionsTopicResult]:
    request = CreatePartitionsRequest(topics=list(topics), timeout_ms=60_000, validate_only=validate_only)
    response = client.ask(request, version)
    assert response.throttle_time_ms == 0
    results = {result.name: result for result in response.results}
    assert len(results) == len(response.results)
    return results


def count_of(client: RawClient, name: str) -> int:
    return len(metadata_of(client, name).partitions)


def test_adds_partitions_in_every_version(client: RawClient, version: int) -> None:
    name = create_topic(client).name
    result = grow(client, wanted(name, 4), version=version)[name]
    assert (result.error_code, result.error_message) == (0, None)
    wait_until(lambda: count_of(client, name) == 4, 20, "the partitions do not appear")
    again = grow(client, wanted(name, 4), version=version)[name]
    assert again.error_code == ErrorCode.INVALID_PARTITIONS
    assert again.error_message


def test_new_partitions_are_empty_and_old_ones_untouched(client: RawClient) -> None:
    name = create_topic(client).name
    produce(client, name, [b"old"])
    grow(client, wanted(name, 3))
    wait_until(lambda: count_of(client, name) == 3, 20, "the partitions do not appear")
    assert fetch(client, name, 0).values == {0: b"old"}
    assert produce(client, name, [b"new"], partition=2) == 0
    assert [fetch(client, name, 0, partition).high_watermark for partition in range(3)] == [1, 0, 1]


@pytest.mark.parametrize("count", [4, 3, 2, 0, -1])
def test_refuses_what_is_not_more(client: RawClient, count: int) -> None:
    name = create_topic(client, partitions=4).name
    assert grow(client, wanted(name, count))[name].error_code == ErrorCode.INVALID_PARTITIONS
    assert count_of(client, name) == 4


@pytest.mark.parametrize("name", ["nobody", "a b"])
def test_refuses_unknown_topics(client: RawClient, name: str) -> None:
    assert grow(client, wanted(name, 3))[name].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_a_topic_listed_twice_is_refused_once(client: RawClient) -> None:
    twice, once = create_topic(client).name, create_topic(client).name
    results = grow(client, wanted(twice, 2), wanted(once, 2), wanted(twice, 3))
    assert results[twice].error_code == ErrorCode.INVALID_REQUEST
    assert results[once].error_code == 0
    assert count_of(client, twice) == 1


def test_one_failure_does_not_stop_the_others(client: RawClient) -> None:
    good, small = create_topic(client).name, create_topic(client, partitions=3).name
    results = grow(client, wanted("nobody", 3), wanted(small, 2), wanted(good, 2))
    assert {name: result.error_code for name, result in results.items()} == {
        "nobody": ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        small: ErrorCode.INVALID_PARTITIONS,
        good: 0,
    }


def test_validates_without_adding(client: RawClient) -> None:
    name = create_topic(client).name
    assert grow(client, wanted(name, 3), validate_only=True)[name].error_code == 0
    refused = grow(client, wanted(name, 1), validate_only=True)[name]
    assert refused.error_code == ErrorCode.INVALID_PARTITIONS
    assert count_of(client, name) == 1


@pytest.mark.parametrize(
    ("assignments", "error"),
    [
        pytest.param([[ME], [ME]], 0, id="itself"),
        pytest.param([], ErrorCode.INVALID_REPLICA_ASSIGNMENT, id="empty is not null"),
        pytest.param([[ME]], ErrorCode.INVALID_REPLICA_ASSIGNMENT, id="too few"),
        pytest.param([[ME]] * 3, ErrorCode.INVALID_REPLICA_ASSIGNMENT, id="too many"),
        pytest.param([[ME], [STRANGER]], ErrorCode.INVALID_REPLICA_ASSIGNMENT, id="unknown broker"),
        pytest.param([[ME], [ME, ME]], ErrorCode.INVALID_REPLICA_ASSIGNMENT, id="broker twice"),
        pytest.param([[ME], []], ErrorCode.INVALID_REPLICA_ASSIGNMENT, id="no replicas"),
    ],
)
def test_checks_assignments(client: RawClient, assignments: list[list[int]], error: ErrorCode) -> None:
    name = create_topic(client).name
    me = node_id(client)
    mine = [[me if broker_id == ME else broker_id for broker_id in ids] for ids in assignments]
    assert grow(client, wanted(name, 3, mine))[name].error_code == error
    if error:
        assert count_of(client, name) == 1
        not_more = grow(client, wanted(name, 1, mine))[name]
        assert not_more.error_code == ErrorCode.INVALID_PARTITIONS


def test_one_request_does_not_fill_the_disk(client: RawClient, only_chronik: None) -> None:
    first, second = create_topic(client).name, create_topic(client).name
    huge = grow(client, wanted(first, 2**31 - 1))[first]
    assert huge.error_code == ErrorCode.POLICY_VIOLATION
    results = grow(client, wanted(first, 6001), wanted(second, 4002), validate_only=True)
    assert [results[name].error_code for name in (first, second)] == [0, ErrorCode.POLICY_VIOLATION]


def test_partitions_survive_a_crash(broker: BrokerProcess, raw: RawFactory, only_chronik: None) -> None:
    client = raw(broker)
    name = create_topic(client).name
    grow(client, wanted(name, 4))
    broker.kill()
    broker.start()
    assert count_of(raw(broker), name) == 4


def test_admin_clients_add(kafka_python: Any, librdkafka: Any, client: RawClient) -> None:
    name = create_topic(client).name
    kafka_python.create_partitions({name: kafka.admin.NewPartitions(2)})
    with pytest.raises(kafka.errors.InvalidPartitionsError):
        kafka_python.create_partitions({name: kafka.admin.NewPartitions(2)})
    librdkafka.create_partitions([NewPartitions(name, 3)])[name].result()
    with pytest.raises(KafkaException, match="INVALID_PARTITIONS"):
        librdkafka.create_partitions([NewPartitions(name, 3)])[name].result()
    wait_until(lambda: count_of(client, name) == 3, 20, "the partitions do not appear")
