"""Apache Kafka's own command-line programs against the broker: what an operator types, and reads."""

from __future__ import annotations

import json
import re

from tests.broker_process import BrokerProcess
from tests.clients.command_line import KafkaTools
from tests.clients.conftest import NamedClient

PRODUCER_PERFORMANCE = "org.apache.kafka.tools.ProducerPerformance"
CONSUMER_PERFORMANCE = "org.apache.kafka.tools.ConsumerPerformance"


def test_topics_are_created_described_changed_and_deleted(broker: BrokerProcess, kafka_tools: KafkaTools) -> None:
    tool, at = kafka_tools.tool, broker.bootstrap
    tool(kafka_tools.TOPICS, at, "--create", "--topic", "orders", "--partitions", "3", "--config", "retention.ms=1000")
    described = tool(kafka_tools.TOPICS, at, "--describe", "--topic", "orders")
    assert "PartitionCount: 3" in described
    assert "retention.ms=1000" in described
    assert len(re.findall(r"Leader: 0\s+Replicas: 0\s+Isr: 0", described)) == 3
    tool(kafka_tools.TOPICS, at, "--alter", "--topic", "orders", "--partitions", "5")
    assert "PartitionCount: 5" in tool(kafka_tools.TOPICS, at, "--describe", "--topic", "orders")
    tool(kafka_tools.TOPICS, at, "--delete", "--topic", "orders")
    assert "orders" not in tool(kafka_tools.TOPICS, at, "--list").split()


def test_configs_are_altered_and_described(broker: BrokerProcess, kafka_tools: KafkaTools) -> None:
    tool, at = kafka_tools.tool, broker.bootstrap
    kafka_tools.admin_create(at, "orders")
    entity = ["--entity-type", "topics", "--entity-name", "orders"]
    tool(kafka_tools.CONFIGS, at, "--alter", *entity, "--add-config", "max.message.bytes=2000,cleanup.policy=[compact]")
    described = tool(kafka_tools.CONFIGS, at, "--describe", *entity)
    assert "max.message.bytes=2000" in described
    assert "cleanup.policy=compact" in described
    tool(kafka_tools.CONFIGS, at, "--alter", *entity, "--delete-config", "max.message.bytes")
    assert "max.message.bytes" not in tool(kafka_tools.CONFIGS, at, "--describe", *entity)


def test_offsets_are_shown_and_records_deleted(
    broker: BrokerProcess, kafka_tools: KafkaTools, named_client: NamedClient
) -> None:
    producer = named_client("confluent-kafka")
    producer.admin_create(broker.bootstrap, "orders", 1)
    producer.produce(broker.bootstrap, "orders", 10)
    offsets = kafka_tools.tool(kafka_tools.GET_OFFSETS, broker.bootstrap, "--topic", "orders")
    assert offsets.split() == ["orders:0:10"]
    wanted = broker.folder / "delete.json"
    wanted.write_text(json.dumps({"partitions": [{"topic": "orders", "partition": 0, "offset": 4}], "version": 1}))
    kafka_tools.tool(kafka_tools.DELETE_RECORDS, broker.bootstrap, "--offset-json-file", str(wanted))
    earliest = kafka_tools.tool(kafka_tools.GET_OFFSETS, broker.bootstrap, "--topic", "orders", "--time", "-2")
    assert earliest.split() == ["orders:0:4"]


def test_a_group_is_described_reset_and_deleted(
    broker: BrokerProcess, kafka_tools: KafkaTools, named_client: NamedClient
) -> None:
    client, tool, at = named_client("confluent-kafka"), kafka_tools.tool, broker.bootstrap
    client.admin_create(at, "orders", 1)
    client.produce(at, "orders", 10)
    member = client.group(at, "orders", "workers")
    member.wait_records(10)
    assert "rdkafka" in tool(kafka_tools.GROUPS, at, "--describe", "--group", "workers", "--members")
    member.stop()
    assert tool(kafka_tools.GROUPS, at, "--list").split() == ["workers"]
    assert lag_of(tool(kafka_tools.GROUPS, at, "--describe", "--group", "workers")) == "0"
    reset = ["--reset-offsets", "--group", "workers", "--topic", "orders", "--to-earliest", "--execute"]
    tool(kafka_tools.GROUPS, at, *reset)
    assert lag_of(tool(kafka_tools.GROUPS, at, "--describe", "--group", "workers")) == "10"
    tool(kafka_tools.GROUPS, at, "--delete", "--group", "workers")
    assert tool(kafka_tools.GROUPS, at, "--list").split() == []


def lag_of(described: str) -> str:
    """The lag of partition 0 in a group's description."""
    (line,) = [line.split() for line in described.splitlines() if line.startswith("workers")]
    return line[5]


def test_the_log_directory_has_the_size_of_its_records(
    broker: BrokerProcess, kafka_tools: KafkaTools, named_client: NamedClient
) -> None:
    named_client("confluent-kafka").produce(broker.bootstrap, "orders", 50)
    output = kafka_tools.tool(kafka_tools.LOG_DIRS, broker.bootstrap, "--describe", "--topic-list", "orders")
    (line,) = [line for line in output.splitlines() if line.startswith("{")]
    (directory,) = json.loads(line)["brokers"][0]["logDirs"]
    assert directory["logDir"] == str(broker.data_dir)
    assert directory["partitions"][0]["size"] > 50 * len("key-0value-0")


def test_the_performance_tools_run(broker: BrokerProcess, kafka_tools: KafkaTools) -> None:
    kafka_tools.admin_create(broker.bootstrap, "orders", 2)
    produced = kafka_tools.tool(
        PRODUCER_PERFORMANCE,
        broker.bootstrap,
        *("--topic", "orders", "--num-records", "5000", "--record-size", "200", "--throughput", "-1"),
    )
    assert "5000 records sent" in produced
    consumed = kafka_tools.tool(
        CONSUMER_PERFORMANCE, broker.bootstrap, "--topic", "orders", "--num-records", "5000", "--timeout", "30000"
    )
    assert re.search(r", 5000, ", consumed), consumed


def test_the_broker_tells_its_api_versions(broker: BrokerProcess, kafka_tools: KafkaTools) -> None:
    output = kafka_tools.tool(kafka_tools.API_VERSIONS, broker.bootstrap)
    assert f"{broker.bootstrap} (id: 0 rack: null isFenced: false)" in output
    assert re.search(r"Produce\(0\): 0 to \d+ \[usable: \d+\]", output)
    assert "Metadata(3): 0 to 13 [usable: 13]" in output
