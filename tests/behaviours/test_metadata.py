"""Which brokers and topics there are, who coordinates, and how topics come and go."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from chronik.errors import ErrorCode
from chronik.wire.messages.find_coordinator import FindCoordinatorRequest
from chronik.wire.messages.metadata import MetadataRequest, MetadataRequestTopic
from tests.behaviours.batches import batch
from tests.behaviours.conftest import ConfiguredBroker
from tests.behaviours.partition import (
    SETTLED_S,
    Partition,
    create_named,
    create_topic,
    delete_topic,
    metadata_of,
    partitions_of,
    unique,
    wait_usable,
)
from tests.broker_process import BrokerProcess, free_port, wait_until
from tests.conftest import RawFactory
from tests.raw_client import RawClient

NO_TOPIC = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def names(response: Any) -> set[str]:
    return {topic.name for topic in response.topics}


def test_metadata_0_takes_no_topics_for_all_and_1_for_none(client: RawClient) -> None:
    topic = create_topic(client)
    assert topic in names(client.ask(MetadataRequest(topics=[]), 0))
    for version in range(1, 13):
        assert names(client.ask(MetadataRequest(topics=[]), version)) == set()
        assert topic in names(client.ask(MetadataRequest(topics=None), version))


@pytest.mark.parametrize("version", range(14))
def test_every_version_of_metadata_can_be_read_to_the_last_byte(client: RawClient, version: int) -> None:
    """The raw client compares with another codec's bytes, so that nothing is missing and nothing is left over."""
    topic = create_topic(client, 2)
    missing = unique("missing")
    asked = [MetadataRequestTopic(name=topic), MetadataRequestTopic(name=missing)]
    if version < 4:
        asked.pop()  # would be created
    response = client.ask(MetadataRequest(topics=asked, allow_auto_topic_creation=False), version)
    found = {one.name: one for one in response.topics}
    assert {partition.partition_index for partition in found[topic].partitions} == {0, 1}
    assert missing not in found or found[missing].error_code == NO_TOPIC


def test_the_broker_is_one_and_the_same_everywhere(module_broker: BrokerProcess, client: RawClient) -> None:
    topic = create_topic(client, 3)
    response = client.ask(MetadataRequest(topics=[MetadataRequestTopic(name=topic)]), 9)
    (broker,) = response.brokers
    assert (broker.host, broker.port, broker.rack) == (module_broker.host, module_broker.port, None)
    assert broker.node_id >= 0
    assert response.controller_id == broker.node_id
    assert len(base64.urlsafe_b64decode(response.cluster_id + "==")) == 16
    for partition in response.topics[0].partitions:
        assert partition.leader_id == broker.node_id
        assert partition.replica_nodes == partition.isr_nodes == [broker.node_id]
        assert (partition.error_code, partition.offline_replicas) == (0, [])


def test_the_cluster_id_and_topic_ids_survive_a_restart(broker: BrokerProcess, raw: RawFactory) -> None:
    client = raw(broker)
    topic = create_topic(client)
    before, topic_id = client.ask(MetadataRequest(topics=[]), 9), metadata_of(client, topic).topic_id
    broker.stop()
    broker.start()
    client = raw(broker)
    after = client.ask(MetadataRequest(topics=[]), 9)
    assert (after.cluster_id, after.brokers, after.controller_id) == (
        before.cluster_id,
        before.brokers,
        before.controller_id,
    )
    wait_until(lambda: metadata_of(client, topic).error_code == 0, SETTLED_S, "the topic is gone")
    assert metadata_of(client, topic).topic_id == topic_id


@pytest.mark.usefixtures("only_chronik")
def test_clients_are_told_the_advertised_address(configured: ConfiguredBroker, raw: RawFactory) -> None:
    """A configuration of its own for each broker: the names of these options are ours."""
    port = free_port()
    client = raw(configured({"advertise": f"broker.example:{port}", "node-id": "7"}))
    response = client.ask(MetadataRequest(topics=[]), 9)
    assert [(one.node_id, one.host, one.port) for one in response.brokers] == [(7, "broker.example", port)]
    found = client.ask(FindCoordinatorRequest(key="group"), 2)
    assert (found.node_id, found.host, found.port) == (7, "broker.example", port)


@pytest.mark.parametrize("version", range(6))
@pytest.mark.parametrize("key_type", [0, 1], ids=["group", "transactional id"])
def test_the_coordinator_is_the_broker_of_metadata(client: RawClient, version: int, key_type: int) -> None:
    if version == 0 and key_type:
        pytest.skip("version 0 knows groups only")
    (broker,) = client.ask(MetadataRequest(topics=[]), 9).brokers
    keys = ["one", "two"] if version >= 4 else []
    request = FindCoordinatorRequest(key="one", key_type=key_type, coordinator_keys=keys)

    def found() -> list[Any]:
        response = client.ask(request, version)
        return list(response.coordinators) if version >= 4 else [response]

    # Kafka has to create its internal topics first.
    wait_until(lambda: all(one.error_code == 0 for one in found()), SETTLED_S, "there is no coordinator")
    answers = found()
    assert [one.key for one in answers if version >= 4] == keys
    for one in answers:
        assert (one.node_id, one.host, one.port) == (broker.node_id, broker.host, broker.port)


@pytest.mark.parametrize("version", [0, 1, 3, 4, 9, 12])
def test_naming_a_topic_creates_it(client: RawClient, version: int, on_kafka: bool) -> None:
    """Kafka first answers that there is none; here the first reply has the topic, which spares clients a retry."""
    name = unique()
    first = metadata_of(client, name, create=True, version=version)
    if on_kafka:
        assert first.error_code == NO_TOPIC
        wait_until(lambda: metadata_of(client, name).error_code == 0, SETTLED_S, "it is not created")
    else:
        assert (first.error_code, [one.leader_id >= 0 for one in partitions_of(first)]) == (0, [True])
    assert Partition(client, name).end == 0


def test_a_topic_is_created_only_where_it_is_named_and_allowed(client: RawClient) -> None:
    name = unique()
    for version in (4, 9, 12):
        assert metadata_of(client, name, create=False, version=version).error_code == NO_TOPIC
    client.ask(MetadataRequest(topics=None, allow_auto_topic_creation=True), 9)
    assert Partition(client, name).fetch(0).error_code == NO_TOPIC
    assert Partition(client, name).list_offset(-1).error_code == NO_TOPIC
    assert Partition(client, name).produce(batch(b"x")).error_code == NO_TOPIC
    assert name not in names(client.ask(MetadataRequest(topics=None), 9))


def test_a_broker_can_be_told_not_to_create_topics(configured: ConfiguredBroker, raw: RawFactory) -> None:
    client = raw(configured({"auto.create.topics.enable": False}))
    assert metadata_of(client, "orders", create=True).error_code == NO_TOPIC
    assert names(client.ask(MetadataRequest(topics=None), 9)) == set()
    create_named(client, "orders")


@pytest.mark.parametrize("create", [False, True], ids=["only asked", "to be created"])
@pytest.mark.parametrize("name", ["a b", "", ".", "..", "x" * 250, "\u00fc", "a/b", "a:b"])
def test_an_illegal_topic_name_is_told_apart_from_a_missing_one(client: RawClient, name: str, create: bool) -> None:
    assert metadata_of(client, name, create=create).error_code == ErrorCode.INVALID_TOPIC_EXCEPTION
    assert name not in names(client.ask(MetadataRequest(topics=None), 9))


def test_a_created_topic_is_in_the_next_metadata(module_broker: BrokerProcess, client: RawClient) -> None:
    admin = AdminClient({"bootstrap.servers": module_broker.bootstrap})
    one, default, three = unique(), unique(), unique()
    wanted = [NewTopic(one, 3, 1), NewTopic(default, 3, -1), NewTopic(three, 3, 2)]
    futures = admin.create_topics(wanted)
    for name in (one, default):
        futures[name].result()
        wait_usable(client, name, 3)
        assert len(metadata_of(client, name).partitions) == 3
    with pytest.raises(KafkaException, match="INVALID_REPLICATION_FACTOR"):
        futures[three].result()
    assert metadata_of(client, three).error_code == NO_TOPIC


def test_a_topic_that_is_created_again_is_another_one(client: RawClient) -> None:
    name = create_topic(client)
    partition = Partition(client, name)
    first_id = metadata_of(client, name).topic_id
    partition.append(b"old")
    partition.append(b"old")
    delete_topic(client, name)
    assert name not in names(client.ask(MetadataRequest(topics=None), 9))
    assert partition.produce(batch(b"x")).error_code == NO_TOPIC
    assert partition.fetch(0).error_code == NO_TOPIC
    create_named(client, name)
    assert metadata_of(client, name).topic_id not in (first_id, bytes(16))
    assert (partition.start, partition.end) == (0, 0)
    assert partition.append(b"new") == 0
    assert [record.value for record in partition.records()] == [b"new"]
