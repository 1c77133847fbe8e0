"""Classic groups: JoinGroup, SyncGroup, Heartbeat, LeaveGroup, DescribeGroups, ListGroups and DeleteGroups."""

from __future__ import annotations

from typing import Any

from tools.differ.script import Script, scenario

A, B, C = "$member_a", "$member_b", "$member_c"


def joining(name: str, member: str = "", **fields: Any) -> dict[str, Any]:
    """A JoinGroup request of one of several members, each with metadata of its own."""
    usual = {
        "group_id": "~g",
        "session_timeout": 30_000,
        "rebalance_timeout": 60_000,
        "member_id": member,
        "protocol_type": "consumer",
        "protocols": [speaking(name, "range")],
    }
    return usual | fields


def speaking(name: str, protocol: str) -> dict[str, Any]:
    """A protocol and metadata that Kafka can read, and that no other member has."""
    return {"name": protocol, "metadata": {"subscription": [f"~{name}-{protocol}"]}}


def enter(s: Script, name: str, **fields: Any) -> None:
    """Join as a new member, on a connection of its own name, which may have to ask twice; its id is bound. The reply to
    the second time is only waited for if nobody else is there: else `s.receive` it when all have joined."""
    s.ask("JoinGroup", joining(name, **fields), on=name, bind={f"member_{name}": "member_id"}, at=7)


def alone(s: Script, **fields: Any) -> None:
    """Member a, stable in generation 1."""
    enter(s, "a", **fields)
    s.ask("JoinGroup", joining("a", A, **fields), on="a", at=7)
    synced(s, "a", A, assignments=[{"member_id": A, "assignment": "aa"}])


def synced(s: Script, on: str, member: str, generation: int = 1, at: int | None = 3, **fields: Any) -> None:
    usual = {"group_id": "~g", "generation_id": generation, "member_id": member, "assignments": []}
    s.ask("SyncGroup", usual | fields, on=on, at=at)


def second(s: Script) -> None:
    """Member b joins the stable group of a, and both are stable in generation 2."""
    enter(s, "b")
    s.send("JoinGroup", on="b", **joining("b", B))
    until(s, "PreparingRebalance")
    s.ask("JoinGroup", joining("a", A), on="a", at=7)
    s.receive("JoinGroup", on="b")
    s.send("SyncGroup", on="b", group_id="~g", generation_id=2, member_id=B, **PROTOCOL)
    assignments = [{"member_id": A, "assignment": "a2"}, {"member_id": B, "assignment": "b2"}]
    synced(s, "a", A, 2, assignments=assignments)
    s.receive("SyncGroup", on="b")


PROTOCOL = {"protocol_type": "consumer", "protocol_name": "range"}


def until(s: Script, state: str) -> None:
    """Wait until the group is in a state (and what is on its way has arrived)."""
    s.ask("DescribeGroups", groups=["~g"], on="watch", at=5, until=("groups.0.group_state", state))


def beat(s: Script, member: str, generation: int = 1, on: str = "a", **fields: Any) -> None:
    s.ask("Heartbeat", {"group_id": "~g", "generation_id": generation, "member_id": member} | fields, on=on)


def leave(s: Script, member: str, on: str = "a", **fields: Any) -> None:
    """Leave, in the form of the older and of the newer versions."""
    members = [{"member_id": member} | fields]
    s.ask("LeaveGroup", group_id="~g", member_id=member, members=members, on=on)


def describe(s: Script) -> None:
    s.ask("DescribeGroups", groups=["~g"], on="watch")


@scenario("JoinGroup")
def one_member(s: Script) -> None:
    s.ask("JoinGroup", joining("a"), on="a", bind={"member_a": "member_id"})
    s.ask("JoinGroup", joining("a", A), on="a")
    synced(s, "a", A, assignments=[{"member_id": A, "assignment": "aa"}])
    describe(s)
    s.ask("JoinGroup", joining("a", A, reason="once more"), on="a")
    describe(s)
    s.ask("JoinGroup", joining("other", A), on="a")
    leave(s, A)
    describe(s)
    s.ask("JoinGroup", joining("a", A), on="a")
    s.ask("JoinGroup", joining("a"), on="a", bind={"member_a": "member_id"})


@scenario("JoinGroup")
def refused(s: Script) -> None:
    s.ask("JoinGroup", joining("a", group_id=""))
    for timeout in (5_999, 0, -1, 1_800_001, 2_147_483_647):
        s.ask("JoinGroup", joining("a", session_timeout=timeout))
    s.ask("JoinGroup", joining("a", "nobody"))
    describe(s)
    s.ask("JoinGroup", joining("a", protocol_type=""))
    s.ask("JoinGroup", joining("a", protocols=[]))
    s.ask("JoinGroup", joining("a", protocol_type="", protocols=[]))
    alone(s)
    s.ask("JoinGroup", joining("b", "nobody"))
    s.ask("JoinGroup", joining("b", protocol_type="connect"))
    s.ask("JoinGroup", joining("b", protocols=[{"name": "sticky", "metadata": ""}]))
    s.ask("JoinGroup", joining("b", protocols=[]))
    s.ask("JoinGroup", joining("b", protocol_type=""))
    s.ask("JoinGroup", joining("a", A, protocol_type="connect"))
    s.ask("JoinGroup", joining("a", A, protocols=[{"name": "sticky", "metadata": ""}]))
    s.ask("JoinGroup", joining("a", A, session_timeout=1))
    describe(s)


@scenario("JoinGroup")
def refused_in_a_new_group(s: Script) -> None:
    s.ask("JoinGroup", joining("a", protocols=[]))
    describe(s)


@scenario("JoinGroup", since=7, until=7)
def metadata_that_cannot_be_read(s: Script) -> None:
    alone(s)
    second(s)
    wrong = [{"name": "range", "metadata": b"not a subscription".hex()}]
    s.send("JoinGroup", on="b", **joining("b", B, protocols=wrong))
    until(s, "PreparingRebalance")
    s.ask("JoinGroup", joining("a", A), on="a")


@scenario("JoinGroup", since=4)
def a_second_member(s: Script) -> None:
    alone(s)
    s.ask("JoinGroup", joining("b"), on="b", bind={"member_b": "member_id"})
    describe(s)
    s.send("JoinGroup", on="b", **joining("b", B))
    until(s, "PreparingRebalance")
    beat(s, A)
    s.ask("JoinGroup", joining("a", A), on="a")
    s.receive("JoinGroup", on="b")
    until(s, "CompletingRebalance")
    s.ask("JoinGroup", joining("b", B), on="b")
    s.ask("JoinGroup", joining("a", A), on="a")
    beat(s, A, 2)
    s.send("SyncGroup", on="b", group_id="~g", generation_id=2, member_id=B, **PROTOCOL)
    synced(s, "a", A, 2, assignments=[{"member_id": A, "assignment": "a2"}, {"member_id": B, "assignment": "b2"}])
    s.receive("SyncGroup", on="b")
    describe(s)
    s.ask("JoinGroup", joining("b", B), on="b")
    leave(s, A)
    until(s, "PreparingRebalance")
    beat(s, B, 2, on="b")
    s.ask("JoinGroup", joining("b", B), on="b")
    describe(s)


@scenario("JoinGroup", until=3)
def a_second_member_of_old(s: Script) -> None:
    s.ask("JoinGroup", joining("a"), on="a", bind={"member_a": "member_id"})
    synced(s, "a", A, assignments=[{"member_id": A, "assignment": "aa"}])
    s.send("JoinGroup", on="b", **joining("b"))
    until(s, "PreparingRebalance")
    s.ask("JoinGroup", joining("a", A), on="a")
    s.receive("JoinGroup", on="b", bind={"member_b": "member_id"})
    until(s, "CompletingRebalance")
    s.ask("JoinGroup", joining("b", B), on="b")
    describe(s)


@scenario("JoinGroup", since=4)
def protocols(s: Script) -> None:
    first = [speaking("a", name) for name in "xyz"]
    enter(s, "a", protocols=first)
    s.ask("JoinGroup", joining("a", A, protocols=first), on="a")
    synced(s, "a", A)
    other = [speaking("b", name) for name in "zy"]
    enter(s, "b", protocols=other)
    s.send("JoinGroup", on="b", **joining("b", B, protocols=other))
    until(s, "PreparingRebalance")
    s.ask("JoinGroup", joining("a", A, protocols=first[1:]), on="a")
    s.receive("JoinGroup", on="b")
    describe(s)


@scenario("JoinGroup", since=4)
def metadata_that_changes(s: Script) -> None:
    alone(s)
    second(s)
    s.ask("JoinGroup", joining("b", B), on="b")
    s.send("JoinGroup", on="b", **joining("changed", B))
    until(s, "PreparingRebalance")
    s.ask("JoinGroup", joining("a", A), on="a")
    s.receive("JoinGroup", on="b")
    describe(s)


@scenario("JoinGroup", since=5)
def static_members(s: Script) -> None:
    alone(s, group_instance_id="one")
    s.ask("JoinGroup", joining("a", group_instance_id="one"), on="a2", bind={"member_a2": "member_id"})
    describe(s)
    beat(s, A, group_instance_id="one")
    beat(s, A)
    beat(s, "$member_a2", group_instance_id="one")
    synced(s, "a2", "$member_a2", group_instance_id="one")
    s.ask("JoinGroup", joining("a", A, group_instance_id="one"), on="a")
    s.ask("JoinGroup", joining("a", A, group_instance_id="unknown"), on="a")
    s.ask("JoinGroup", joining("a", "$member_a2", group_instance_id="one"), on="a2")
    describe(s)
    s.ask("JoinGroup", joining("changed", group_instance_id="one"), on="a3", bind={"member_a3": "member_id"})
    describe(s)
    s.ask("LeaveGroup", group_id="~g", members=[{"member_id": "", "group_instance_id": "one"}], on="a", at=4)
    describe(s)


@scenario("JoinGroup", since=5)
def a_static_member_of_two(s: Script) -> None:
    alone(s)
    s.send("JoinGroup", on="b", **joining("b", group_instance_id="two"))
    until(s, "PreparingRebalance")
    s.ask("JoinGroup", joining("a", A), on="a")
    s.receive("JoinGroup", on="b", bind={"member_b": "member_id"})
    s.send("SyncGroup", on="b", group_id="~g", generation_id=2, member_id=B, **PROTOCOL)
    synced(s, "a", A, 2, assignments=[{"member_id": A, "assignment": "a2"}, {"member_id": B, "assignment": "b2"}])
    s.receive("SyncGroup", on="b")
    s.ask("JoinGroup", joining("b", group_instance_id="two"), on="b2", bind={"member_b2": "member_id"})
    synced(s, "b2", "$member_b2", 2)
    beat(s, A, 2)
    beat(s, B, 2, group_instance_id="two")
    describe(s)


@scenario("SyncGroup")
def syncing(s: Script) -> None:
    def sync(member: str = A, generation: int = 1, **fields: Any) -> None:
        assignments = [{"member_id": A, "assignment": "aa"}]
        synced(s, "a", member, generation, s.version, **PROTOCOL | {"assignments": assignments} | fields)

    sync("nobody")
    sync(group_id="")
    enter(s, "a")
    sync()
    s.ask("JoinGroup", joining("a", A), on="a")
    sync("nobody")
    sync(generation=0)
    sync(generation=2)
    sync(generation=-1)
    sync(protocol_name="sticky")
    sync(protocol_type="connect")
    sync(protocol_name=None, protocol_type=None)
    sync(group_instance_id="unknown")
    describe(s)
    sync(assignments=[{"member_id": "nobody", "assignment": "bb"}])
    sync()
    sync(assignments=[])
    describe(s)
    s.ask("JoinGroup", joining("a", A), on="a")
    sync(generation=2)
    sync(generation=1)
    sync(generation=2, assignments=[])


@scenario("SyncGroup")
def syncing_two(s: Script) -> None:
    alone(s)
    enter(s, "b")
    s.send("JoinGroup", on="b", **joining("b", B))
    until(s, "PreparingRebalance")
    synced(s, "a", A, 1, s.version, **PROTOCOL)
    s.ask("JoinGroup", joining("a", A), on="a")
    s.receive("JoinGroup", on="b")
    s.send("SyncGroup", on="b", group_id="~g", generation_id=2, member_id=B, **PROTOCOL)
    leave(s, A)
    s.receive("SyncGroup", on="b")
    s.ask("JoinGroup", joining("b", B), on="b")
    mine = [{"member_id": B, "assignment": "b3"}]
    synced(s, "b", B, 3, s.version, **PROTOCOL, assignments=mine)
    describe(s)


@scenario("Heartbeat")
def beating(s: Script) -> None:
    beat(s, "nobody")
    beat(s, "", group_id="")
    enter(s, "a")
    beat(s, A)
    beat(s, A, 0)
    s.ask("JoinGroup", joining("a", A), on="a")
    beat(s, A)
    synced(s, "a", A)
    for member, generation in ((A, 1), (A, 2), (A, 0), (A, -1), ("nobody", 1), ("", 1)):
        beat(s, member, generation)
    beat(s, A, group_instance_id="unknown")
    enter(s, "b")
    s.send("JoinGroup", on="b", **joining("b", B))
    until(s, "PreparingRebalance")
    beat(s, A)
    beat(s, A, 2)
    beat(s, B)
    leave(s, A)
    beat(s, A)


@scenario("LeaveGroup")
def leaving(s: Script) -> None:
    leave(s, "nobody")
    s.ask("LeaveGroup", group_id="", member_id="nobody", members=[{"member_id": "nobody"}])
    enter(s, "a")
    leave(s, A)
    alone(s)
    leave(s, "nobody")
    leave(s, "")
    leave(s, A)
    describe(s)
    leave(s, A)
    s.ask("LeaveGroup", group_id="~g", member_id="", members=[])


@scenario("LeaveGroup", since=3)
def leaving_together(s: Script) -> None:
    alone(s)
    second(s)
    members = [{"member_id": "nobody"}, {"member_id": B}, {"member_id": A, "reason": "enough"}, {"member_id": B}]
    s.ask("LeaveGroup", group_id="~g", members=members)
    describe(s)
    alone(s, group_instance_id="one")
    s.ask("LeaveGroup", group_id="~g", members=[{"member_id": "", "group_instance_id": "unknown"}])
    s.ask("LeaveGroup", group_id="~g", members=[{"member_id": "nobody", "group_instance_id": "one"}])
    s.ask("LeaveGroup", group_id="~g", members=[{"member_id": A, "group_instance_id": "unknown"}])
    s.ask("LeaveGroup", group_id="~g", members=[{"member_id": "", "group_instance_id": "one"}])
    describe(s)


@scenario("DescribeGroups")
def described(s: Script) -> None:
    s.ask("DescribeGroups", groups=[])
    s.ask("DescribeGroups", groups=["~missing", ""])
    enter(s, "a")
    s.ask("DescribeGroups", groups=["~g"], until=("groups.0.group_state", "Empty"))
    s.ask("JoinGroup", joining("a", A), on="a")
    describe(s)
    synced(s, "a", A, assignments=[{"member_id": A, "assignment": "aa"}])
    describe(s)
    s.ask("DescribeGroups", groups=["~g", "~missing", "~g"], include_authorized_operations=True)
    second(s)
    describe(s)
    leave(s, A)
    describe(s)
    leave(s, B)
    describe(s)


@scenario("DescribeGroups")
def described_static(s: Script) -> None:
    alone(s, group_instance_id="one", protocol_type="connect")
    describe(s)


@scenario("ListGroups")
def listed(s: Script) -> None:
    enter(s, "a")
    s.ask("ListGroups")
    s.ask("JoinGroup", joining("a", A), on="a")
    s.ask("ListGroups")
    synced(s, "a", A)
    s.topic("~t")
    committed = [{"name": "~t", "partitions": [{"partition_index": 0, "committed_offset": 1}]}]
    s.ask("OffsetCommit", group_id="~simple", topics=committed)
    s.ask("ListGroups")
    for states in (["Stable"], ["stable"], ["Empty"], ["Empty", "Stable"], ["Dead"], ["Nonsense"], [""]):
        s.ask("ListGroups", states_filter=states)
    for types in (["classic"], ["Classic"], ["consumer"], ["share"], ["consumer", "classic"], ["Nonsense"], [""]):
        s.ask("ListGroups", types_filter=types)
    s.ask("ListGroups", states_filter=["Stable"], types_filter=["classic"])
    leave(s, A)
    s.ask("ListGroups")


@scenario("DeleteGroups")
def deleted_groups(s: Script) -> None:
    s.ask("DeleteGroups", groups_names=["~missing", ""])
    s.ask("DeleteGroups", groups_names=[])
    alone(s)
    s.ask("DeleteGroups", groups_names=["~g"])
    leave(s, A)
    s.ask("DeleteGroups", groups_names=["~g", "~missing"])
    describe(s)
    s.ask("DeleteGroups", groups_names=["~g"])
    s.topic("~t")
    committed = [{"name": "~t", "partitions": [{"partition_index": 0, "committed_offset": 1}]}]
    s.ask("OffsetCommit", group_id="~simple", topics=committed)
    s.ask("DeleteGroups", groups_names=["~simple", "~simple"])
    wanted = [{"name": "~t", "partition_indexes": [0]}]
    s.ask("OffsetFetch", group_id="~simple", topics=wanted)
