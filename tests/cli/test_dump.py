"""`chronik dump` shows what is in a directory, whoever has it open, and changes nothing in it."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.broker_process import ANSI
from tests.cli.commands import BASE_MS, ROOT, assert_one_sentence, chronik, dump, dump_json
from tests.cli.conftest import PRODUCER_ID, Filled

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def offsets(data_dir: Path, *arguments: str) -> list[tuple[int, int]]:
    return [(record["partition"], record["offset"]) for record in dump_json(data_dir, "--topic", "a", *arguments)]


def contents(folder: Path) -> dict[str, str]:
    """Every file but SQLite's shared memory, in which readers note what they read."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith("-shm")
    }


# Wherever the directory comes from


def test_records_are_shown(data_dir: Path) -> None:
    records = dump_json(data_dir, "--topic", "a", "--partition", "0")
    assert [record["offset"] for record in records] == list(range(15))
    assert records[4] == {
        "topic": "a",
        "partition": 0,
        "offset": 4,
        "timestamp": BASE_MS + 1000,
        "key": "GZIP",
        "value": "two",
        "headers": [],
    }


def test_the_topics_are_shown(data_dir: Path) -> None:
    found = {topic["topic"]: topic for topic in dump_json(data_dir, "--topics")}
    assert list(found) == ["a", "big", "c"]
    ends = {
        (name, part["partition"]): (part["log_start_offset"], part["last_stable_offset"], part["log_end_offset"])
        for name, topic in found.items()
        for part in topic["partitions"]
    }
    assert ends == {
        ("a", 0): (0, 15, 15),
        ("a", 1): (0, 3, 3),
        ("a", 2): (0, 12, 12),
        ("big", 0): (0, 12, 12),
        ("big", 1): (0, 12, 12),
        ("c", 0): (0, 1, 1),
    }
    assert found["c"]["configs"] == {"cleanup.policy": "compact"}
    assert len(base64.urlsafe_b64decode(found["a"]["topic_id"] + "==")) == 16


def test_everything_is_in_order(data_dir: Path) -> None:
    said = dump(data_dir, "--verify")
    assert said.startswith("clean: 3 topics, 6 logs, 25 batches, 55 records, ")


def test_looking_changes_nothing(filled: Filled) -> None:
    for folder in (filled.killed, filled.closed):
        before = contents(folder)
        for what in ("--topics", "--groups", "--producers", "--configs", "--batches", "--verify"):
            dump(folder, what)
        dump(folder, "--topic", "big")
        assert contents(folder) == before


def test_a_copy_of_the_files_alone_is_enough(filled: Filled, tmp_path: Path) -> None:
    """Neither the lock nor SQLite's shared memory is needed."""
    shutil.copytree(filled.killed, tmp_path / "copy", ignore=shutil.ignore_patterns("*-shm", "*.lock", "LOCK", "LOG"))
    assert dump(tmp_path / "copy", "--topics") == dump(filled.live, "--topics")


# What of the records


def test_some_partitions_and_offsets(filled: Filled) -> None:
    a = filled.killed
    everything = (
        [(0, offset) for offset in range(15)] + [(1, 0), (1, 1), (1, 2)] + [(2, offset) for offset in range(12)]
    )
    assert offsets(a) == everything
    assert offsets(a, "--partition", "1", "--partition", "2") == everything[15:]
    assert offsets(a, "--from", "10") == [*everything[10:15], (2, 10), (2, 11)]
    assert offsets(a, "--from", "1", "--to", "3") == [(0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (2, 2)]
    assert offsets(a, "--from", "-2", "--partition", "0") == [(0, 13), (0, 14)]
    assert offsets(a, "--from", "-20", "--partition", "1") == everything[15:18]
    assert offsets(a, "--limit", "2") == everything[:2]
    assert offsets(a, "--limit", "0") == []
    assert offsets(a, "--from", "100") == []


def test_records_since_a_time(filled: Filled) -> None:
    """Of every batch, the third record is the last and two seconds after the first."""
    third = [(0, 2), (0, 5), (0, 8), (0, 11), (0, 14), (1, 2)]
    assert offsets(filled.killed, "--since", str(BASE_MS + 2000)) == third
    assert offsets(filled.killed, "--since", str(BASE_MS + 2001)) == []
    assert len(offsets(filled.killed, "--since", "5d")) == 30
    assert offsets(filled.killed, "--since", "1m") == []
    assert len(offsets(filled.killed, "--since", "2020-01-31T12:00")) == 30


# The forms


def test_bytes_that_are_no_text_are_marked(filled: Filled) -> None:
    first, second, third = dump_json(filled.killed, "--topic", "a", "--partition", "1")
    assert first["value"] == {"base64": "/wA="}
    assert (second["value"], third["value"]) == (None, "größer")
    assert first["headers"] == [{"key": "h", "value": {"base64": "/g=="}}, {"key": "n", "value": None}]


def test_a_format_string_shows_what_kcat_would(filled: Filled) -> None:
    form = r"%t %p %o %k %K %S %T %h %% \x41%R|\n"
    done = chronik("dump", "--data-dir", str(filled.killed), "--topic", "a", "--limit", "17", "--format", form)
    lines = done.stdout.encode("utf-8", "surrogateescape").split(b"|\n")
    assert lines[4] == b"a 0 4 GZIP 4 3 %d  %% A\x00\x00\x00\x03" % (BASE_MS + 1000)
    assert lines[15] == b"a 1 0  -1 2 %d h=\xfe,n=NULL %% A\x00\x00\x00\x02" % BASE_MS
    assert lines[16].endswith(b"A\xff\xff\xff\xff")
    assert dump(filled.killed, "--topic", "a", "--limit", "2", "--format", "%s") == "onetwo"


def test_a_table_shows_one_line_for_a_record(filled: Filled) -> None:
    head, *lines = dump(filled.killed, "--topic", "a", "--partition", "1").splitlines()
    assert head.split() == ["TOPIC", "PARTITION", "OFFSET", "TIME", "KEY", "HEADERS", "VALUE"]
    assert len(lines) == 3
    assert r"\xff\x00" in lines[0]
    assert r"h=\xfe,n=null" in lines[0]
    assert (lines[1].split()[4], lines[1].split()[-1]) == ("null", "null")
    assert "größer" in lines[2]


def test_a_long_table_is_made_in_pieces_and_nothing_is_lost(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    from chronik.cli import output

    monkeypatch.setattr(output, "_TABLE_ROWS", 2)
    rows = [output.Row({}, [(number, b"\x1bkey")]) for number in range(5)]
    output.write_table(output.View(("N", "KEY"), rows))
    lines = [rf"{number}  \x1bkey" for number in range(5)]
    assert capsysbinary.readouterr().out.decode().splitlines() == ["N  KEY", *lines]


def test_on_a_terminal_long_cells_are_folded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from chronik.cli import output

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("LINES", "20")
    output.write_table(output.View(("N", "VALUE"), [output.Row({}, [(1, "v" * 30), (2, None)])]))
    assert [line.split() for line in ANSI.sub("", capsys.readouterr().out).splitlines()] == [
        ["N", "VALUE"],
        ["1", "v" * 17],
        ["v" * 13],
        ["2", "null"],
    ]


def test_on_a_terminal_that_is_too_narrow_nothing_is_folded(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The terminal breaks the lines, which is easier to read than words in pieces."""
    from chronik.cli import output

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "16")
    monkeypatch.setenv("LINES", "20")
    output.write_table(output.View(("NUMBER", "VALUE"), [output.Row({}, [(1, "v" * 30)])]))
    assert capsysbinary.readouterr().out.decode().splitlines() == ["NUMBER  VALUE", f"     1  {'v' * 30}"]


def test_on_a_terminal_an_empty_table_is_its_head(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from chronik.cli import output

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    output.write_table(output.View(("N", "VALUE"), []))
    assert ANSI.sub("", capsys.readouterr().out).split() == ["N", "VALUE"]


def test_nothing_that_a_record_holds_reaches_the_terminal() -> None:
    from chronik.cli.output import printable

    assert printable(b"\x1b[31mred\r\n\xc2\x85") == r"\x1b[31mred\r\n\x85"


# The other things


def test_batches_are_shown(filled: Filled) -> None:
    batches = dump_json(filled.killed, "--batches", "--topic", "a")
    assert [(found["codec"], found["base_offset"], found["last_offset"]) for found in batches[:5]] == [
        (codec, 3 * number, 3 * number + 2) for number, codec in enumerate(CODECS)
    ]
    last = batches[-1]
    assert (last["producer_id"], last["producer_epoch"], last["base_sequence"]) == (PRODUCER_ID, 0, 10)
    assert (last["transactional"], last["control"], last["crc_ok"], last["records"]) == (False, None, True, 2)
    head, *lines = dump(filled.killed, "--batches", "--topic", "a").splitlines()
    assert head.startswith("TOPIC  PARTITION  BASE  LAST  RECORDS  BYTES  CODEC")
    assert len(lines) == len(batches) == 12


def test_producers_are_shown(filled: Filled) -> None:
    (found,) = dump_json(filled.killed, "--producers")
    assert (found["topic"], found["partition"], found["producer_id"]) == ("a", 2, PRODUCER_ID)
    assert (found["producer_epoch"], found["last_sequence"], found["transaction_start_offset"]) == (0, 11, None)
    assert [batch["base_offset"] for batch in found["batches"]] == [2, 4, 6, 8, 10]
    assert len(dump(filled.killed, "--producers").splitlines()) == 2


def test_groups_are_shown_with_members_offsets_and_lag(filled: Filled) -> None:
    found = {group["group"]: group for group in dump_json(filled.killed, "--groups")}
    (member,) = found["g"]["members"]
    assert (member["member_id"], member["client_id"]) == (filled.member_id, "raw")
    assert member["assignment"] == [{"topic": "a", "partition": 0}, {"topic": "a", "partition": 1}]
    assert (found["g"]["protocol"], found["g"]["offsets"]) == ("range", [])
    assert found["h"]["members"] == []
    assert [
        (place["topic"], place["partition"], place["offset"], place["lag"], place["metadata"])
        for place in found["h"]["offsets"]
    ] == [("a", 0, 15, 0, "noted"), ("a", 2, 4, 8, "noted"), ("big", 0, 1, 11, "noted")]
    table = [line.split() for line in dump(filled.killed, "--groups").splitlines()]
    assert table[1] == ["g", "1", "a", "0", "15", filled.member_id, "raw", *table[1][7:]]
    assert table[4] == ["h", "0", "a", "2", "4", "12", "8"]


def test_configs_are_shown(filled: Filled) -> None:
    assert dump_json(filled.killed, "--configs") == [
        {"of": "topic", "name": "c", "config": "cleanup.policy", "value": "compact"}
    ]


# What cannot be shown


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        ([], 2, "Say what to look at: --topic NAME, or one of --batches, "),
        (["--topics", "--groups"], 2, "--topics and --groups cannot be shown at the same time."),
        (["--topic", "a", "--since", "soon"], 2, "--since: 'soon' is neither a time"),
        (["--topic", "a", "--format", "%q"], 2, "--format: '%q' means nothing in a format string."),
        (["--topics", "--format", "%t"], 2, "--format is for records."),
        (["--topic", "a", "--partition", "-1"], 2, "--partition"),
        (["--topic", "a", "--output", "xml"], 2, "xml"),
        (["--acls"], 2, "--acls"),
        (["--topic", "none"], 1, "There is no topic none in "),
        (["--topic", "a", "--partition", "3"], 1, "Topic a has no partition 3, only 3 of them."),
    ],
)
def test_a_bad_question_is_one_sentence(filled: Filled, arguments: list[str], code: int, part: str) -> None:
    assert_one_sentence(chronik("dump", "--data-dir", str(filled.killed), *arguments), code, part)


def test_a_directory_that_is_none_of_ours_is_one_sentence(copy: Path, tmp_path: Path) -> None:
    assert_one_sentence(chronik("dump", "--topics"), 2, "--data-dir")
    assert_one_sentence(chronik("dump", "--data-dir", str(tmp_path), "--topics"), 1, "is not a chronik data directory")
    (copy / "records" / "CURRENT").unlink()
    assert_one_sentence(chronik("dump", "--data-dir", str(copy), "--topics"), 1, "there is no database in ")
    (copy / "catalog.sqlite").unlink()
    assert_one_sentence(chronik("dump", "--data-dir", str(copy), "--topics"), 1, "There is no catalog ")
    (copy / "format").write_text("99\n")
    assert_one_sentence(chronik("dump", "--data-dir", str(copy), "--topics"), 1, "newer version")


def test_the_directory_can_stand_in_the_environment(filled: Filled) -> None:
    done = chronik("dump", "--topic", "c", "--format", "%s", env={"CHRONIK_DATA_DIR": str(filled.killed)})
    assert done.stdout == "kept"


def test_a_reader_that_has_seen_enough_ends_it_quietly(filled: Filled) -> None:
    command = [sys.executable, "-m", "chronik", "dump", "--data-dir", str(filled.killed), "--topic", "big"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"TOPIC")
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode != 0


def test_nothing_is_left_in_the_temporary_folder(filled: Filled, tmp_path: Path) -> None:
    done = chronik("dump", "--data-dir", str(filled.live), "--verify", env={"TMPDIR": str(tmp_path)})
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []
