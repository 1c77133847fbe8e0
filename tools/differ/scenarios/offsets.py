"""OffsetCommit, OffsetFetch and OffsetDelete."""

from __future__ import annotations

from typing import Any

from tools.differ.runner import UNKNOWN
from tools.differ.scenarios.groups import A, alone, beat, enter, joining, leave, synced
from tools.differ.script import Script, repeated, scenario


def of(topic: str, *partitions: dict[str, Any]) -> dict[str, Any]:
    usual = {"partition_index": 0, "committed_offset": 5, "committed_metadata": "m"}
    topic_id = UNKNOWN["topic_id"] if topic == "~missing" else f"${topic.lstrip('~')}"
    return {"name": topic, "topic_id": topic_id, "partitions": [usual | one for one in partitions]}


def commit(s: Script, *topics: dict[str, Any], on: str = "a", **fields: Any) -> None:
    usual = {"group_id": "~g", "generation_id_or_member_epoch": -1, "member_id": "", "topics": list(topics)}
    s.ask("OffsetCommit", usual | fields, on=on)


def fetch(s: Script, *topics: tuple[str, list[int]] | None, group: str = "~g", **fields: Any) -> None:
    """Ask for a group's offsets in the older and the newer form; without topics (None), for all."""
    wanted: list[dict[str, Any]] | None = [
        {"name": name, "topic_id": f"${name.lstrip('~')}", "partition_indexes": indexes}
        for name, indexes in (topic for topic in topics if topic is not None)
    ]
    if None in topics:
        wanted = None
    one = {"group_id": group, "topics": wanted} | {
        key: fields.pop(key) for key in ("member_id", "member_epoch") if key in fields
    }
    s.ask("OffsetFetch", {"group_id": group, "topics": wanted, "groups": [one]} | fields)


@scenario("OffsetCommit")
def without_members(s: Script) -> None:
    s.topic("~t", 2)
    s.topic("~u")
    commit(s, of("~t", {}))
    commit(s, of("~t", {"committed_offset": 7}, {"partition_index": 1}), of("~u", {}))
    fetch(s, ("~t", [0, 1]), ("~u", [0]))
    commit(s, of("~t", {"committed_offset": 3, "committed_leader_epoch": 4, "committed_metadata": None}))
    fetch(s, ("~t", [0]))
    for offset in (-1, -2, -100, 2**62):
        commit(s, of("~t", {"committed_offset": offset}))
        fetch(s, ("~t", [0]))
    for length in (0, 4096, 4097):
        commit(s, of("~t", {"committed_metadata": repeated("x", length)}))
    commit(s, of("~t", {"committed_metadata": repeated("x", 5000)}, {"partition_index": 1, "committed_offset": 9}))
    fetch(s, ("~t", [1]))
    commit(s, of("~t", {"committed_metadata": repeated("ü", 3000)}))
    commit(s, of("~t", {}), group_id="")
    beat(s, "", -1, group_id="")
    s.ask("DeleteGroups", groups_names=[""])
    commit(s, of("~t", {}), retention_time=1_000_000)
    commit(s)
    commit(s, of("~t"))


@scenario("OffsetCommit")
def for_nothing(s: Script) -> None:
    s.topic("~t")
    commit(s, of("~missing", {}))
    commit(s, of("~t", {"partition_index": 7}, {}))
    commit(s, of("~t", {"partition_index": -1}))
    commit(s, of("~missing", {}), of("~t", {}))
    commit(s, of("~t", {}, {"committed_offset": 8}))
    commit(s, of("~t", {}), of("~t", {"committed_offset": 9}))
    commit(s, of("~t", {"committed_leader_epoch": -5}))


@scenario("OffsetCommit")
def by_members(s: Script) -> None:
    s.topic("~t")

    def by(member: str, generation: int, **fields: Any) -> None:
        commit(s, of("~t", {}), member_id=member, generation_id_or_member_epoch=generation, **fields)

    by("nobody", 1)
    by("nobody", -1)
    by("", 1)
    by("", 0)
    enter(s, "a")
    by(A, 0)
    s.ask("JoinGroup", joining("a", A), on="a")
    by(A, 1)
    by("", -1)
    synced(s, "a", A)
    for member, generation in ((A, 1), (A, 2), (A, 0), (A, -1), ("nobody", 1), ("nobody", -1), ("", -1), ("", 1)):
        by(member, generation)
    by(A, 1, group_instance_id="unknown")
    beat(s, A)
    enter(s, "b")
    s.send("JoinGroup", on="b", **joining("b", "$member_b"))
    s.ask("DescribeGroups", groups=["~g"], on="watch", until=("groups.0.group_state", "PreparingRebalance"))
    by(A, 1)
    by(A, 2)
    leave(s, A)
    s.receive("JoinGroup", on="b")
    by(A, 1)
    by("$member_b", 2)
    s.ask("LeaveGroup", group_id="~g", members=[{"member_id": "$member_b"}], on="b")
    by("", -1)
    by(A, 2)


@scenario("OffsetCommit")
def beside_a_pending_member(s: Script) -> None:
    s.topic("~t")
    enter(s, "a")
    commit(s, of("~t", {}), member_id=A)
    s.ask("JoinGroup", joining("a", A), on="a")


@scenario("OffsetFetch")
def fetched(s: Script) -> None:
    s.topic("~t", 3)
    s.topic("~u")
    fetch(s, ("~t", [0]), group="~unknown")
    fetch(s, None, group="~unknown")
    commit(s, of("~t", {}, {"partition_index": 2, "committed_metadata": ""}), of("~u", {"committed_leader_epoch": 3}))
    fetch(s, ("~t", [0, 1, 2]))
    fetch(s, ("~u", [0]), ("~t", [2]))
    fetch(s, None)
    fetch(s)
    fetch(s, ("~t", []))
    fetch(s, ("~t", [0, 0]))
    fetch(s, ("~t", [0]), ("~t", [2]))
    fetch(s, ("~missing", [0]))
    fetch(s, ("~t", [9, -1]))
    fetch(s, ("~t", [0]), group="")
    fetch(s, ("~t", [0]), require_stable=True)
    fetch(s, None, require_stable=True)


@scenario("OffsetFetch", since=8)
def of_many_groups(s: Script) -> None:
    s.topic("~t")
    commit(s, of("~t", {}))
    commit(s, of("~t", {"committed_offset": 6}), group_id="~h")
    topics = [{"name": "~t", "topic_id": "$t", "partition_indexes": [0]}]
    one, other = {"group_id": "~g", "topics": topics}, {"group_id": "~h", "topics": topics}
    s.ask("OffsetFetch", groups=[one, other])
    s.ask("OffsetFetch", groups=[other, one, {"group_id": "~unknown", "topics": topics}])
    s.ask("OffsetFetch", groups=[one, other | {"topics": None}])
    s.ask("OffsetFetch", groups=[])
    s.ask("OffsetFetch", groups=[one, {"group_id": "", "topics": topics}])


@scenario("OffsetFetch", since=8)
def of_a_group_twice(s: Script) -> None:
    s.topic("~t")
    commit(s, of("~t", {}))
    topics = [{"name": "~t", "topic_id": "$t", "partition_indexes": [0]}]
    s.ask("OffsetFetch", groups=[{"group_id": "~g", "topics": topics}, {"group_id": "~g", "topics": None}])


@scenario("OffsetFetch", since=9)
def by_members_of_a_group(s: Script) -> None:
    s.topic("~t")
    alone(s)
    commit(s, of("~t", {}), member_id=A, generation_id_or_member_epoch=1)
    for member, epoch in ((A, 1), (A, 7), ("nobody", 1), (None, 1), ("", 0), (A, -1), ("nobody", -1)):
        fetch(s, ("~t", [0]), member_id=member, member_epoch=epoch)


@scenario("OffsetFetch", since=2)
def of_a_deleted_topic(s: Script) -> None:
    s.topic("~t")
    s.topic("~u")
    commit(s, of("~t", {}), of("~u", {}))
    s.ask("DeleteTopics", topics=[{"name": "~t"}], timeout=20_000)
    groups = [{"group_id": "~g", "topics": None}]
    gone = ("topics.1.name", None) if s.version < 8 else ("groups.0.topics.1.partitions", None)
    s.ask("OffsetFetch", group_id="~g", topics=None, groups=groups, until=gone)


def delete(s: Script, *topics: tuple[str, list[int]], group: str = "~g") -> None:
    named = [
        {"name": name, "partitions": [{"partition_index": index} for index in indexes]} for name, indexes in topics
    ]
    s.ask("OffsetDelete", group_id=group, topics=named)


@scenario("OffsetDelete")
def deleted_offsets(s: Script) -> None:
    s.topic("~t", 2)
    s.topic("~u")
    delete(s, ("~t", [0]), group="~unknown")
    delete(s, ("~t", [0]), group="")
    commit(s, of("~t", {}, {"partition_index": 1}), of("~u", {}))
    delete(s, ("~t", [0]))
    fetch(s, ("~t", [0, 1]))
    delete(s, ("~t", [0]))
    delete(s, ("~t", [7]), ("~missing", [0]))
    delete(s, ("~t", [1, 1]))
    delete(s)
    delete(s, ("~t", []))
    delete(s, ("~u", [0]))
    s.ask("DescribeGroups", groups=["~g"])


@scenario("OffsetDelete")
def deleted_offsets_of_consumers(s: Script) -> None:
    s.topic("~t")
    s.topic("~u")
    commit(s, of("~t", {}), of("~u", {}))
    alone(s, protocols=[{"name": "range", "metadata": {"subscription": ["~t"]}}])
    delete(s, ("~t", [0]), ("~u", [0]))
    fetch(s, ("~t", [0]), ("~u", [0]))


@scenario("OffsetDelete")
def deleted_offsets_of_others(s: Script) -> None:
    s.topic("~t")
    commit(s, of("~t", {}))
    alone(s, protocol_type="connect")
    delete(s, ("~t", [0]))
    leave(s, A)
    delete(s, ("~t", [0]))
    fetch(s, ("~t", [0]))
