"""AlterPartitionReassignments and ListPartitionReassignments: there is nowhere to move a partition to."""

from __future__ import annotations

from typing import Any

import pytest

from chronik.errors import ErrorCode
from chronik.wire.apis import ApiKey
from chronik.wire.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
    ReassignablePartition,
    ReassignableTopic,
)
from chronik.wire.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsTopics,
)
from tests.api.topics import create_topic, metadata_of, node_id
from tests.kafka_python import kafka
from tests.raw_client import RawClient

API = ApiKey.ALTER_PARTITION_REASSIGNMENTS

ME = -100
"""Stands for the broker's own id."""
STRANGER = 99

NOT_THERE = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
BAD = ErrorCode.INVALID_REPLICA_ASSIGNMENT


def alter(
    client: RawClient, *wanted: tuple[str, int, list[int] | None], version: int = 1, allow: bool = True
) -> AlterPartitionReassignmentsResponse:
    me = node_id(client)
    topics = [
        ReassignableTopic(
            name=name,
            partitions=[
                ReassignablePartition(
                    partition_index=partition,
                    replicas=None if replicas is None else [me if each == ME else each for each in replicas],
                )
            ],
        )
        for name, partition, replicas in wanted
    ]
    request = AlterPartitionReassignmentsRequest(topics=topics, allow_replication_factor_change=allow)
    response: AlterPartitionReassignmentsResponse = client.ask(request, version)
    assert (response.throttle_time_ms, response.error_code) == (0, 0)
    return response


def codes(response: AlterPartitionReassignmentsResponse) -> list[tuple[str, int, int]]:
    return [
        (topic.name, partition.partition_index, partition.error_code)
        for topic in response.responses
        for partition in topic.partitions
    ]


def test_a_partition_may_stay_in_every_version(client: RawClient, version: int) -> None:
    name = create_topic(client, partitions=2).name
    response = alter(client, (name, 0, [ME]), (name, 1, [STRANGER]), version=version)
    assert codes(response) == [(name, 0, 0), (name, 1, BAD)]
    assert response.responses[0].partitions[0].error_message is None
    assert response.responses[1].partitions[0].error_message
    assert metadata_of(client, name).partitions[1].replica_nodes == [node_id(client)]


@pytest.mark.parametrize(
    ("replicas", "error"),
    [
        pytest.param([ME], 0, id="itself"),
        pytest.param([STRANGER], BAD, id="another"),
        pytest.param([ME, STRANGER], BAD, id="one more"),
        pytest.param([ME, ME], BAD, id="twice"),
        pytest.param([], BAD, id="nowhere"),
        pytest.param([-1], BAD, id="negative"),
        pytest.param(None, ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, id="cancel"),
    ],
)
@pytest.mark.parametrize("allow", [True, False])
def test_checks_replicas(client: RawClient, replicas: list[int] | None, error: int, allow: bool) -> None:
    name = create_topic(client).name
    response = alter(client, (name, 0, replicas), allow=allow)
    assert codes(response) == [(name, 0, error)]
    assert response.allow_replication_factor_change == allow


def test_tells_what_does_not_exist(client: RawClient) -> None:
    name = create_topic(client).name
    response = alter(client, (name, 1, [ME]), (name, -1, None), ("nobody", 0, [ME]), ("nobody", 0, None))
    assert codes(response) == [
        (name, 1, NOT_THERE),
        (name, -1, NOT_THERE),
        ("nobody", 0, NOT_THERE),
        ("nobody", 0, NOT_THERE),
    ]


def test_an_empty_request_has_an_empty_answer(client: RawClient) -> None:
    assert alter(client).responses == []


def test_nothing_is_being_reassigned(client: RawClient) -> None:
    name = create_topic(client).name
    for topics in (
        None,
        [],
        [ListPartitionReassignmentsTopics(name=name, partition_indexes=[0])],
        [ListPartitionReassignmentsTopics(name="nobody", partition_indexes=[0])],
    ):
        response = client.ask(ListPartitionReassignmentsRequest(topics=topics), 0)
        assert (response.throttle_time_ms, response.error_code, response.error_message) == (0, 0, None)
        assert response.topics == []


def test_admin_clients_reassign(kafka_python: Any, client: RawClient) -> None:
    name = create_topic(client).name
    partition = kafka.TopicPartition(name, 0)
    assert not kafka_python.list_partition_reassignments()
    answer = kafka_python.alter_partition_reassignments({partition: [STRANGER]})
    assert answer == {partition: kafka.errors.InvalidReplicationAssignmentError}
