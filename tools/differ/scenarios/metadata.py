"""Metadata, DescribeCluster, DescribeTopicPartitions, ApiVersions and FindCoordinator."""

from __future__ import annotations

from typing import Any

from tools.differ.runner import UNKNOWN
from tools.differ.script import Script, repeated, scenario


def metadata(s: Script, *topics: dict[str, Any], create: bool = False, **fields: Any) -> None:
    s.ask("Metadata", topics=list(topics), allow_auto_topic_creation=create, **fields)


@scenario("Metadata")
def good(s: Script) -> None:
    s.topic("~b", 2)
    s.topic("~a")
    metadata(s, {"name": "~a"}, {"name": "~b"})
    metadata(s, {"name": "~b"}, {"name": "~a"})
    s.ask("Metadata", topics=None, allow_auto_topic_creation=False)
    s.ask("Metadata", topics=[], allow_auto_topic_creation=False)
    flags = {"include_topic_authorized_operations": True, "include_cluster_authorized_operations": True}
    metadata(s, {"name": "~a"}, {"name": "~missing"}, **flags)
    metadata(s, {"name": "~a"}, include_topic_authorized_operations=True)
    metadata(s, {"name": "~a"}, include_cluster_authorized_operations=True)


@scenario("Metadata")
def bad_names(s: Script) -> None:
    for name in ("", ".", "..", "~with space", "~with/slash", "~" + "x" * 244, "~" + "x" * 243, "~ü"):
        metadata(s, {"name": name})
    metadata(s, {"name": "~missing"}, {"name": "~wrong name"}, {"name": "~missing"})


@scenario("Metadata")
def twice_in_one_request(s: Script) -> None:
    s.topic("~a")
    metadata(s, {"name": "~a"}, {"name": "~a"})


@scenario("Metadata", since=4)
def missing_topics(s: Script) -> None:
    metadata(s, {"name": "~missing"})
    metadata(s, {"name": "~missing"})


@scenario("Metadata")
def auto_creation(s: Script) -> None:
    metadata(s, {"name": "~made"}, create=True)
    s.ask("Metadata", topics=[{"name": "~made"}], at=12, until=("topics.0.error_code", "none"))
    metadata(s, {"name": "~made"}, create=True)
    metadata(s, {"name": "~wrong name"}, create=True)
    metadata(s, {"name": "~made"}, {"name": "~wrong name"}, {"name": ""}, create=True)


@scenario("Metadata", since=10)
def by_id(s: Script) -> None:
    s.topic("~a")
    s.topic("~b")
    metadata(s, {"name": None, "topic_id": "$a"})
    metadata(s, {"name": "", "topic_id": "$a"})
    metadata(s, {"name": "~a", "topic_id": "$a"})
    metadata(s, {"name": "~b", "topic_id": "$a"})
    metadata(s, {"name": None, "topic_id": UNKNOWN["topic_id"]})
    metadata(s, {"name": "~a", "topic_id": UNKNOWN["topic_id"]})
    metadata(s, {"name": None, "topic_id": "$a"}, {"name": None, "topic_id": "$a"})
    metadata(s, {"name": None, "topic_id": "$a"}, {"name": None, "topic_id": "$b"})
    metadata(s, {"name": None, "topic_id": "$a"}, include_topic_authorized_operations=True)
    s.ask("DeleteTopics", topics=[{"name": "~a"}], timeout=20_000)
    metadata(s, {"name": None, "topic_id": "$a"})


@scenario("Metadata", since=10)
def by_id_and_by_name(s: Script) -> None:
    s.topic("~a")
    s.topic("~b")
    metadata(s, {"name": None, "topic_id": "$a"}, {"name": "~b"})


@scenario("Metadata", since=12)
def nonsense_asked(s: Script) -> None:
    metadata(s, {"name": None, "topic_id": None})


@scenario("DescribeCluster")
def the_cluster(s: Script) -> None:
    for operations in (False, True):
        for endpoint_type in (1, 2, 0, 3, -1):
            for fenced in (False, True):
                s.ask(
                    "DescribeCluster",
                    include_cluster_authorized_operations=operations,
                    endpoint_type=endpoint_type,
                    include_fenced_brokers=fenced,
                )


@scenario("DescribeTopicPartitions")
def partitions_of_topics(s: Script) -> None:
    s.topic("~a", 3)
    s.topic("~b", 2)
    names = [{"name": "~b"}, {"name": "~a"}]

    def describe(topics: list[dict[str, str]], limit: int, cursor: tuple[str, int] | None = None) -> None:
        after = None if cursor is None else {"topic_name": cursor[0], "partition_index": cursor[1]}
        s.ask("DescribeTopicPartitions", topics=topics, response_partition_limit=limit, cursor=after)

    for limit in (2000, 5, 4, 3, 2, 1, 0, -1):
        describe(names, limit)
    for cursor in (("~a", 0), ("~a", 1), ("~a", 3), ("~a", 9), ("~a", -1), ("~b", 1), ("~b", 2), ("~", 0), ("~c", 0)):
        describe(names, 2, cursor)
    describe([], 2000)
    describe([{"name": "~missing"}, {"name": "~a"}], 2000)
    describe([{"name": "~a"}, {"name": "~a"}], 2000)
    describe([{"name": "~wrong name"}], 2000)


@scenario("DescribeTopicPartitions")
def nonsense(s: Script) -> None:
    s.ask("DescribeTopicPartitions", topics=[{"name": ""}])


@scenario("ApiVersions")
def versions(s: Script) -> None:
    software = {"client_software_name": "differ", "client_software_version": "1.0"}
    s.ask("ApiVersions", software)
    for name in ("", "-x", "x-", "x y", repeated("x", 300), "librdkafka", "a.b-c"):
        s.ask("ApiVersions", client_software_name=name, client_software_version="1.0")
    for version in ("", "1 0", "-1", "2.15.0-RC1"):
        s.ask("ApiVersions", client_software_name="differ", client_software_version=version)


@scenario("FindCoordinator")
def coordinators(s: Script) -> None:
    for key_type in (0, 1):
        s.ask("FindCoordinator", key="~a", key_type=key_type, coordinator_keys=["~a", "~b"])
        s.ask("FindCoordinator", key="", key_type=key_type, coordinator_keys=[""])
        s.ask("FindCoordinator", key="~a", key_type=key_type, coordinator_keys=[])
        s.ask("FindCoordinator", key="~a", key_type=key_type, coordinator_keys=["~a", "~a"])
    for key_type in (3, -1, 127):
        s.ask("FindCoordinator", key="~a", key_type=key_type, coordinator_keys=["~a"])
    for key in ("~a", "~a:b:0", "~g:AAAAAAAAAAAAAAAAAAAAAQ:0", ""):
        s.ask("FindCoordinator", key=key, key_type=2, coordinator_keys=[key])
