"""Random sequences over a small world: a few topics, groups with members, producers and transactions.

A sequence is made from its seed alone, before it is played, so that it can be played again, and shortened. What only a
reply can tell (ids, generations) is named.
"""

from __future__ import annotations

import random
from typing import Any

from tools.differ.batches import NOW_MS, batch
from tools.differ.codec import Message
from tools.differ.known import SMALL_WORLD
from tools.differ.scenarios.groups import speaking
from tools.differ.script import KEPT, SETTLED, Scenario, Step

TOPICS = ("~t", "~u", "~v")
GROUPS = ("~g", "~h")
MEMBERS = ("a", "b", "c")
TRANSACTIONS = ("~x", "~y")
SECOND_SINCE = {"Produce": 12, "TxnOffsetCommit": 5, "EndTxn": 5}
"""The versions that make transactions of version 2."""
WRITTEN = "~w"
"""What transactions mostly write to."""


class World:
    """What the sequence's author remembers: enough to ask things that mostly make sense."""

    def __init__(self, seed: int, versions: dict[str, list[int]], length: int) -> None:
        self.random = random.Random(seed)
        self.versions = versions
        self.steps: list[Step] = []
        self.sequences: dict[tuple[str, str, int], int] = {}
        """The next of a producer in a partition."""
        self.length = length
        self.second = {name[1:]: self.random.random() < 0.5 for name in TRANSACTIONS}
        """Whose transactions are of version 2 (KIP-890): partitions add themselves, and each end raises the epoch."""

    def scenario(self, seed: int) -> Scenario:
        """The whole sequence."""
        self.create("~t", 2)
        self.create("~u", 1)
        self.create(WRITTEN, 2)
        for group in GROUPS:
            one = {"partition_index": 0, "committed_offset": 1, "committed_metadata": ""}
            topics = [{"name": WRITTEN, "partitions": [one]}]
            self.steps.append(Step("OffsetCommit", 8, {"group_id": group, "topics": topics}))
        kinds = (self.log, self.log, self.log, self.topic, self.offsets, self.member, self.member, self.producer)
        while len(self.steps) < self.length:
            self.random.choice(kinds)()
        return Scenario("random", seed, SMALL_WORLD, tuple(self.steps))

    # What there is to choose from

    def pick(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def rarely(self, usual: Any, *unusual: Any) -> Any:
        """Mostly the usual."""
        return self.random.choice(unusual) if self.random.random() < 0.15 else usual

    def ask(self, api: str, request: Message, on: str = "main", **more: Any) -> None:
        """Add a step at a random version of the API; nothing where the API is not served by both."""
        if api in self.versions:
            self.steps.append(Step(api, self.random.choice(self.versions[api]), request, on, **more))

    def ask_of_transaction(self, name: str, api: str, request: Message, **more: Any) -> None:
        """Add a step at a version of the API that goes with the version of this producer's transactions."""
        fitting = [one for one in self.versions[api] if (one >= SECOND_SINCE[api]) == self.second[name]]
        self.steps.append(Step(api, self.random.choice(fitting), request, **more))

    def place(self) -> tuple[str, int]:
        """A topic and a partition, which mostly exist."""
        topic: str = self.rarely(self.pick("~t", "~u", WRITTEN), "~v", "~missing")
        return topic, self.rarely(0 if topic == "~u" else self.pick(0, 1), 2, 7)

    # Topics

    def create(self, name: str, partitions: int) -> None:
        configs = [{"name": key, "value": value} for key, value in KEPT.items()]
        wanted = {"name": name, "num_partitions": partitions, "replication_factor": 1, "configs": configs}
        # A version whose reply does not have all the configs.
        self.steps.append(Step("CreateTopics", 4, {"topics": [wanted], "timeout": 20_000}))
        self.look(name)

    def look(self, name: str) -> None:
        """Look a topic up, so that its id has a name."""
        request = {"topics": [{"name": name}], "allow_auto_topic_creation": False}
        self.steps.append(Step("Metadata", 12, request, bind={name.lstrip("~"): "topics.0.topic_id"}))

    def topic(self) -> None:
        match self.random.randrange(8):
            case 0:
                self.create(self.pick(*TOPICS), self.pick(1, 2, 3))
            case 1:
                name = self.pick(*TOPICS)
                self.ask("DeleteTopics", {"topics": [{"name": name}], "topic_names": [name], "timeout": 20_000})
            case 2:
                wanted = {"name": self.pick(*TOPICS), "count": self.pick(1, 2, 3, 4), "assignments": None}
                self.ask("CreatePartitions", {"topics": [wanted], "timeout": 20_000, "validate_only": False})
            case 3:
                self.alter_configs()
            case 4:
                keys = ["cleanup.policy", "max.message.bytes", "message.timestamp.type"]
                wanted = {"resource_type": 2, "resource_name": self.pick(*TOPICS), "configuration_keys": keys}
                self.ask("DescribeConfigs", {"resources": [wanted], "include_synonyms": self.pick(True, False)})
            case 5:
                name = self.pick(*TOPICS)
                wanted = {"topic": name, "partitions": [0, 1]}
                self.ask("ElectLeaders", {"election_type": 0, "topic_partitions": [wanted], "timeout": 20_000})
            case _:
                self.look(self.pick(*TOPICS))

    def alter_configs(self) -> None:
        name, value = self.pick(
            *(("cleanup.policy", "compact"), ("cleanup.policy", "delete"), ("cleanup.policy", "compact,delete")),
            *(("max.message.bytes", "150"), ("message.timestamp.type", "LogAppendTime"), ("retention.ms", "soon")),
        )
        change = {"name": name, "config_operation": self.pick(0, 0, 1), "value": value}
        wanted = {"resource_type": 2, "resource_name": self.pick(*TOPICS), "configs": [change]}
        self.ask("IncrementalAlterConfigs", {"resources": [wanted], "validate_only": self.rarely(False, True)})

    # Records

    def log(self) -> None:
        topic, partition = self.place()
        match self.random.randrange(7):
            case 0 | 1:
                self.produce(topic, partition)
            case 2 | 3:
                self.fetch(topic, partition)
            case 4:
                timestamp = self.pick(-1, -1, -2, -3, NOW_MS, NOW_MS + 3, NOW_MS + 99)
                epoch = self.rarely(-1, 0, 3)
                wanted = {"partition_index": partition, "timestamp": timestamp, "current_leader_epoch": epoch}
                request = {"replica_id": -1, "isolation_level": self.pick(0, 1), "timeout": 20_000}
                self.ask("ListOffsets", request | {"topics": [{"name": topic, "partitions": [wanted]}]})
            case 5:
                wanted = {"partition_index": partition, "offset": self.pick(-1, 0, 1, 2, 3, 5, 9)}
                topics = [{"name": topic, "partitions": [wanted]}]
                self.ask("DeleteRecords", {"topics": topics, "timeout": 20_000})
            case _:
                wanted = {"partition": partition, "leader_epoch": self.pick(0, 0, 1, -1), "current_leader_epoch": -1}
                topics = [{"topic": topic, "partitions": [wanted]}]
                self.ask("OffsetForLeaderEpoch", {"replica_id": -1, "topics": topics})

    def produce(self, topic: str, partition: int) -> None:
        count = self.pick(1, 2, 3)
        values = [self.pick(b"a", b"bb", b"c" * 40) for _ in range(count)]
        keys = [self.rarely(self.pick(b"k", b"l"), None) for _ in range(count)]
        timestamps = [NOW_MS + self.pick(0, 1, 3, 7) for _ in range(count)]
        records = batch(*values, keys=keys, timestamps=timestamps, codec=self.rarely("none", "gzip", "lz4"))
        data = [{"index": partition, "records": records}]
        request = {"acks": self.pick(-1, 1), "timeout": 20_000}
        self.ask("Produce", request | {"topic_data": [self.named(topic) | {"partition_data": data}]})

    def fetch(self, topic: str, partition: int) -> None:
        wanted = {
            "partition": partition,
            "fetch_offset": self.pick(0, 0, 0, 1, 2, 3, 4, 6, 9),
            "partition_max_bytes": self.rarely(100_000, 1, 150),
            "current_leader_epoch": self.rarely(-1, 0, 2),
        }
        request = {"max_wait": 0, "min_bytes": 0, "max_bytes": 1_000_000, "isolation_level": self.pick(0, 1)}
        topics = [{"topic": topic, "topic_id": self.named(topic)["topic_id"], "partitions": [wanted]}]
        self.ask("Fetch", request | {"topics": topics})

    def named(self, topic: str) -> Message:
        return {"name": topic, "topic_id": f"${topic.lstrip('~')}"}

    # Offsets and members of groups

    def offsets(self) -> None:
        group = self.pick(*GROUPS)
        topic, partition = self.place()
        match self.random.randrange(6):
            case 0 | 1:
                self.commit(group, topic, partition)
            case 2 | 3:
                wanted = self.rarely([self.named(topic) | {"partition_indexes": [partition]}], None)
                one = {"group_id": group, "topics": wanted}
                self.ask("OffsetFetch", one | {"groups": [one], "require_stable": self.rarely(False, True)})
            case 4:
                wanted = {"name": topic, "partitions": [{"partition_index": partition}]}
                self.ask("OffsetDelete", {"group_id": group, "topics": [wanted]})
            case _:
                self.pick(
                    lambda: self.ask("DeleteGroups", {"groups_names": [group]}), lambda: self.ask("ListGroups", {})
                )()

    def commit(self, group: str, topic: str, partition: int) -> None:
        member = self.pick(*MEMBERS)
        by: Message = self.pick(
            {"generation_id_or_member_epoch": -1, "member_id": ""},
            {
                "generation_id_or_member_epoch": f"$generation_{group[1:]}_{member}",
                "member_id": self.member_id(group, member),
            },
        )
        one = {"partition_index": partition, "committed_offset": self.random.randrange(9), "committed_metadata": "m"}
        self.ask("OffsetCommit", by | {"group_id": group, "topics": [self.named(topic) | {"partitions": [one]}]})

    def member_id(self, group: str, member: str) -> str:
        return f"$member_{group[1:]}_{member}"

    def member(self) -> None:
        group, member = self.pick("~g", "~g", "~h"), self.pick(*MEMBERS)
        on, generation = f"{group[1:]}-{member}", f"$generation_{group[1:]}_{member}"
        front = {"group_id": group, "member_id": self.member_id(group, member), "generation_id": generation}
        match self.random.randrange(7):
            case 0 | 1 | 2:
                request: Message = {
                    "group_id": group,
                    "session_timeout": 30_000,
                    "rebalance_timeout": 60_000,
                    "member_id": self.rarely(self.member_id(group, member), ""),
                    "protocol_type": "consumer",
                    "protocols": [speaking(self.rarely(member, f"{member}2"), name) for name in ("range", "sticky")],
                }
                path = f"{group[1:]}_{member}"
                bind = {f"member_{path}": "member_id", f"generation_{path}": "generation_id"}
                self.ask("JoinGroup", request, on, bind=bind)
            case 3 | 4:
                wanted = [{"member_id": self.member_id(group, name), "assignment": "0a"} for name in MEMBERS]
                protocol = {"protocol_type": "consumer", "protocol_name": "range"}
                self.ask("SyncGroup", front | protocol | {"assignments": self.pick(wanted, wanted, [])}, on)
            case 5:
                self.ask("Heartbeat", front, on)
            case _:
                members = [{"member_id": self.member_id(group, member)}]
                self.ask(
                    "LeaveGroup", {"group_id": group, "member_id": members[0]["member_id"], "members": members}, on
                )

    # Producers and transactions

    def producer(self) -> None:
        transactional_id = self.pick(*TRANSACTIONS)
        name = transactional_id[1:]
        producer = {"transactional_id": transactional_id, "producer_id": f"$producer_{name}"}
        producer["producer_epoch"] = self.rarely(f"$epoch_{name}", 0, 9)
        match self.random.randrange(8):
            case 0 | 1:
                bind = {f"producer_{name}": "producer_id", f"epoch_{name}": "producer_epoch"}
                request = {"transactional_id": transactional_id, "transaction_timeout": 60_000}
                self.ask("InitProducerId", request, bind=bind, until=("error_code", "none"))
                self.sequences = {key: value for key, value in self.sequences.items() if key[0] != name}
            case 2 | 3:
                self.write_in_transaction(name, producer, self.rarely((WRITTEN, self.pick(0, 1)), self.place()))
            case 4:
                # Again, or out of order; a partition that was not added is refused.
                sequence = self.pick(0, max(self.sequences.get((name, WRITTEN, 0), 0) - 1, 0), 5)
                self.produce_in_transaction(name, producer, (WRITTEN, 0), sequence)
            case 5:
                if not self.second[name]:
                    self.ask("AddOffsetsToTxn", producer | {"group_id": "~h"})
            case 6:
                topic, partition = self.place()
                one = {"partition_index": partition, "committed_offset": 4, "committed_metadata": "x"}
                request = producer | {"group_id": "~h", "topics": [{"name": topic, "partitions": [one]}]}
                self.ask_of_transaction(name, "TxnOffsetCommit", request)
            case _:
                self.end(name, producer)

    def write_in_transaction(self, name: str, producer: Message, place: tuple[str, int]) -> None:
        """Add a partition to the transaction and mostly write to it."""
        topic, partition = place
        request = producer | {"topics": [{"name": topic, "partitions": [partition]}]}
        if not self.second[name]:
            self.ask("AddPartitionsToTxn", {f"v3_and_below_{field}": value for field, value in request.items()})
        if self.rarely(True, False):
            sequence = self.sequences.get((name, *place), 0)
            self.produce_in_transaction(name, producer, place, sequence)
            if producer["producer_epoch"] == f"$epoch_{name}":
                self.sequences[name, topic, partition] = sequence + 1

    def produce_in_transaction(self, name: str, producer: Message, place: tuple[str, int], sequence: int) -> None:
        who = {"producer_id": producer["producer_id"], "epoch": producer["producer_epoch"], "sequence": sequence}
        records = batch(b"in a transaction", keys=[b"k"], **who, transactional=True)  # good for compacted topics too
        topic, partition = place
        data = [self.named(topic) | {"partition_data": [{"index": partition, "records": records}]}]
        request = {"transactional_id": producer["transactional_id"], "acks": -1, "timeout": 20_000}
        self.ask_of_transaction(name, "Produce", request | {"topic_data": data})

    def end(self, name: str, producer: Message) -> None:
        """End a transaction, and wait until its markers are written."""
        bind = {f"producer_{name}": "producer_id", f"epoch_{name}": "producer_epoch"}
        self.ask_of_transaction(name, "EndTxn", producer | {"committed": self.pick(True, False)}, bind=bind)
        if self.second[name] and producer["producer_epoch"] == f"$epoch_{name}":
            self.sequences = {key: value for key, value in self.sequences.items() if key[0] != name}
        self.ask(
            "DescribeTransactions",
            {"transactional_ids": [producer["transactional_id"]]},
            until=("transaction_states.0.transaction_state", SETTLED),
        )


def sequence(seed: int, versions: dict[str, list[int]], length: int) -> Scenario:
    """The sequence of a seed."""
    return World(seed, versions, length).scenario(seed)
