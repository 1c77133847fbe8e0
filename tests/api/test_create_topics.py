"""CreateTopics: what is created, what is refused with which error, and what the reply tells."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.cimpl import NewTopic

from chronik.errors import ErrorCode
from chronik.wire.apis import ApiKey
from chronik.wire.messages.create_topics import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicResult,
    CreateTopicsRequest,
)
from chronik.wire.messages.metadata import MetadataRequest
from tests.api.topics import create_topic, metadata_of, node_id, topic_of, unique
from tests.broker_process import BrokerProcess, wait_until
from tests.conftest import RawFactory
from tests.kafka_python import kafka
from tests.raw_client import RawClient

API = ApiKey.CREATE_TOPICS

ME = -100
"""Stands for the broker's own id in an assignment."""
STRANGER = 99


def create(
    client: RawClient, *topics: CreatableTopic, version: int = 7, validate_only: bool = False
) -> dict[str, CreatableTopicResult]:
    """The results by name; AssertionError when a name is answered twice."""
    response = client.ask(CreateTopicsRequest(topics=list(topics), validate_only=validate_only), version)
    assert response.throttle_time_ms == 0
    results = {result.name: result for result in response.topics}
    assert len(results) == len(response.topics)
    return results


def assigned(client: RawClient, name: str, *assignments: tuple[int, list[int]]) -> CreatableTopic:
    me = node_id(client)
    topic = topic_of(name, -1, -1)
    topic.assignments = [
        CreatableReplicaAssignment(
            partition_index=partition, broker_ids=[me if broker_id == ME else broker_id for broker_id in broker_ids]
        )
        for partition, broker_ids in assignments
    ]
    return topic


def test_creates_in_every_version(client: RawClient, version: int) -> None:
    name = unique()
    result = create(client, topic_of(name, 3), version=version)[name]
    assert result.error_code == 0
    assert result.error_message is None or version == 0
    assert (result.topic_id != bytes(16)) == (version >= 7)
    expected = (3, 1) if version >= 5 else (-1, -1)
    assert (result.num_partitions, result.replication_factor) == expected
    assert bool(result.configs) == (version >= 5)
    wait_until(lambda: len(metadata_of(client, name).partitions) == 3, 10, "the topic does not appear")
    again = create(client, topic_of(name, 3), version=version)[name]
    assert again.error_code == ErrorCode.TOPIC_ALREADY_EXISTS
    assert bool(again.error_message) == (version >= 1)


def test_a_created_topic_is_in_the_next_metadata(client: RawClient, only_chronik: None) -> None:
    name = unique()
    result = create(client, topic_of(name, 3))[name]
    topic = metadata_of(client, name)
    assert (topic.error_code, topic.topic_id, topic.is_internal) == (0, result.topic_id, False)
    me = node_id(client)
    assert [partition.partition_index for partition in topic.partitions] == [0, 1, 2]
    for partition in topic.partitions:
        assert (partition.error_code, partition.leader_id, partition.leader_epoch) == (0, me, 0)
        assert (partition.replica_nodes, partition.isr_nodes, partition.offline_replicas) == ([me], [me], [])


@pytest.mark.parametrize(("partitions", "replication_factor"), [(-1, -1), (-1, 1), (2, -1)])
def test_minus_one_takes_the_default(client: RawClient, partitions: int, replication_factor: int) -> None:
    name = unique()
    result = create(client, topic_of(name, partitions, replication_factor))[name]
    assert (result.error_code, result.num_partitions, result.replication_factor) == (0, max(partitions, 1), 1)


@pytest.mark.parametrize(
    ("partitions", "replication_factor", "error"),
    [
        (1, 2, ErrorCode.INVALID_REPLICATION_FACTOR),
        (1, 0, ErrorCode.INVALID_REPLICATION_FACTOR),
        (1, -2, ErrorCode.INVALID_REPLICATION_FACTOR),
        (0, 1, ErrorCode.INVALID_PARTITIONS),
        (-2, 1, ErrorCode.INVALID_PARTITIONS),
        (0, 0, ErrorCode.INVALID_REPLICATION_FACTOR),
        (0, 2, ErrorCode.INVALID_PARTITIONS),
        (10_001, 1, ErrorCode.POLICY_VIOLATION),
        (2**31 - 1, 1, ErrorCode.POLICY_VIOLATION),
    ],
)
def test_refuses_numbers(client: RawClient, partitions: int, replication_factor: int, error: ErrorCode) -> None:
    name = unique()
    result = create(client, topic_of(name, partitions, replication_factor))[name]
    assert result.error_code == error
    assert result.error_message
    assert (result.num_partitions, result.replication_factor, result.configs) == (-1, -1, [])
    assert result.topic_id == bytes(16)
    assert metadata_of(client, name).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_counts_the_partitions_of_the_whole_request(client: RawClient) -> None:
    names = [unique() for _ in range(3)]
    results = create(client, topic_of(names[0], 6000), topic_of(names[1], 4000), topic_of(names[2]))
    assert {name: results[name].error_code for name in names} == dict.fromkeys(names, ErrorCode.POLICY_VIOLATION)


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "x" * 250, "\u00e9", "a/b", "a\n"])
def test_refuses_illegal_names(client: RawClient, name: str) -> None:
    assert create(client, topic_of(name))[name].error_code == ErrorCode.INVALID_TOPIC_EXCEPTION


def test_takes_the_longest_name(client: RawClient) -> None:
    name = "x" * 249
    assert create(client, topic_of(name))[name].error_code == 0


def test_names_that_differ_in_dot_and_underscore_collide(client: RawClient) -> None:
    there = create_topic(client, "a.b").name
    other = there.replace(".", "_")
    assert create(client, topic_of(other))[other].error_code == ErrorCode.INVALID_TOPIC_EXCEPTION
    assert create(client, topic_of(there))[there].error_code == ErrorCode.TOPIC_ALREADY_EXISTS


def test_collisions_in_one_request_are_created(client: RawClient) -> None:
    dotted = unique("c.d")
    scored = dotted.replace(".", "_")
    results = create(client, topic_of(dotted), topic_of(scored))
    assert [results[name].error_code for name in (dotted, scored)] == [0, 0]
    again = create(client, topic_of(dotted), topic_of(scored))
    assert {result.error_code for result in again.values()} == {ErrorCode.TOPIC_ALREADY_EXISTS}


def test_a_name_listed_twice_is_refused_once(client: RawClient) -> None:
    twice, once = unique(), unique()
    results = create(client, topic_of(twice, 1), topic_of(once), topic_of(twice, 2))
    assert results[twice].error_code == ErrorCode.INVALID_REQUEST
    assert results[once].error_code == 0
    assert metadata_of(client, twice).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_one_failure_does_not_stop_the_others(client: RawClient) -> None:
    first, bad, last = unique(), unique(), unique()
    results = create(client, topic_of(first), topic_of(bad, 0), topic_of(last))
    assert [results[name].error_code for name in (first, bad, last)] == [0, ErrorCode.INVALID_PARTITIONS, 0]


def test_takes_an_assignment(client: RawClient) -> None:
    name = unique()
    result = create(client, assigned(client, name, (1, [ME]), (0, [ME])))[name]
    assert (result.error_code, result.num_partitions, result.replication_factor) == (0, 2, 1)


@pytest.mark.parametrize(
    "assignments",
    [
        pytest.param([(0, [ME]), (2, [ME])], id="gap"),
        pytest.param([(1, [ME]), (2, [ME])], id="not from 0"),
        pytest.param([(0, [ME]), (0, [ME])], id="partition twice"),
        pytest.param([(-1, [ME])], id="negative partition"),
        pytest.param([(0, [STRANGER])], id="unknown broker"),
        pytest.param([(0, [ME, ME])], id="broker twice"),
        pytest.param([(0, [])], id="no replicas"),
        pytest.param([(0, [ME]), (1, [])], id="unequal lengths"),
    ],
)
def test_refuses_bad_assignments(client: RawClient, assignments: list[tuple[int, list[int]]]) -> None:
    name = unique()
    result = create(client, assigned(client, name, *assignments))[name]
    assert result.error_code == ErrorCode.INVALID_REPLICA_ASSIGNMENT


@pytest.mark.parametrize(("partitions", "replication_factor"), [(1, -1), (-1, 1), (1, 1)])
def test_refuses_an_assignment_with_numbers(client: RawClient, partitions: int, replication_factor: int) -> None:
    name = unique()
    topic = assigned(client, name, (0, [ME]))
    topic.num_partitions, topic.replication_factor = partitions, replication_factor
    assert create(client, topic)[name].error_code == ErrorCode.INVALID_REQUEST


def test_tells_all_effective_configs(client: RawClient) -> None:
    name = unique()
    topic = topic_of(name, configs={"retention.ms": "1000", "cleanup.policy": "compact"})
    result = create(client, topic)[name]
    assert result.configs is not None
    configs = {config.name: config for config in result.configs}
    assert len(configs) == len(result.configs) == 33
    own, default = configs["retention.ms"], configs["segment.ms"]
    assert (own.value, own.config_source, own.read_only, own.is_sensitive) == ("1000", 1, False, False)
    assert configs["cleanup.policy"].value == "compact"
    assert (default.value, default.config_source) == ("604800000", 5)
    assert result.topic_config_error_code == 0


@pytest.mark.parametrize(
    "configs",
    [{"nope": "1"}, {"retention.ms": "soon"}, {"retention.ms": None}, {"": "1"}, {"min.insync.replicas": "0"}],
    ids=str,
)
def test_refuses_bad_configs(client: RawClient, configs: dict[str, str | None]) -> None:
    name = unique()
    # The configs are looked at before the numbers.
    result = create(client, topic_of(name, 0, configs=configs))[name]
    assert result.error_code == ErrorCode.INVALID_CONFIG
    assert result.error_message


def test_validates_without_creating(client: RawClient) -> None:
    name, bad, there = unique(), unique(), create_topic(client).name
    topics = topic_of(name, 3), topic_of(bad, 0), topic_of(there)
    results = create(client, *topics, validate_only=True)
    assert results[name].error_code == 0
    assert results[bad].error_code == ErrorCode.INVALID_PARTITIONS
    assert results[there].error_code == ErrorCode.TOPIC_ALREADY_EXISTS
    assert (results[name].num_partitions, len(results[name].configs or ())) == (3, 33)
    assert metadata_of(client, name).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert create(client, topic_of(name), version=4)[name].error_code == 0


def test_a_validated_topic_has_no_id(client: RawClient, only_chronik: None) -> None:
    name = unique()
    assert create(client, topic_of(name), validate_only=True)[name].topic_id == bytes(16)


def test_an_empty_request_has_an_empty_answer(client: RawClient) -> None:
    assert create(client) == {}


def test_two_clients_that_create_the_same_topic_are_told_apart(module_broker: BrokerProcess, raw: RawFactory) -> None:
    name = unique()
    clients = [raw(module_broker) for _ in range(5)]
    for client in clients:
        client.send(CreateTopicsRequest(topics=[topic_of(name)]), 7)
    codes = sorted(client.receive().topics[0].error_code for client in clients)
    assert codes == [0] + [ErrorCode.TOPIC_ALREADY_EXISTS] * 4


def test_topics_survive_a_restart(broker: BrokerProcess, raw: RawFactory) -> None:
    client = raw(broker)
    name = unique()
    topic = topic_of(name, 3, configs={"retention.ms": "1000"})
    made = create(client, topic)[name]
    broker.stop()
    broker.start()
    client = raw(broker)
    wait_until(lambda: metadata_of(client, name).error_code == 0, 20, "the topic does not appear")
    there = metadata_of(client, name)
    assert (there.topic_id, len(there.partitions)) == (made.topic_id, 3)
    assert create(client, topic)[name].error_code == ErrorCode.TOPIC_ALREADY_EXISTS


def test_kio_understands_the_answer(client: RawClient) -> None:
    from kio.schema.create_topics.v7.request import CreatableTopic as KioTopic
    from kio.schema.create_topics.v7.request import CreateTopicsRequest as KioRequest
    from kio.schema.types import TopicName
    from kio.static.primitive import i16, i32

    topic = KioTopic(
        name=TopicName(unique()), num_partitions=i32(2), replication_factor=i16(1), assignments=(), configs=()
    )
    (result,) = client.ask_kio(KioRequest(topics=(topic,))).topics
    assert (result.name, result.error_code.value, result.num_partitions) == (topic.name, 0, 2)
    assert len(result.configs) == 33


def test_admin_clients_create(kafka_python: Any, librdkafka: Any, client: RawClient) -> None:
    theirs, ours = unique(), unique()
    kafka_python.create_topics([kafka.admin.NewTopic(theirs, num_partitions=2, replication_factor=1)])
    with pytest.raises(kafka.errors.TopicAlreadyExistsError):
        kafka_python.create_topics([kafka.admin.NewTopic(theirs, num_partitions=2, replication_factor=1)])
    with pytest.raises(kafka.errors.InvalidReplicationFactorError):
        kafka_python.create_topics([kafka.admin.NewTopic(unique(), num_partitions=2, replication_factor=2)])
    futures = librdkafka.create_topics([NewTopic(ours, 3, 1, config={"retention.ms": "1"}), NewTopic(theirs, 1, 1)])
    futures[ours].result()
    with pytest.raises(KafkaException, match="TOPIC_ALREADY_EXISTS"):
        futures[theirs].result()
    names = {topic.name for topic in client.ask(MetadataRequest(topics=None), 9).topics}
    assert {theirs, ours} <= names
    assert len(metadata_of(client, ours).partitions) == 3
