"""`chronik group`: each command as a process against a broker."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.broker_process import BrokerProcess, wait_until
from tests.cli.client_commands import Commands


@pytest.fixture(scope="module")
def filled(module_broker: BrokerProcess) -> Commands:
    """Topic g: two partitions of ten records; the group `done` has read them all."""
    commands = Commands(module_broker.bootstrap)
    commands.ok("topic", "create", "g", "-p", "2")
    for partition in ("0", "1"):
        lines = b"".join(b"%s-%d\n" % (partition.encode(), number) for number in range(10))
        commands.ok("produce", "g", "--partition", partition, stdin=lines)
    assert len(commands.ok("consume", "g", "-g", "done", "--exit").splitlines()) == 20
    return commands


@contextmanager
def member_of(filled: Commands, group: str) -> Iterator[subprocess.Popen[str]]:
    """A member of a group, which has read everything of the topic g."""
    with filled.running("consume", "g", "-g", group) as process:
        wait_until(lambda: state_of(filled, group) == "Stable", 30, "the member has not joined")
        wait_until(lambda: lag_of(filled, group) == 0, 30, "the member has not committed")
        yield process


def state_of(commands: Commands, group: str) -> Any:
    return {row["group"]: row["state"] for row in commands.rows("group", "list")}.get(group)


def lag_of(commands: Commands, group: str) -> Any:
    (facts,) = commands.rows("group", "describe", group)
    offsets = [found["committed_offset"] for found in facts["partitions"]]
    return None if None in offsets or not offsets else facts["lag"]


def committed(commands: Commands, group: str) -> dict[tuple[str, int], int]:
    (facts,) = commands.rows("group", "describe", group)
    return {(row["topic"], row["partition"]): row["committed_offset"] for row in facts["partitions"]}


def test_groups_are_listed_and_described(filled: Commands) -> None:
    with member_of(filled, "live"):
        listed = filled.table("group", "list")
        assert listed[0] == ["GROUP", "STATE", "TYPE", "PROTOCOL"]
        assert ["done", "Empty", "classic", "consumer"] in listed
        assert filled.table("group", "list", "--state", "stable")[1:] == [["live", "Stable", "classic", "consumer"]]
        (facts,) = filled.rows("group", "describe", "live")
        (found,) = facts["members"]
        assert (facts["state"], facts["assignor"], facts["lag"]) == ("Stable", "range", 0)
        assert (found["client_id"], found["host"].lstrip("/")) == ("chronik-cli", "127.0.0.1")
        assert found["assigned"] == [{"topic": "g", "partition": 0}, {"topic": "g", "partition": 1}]
        assert facts["partitions"][1] == {
            "topic": "g",
            "partition": 1,
            "committed_offset": 10,
            "log_end_offset": 10,
            "lag": 0,
            "metadata": "",
            "member_id": found["member_id"],
        }
        title, head, first, second = filled.table("group", "describe", "live")
        assert " ".join(title) == "GROUP live STATE Stable TYPE classic ASSIGNOR range MEMBERS 1 LAG 0"
        assert head == ["TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER", "CLIENT", "HOST"]
        assert [first[:5], second[:5]] == [["g", "0", "10", "10", "0"], ["g", "1", "10", "10", "0"]]
        assert first[5] == found["member_id"]
        shown = filled.table("group", "describe", "live", "--members")
        assert shown[2] == [found["member_id"], "chronik-cli", found["host"], "g:0,1"]
        assert {row["group"] for row in filled.rows("group", "describe", "--all")} >= {"live", "done"}


def test_a_group_in_use_is_neither_reset_nor_deleted(filled: Commands) -> None:
    refused = ("group", "reset", "used", "--all-topics", "--to", "earliest", "--execute")
    with member_of(filled, "used") as member:
        filled.refused(1, "group", "delete", "used", said=["Not deleted: used: ", "NON_EMPTY_GROUP"])
        filled.refused(1, *refused, said=["Group used is in use (state Stable, 1 member)"])
        assert "DRY RUN" in filled.ok(*refused[:-1])
        member.send_signal(signal.SIGINT)
        assert member.wait(30) == 130
    filled.ok(*refused)
    assert committed(filled, "used") == {("g", 0): 0, ("g", 1): 0}
    assert len(filled.ok("consume", "g", "-g", "used", "--exit").splitlines()) == 20


def test_what_is_not_there_is_one_sentence(filled: Commands) -> None:
    filled.refused(1, "group", "describe", "nope", said=["There is no group nope."])
    filled.refused(1, "group", "delete", "nope", said=["Not deleted: nope: ", "GROUP_ID_NOT_FOUND"])
    filled.refused(2, "group", "describe", said=["Name groups, or say --all."])
    filled.refused(2, "group", "describe", "done", "--all", said=["Name groups, or say --all."])


def test_groups_and_single_offsets_are_deleted(filled: Commands) -> None:
    for group in ("gone-a", "gone-b", "thinner"):
        filled.ok("consume", "g", "-g", group, "--exit")
    assert filled.ok("group", "delete", "gone-a", "gone-b") == "deleted gone-a\ndeleted gone-b\n"
    assert filled.ok("group", "delete", "thinner", "-t", "g:1") == "deleted thinner g 1\n"
    assert committed(filled, "thinner") == {("g", 0): 10}
    filled.refused(1, "group", "delete", "thinner", "-t", "g:1", said=["has committed nothing for g:1."])
    assert {row["group"] for row in filled.rows("group", "list")} & {"gone-a", "gone-b", "thinner"} == {"thinner"}


# Reset


@pytest.mark.parametrize(
    ("arguments", "offsets"),
    [
        (["--topic", "g", "--to", "earliest"], {0: 0, 1: 0}),
        (["--topic", "g", "--to", "latest"], {0: 10, 1: 10}),
        (["--topic", "g:1", "--to", "4"], {1: 4}),
        (["--topic", "g", "--to", "400"], {0: 10, 1: 10}),
        (["--topic", "g:0", "--topic", "g:1", "--to", "-3"], {0: 7, 1: 7}),
        (["--topic", "g", "--to", "@1h"], {0: 0, 1: 0}),
        (["--topic", "g", "--to", "@2100-01-01T00:00"], {0: 10, 1: 10}),
        (["--all-topics", "--to", "current"], {0: 10, 1: 10}),
        (["--all-topics", "--shift", "-4"], {0: 6, 1: 6}),
        (["--topic", "g:0,1", "--shift", "-400"], {0: 0, 1: 0}),
    ],
)
def test_where_a_group_is_to_go_on(filled: Commands, arguments: list[str], offsets: dict[int, int]) -> None:
    """Shown only: nothing is changed without --execute."""
    rows = filled.rows("group", "reset", "done", *arguments)
    assert {row["partition"]: row["new_offset"] for row in rows} == offsets
    assert {row["committed_offset"] for row in rows} == {10}


def test_a_dry_run_says_so_and_executing_does_it(filled: Commands) -> None:
    filled.ok("consume", "g", "-g", "moved", "--exit")
    reset = ("group", "reset", "moved", "--topic", "g", "--to", "8")
    shown = [
        ["TOPIC", "PARTITION", "COMMITTED", "NEW", "CHANGE", "START", "END"],
        ["g", "0", "10", "8", "-2", "0", "10"],
        ["g", "1", "10", "8", "-2", "0", "10"],
    ]
    dry, *rest = filled.table(*reset)
    assert (dry[:2], rest) == (["DRY", "RUN"], shown)
    assert set(committed(filled, "moved").values()) == {10}
    assert filled.table(*reset, "--execute") == shown
    assert sorted(filled.ok("consume", "g", "-g", "moved", "--exit").splitlines()) == ["0-8", "0-9", "1-8", "1-9"]


def test_offsets_travel_from_group_to_group_as_csv(filled: Commands, tmp_path: Path) -> None:
    exported = filled.ok("group", "reset", "done", "--all-topics", "--shift", "-3", "--export")
    assert exported == "g,0,7\ng,1,7\n"
    file = tmp_path / "offsets.csv"
    file.write_text(exported)
    filled.ok("group", "reset", "sown", "--from-file", str(file), "--execute")
    assert committed(filled, "sown") == {("g", 0): 7, ("g", 1): 7}
    file.write_text("done,g,1,2\n")
    rows = filled.rows("group", "reset", "done", "--from-file", str(file))
    assert [(row["partition"], row["new_offset"]) for row in rows] == [(1, 2)]
    file.write_text("g,0\n")
    filled.refused(2, "group", "reset", "done", "--from-file", str(file), said=["line 1: 'g,0' is not TOPIC,"])
    file.write_text("g,7,0\n")
    filled.refused(1, "group", "reset", "done", "--from-file", str(file), said=["There is no partition g:7."])


@pytest.mark.parametrize(
    ("code", "arguments", "said"),
    [
        (2, ["--all-topics"], "one of --to, --shift and --from-file"),
        (2, ["--all-topics", "--to", "1", "--shift", "1"], "one of --to, --shift and --from-file"),
        (2, ["--to", "1"], "--topic TOPIC, or --all-topics"),
        (2, ["-t", "g", "--to", "soon"], "--to: 'soon' is neither"),
        (2, ["-t", "g:x", "--to", "1"], "'g:x' is not TOPIC[:N,N]"),
        (1, ["-t", "g:2", "--to", "1"], "Topic g has no partition 2."),
        (1, ["-t", "nope", "--to", "1"], "There is no topic nope."),
        (1, ["--from-file", "no-such-file"], "no-such-file cannot be used: No such file"),
    ],
)
def test_a_reset_that_makes_no_sense_is_one_sentence(
    filled: Commands, code: int, arguments: list[str], said: str
) -> None:
    filled.refused(code, "group", "reset", "done", *arguments, said=[said])


def test_a_group_that_has_committed_nothing_can_only_be_set(filled: Commands) -> None:
    filled.refused(1, "group", "reset", "new", "--all-topics", "--to", "1", said=["Group new has committed nothing."])
    filled.refused(1, "group", "reset", "new", "-t", "g", "--shift", "1", said=["has committed nothing for g[0]."])
    filled.ok("group", "reset", "new", "-t", "g", "--to", "9", "--execute")
    assert sorted(filled.ok("consume", "g", "-g", "new", "--exit").splitlines()) == ["0-9", "1-9"]


# Rebalance


def test_two_members_share_a_topic_and_no_record_is_lost_or_shown_twice(filled: Commands) -> None:
    """The second member joins while the first one reads; both end while there is more to come."""
    filled.ok("topic", "create", "shared", "-p", "4")
    expected = []
    with filled.running("consume", "shared", "-g", "sharing") as first:
        expected += produced(filled, 0)
        with filled.running("consume", "shared", "-g", "sharing") as second:
            wait_until(lambda: member_count(filled, "sharing") == 2, 30, "the second member has not joined")
            expected += produced(filled, 1)
            wait_until(lambda: lag_of(filled, "sharing") == 0, 30, "the group has not read everything")
            first.send_signal(signal.SIGINT)
            shown = first.communicate(timeout=30)[0].splitlines()
            expected += produced(filled, 2)
            wait_until(lambda: lag_of(filled, "sharing") == 0, 30, "the group has not read everything")
            second.send_signal(signal.SIGINT)
            shown += second.communicate(timeout=30)[0].splitlines()
    assert (first.returncode, second.returncode) == (130, 130)
    assert sorted(shown) == sorted(expected)


def produced(commands: Commands, turn: int) -> list[str]:
    values = [f"{turn}-{number}" for number in range(400)]
    lines = "".join(f'{{"partition": {number % 4}, "value": "{value}"}}\n' for number, value in enumerate(values))
    commands.ok("produce", "shared", "-i", "json", "--keep-partition", stdin=lines.encode())
    return values


def member_count(commands: Commands, group: str) -> int:
    (facts,) = commands.rows("group", "describe", group)
    return len(facts["members"]) if facts["state"] == "Stable" else 0
