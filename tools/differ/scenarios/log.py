"""ListOffsets, OffsetForLeaderEpoch and DeleteRecords."""

from __future__ import annotations

from typing import Any

from tools.differ.batches import NOW_MS
from tools.differ.script import Script, scenario


def offsets(s: Script, *partitions: dict[str, Any], topic: str = "~t", **fields: Any) -> None:
    usual = {"partition_index": 0, "timestamp": -1}
    wanted = [{"name": topic, "partitions": [usual | one for one in partitions]}]
    usual_request = {"replica_id": -1, "isolation_level": 0, "topics": wanted, "timeout": 20_000}
    s.ask("ListOffsets", usual_request | fields)


@scenario("ListOffsets")
def good(s: Script) -> None:
    s.topic("~t", 3)
    s.fill("~t", b"a", b"b", b"c", timestamps=[NOW_MS, NOW_MS + 10, NOW_MS + 5])
    s.fill("~t", b"d", b"e", codec="gzip", timestamps=[NOW_MS + 10, NOW_MS + 7])
    s.fill("~t", b"x", partition=1)
    for timestamp in (-1, -2, 0, NOW_MS, NOW_MS + 1, NOW_MS + 6, NOW_MS + 10, NOW_MS + 11, 2**62):
        offsets(s, {"timestamp": timestamp})
    offsets(s, *({"partition_index": index, "timestamp": -2} for index in (0, 1, 2)))
    offsets(s, *({"partition_index": index, "timestamp": 5} for index in (2, 1, 0)))
    offsets(s, {}, isolation_level=1)
    for replica_id in (-2, 0, 1, 7):
        offsets(s, {}, replica_id=replica_id)


@scenario("ListOffsets", since=2)
def nonsense(s: Script) -> None:
    s.topic("~t")
    for isolation_level in (2, -1):
        offsets(s, {}, isolation_level=isolation_level)


@scenario("ListOffsets")
def special_times(s: Script) -> None:
    s.topic("~t", 2)
    for partition in (0, 1):
        for timestamp in (-1, -2, -3, -4, -5, -6, -7, -8, -100, -(2**63)):
            offsets(s, {"partition_index": partition, "timestamp": timestamp})
        s.fill("~t", b"a", b"b", partition=1, timestamps=[NOW_MS + 3, NOW_MS])
    partitions = [{"partition_index": 1, "offset": 1}]
    s.ask("DeleteRecords", topics=[{"name": "~t", "partitions": partitions}], timeout=20_000)
    for timestamp in (-2, -4, NOW_MS, 0):
        offsets(s, {"partition_index": 1, "timestamp": timestamp})


@scenario("ListOffsets", since=7)
def greatest_timestamp_of_deleted_records(s: Script) -> None:
    s.topic("~t")
    s.fill("~t", b"a", b"b", timestamps=[NOW_MS + 3, NOW_MS])
    s.fill("~t", b"c", timestamps=[NOW_MS + 3])
    s.ask("DeleteRecords", topics=[{"name": "~t", "partitions": [{"partition_index": 0, "offset": 1}]}], timeout=20_000)
    offsets(s, {"timestamp": -3})


@scenario("ListOffsets")
def unknown_partitions(s: Script) -> None:
    s.topic("~t")
    offsets(s, {"partition_index": 5}, {})
    offsets(s, {"partition_index": -1})
    offsets(s, {}, topic="~missing")
    offsets(s, {}, topic="")
    for timestamp in (-3, -4, -7):
        offsets(s, {"timestamp": timestamp}, topic="~missing")
    offsets(s)
    s.ask("ListOffsets", replica_id=-1, topics=[])


@scenario("ListOffsets")
def twice_in_one_request(s: Script) -> None:
    s.topic("~t", 2)
    offsets(s, {}, {})
    offsets(s, {"timestamp": -1}, {"timestamp": -2}, {"partition_index": 1})
    twice = [{"name": "~t", "partitions": [{"partition_index": 0, "timestamp": -1}]}] * 2
    s.ask("ListOffsets", replica_id=-1, topics=twice)


@scenario("ListOffsets", since=4)
def epochs(s: Script) -> None:
    s.topic("~t")
    for epoch in (0, 1, 5, -2):
        offsets(s, {"current_leader_epoch": epoch})
    offsets(s, {"current_leader_epoch": 3}, topic="~missing")


def epoch_ends(s: Script, *partitions: dict[str, Any], topic: str = "~t", replica_id: int = -1) -> None:
    usual = {"partition": 0, "current_leader_epoch": -1, "leader_epoch": 0}
    wanted = [{"topic": topic, "partitions": [usual | one for one in partitions]}]
    s.ask("OffsetForLeaderEpoch", replica_id=replica_id, topics=wanted)


@scenario("OffsetForLeaderEpoch")
def epoch_ends_of_a_log(s: Script) -> None:
    s.topic("~t", 2)
    epoch_ends(s, {}, {"partition": 1})
    s.fill("~t", b"a", b"b")
    for epoch in (0, 1, 7, -1, -2):
        epoch_ends(s, {"leader_epoch": epoch})
        epoch_ends(s, {"current_leader_epoch": epoch})
    epoch_ends(s, {}, replica_id=-2)
    epoch_ends(s, {}, replica_id=1)
    partitions = [{"partition_index": 0, "offset": 1}]
    s.ask("DeleteRecords", topics=[{"name": "~t", "partitions": partitions}], timeout=20_000)
    epoch_ends(s, {})
    partitions = [{"partition_index": 0, "offset": 2}]
    s.ask("DeleteRecords", topics=[{"name": "~t", "partitions": partitions}], timeout=20_000)
    epoch_ends(s, {})


@scenario("OffsetForLeaderEpoch")
def epoch_ends_of_nothing(s: Script) -> None:
    s.topic("~t")
    epoch_ends(s, {"partition": 4}, {})
    epoch_ends(s, {"partition": -1})
    epoch_ends(s, {}, topic="~missing")
    epoch_ends(s, {"current_leader_epoch": 3}, topic="~missing")
    epoch_ends(s, {}, {})
    epoch_ends(s)
    s.ask("OffsetForLeaderEpoch", topics=[])


def delete(s: Script, *partitions: tuple[int, int], topic: str = "~t", timeout: int = 20_000) -> None:
    named = [{"partition_index": index, "offset": offset} for index, offset in partitions]
    s.ask("DeleteRecords", topics=[{"name": topic, "partitions": named}], timeout=timeout)


@scenario("DeleteRecords")
def deleted_records(s: Script) -> None:
    s.topic("~t", 2)
    s.fill("~t", b"a", b"b", b"c")
    s.fill("~t", b"x", partition=1)
    for offset in (0, 2, 1, 0):
        delete(s, (0, offset))
    for offset in (4, 100, -2, -100):
        delete(s, (0, offset))
    delete(s, (0, 3), (1, 1))
    delete(s, (0, -1), (1, -1))
    s.fill("~t", b"d")
    delete(s, (0, -1))
    delete(s, (0, 4), timeout=0)


@scenario("DeleteRecords")
def deleted_records_of_nothing(s: Script) -> None:
    s.topic("~t")
    delete(s, (0, 0))
    delete(s, (3, 0), (0, 0))
    delete(s, (-1, 0))
    delete(s, (0, 0), topic="~missing")
    delete(s, (0, 0), topic="")
    delete(s, (0, 0), (0, 0))
    delete(s)
    s.ask("DeleteRecords", topics=[], timeout=20_000)


@scenario("DeleteRecords")
def deleted_records_of_a_compacted_topic(s: Script) -> None:
    s.topic("~t", cleanup_policy="compact")
    s.fill("~t", b"a", b"b", keys=[b"a", b"b"])
    delete(s, (0, 1))
    s.topic("~both", cleanup_policy="compact,delete")
    s.fill("~both", b"a", b"b", keys=[b"a", b"b"])
    delete(s, (0, 1), topic="~both")
