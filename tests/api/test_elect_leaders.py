"""ElectLeaders: the only replica leads already."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import ElectionType, TopicPartition

from chronik.errors import ErrorCode
from chronik.wire.apis import ApiKey
from chronik.wire.messages.elect_leaders import ElectLeadersRequest, ElectLeadersResponse, TopicPartitions
from tests.api.topics import create_topic
from tests.raw_client import RawClient

API = ApiKey.ELECT_LEADERS

PREFERRED, UNCLEAN = 0, 1
NOT_NEEDED = ErrorCode.ELECTION_NOT_NEEDED


def elect(
    client: RawClient, asked: list[tuple[str, list[int]]] | None, election_type: int = PREFERRED, version: int = 2
) -> ElectLeadersResponse:
    partitions = None if asked is None else [TopicPartitions(topic=name, partitions=ids) for name, ids in asked]
    request = ElectLeadersRequest(election_type=election_type, topic_partitions=partitions)
    response: ElectLeadersResponse = client.ask(request, version)
    assert response.throttle_time_ms == 0
    return response


def codes(response: ElectLeadersResponse) -> list[tuple[str, int, int]]:
    return [
        (topic.topic, partition.partition_id, partition.error_code)
        for topic in response.replica_election_results
        for partition in topic.partition_result
    ]


def test_no_election_is_needed_in_any_version(client: RawClient, version: int) -> None:
    name = create_topic(client, partitions=2).name
    response = elect(client, [(name, [0, 1])], version=version)
    assert response.error_code == 0
    assert codes(response) == [(name, 0, NOT_NEEDED), (name, 1, NOT_NEEDED)]
    assert all(
        partition.error_message for topic in response.replica_election_results for partition in topic.partition_result
    )


def test_neither_is_an_unclean_one(client: RawClient) -> None:
    name = create_topic(client).name
    assert codes(elect(client, [(name, [0])], UNCLEAN)) == [(name, 0, NOT_NEEDED)]


def test_tells_what_does_not_exist(client: RawClient) -> None:
    name = create_topic(client).name
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    response = elect(client, [(name, [0, 1, -1]), ("nobody", [0]), ("a b", [0])])
    assert codes(response) == [
        (name, 0, NOT_NEEDED),
        (name, 1, unknown),
        (name, -1, unknown),
        ("nobody", 0, unknown),
        ("a b", 0, unknown),
    ]


def test_null_is_everything_and_shows_no_partition_without_change(client: RawClient) -> None:
    name = create_topic(client).name
    response = elect(client, None)
    assert name in {topic.topic for topic in response.replica_election_results}
    assert (response.error_code, codes(response)) == (0, [])


def test_empty_is_nothing(client: RawClient) -> None:
    response = elect(client, [])
    assert (response.error_code, response.replica_election_results) == (0, [])


@pytest.mark.parametrize("election_type", [2, -1, 127])
def test_refuses_unknown_election_types(client: RawClient, election_type: int) -> None:
    name = create_topic(client).name
    response = elect(client, [(name, [0])], election_type)
    assert response.error_code == ErrorCode.INVALID_REQUEST
    assert codes(response) == [(name, 0, ErrorCode.INVALID_REQUEST)]
    assert elect(client, None, election_type).error_code == ErrorCode.INVALID_REQUEST


def test_admin_clients_elect(kafka_python: Any, librdkafka: Any, client: RawClient) -> None:
    name = create_topic(client).name
    (answer,) = kafka_python.elect_leaders(PREFERRED, {name: [0]}, raise_errors=False).replica_election_results
    assert [partition.error_code for partition in answer.partition_result] == [NOT_NEEDED]
    partition = TopicPartition(name, 0)
    results = librdkafka.elect_leaders(ElectionType.PREFERRED, [partition]).result()
    assert results[partition].code() == NOT_NEEDED
