"""The two brokers, configured alike: Apache Kafka from the jars that `pom.xml` names, and chronik."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.broker_process import BrokerProcess, KafkaProcess, wait_until
from tests.clients.installed import CLIENTS
from tools.differ.codec import Message
from tools.differ.runner import Broker

KAFKA_LIBS = CLIENTS / "differ"
"""Put there by the Makefile."""

NODE_ID = 1
KAFKA_VERSION = "Apache Kafka 4.2.0"
CHRONIK_OPTIONS = ("--node-id", str(NODE_ID))
"""How a chronik is started to be compared, now or with recorded replies."""

CHANGES = frozenset(
    {
        *("AlterConfigs", "AlterClientQuotas", "AlterPartitionReassignments", "AlterUserScramCredentials"),
        *("CreatePartitions", "CreateTopics", "DeleteTopics", "ElectLeaders", "IncrementalAlterConfigs", "Metadata"),
    }
)
"""What Kafka answers when its controller has decided; its broker sees the change a little later."""


class Kafka(Broker):
    """Apache Kafka; `settle` waits until the broker has seen what the controller decided."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__("kafka", host, port)
        self._fences = itertools.count(1_000_000)

    def settle(self, api: str, request: Message) -> None:
        if api in CHANGES and request.get("allow_auto_topic_creation", True):
            # The image with the first fence is visible before everybody has been told of it; with the second, all were
            # told of the first.
            self._fence()
            self._fence()

    def warm_up(self) -> None:
        """Have it make its internal topics: until then its coordinators are not available."""
        for key_type, key in ((0, "__warm"), (1, "__warm")):
            request = {"coordinator_keys": [key], "key_type": key_type}

            def available(request: Message = request) -> bool:
                return bool(self.ask("FindCoordinator", 4, request)["coordinators"][0]["error_code"] == "none")

            wait_until(available, 60, "Kafka has no coordinator")

        def loaded() -> bool:
            groups = self.ask("DescribeGroups", 5, {"groups": ["__warm"]})["groups"]
            transaction = {"transactional_id": "__warm", "transaction_timeout": 60_000}
            producer = self.ask("InitProducerId", 4, transaction | {"producer_id": -1, "producer_epoch": -1})
            return bool(groups[0]["error_code"] == producer["error_code"] == "none")

        wait_until(loaded, 60, "Kafka's coordinators are still loading")
        self._forget_eligible_replicas()

    def _forget_eligible_replicas(self) -> None:
        """Switch off KIP-966, which a single broker has no use for and which keeps min.insync.replicas as a dynamic
        config of the cluster."""
        update = {"feature": "eligible.leader.replicas.version", "max_version_level": 0, "upgrade_type": 2}
        reply = self.ask("UpdateFeatures", 1, {"feature_updates": [update], "timeout": 20_000})
        assert reply["error_code"] == "none", reply
        self._fence()
        change = {"name": "min.insync.replicas", "config_operation": 1, "value": None}
        resource = {"resource_type": 4, "resource_name": "", "configs": [change]}
        reply = self.ask("IncrementalAlterConfigs", 1, {"resources": [resource]})
        assert reply["responses"][0]["error_code"] == "none", reply
        self._fence()
        self._fence()

    def _fence(self) -> None:
        """Change something harmless through the controller, and wait until the broker knows it."""
        value = float(next(self._fences))
        entity = [{"entity_type": "user", "entity_name": "fence"}]
        wanted = [{"entity": entity, "ops": [{"key": "producer_byte_rate", "value": value, "remove": False}]}]
        self.ask("AlterClientQuotas", 1, {"entries": wanted, "validate_only": False})
        component = {"entity_type": "user", "match_type": 0, "match": "fence"}

        def known() -> bool:
            entries = self.ask("DescribeClientQuotas", 1, {"components": [component], "strict": True})["entries"]
            return bool(entries) and entries[0]["values"][0]["value"] == value

        wait_until(known, 30, "Kafka's broker does not learn what its controller decided")


@contextmanager
def kafka(folder: Path) -> Iterator[Kafka]:
    """A Kafka on a fresh directory, warm, ended with the block."""
    if not KAFKA_LIBS.is_dir():
        raise SystemExit("Apache Kafka is not there: make differ fetches it")
    process = KafkaProcess(folder / "kafka", libs=KAFKA_LIBS)
    try:
        process.start()
        broker = Kafka(process.host, process.port)
        broker.warm_up()
        yield broker
    except AssertionError:
        print(process.log_tail())
        raise
    finally:
        process.close()


@contextmanager
def chronik(folder: Path) -> Iterator[Broker]:
    """A chronik on a fresh directory, ended with the block. AssertionError when its log has an error line."""
    process = BrokerProcess(folder / "chronik", args=CHRONIK_OPTIONS)
    try:
        process.start()
        yield Broker("chronik", process.host, process.port)
    finally:
        process.close()
    if errors := process.unexpected_errors():
        raise AssertionError("\n".join(["error lines in chronik's log:", *errors, process.log_tail()]))
