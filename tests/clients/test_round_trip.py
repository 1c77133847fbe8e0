"""What every client does first: topics, producing with each codec it has, consuming, a group that comes back."""

from __future__ import annotations

import pytest

from tests.broker_process import BrokerProcess, KafkaProcess, wait_until
from tests.clients.client_program import ClientProgram
from tests.clients.conftest import NamedClient

PARTITION_COUNT = 3
RECORD_COUNT = 40


@pytest.fixture
def creator(named_client: NamedClient) -> ClientProgram:
    """The client that creates topics for those that cannot."""
    return named_client("confluent-kafka")


def expected(prefix: str = "") -> set[tuple[str | None, str | None]]:
    return {(f"{prefix}key-{i}", f"{prefix}value-{i}") for i in range(RECORD_COUNT)}


def skip_what_kafka_dropped(broker: BrokerProcess, client: ClientProgram) -> None:
    """Kafka 4 closes the connection on versions that sarama 1.38 still sends; we serve them."""
    if isinstance(broker, KafkaProcess) and client.name == "sarama":
        pytest.skip("Kafka 4 no longer serves DescribeConfigs 0 and OffsetCommit 1")


def test_a_topic_is_created_listed_and_deleted(broker: BrokerProcess, client: ClientProgram) -> None:
    skip_what_kafka_dropped(broker, client)
    assert "orders" not in client.admin_list(broker.bootstrap)
    if not client.creates_topics:
        return
    client.admin_create(broker.bootstrap, "orders", PARTITION_COUNT)
    assert "orders" in client.admin_list(broker.bootstrap)
    client.admin_delete(broker.bootstrap, "orders")
    wait_until(lambda: "orders" not in client.admin_list(broker.bootstrap), 20, "the topic is still listed")


def test_records_of_every_codec_come_back_in_order(
    broker: BrokerProcess, client: ClientProgram, creator: ClientProgram
) -> None:
    creator.admin_create(broker.bootstrap, "orders", PARTITION_COUNT)
    codecs = ("default", *client.codecs)
    for codec in codecs:
        client.produce(broker.bootstrap, "orders", RECORD_COUNT, codec, prefix=f"{codec}-")
    records = client.consume(broker.bootstrap, "orders", RECORD_COUNT * len(codecs))
    wanted = set[tuple[str | None, str | None]]().union(*(expected(f"{codec}-") for codec in codecs))
    assert {(record.key, record.value) for record in records} == wanted
    for partition in range(PARTITION_COUNT):
        offsets = [record.offset for record in records if record.partition == partition]
        assert offsets == list(range(len(offsets)))


def test_the_acknowledged_offset_is_where_the_record_is(
    broker: BrokerProcess, client: ClientProgram, creator: ClientProgram
) -> None:
    creator.admin_create(broker.bootstrap, "orders", PARTITION_COUNT)
    acknowledged = client.produce(broker.bootstrap, "orders", RECORD_COUNT)
    consumed = creator.consume(broker.bootstrap, "orders", RECORD_COUNT)
    places = {(record.partition, record.offset): (record.key, record.value) for record in consumed}
    assert set(places.values()) == expected()
    for record in acknowledged:
        if record.key is None:
            assert (record.partition, record.offset) in places
        else:
            assert places[record.partition, record.offset] == (record.key, record.value)


def test_a_group_member_resumes_at_its_commit(
    broker: BrokerProcess, client: ClientProgram, creator: ClientProgram
) -> None:
    skip_what_kafka_dropped(broker, client)
    creator.admin_create(broker.bootstrap, "orders", PARTITION_COUNT)
    creator.produce(broker.bootstrap, "orders", RECORD_COUNT, prefix="first-")
    member = client.group(broker.bootstrap, "orders", "workers")
    if client.tells_assignment:
        member.wait_assignment(range(PARTITION_COUNT))
    first = member.wait_records(RECORD_COUNT)
    member.stop()
    assert {(record.key, record.value) for record in first} == expected("first-")

    creator.produce(broker.bootstrap, "orders", RECORD_COUNT, prefix="second-")
    second = client.group(broker.bootstrap, "orders", "workers").wait_records(RECORD_COUNT)
    assert {(record.key, record.value) for record in second} == expected("second-")


def test_two_members_share_the_partitions(broker: BrokerProcess, client: ClientProgram, creator: ClientProgram) -> None:
    if not client.tells_assignment:
        pytest.skip(f"{client.name} does not tell its assignment")
    creator.admin_create(broker.bootstrap, "orders", 4)
    one = client.group(broker.bootstrap, "orders", "workers")
    one.wait_assignment(range(4))
    two = client.group(broker.bootstrap, "orders", "workers")
    two.wait_assignment(lambda owned: len(owned) == 2)
    one.wait_assignment(lambda owned: len(owned) == 2)
    assert sorted((*(one.assignment or ()), *(two.assignment or ()))) == [0, 1, 2, 3]
    one.stop()
    two.wait_assignment(range(4))
