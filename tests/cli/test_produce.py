"""`chronik produce`: as a process against a broker; what it wrote is read with `consume`."""

from __future__ import annotations

import base64
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.client_commands import Commands


def written(commands: Commands, topic: str) -> list[tuple[int, Any, Any]]:
    """Partition, key and value of everything in a topic."""
    rows = commands.rows("consume", topic, "--exit")
    return [(row["partition"], row["key"], row["value"]) for row in rows]


def test_lines_become_records_and_their_places_are_shown(commands: Commands) -> None:
    commands.ok("topic", "create", "lines")
    assert [line.split() for line in commands.ok("produce", "lines", stdin=b"one\n\ntwo").splitlines()] == [
        ["TOPIC", "PARTITION", "FIRST", "LAST", "RECORDS"],
        ["lines", "0", "0", "2", "3"],
    ]
    assert written(commands, "lines") == [(0, None, "one"), (0, None, ""), (0, None, "two")]
    (place,) = commands.rows("produce", "lines", "--value", "three", "--value", "four")
    assert place == {"topic": "lines", "partition": 0, "first_offset": 3, "last_offset": 4, "records": 2}
    assert commands.ok("produce", "lines") == ""


def test_keys_headers_partition_and_time(commands: Commands) -> None:
    commands.ok("topic", "create", "dressed", "-p", "2")
    commands.ok(
        *("produce", "dressed", "--partition", "1", "--key", "k", "-H", "a=1", "-H", "a=2=3", "-H", "none"),
        *("--timestamp", "2026-01-31T12:00", "--value", "größer"),
    )
    assert commands.rows("consume", "dressed", "--exit") == [
        {
            "topic": "dressed",
            "partition": 1,
            "offset": 0,
            "timestamp": 1769860800000,
            "key": "k",
            "value": "größer",
            "headers": [{"key": "a", "value": "1"}, {"key": "a", "value": "2=3"}, {"key": "none", "value": None}],
        }
    ]


def test_delimiters_of_keys_and_records(commands: Commands) -> None:
    commands.ok("topic", "create", "cut")
    commands.ok("produce", "cut", "-K", "\\t", "-D", "\\x00", stdin=b"a\tb\nc\x00no key\x00\tempty key\x00d\t")
    assert written(commands, "cut") == [(0, "a", "b\nc"), (0, None, "no key"), (0, "", "empty key"), (0, "d", "")]
    commands.refused(2, "produce", "cut", "-D", "\\q", "-v", "x", said=["'\\\\q' is no escape"])
    commands.refused(2, "produce", "cut", "-K", "", "-v", "x", said=["A delimiter is empty."])


def test_an_empty_value_can_be_a_tombstone(commands: Commands) -> None:
    commands.ok("topic", "create", "deleting")
    commands.ok("produce", "deleting", "-K", ":", "--tombstone", stdin=b"k:\nl:x\n\n")
    assert written(commands, "deleting") == [(0, "k", None), (0, "l", "x"), (0, None, None)]


def test_files_are_lines_or_whole_records(commands: Commands, tmp_path: Path) -> None:
    commands.ok("topic", "create", "files")
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"a\nb\n")
    second.write_bytes(b"\xff\x00")
    commands.ok("produce", "files", str(first), str(first))
    commands.ok("produce", "files", "--input", "whole", str(first), str(second))
    values = [row[2] for row in written(commands, "files")]
    assert values == ["a", "b", "a", "b", "a\nb\n", {"base64": "/wA="}]
    commands.refused(1, "produce", "files", str(tmp_path / "none"), said=["none cannot be used: No such file"])
    commands.refused(2, "produce", "files", str(first), "-v", "x", said=["not both"])


def test_json_lines_go_round_exactly(commands: Commands) -> None:
    """What consume writes, produce takes: bytes, nulls, headers, times, and partitions on demand."""
    commands.ok("topic", "create", "from", "to", "-p", "3")
    values: list[Any] = ["text", "", None, {"base64": "/wA="}, '{"base64": "no"}', "\u2028\x00\x1b\n"]
    facts = [
        {
            "partition": number % 3,
            "timestamp": 1_700_000_000_000 + number,
            "key": values[-1 - number],
            "value": value,
            "headers": [{"key": "h", "value": value}, {"key": "ä", "value": None}] if number % 2 else [],
        }
        for number, value in enumerate(values)
    ]
    lines = "".join(json.dumps(fact) + "\n" for fact in facts).encode()
    commands.ok("produce", "from", "--input", "json", "--keep-partition", stdin=lines)
    taken = commands.ok("consume", "from", "--exit", "--output", "json")
    assert sorted(map(stripped, taken.split("\n"))) == sorted(map(stripped, lines.decode().split("\n")))
    commands.ok("produce", "to", "-i", "json", "--keep-partition", "-z", "zstd", stdin=taken.encode())
    again = commands.ok("consume", "to", "--exit", "--output", "json")
    assert again == taken.replace('"topic": "from"', '"topic": "to"')


def stripped(line: str) -> str:
    """A line without what a broker says of a record."""
    facts = json.loads(line or "{}")
    return json.dumps({name: facts.get(name) for name in ("partition", "timestamp", "key", "value", "headers")})


def test_json_that_is_no_record_is_one_sentence_and_what_came_before_is_written(commands: Commands) -> None:
    commands.ok("topic", "create", "json")
    lines = b'{"value": {"id": 1}, "headers": {"a": "b"}}\n\n{"value": 1.5}\n{"key": 1}\n'
    done = commands.run("produce", "json", "--input", "json", stdin=lines)
    assert done.returncode == 1
    assert done.stdout.splitlines()[1].split() == ["json", "0", "0", "1", "2"]
    assert done.stderr == 'chronik: standard input, line 4: it is no object with a "value".\n'
    assert [row["value"] for row in commands.rows("consume", "json", "-e")] == ['{"id":1}', "1.5"]
    for line in (
        b"x",
        b'{"value": {"base64": "?"}}',
        b'{"value": "", "headers": 1}',
        b'{"value": "", "timestamp": "x"}',
    ):
        assert commands.run("produce", "json", "-i", "json", stdin=line).returncode == 1


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_every_codec(commands: Commands, codec: str) -> None:
    topic = f"codec-{codec}"
    commands.ok("topic", "create", topic)
    value = base64.b64encode(os.urandom(300)) * 20
    commands.ok("produce", topic, "--codec", codec, stdin=value)
    assert commands.ok("consume", topic, "--exit") == value.decode() + "\n"
    (facts,) = commands.rows("topic", "describe", topic)
    assert (facts["partitions"][0]["size_bytes"] < 2000) == (codec != "none")


def test_acks(commands: Commands) -> None:
    commands.ok("topic", "create", "acked")
    assert commands.rows("produce", "acked", "--acks", "1", "-v", "x")[0]["last_offset"] == 0
    (place,) = commands.rows("produce", "acked", "--acks", "0", "-v", "x", "-v", "y")
    assert (place["first_offset"], place["records"]) == (None, 2)
    assert commands.ok("consume", "acked", "--count", "3", "--idle", "10") == "x\nx\ny\n"


def test_what_cannot_be_written_is_one_sentence(commands: Commands) -> None:
    commands.ok("topic", "create", "small", "-c", "max.message.bytes=1000")
    commands.refused(1, "produce", "small", "-v", "x" * 2000, said=["A record was not written: ", "TOO_LARGE"])
    commands.refused(1, "produce", "small", "-p", "1", "-v", "x", said=["has no partition 1, only 1 partition."])
    commands.refused(1, "produce", "bad name", "-v", "x", said=["bad name"])
    commands.refused(2, "produce", "small", "--acks", "2", "-v", "x", said=["2"])
    commands.refused(2, "produce", "small", "--timestamp", "soon", "-v", "x", said=["soon"])


def test_ctrl_c_ends_it_cleanly_with_130_and_keeps_what_was_read(commands: Commands) -> None:
    commands.ok("topic", "create", "broken-off")
    with commands.running("produce", "broken-off") as process:
        assert process.stdin is not None
        process.stdin.write("kept\n")
        process.stdin.flush()
        assert commands.ok("consume", "broken-off", "--count", "1", "--idle", "30") == "kept\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out.splitlines()[1].split() == ["broken-off", "0", "0", "0", "1"]
    assert err.strip() == ""
