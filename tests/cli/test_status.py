"""`chronik status`, `wait` and `api-versions`: as processes against a broker, and against none."""

from __future__ import annotations

from tests.broker_process import BrokerProcess, free_port
from tests.cli.client_commands import Commands
from tests.conftest import BrokerFactory


def test_a_healthy_cluster(commands: Commands) -> None:
    commands.ok("topic", "create", "t", "-p", "3")
    (facts,) = commands.rows("status")
    assert (facts["healthy"], facts["topics"]) == (True, 1)
    assert facts["partitions"] >= 3
    assert (facts["leaderless_partitions"], facts["under_replicated_partitions"]) == ([], [])
    (node,) = facts["brokers"]
    assert f"{node['host']}:{node['port']}" == commands.bootstrap
    title, head, broker = commands.table("status")
    assert title[:4] == ["STATUS", "healthy", "CLUSTER", facts["cluster_id"]]
    assert head == ["BROKER", "ADDRESS", "RACK", "ROLE"]
    assert broker == [str(node["id"]), commands.bootstrap, "controller"]


def test_what_is_served(commands: Commands, module_broker: BrokerProcess) -> None:
    served = {row["api"]: (row["key"], row["min"], row["max"]) for row in commands.rows("api-versions")}
    assert served["ApiVersions"][0] == 18
    assert served["Produce"][2] >= 11
    if type(module_broker) is BrokerProcess:
        assert None not in served
    assert commands.table("api-versions")[0] == ["KEY", "API", "MIN", "MAX"]


def test_waiting_for_a_topic(commands: Commands) -> None:
    commands.ok("wait")
    commands.ok("topic", "create", "awaited")
    commands.ok("wait", "--topic", "awaited")
    refused = ("wait", "--topic", "awaited", "--topic", "never", "--timeout", "0.5")
    commands.refused(1, *refused, said=["There is no topic never, and none has appeared in 0.5 s."])
    with commands.running("wait", "--topic", "later", "--timeout", "60") as waiting:
        commands.ok("topic", "create", "later")
        assert waiting.wait(60) == 0


def test_waiting_for_a_broker(broker_factory: BrokerFactory) -> None:
    nobody = Commands(f"127.0.0.1:{free_port()}")
    nobody.refused(3, "status", said=["No broker answers at", "connection refused"])
    nobody.refused(3, "wait", "--timeout", "0.3", said=["No broker answers at"])
    broker = broker_factory()
    broker.start()
    broker.stop()
    with Commands(broker.bootstrap).running("wait", "--timeout", "60") as waiting:
        broker.start()
        assert waiting.wait(60) == 0
