"""`chronik consume`: as a process against a broker; each record once, in order, and none that was not asked for."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from tests.broker_process import BrokerProcess
from tests.cli.client_commands import Commands
from tests.cli.commands import BASE_MS, assert_one_sentence, chronik


@pytest.fixture(scope="module")
def filled(module_broker: BrokerProcess) -> Commands:
    """Topic t: two partitions of ten records a second apart; value and key say where each is."""
    commands = Commands(module_broker.bootstrap)
    commands.ok("topic", "create", "t", "-p", "2")
    lines = [
        json.dumps({"partition": part, "key": f"k{number}", "value": f"{part}-{number}", "timestamp": time_of(number)})
        for part in (0, 1)
        for number in range(10)
    ]
    commands.ok("produce", "t", "-i", "json", "--keep-partition", stdin="\n".join(lines).encode())
    return commands


def time_of(number: int) -> int:
    return BASE_MS + number * 1000


def values(part: int, start: int, end: int) -> list[str]:
    return [f"{part}-{number}" for number in range(start, end)]


def consumed(commands: Commands, *arguments: str) -> list[str]:
    """The values that are shown, ordered by partition."""
    return sorted(commands.ok("consume", "t", *arguments).splitlines())


@pytest.mark.parametrize(
    ("offset", "shown"),
    [
        ("beginning", values(0, 0, 10) + values(1, 0, 10)),
        ("end", []),
        ("8", values(0, 8, 10) + values(1, 8, 10)),
        ("100", []),
        ("-1", ["0-9", "1-9"]),
        ("-100", values(0, 0, 10) + values(1, 0, 10)),
        ("2..4", ["0-2", "0-3", "1-2", "1-3"]),
        ("..1", ["0-0", "1-0"]),
        ("-3..-1", ["0-7", "0-8", "1-7", "1-8"]),
        ("5..5", []),
        (f"@{time_of(7)}", values(0, 7, 10) + values(1, 7, 10)),
        (f"@{time_of(7) + 1}..@{time_of(9)}", ["0-8", "1-8"]),
        (f"@{time_of(20)}", []),
        ("@2h..@2020-01-31T12:00", []),
    ],
)
def test_from_anywhere_to_anywhere(filled: Commands, offset: str, shown: list[str]) -> None:
    assert consumed(filled, "--exit", "-o", offset) == shown


def test_a_range_that_is_there_ends_by_itself(filled: Commands) -> None:
    assert consumed(filled, "-o", "8..end", "-p", "1") == ["1-8", "1-9"]
    assert consumed(filled, "-o", "8..9") == ["0-8", "1-8"]


def test_a_count_is_exact(filled: Commands) -> None:
    assert filled.ok("consume", "t", "-p", "0", "-c", "3").splitlines() == values(0, 0, 3)
    assert len(consumed(filled, "--count", "13")) == 13
    assert consumed(filled, "--count", "0") == []
    assert consumed(filled, "--count", "50", "--exit") == values(0, 0, 10) + values(1, 0, 10)


def test_grep_looks_at_values_and_keys(filled: Commands) -> None:
    assert consumed(filled, "--exit", "--grep", "^1-[89]$") == ["1-8", "1-9"]
    assert consumed(filled, "--exit", "--grep-key", "(?i)K3") == ["0-3", "1-3"]
    assert consumed(filled, "--exit", "--grep-key", "[1-5]", "--grep", "^0", "-c", "2") == ["0-1", "0-2"]
    filled.refused(2, "consume", "t", "--grep", "(", said=["--grep: '(' is no regular expression"])


def test_the_forms(filled: Commands, module_broker: BrokerProcess) -> None:
    ranged = ("consume", "t", "-p", "1", "-o", "3..4")
    assert filled.ok(*ranged, "-f", r"%t[%p]@%o %T %k=%s %% %S\n") == f"t[1]@3 {time_of(3)} k3=1-3 % 3\n"
    assert filled.table(*ranged, "--output", "table")[0] == [
        *("TOPIC", "PARTITION", "OFFSET", "TIME", "KEY", "HEADERS", "VALUE")
    ]
    shown = filled.table(*ranged, "--output", "table")[1]
    assert (shown[:3], shown[4:]) == (["t", "1", "3"], ["k3", "1-3"])
    filled.refused(2, *ranged, "-f", "%x", said=["--format: '%x' means nothing"])
    filled.refused(2, *ranged, "-f", "%s", "--output", "json", said=["--format and --output"])


def test_json_lines_are_those_of_dump(filled: Commands, module_broker: BrokerProcess) -> None:
    """Of the same records, byte for byte."""
    if not (module_broker.data_dir / "format").exists():
        pytest.skip("the broker is not chronik: there is no directory to look into")
    filled.ok("topic", "create", "same")
    facts: list[dict[str, Any]] = [
        {"key": None, "value": {"base64": "/wA="}, "headers": [{"key": "ä", "value": '\x00"\\'}]},
        {"key": "", "value": None, "headers": [{"key": "h", "value": None}]},
        {"key": "k", "value": "\u2028\x7f\x1b größer"},
    ]
    filled.ok("produce", "same", "-i", "json", stdin="\n".join(map(json.dumps, facts)).encode())
    dumped = chronik("dump", "--data-dir", str(module_broker.data_dir), "--topic", "same", "--output", "jsonl")
    assert filled.ok("consume", "same", "-e", "--output", "json") == dumped.stdout


def test_a_group_goes_on_where_it_was(filled: Commands) -> None:
    first = filled.ok("consume", "t", "-g", "readers", "-c", "7").splitlines()
    second = filled.ok("consume", "t", "-g", "readers", "-c", "5").splitlines()
    rest = filled.ok("consume", "t", "-g", "readers", "--exit").splitlines()
    assert (len(first), len(second), len(rest)) == (7, 5, 8)
    assert sorted(first + second + rest) == values(0, 0, 10) + values(1, 0, 10)
    assert filled.ok("consume", "t", "-g", "readers", "--exit") == ""
    assert filled.ok("consume", "t", "-g", "late", "-o", "end", "--exit") == ""
    filled.refused(2, "consume", "t", "-g", "x", "-o", "5", said=["--offset can only be beginning or end"])
    filled.refused(2, "consume", "t", "-g", "x", "-p", "0", said=["--partition is not for --group"])


def test_a_filter_of_a_group_commits_what_it_has_looked_at(filled: Commands) -> None:
    """Up to the last record that matched, not what came after it."""
    filled.ok("topic", "create", "sifted")
    filled.ok("produce", "sifted", stdin=b"a\nb\nc\nb\nd\n")
    assert filled.ok("consume", "sifted", "-g", "sifting", "--grep", "b", "-c", "1") == "b\n"
    assert filled.ok("consume", "sifted", "-g", "sifting", "--exit") == "c\nb\nd\n"


def test_new_records_are_shown_as_they_come_until_ctrl_c(filled: Commands) -> None:
    filled.ok("topic", "create", "live")
    with filled.running("consume", "live", "-g", "living") as process:
        for text in ("one", "two"):
            filled.ok("produce", "live", "-v", text)
            assert process.stdout is not None
            assert process.stdout.readline() == f"{text}\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err.strip()) == (130, "", "")
    assert filled.ok("consume", "live", "-g", "living", "--exit") == ""


def test_a_reader_that_has_seen_enough_ends_it_quietly(filled: Commands) -> None:
    with filled.running("consume", "t") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        filled.ok("produce", "t", "-p", "1", "-v", "1-9")
        process.wait(30)
        assert process.stderr is not None
        assert process.stderr.read() == ""
    filled.ok("topic", "trim", "t", "--to", "0")


def test_what_is_not_there_is_one_sentence(filled: Commands) -> None:
    filled.refused(1, "consume", "nope", said=["There is no topic nope."])
    filled.refused(1, "consume", "t", "-p", "2", said=["has no partition 2"])
    filled.refused(2, "consume", "t", "-o", "soon", said=["--offset: 'soon' is neither"])
    filled.refused(2, "consume", "t", "-o", "@soon", said=["'soon' is neither a time"])
    assert_one_sentence(filled.run("consume"), 2, "TOPIC")


def test_nothing_coming_ends_it_if_so_asked(filled: Commands) -> None:
    assert filled.ok("consume", "t", "-o", "end", "--idle", "0.3") == ""
