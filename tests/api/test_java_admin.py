"""Java's admin client, by way of Kafka's own tools, understands what only it asks for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.api.configs import FROM_GROUP, GROUP, SET, change
from tests.api.test_alter_configs import becomes
from tests.api.topics import create_topic, node_id, unique
from tests.broker_process import BrokerProcess
from tests.clients.command_line import KafkaTools
from tests.clients.conftest import make
from tests.raw_client import RawClient

pytestmark = pytest.mark.clients

ACLS = "org.apache.kafka.tools.AclCommand"
LEADER_ELECTION = "org.apache.kafka.tools.LeaderElectionCommand"
REASSIGN_PARTITIONS = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"

STRANGER = 99

PARTITION_COUNTS = (1001, 1000, 2)


@pytest.fixture(scope="module")
def tools() -> KafkaTools:
    """Kafka's own command-line tools."""
    tools = make("kafka-cli")
    assert isinstance(tools, KafkaTools)
    return tools


def test_topics_are_described_page_by_page(tools: KafkaTools, client: RawClient, module_broker: BrokerProcess) -> None:
    """DescribeTopicPartitions gives 2000 partitions at a time, and Java asks for the rest."""
    names = [create_topic(client, partitions=count).name for count in PARTITION_COUNTS]
    output = tools.tool(KafkaTools.TOPICS, module_broker.bootstrap, "--describe")
    lines = [line.split("\t") for line in output.splitlines() if line.startswith("\tTopic: ")]
    seen = [(line[1], line[2]) for line in lines]
    for name, count in zip(names, PARTITION_COUNTS, strict=True):
        expected = [(f"Topic: {name}", f"Partition: {index}") for index in range(count)]
        assert [each for each in seen if each[0] == f"Topic: {name}"] == expected


def test_groups_with_configs_are_listed(tools: KafkaTools, client: RawClient, module_broker: BrokerProcess) -> None:
    """ListConfigResources, then DescribeConfigs."""
    group = unique("group")
    change(client, (GROUP, group, [("consumer.session.timeout.ms", SET, "50000")]))
    becomes(client, GROUP, group, "consumer.session.timeout.ms", "50000", FROM_GROUP)
    output = tools.tool(KafkaTools.CONFIGS, module_broker.bootstrap, "--describe", "--entity-type", "groups")
    assert group in output
    assert "consumer.session.timeout.ms=50000" in output


def test_leaders_need_no_election(tools: KafkaTools, client: RawClient, module_broker: BrokerProcess) -> None:
    name = create_topic(client).name
    bootstrap = module_broker.bootstrap
    wanted = ("--election-type", "preferred", "--topic", name, "--partition", "0")
    assert f"Valid replica already elected for partitions {name}-0" in tools.tool(LEADER_ELECTION, bootstrap, *wanted)
    tools.tool(LEADER_ELECTION, bootstrap, "--election-type", "preferred", "--all-topic-partitions")


def test_partitions_cannot_be_moved_away(
    tools: KafkaTools, client: RawClient, module_broker: BrokerProcess, tmp_path: Path
) -> None:
    name, me = create_topic(client).name, node_id(client)
    bootstrap = module_broker.bootstrap
    plan = tmp_path / "plan.json"
    execute = ("--reassignment-json-file", str(plan), "--execute")

    def move_to(broker_id: int) -> None:
        move = {"topic": name, "partition": 0, "replicas": [broker_id], "log_dirs": ["any"]}
        plan.write_text(json.dumps({"version": 1, "partitions": [move]}))

    move_to(me)
    assert "Successfully started" in tools.tool(REASSIGN_PARTITIONS, bootstrap, *execute)
    move_to(STRANGER)
    with pytest.raises(AssertionError, match="Unknown broker id 99"):
        tools.tool(REASSIGN_PARTITIONS, bootstrap, *execute)
    assert "No partition reassignments found" in tools.tool(REASSIGN_PARTITIONS, bootstrap, "--list")


def test_there_are_no_acls(tools: KafkaTools, module_broker: BrokerProcess) -> None:
    with pytest.raises(AssertionError, match="SecurityDisabledException"):
        tools.tool(ACLS, module_broker.bootstrap, "--list")
