"""CreateTopics, DeleteTopics, CreatePartitions and what else is done to topics from outside."""

from __future__ import annotations

from typing import Any

from tools.differ.runner import UNKNOWN
from tools.differ.script import Script, scenario


def create(s: Script, *topics: dict[str, Any], **fields: Any) -> None:
    usual = {"num_partitions": 1, "replication_factor": 1}
    s.ask("CreateTopics", {"timeout": 20_000} | fields, topics=[usual | topic for topic in topics])


def assigned(*partitions: tuple[int, list[int]]) -> dict[str, Any]:
    """A topic of which every partition says who holds it."""
    assignments = [{"partition_index": index, "broker_ids": brokers} for index, brokers in partitions]
    return {"num_partitions": -1, "replication_factor": -1, "assignments": assignments}


def configured(*configs: tuple[str, str | None]) -> dict[str, Any]:
    return {"configs": [{"name": name, "value": value} for name, value in configs]}


@scenario("CreateTopics")
def good(s: Script) -> None:
    create(s, {"name": "~a"})
    create(s, {"name": "~b", "num_partitions": 3}, {"name": "~c", "num_partitions": 2})
    create(s, {"name": "~d", "num_partitions": -1, "replication_factor": -1})
    create(s, {"name": "~e", **configured(("retention.ms", "1000"), ("cleanup.policy", "compact"))})
    create(s, {"name": "~f", **assigned((0, [1]), (1, [1]))})
    create(s, {"name": "~g"}, validate_only=True)
    create(s)
    names = [{"name": f"~{name}"} for name in "abcdefg"]
    s.ask("Metadata", topics=names, allow_auto_topic_creation=False)


@scenario("CreateTopics")
def names(s: Script) -> None:
    create(s, {"name": "~a"})
    create(s, {"name": "~a"})
    create(s, {"name": "~a"}, validate_only=True)
    for name in ("", ".", "..", "~b c", "~" + "x" * 244, "~" + "x" * 243, "~ü", "~a/b"):
        create(s, {"name": name})
    create(s, {"name": "~x.y"})
    create(s, {"name": "~x_y"})
    create(s, {"name": "~p.q"}, {"name": "~p_q"})
    create(s, {"name": "~twice"}, {"name": "~once"}, {"name": "~twice"})
    create(s, {"name": "~good"}, {"name": "~not good"})


@scenario("CreateTopics")
def counts(s: Script) -> None:
    for count in (0, -1, -2, 10_001):
        create(s, {"name": "~a", "num_partitions": count}, validate_only=True)
    for factor in (0, -1, -2, 2, 100):
        create(s, {"name": "~a", "replication_factor": factor}, validate_only=True)
    create(s, {"name": "~a", "num_partitions": 0, "replication_factor": 0})


@scenario("CreateTopics")
def impatience(s: Script) -> None:
    create(s, {"name": "~a"}, timeout=0, validate_only=True)
    create(s, {"name": "~a"}, timeout=-1, validate_only=True)


@scenario("CreateTopics")
def an_internal_topic(s: Script) -> None:
    create(s, {"name": "__consumer_offsets"}, validate_only=True)


@scenario("CreateTopics")
def assignments(s: Script) -> None:
    wrong: list[list[tuple[int, list[int]]]] = [
        [(0, [1]), (0, [1])],
        [(1, [1])],
        [(0, [1]), (2, [1])],
        [(-1, [1])],
        [(0, [])],
        [(0, [1, 1])],
        [(0, [2])],
        [(0, [1, 2])],
        [(0, [-1])],
        [(0, [1]), (1, [1, 2])],
        [(1, [1]), (0, [1])],
    ]
    for partitions in wrong:
        create(s, {"name": "~a", **assigned(*partitions)}, validate_only=True)
    create(s, {"name": "~a", **assigned((0, [1])), "num_partitions": 1}, validate_only=True)
    create(s, {"name": "~a", **assigned((0, [1])), "replication_factor": 1}, validate_only=True)


@scenario("CreateTopics")
def configs(s: Script) -> None:
    for configs in (
        [("retention.ms", "abc")],
        [("retention.ms", "-2")],
        [("retention.ms", "")],
        [("retention.ms", None)],
        [("retention.ms", "5"), ("retention.ms", "6")],
        [("no.such.config", "1")],
        [("", "1")],
        [("cleanup.policy", "shred")],
        [("cleanup.policy", "compact,delete")],
        [("cleanup.policy", "")],
        [("compression.type", "zip")],
        [("compression.type", "zstd"), ("compression.zstd.level", "50")],
        [("segment.bytes", "10")],
        [("segment.bytes", "99999999999")],
        [("max.message.bytes", "-1")],
        [("min.cleanable.dirty.ratio", "2")],
        [("preallocate", "maybe")],
        [("message.timestamp.type", "Sometime")],
        [("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "5")],
        [("message.format.version", "2.0")],
        [("min.insync.replicas", "0")],
        [("min.insync.replicas", "5")],
        [("remote.storage.enable", "true")],
        [("follower.replication.throttled.replicas", "0:1")],
        [("follower.replication.throttled.replicas", "x")],
    ):
        create(s, {"name": "~a", **configured(*configs)}, validate_only=True)


@scenario("CreateTopics")
def configs_with_spaces_and_capitals(s: Script) -> None:
    create(
        s,
        {"name": "~a", **configured(("retention.ms", " 5 "), ("preallocate", "TRUE"), ("cleanup.policy", " compact"))},
    )
    resource = {"resource_type": 2, "resource_name": "~a"}
    keys = ["retention.ms", "preallocate", "cleanup.policy"]
    s.ask("DescribeConfigs", resources=[resource | {"configuration_keys": keys}], include_synonyms=True)


@scenario("DeleteTopics")
def deleted(s: Script) -> None:
    def delete(*names: str, timeout: int = 20_000) -> None:
        topics = [{"name": name} for name in names]
        s.ask("DeleteTopics", topics=topics, topic_names=list(names), timeout=timeout)

    for name in ("~a", "~b", "~c"):
        s.topic(name)
    delete("~a")
    delete("~a")
    delete("~b", "~missing")
    delete("~c", "~c")
    delete()
    delete("")
    delete("~wrong name")
    s.ask("Metadata", topics=[{"name": "~c"}], allow_auto_topic_creation=False)


@scenario("DeleteTopics")
def impatience_deleting(s: Script) -> None:
    s.topic("~c")
    s.ask("DeleteTopics", topics=[{"name": "~c"}], topic_names=["~c"], timeout=0)


@scenario("DeleteTopics", since=6)
def deleted_by_id(s: Script) -> None:
    def delete(*topics: tuple[str | None, str | None]) -> None:
        named = [{"name": name, "topic_id": topic_id} for name, topic_id in topics]
        s.ask("DeleteTopics", topics=named, timeout=20_000)

    for name in ("~a", "~b", "~c", "~d"):
        s.topic(name)
    delete((None, "$a"))
    delete((None, "$a"))
    delete(("~b", "$b"))
    delete(("~b", "$c"))
    delete((None, None))
    delete(("~b", None), (None, "$b"))
    delete((None, "$b"), (None, "$b"))
    delete((None, "$b"), ("~c", None), (None, UNKNOWN["topic_id"]))
    delete((None, "$d"), ("~missing", None))


@scenario("CreatePartitions")
def more_partitions(s: Script) -> None:
    def grow(
        *topics: tuple[str, int, list[list[int]] | None], validate_only: bool = False, timeout: int = 20_000
    ) -> None:
        named = [
            {
                "name": name,
                "count": count,
                "assignments": None if lists is None else [{"broker_ids": brokers} for brokers in lists],
            }
            for name, count, lists in topics
        ]
        s.ask("CreatePartitions", topics=named, timeout=timeout, validate_only=validate_only)

    s.topic("~a")
    s.topic("~b")
    grow(("~a", 2, None))
    grow(("~a", 3, None), validate_only=True)
    for count in (2, 1, 0, -1):
        grow(("~a", count, None))
    grow(("~a", 3, None), ("~missing", 3, None))
    grow(("~b", 2, None), ("~b", 3, None))
    grow(("~b", 2, None), ("~a", 1, None))
    wrong: list[list[list[int]]] = [[], [[1]], [[1], [1]], [[]], [[2]], [[1, 1]], [[1, 2]], [[-1]]]
    for lists in wrong:
        grow(("~b", 3, lists), validate_only=True)
    grow(("~b", 3, [[1]]))
    grow(("~b", 5, [[1]]))
    grow()
    grow(("", 2, None))
    grow(("~wrong name", 2, None))
    s.ask("Metadata", topics=[{"name": "~a"}, {"name": "~b"}], allow_auto_topic_creation=False)


@scenario("CreatePartitions")
def nonsense(s: Script) -> None:
    s.topic("~a")
    s.ask("CreatePartitions", topics=[{"name": "~a", "count": 10_003}], timeout=20_000, validate_only=True)


@scenario("DescribeLogDirs")
def log_dirs(s: Script) -> None:
    s.topic("~a", 2)
    s.fill("~a", b"x", b"y")

    def describe(*topics: tuple[str, list[int]]) -> None:
        s.ask("DescribeLogDirs", topics=[{"topic": name, "partitions": list(indexes)} for name, indexes in topics])

    describe(("~a", [0, 1]))
    describe(("~a", [1, 7]))
    describe(("~a", []))
    describe(("~missing", [0]))
    describe(("~a", [0]), ("~a", [1]))
    describe()
    s.ask("DescribeLogDirs", topics=None)


@scenario("ElectLeaders")
def elections(s: Script) -> None:
    s.topic("~a", 2)

    def elect(election_type: int, *topics: tuple[str, list[int]], timeout: int = 20_000) -> None:
        named = [{"topic": name, "partitions": list(indexes)} for name, indexes in topics]
        s.ask("ElectLeaders", election_type=election_type, topic_partitions=named, timeout=timeout)

    for election_type in (0, 1, 2, -1):
        elect(election_type, ("~a", [0, 1]))
    elect(0, ("~a", [7]), ("~missing", [0]))
    elect(0, ("~a", [0, 0]))
    elect(0, ("~a", [0]), ("~a", [1]))
    elect(0, ("~a", []))
    elect(0)
    s.ask("ElectLeaders", election_type=0, topic_partitions=None, timeout=20_000)


@scenario("ElectLeaders")
def impatience_electing(s: Script) -> None:
    s.topic("~a")
    s.ask("ElectLeaders", election_type=0, topic_partitions=[{"topic": "~a", "partitions": [0]}], timeout=0)


@scenario("AlterPartitionReassignments")
def reassignments(s: Script) -> None:
    s.topic("~a", 2)

    def move(*partitions: tuple[int, list[int] | None], topic: str = "~a", **fields: Any) -> None:
        named = [{"partition_index": index, "replicas": replicas} for index, replicas in partitions]
        usual = {"timeout": 20_000, "topics": [{"name": topic, "partitions": named}]}
        s.ask("AlterPartitionReassignments", usual | fields)

    move((0, [1]))
    move((0, [1]), (1, [1]))
    move((0, [2]))
    move((0, [1, 2]))
    move((0, [1, 1]))
    move((0, []))
    move((0, [-1]))
    move((0, None))
    move((7, [1]))
    move((7, None))
    move((-1, [1]))
    move((0, [1]), topic="~missing")
    move((0, None), topic="~missing")
    move((0, [1]), (0, [1]))
    move((0, [1, 2]), allow_replication_factor_change=False)
    move()


@scenario("AlterPartitionReassignments")
def nothing_to_reassign(s: Script) -> None:
    s.ask("AlterPartitionReassignments", topics=[], timeout=20_000)


@scenario("ListPartitionReassignments")
def listed_reassignments(s: Script) -> None:
    s.topic("~a", 2)
    for topics in (
        None,
        [],
        [{"name": "~a", "partition_indexes": [0, 1]}],
        [{"name": "~a", "partition_indexes": [9]}],
        [{"name": "~a", "partition_indexes": []}],
        [{"name": "~missing", "partition_indexes": [0]}],
    ):
        s.ask("ListPartitionReassignments", timeout=20_000, topics=topics)
