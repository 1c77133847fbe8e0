"""Altered configs take effect at once, without a restart, and are still there after one."""

from __future__ import annotations

from pathlib import Path

import pytest

from chronik.errors import ErrorCode
from chronik.wire.messages.create_topics import CreateTopicsRequest
from chronik.wire.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from tests.api.configs import (
    ALL_BROKERS,
    APPEND,
    BROKER,
    DEFAULT,
    DELETE,
    FROM_BROKER,
    FROM_CLUSTER,
    FROM_GROUP,
    FROM_TOPIC,
    GROUP,
    SET,
    TOPIC,
    change,
    describe,
    value_of,
)
from tests.api.test_alter_configs import becomes
from tests.api.topics import (
    EARLIEST,
    RECORD_TIMESTAMP_MS,
    create_topic,
    fetch,
    node_id,
    offset_at,
    produce,
    topic_of,
    try_produce,
    unique,
)
from tests.broker_process import BrokerProcess, wait_until
from tests.conftest import BrokerFactory, RawFactory
from tests.raw_client import RawClient

LARGE = [b"x" * 3000]


@pytest.fixture
def asked(broker: BrokerProcess, raw: RawFactory) -> RawClient:
    """A raw client of a broker that nobody else uses: the tests change what holds for all of it."""
    return raw(broker)


def settled_code(client: RawClient, topic: str, code: int) -> None:
    """Wait until a large batch is answered with this code (Kafka's brokers learn of changes a little later)."""
    wait_until(lambda: try_produce(client, topic, LARGE).error_code == code, 20, f"{topic} does not answer {code}")


def test_max_message_bytes_of_a_topic(client: RawClient) -> None:
    name, key = create_topic(client).name, "max.message.bytes"
    produce(client, name, LARGE)
    change(client, (TOPIC, name, [(key, SET, "2000")]))
    settled_code(client, name, ErrorCode.MESSAGE_TOO_LARGE)
    change(client, (TOPIC, name, [(key, DELETE, None)]))
    settled_code(client, name, 0)


def test_a_change_counts_for_the_next_request(client: RawClient, only_chronik: None) -> None:
    name, key = create_topic(client).name, "max.message.bytes"
    for _ in range(20):
        change(client, (TOPIC, name, [(key, SET, "2000")]))
        assert try_produce(client, name, LARGE).error_code == ErrorCode.MESSAGE_TOO_LARGE
        change(client, (TOPIC, name, [(key, DELETE, None)]))
        assert try_produce(client, name, LARGE).error_code == 0


def test_cleanup_policy_of_a_topic(client: RawClient) -> None:
    name = create_topic(client).name
    produce(client, name, [b"without a key"])
    change(client, (TOPIC, name, [("cleanup.policy", SET, "compact")]))
    wait_until(
        lambda: try_produce(client, name, [b"x"]).error_code == ErrorCode.INVALID_RECORD, 20, "it is not compacted"
    )
    produce(client, name, [b"with a key"], keys=[b"key"])


def test_message_timestamp_type_of_a_topic(client: RawClient) -> None:
    name = create_topic(client).name
    assert try_produce(client, name, [b"x"]).log_append_time_ms == -1
    change(client, (TOPIC, name, [("message.timestamp.type", SET, "LogAppendTime")]))
    wait_until(lambda: try_produce(client, name, [b"x"]).log_append_time_ms > RECORD_TIMESTAMP_MS, 20, "no append time")


def test_retention_of_a_topic(broker_factory: BrokerFactory, raw: RawFactory, tmp_path: Path) -> None:
    config = tmp_path / "chronik.toml"
    config.write_text('"log.retention.check.interval.ms" = 50\n')
    broker = broker_factory(args=["--config", str(config)])
    broker.start()
    client = raw(broker)
    name = create_topic(client).name
    for _ in range(3):
        produce(client, name, [b"x" * 600_000])
    change(client, (TOPIC, name, [("segment.bytes", SET, "1048576"), ("retention.bytes", SET, "1048576")]))
    for _ in range(6):
        produce(client, name, [b"x" * 600_000])
    wait_until(lambda: offset_at(client, name, EARLIEST) > 0, 20, "nothing is given up by size")
    change(client, (TOPIC, name, [("retention.bytes", DELETE, None), ("retention.ms", SET, "1000")]))
    # The records are older than that.
    wait_until(lambda: fetch(client, name, 9).log_start_offset == 9, 20, "nothing is given up by age")


def test_topics_follow_the_cluster_and_the_broker(asked: RawClient) -> None:
    me, key = str(node_id(asked)), "message.max.bytes"
    follower = create_topic(asked).name
    own = create_topic(asked, configs={"max.message.bytes": "1000000"}).name
    assert change(asked, (BROKER, ALL_BROKERS, [(key, SET, "2000")])) == [0]
    settled_code(asked, follower, ErrorCode.MESSAGE_TOO_LARGE)
    settled_code(asked, own, 0)
    assert value_of(asked, TOPIC, follower, "max.message.bytes") == ("2000", FROM_CLUSTER)
    assert value_of(asked, TOPIC, own, "max.message.bytes") == ("1000000", FROM_TOPIC)
    assert change(asked, (BROKER, me, [(key, SET, "100000")])) == [0]
    settled_code(asked, follower, 0)
    config = describe(asked, TOPIC, follower, ["max.message.bytes"], synonyms=True)["max.message.bytes"]
    assert [(synonym.name, synonym.value, synonym.source) for synonym in config.synonyms] == [
        (key, "100000", FROM_BROKER),
        (key, "2000", FROM_CLUSTER),
        (key, "1048588", DEFAULT),
    ]
    assert change(asked, (BROKER, me, [(key, DELETE, None)])) == [0]
    settled_code(asked, follower, ErrorCode.MESSAGE_TOO_LARGE)
    assert change(asked, (BROKER, ALL_BROKERS, [(key, DELETE, None)])) == [0]
    settled_code(asked, follower, 0)
    becomes(asked, BROKER, me, key, "1048588", DEFAULT)


def test_a_new_topic_has_the_defaults_of_the_moment(asked: RawClient) -> None:
    me = str(node_id(asked))
    assert change(asked, (BROKER, me, [("log.retention.ms", SET, "1234567")])) == [0]
    becomes(asked, BROKER, me, "log.retention.ms", "1234567", FROM_BROKER)
    name = unique()
    (result,) = asked.ask(CreateTopicsRequest(topics=[topic_of(name)]), 7).topics
    configs = {config.name: config for config in result.configs or ()}
    assert (configs["retention.ms"].value, configs["retention.ms"].config_source) == ("1234567", FROM_BROKER)


def test_configs_survive_a_crash(broker: BrokerProcess, raw: RawFactory, only_chronik: None) -> None:
    client = raw(broker)
    me, group = str(node_id(client)), unique("group")
    name, follower = create_topic(client).name, create_topic(client).name
    codes = change(
        client,
        (TOPIC, name, [("retention.ms", SET, "1000"), ("cleanup.policy", APPEND, "compact")]),
        (BROKER, me, [("message.max.bytes", SET, "2000")]),
        (BROKER, ALL_BROKERS, [("log.segment.bytes", SET, "2097152")]),
        (GROUP, group, [("consumer.session.timeout.ms", SET, "50000")]),
    )
    assert codes == [0, 0, 0, 0]
    broker.kill()
    broker.start()
    client = raw(broker)
    assert value_of(client, TOPIC, name, "retention.ms") == ("1000", FROM_TOPIC)
    assert value_of(client, TOPIC, name, "cleanup.policy") == ("delete,compact", FROM_TOPIC)
    assert value_of(client, TOPIC, follower, "max.message.bytes") == ("2000", FROM_BROKER)
    assert value_of(client, TOPIC, follower, "segment.bytes") == ("2097152", FROM_CLUSTER)
    assert value_of(client, GROUP, group, "consumer.session.timeout.ms") == ("50000", FROM_GROUP)
    assert try_produce(client, follower, LARGE).error_code == ErrorCode.MESSAGE_TOO_LARGE
    change(client, (BROKER, me, [("message.max.bytes", DELETE, None)]))
    broker.restart()
    client = raw(broker)
    assert value_of(client, TOPIC, follower, "max.message.bytes") == ("1048588", DEFAULT)
    assert try_produce(client, follower, LARGE).error_code == 0


def test_topic_deletion_can_be_forbidden(broker_factory: BrokerFactory, raw: RawFactory, tmp_path: Path) -> None:
    config = tmp_path / "chronik.toml"
    config.write_text('"delete.topic.enable" = false\n')
    broker = broker_factory(args=["--config", str(config)])
    broker.start()
    client = raw(broker)
    made = create_topic(client)
    for version, code in ((2, ErrorCode.INVALID_REQUEST), (3, ErrorCode.TOPIC_DELETION_DISABLED)):
        (result,) = client.ask(DeleteTopicsRequest(topic_names=[made.name]), version).responses
        assert (result.name, result.error_code) == (made.name, code)
    by_id = DeleteTopicsRequest(topics=[DeleteTopicState(topic_id=made.topic_id)])
    (result,) = client.ask(by_id, 6).responses
    assert (result.topic_id, result.error_code) == (made.topic_id, ErrorCode.TOPIC_DELETION_DISABLED)
    assert produce(client, made.name, [b"x"]) == 0
