"""`chronik topic`: each command as a process against a broker."""

from __future__ import annotations

import pytest

from tests.broker_process import free_port
from tests.cli.client_commands import Commands


def test_topics_are_created_listed_and_deleted(commands: Commands) -> None:
    assert commands.ok("topic", "create", "made-a", "made-b", "-p", "3", "-c", "retention.ms=1000") == (
        "created made-a\ncreated made-b\n"
    )
    assert ["made-a", "3", "1"] in commands.table("topic", "list")
    found = {topic["topic"]: topic for topic in commands.rows("topic", "list")}
    assert (found["made-b"]["partition_count"], found["made-b"]["internal"]) == (3, False)
    assert len(found["made-b"]["topic_id"]) == 22
    assert commands.ok("topic", "delete", "made-a", "made-b") == "deleted made-a\ndeleted made-b\n"
    assert not {"made-a", "made-b"} & {topic["topic"] for topic in commands.rows("topic", "list")}


def test_creating_what_exists_fails_unless_that_is_fine(commands: Commands) -> None:
    commands.ok("topic", "create", "twice")
    done = commands.run("topic", "create", "twice", "other")
    assert (done.returncode, done.stdout) == (1, "created other\n")
    assert done.stderr.startswith("chronik: Not created: twice: ")
    assert "TOPIC_ALREADY_EXISTS" in done.stderr
    assert commands.ok("topic", "create", "twice", "--if-not-exists") == "exists twice\n"
    commands.refused(1, "topic", "create", "bad name", said=["bad name: ", "INVALID_TOPIC"])


def test_a_dry_run_creates_nothing(commands: Commands) -> None:
    assert commands.ok("topic", "create", "wished", "--dry-run") == "would create wished\n"
    assert "wished" not in commands.ok("topic", "list")
    commands.refused(1, "topic", "create", "wished", "-c", "no.such=1", "--dry-run", said=["no.such"])


def test_deleting_what_is_not_there_fails_unless_that_is_fine(commands: Commands) -> None:
    commands.refused(1, "topic", "delete", "gone", said=["Not deleted: gone: ", "UNKNOWN_TOPIC_OR_PARTITION"])
    assert commands.ok("topic", "delete", "gone", "--if-exists") == ""


def test_a_topic_is_described(commands: Commands) -> None:
    commands.ok("topic", "create", "shown", "-p", "2", "-c", "cleanup.policy=compact")
    commands.ok("produce", "shown", "--partition", "1", "--key", "k", "--value", "v")
    title, head, first, second, _, config, value = commands.table("topic", "describe", "shown")
    assert (title[:2], title[-2:]) == (["TOPIC", "shown"], ["PARTITIONS", "2"])
    assert head == ["PARTITION", "LEADER", "EPOCH", "REPLICAS", "ISR", "START", "STABLE", "END", "BYTES"]
    leader = first[1]
    assert (first[0], first[3:]) == ("0", [leader, leader, "0", "0", "0", "0"])
    assert (second[0], second[5:8]) == ("1", ["0", "1", "1"])
    assert (config, value) == (["CONFIG", "VALUE"], ["cleanup.policy", "compact"])
    (facts,) = commands.rows("topic", "describe", "shown", "--all-configs")
    assert facts["partitions"][1] == {
        "partition": 1,
        "leader": int(leader),
        "leader_epoch": 0,
        "replicas": [int(leader)],
        "isr": [int(leader)],
        "log_start_offset": 0,
        "last_stable_offset": 1,
        "high_watermark": 1,
        "size_bytes": int(second[8]),
    }
    assert int(second[8]) > 60
    assert (facts["configs"]["cleanup.policy"], facts["configs"]["retention.ms"]) == ("compact", "604800000")
    commands.refused(1, "topic", "describe", "shown", "hidden", said=["There is no topic hidden."])


def test_configs_are_set_and_unset(commands: Commands) -> None:
    def configs() -> object:
        return commands.rows("topic", "describe", "tuned")[0]["configs"]

    commands.ok("topic", "create", "tuned", "-c", "retention.ms=1000", "-c", "cleanup.policy=delete")
    changes = ("--set", "segment.ms=5000", "--unset", "retention.ms", "--append", "cleanup.policy=compact")
    assert commands.ok("topic", "alter-config", "tuned", *changes, "--dry-run") == "would alter tuned\n"
    assert configs() == {"cleanup.policy": "delete", "retention.ms": "1000"}
    assert commands.ok("topic", "alter-config", "tuned", *changes) == "altered tuned\n"
    assert configs() == {"cleanup.policy": "delete,compact", "segment.ms": "5000"}
    commands.ok("topic", "alter-config", "tuned", "--subtract", "cleanup.policy=delete")
    assert configs() == {"cleanup.policy": "compact", "segment.ms": "5000"}
    commands.refused(1, "topic", "alter-config", "tuned", "--set", "retention.ms=x", said=["Not altered: tuned: "])
    commands.refused(1, "topic", "alter-config", "nope", "--unset", "retention.ms", said=["There is no topic nope."])
    commands.refused(2, "topic", "alter-config", "tuned", said=["Say what to change"])
    commands.refused(2, "topic", "alter-config", "tuned", "--set", "x", said=["--set: 'x' is not NAME=VALUE."])


def test_partitions_are_added(commands: Commands) -> None:
    commands.ok("topic", "create", "wide", "-p", "2")
    assert commands.ok("topic", "add-partitions", "wide", "--add", "1", "--dry-run") == (
        "wide would have 3 partitions, before 2\n"
    )
    assert commands.ok("topic", "add-partitions", "wide", "--add", "3") == "wide has 5 partitions, before 2\n"
    assert commands.ok("topic", "add-partitions", "wide", "--total", "6") == "wide has 6 partitions, before 5\n"
    assert ["wide", "6", "1"] in commands.table("topic", "list")
    commands.refused(1, "topic", "add-partitions", "wide", "--total", "4", said=["INVALID_PARTITIONS"])
    commands.refused(2, "topic", "add-partitions", "wide", said=["either --add N or --total N"])


def test_the_oldest_records_are_deleted(commands: Commands) -> None:
    def starts() -> list[int]:
        (facts,) = commands.rows("topic", "describe", "trimmed")
        return [partition["log_start_offset"] for partition in facts["partitions"]]

    commands.ok("topic", "create", "trimmed", "-p", "2")
    for partition in ("0", "1"):
        lines = b"".join(b"%d\n" % number for number in range(10))
        commands.ok("produce", "trimmed", "--partition", partition, stdin=lines)
    shown = commands.table("topic", "trim", "trimmed", "--to", "4", "--partition", "1", "--dry-run")
    assert shown == [
        ["DRY", "RUN", "nothing", "was", "deleted"],
        ["TOPIC", "PARTITION", "START", "NEW", "START", "END", "RECORDS"],
        ["trimmed", "1", "0", "4", "10", "4"],
    ]
    assert starts() == [0, 0]
    commands.ok("topic", "trim", "trimmed", "--to", "4", "--partition", "1")
    assert starts() == [0, 4]
    trimmed = commands.rows("topic", "trim", "trimmed", "--to", "-7")
    assert [row["deleted_offsets"] for row in trimmed] == [3, 0]
    assert starts() == [3, 4]
    commands.ok("topic", "trim", "trimmed", "--to", "@1h")
    assert starts() == [3, 4]
    commands.ok("topic", "trim", "trimmed", "--to", "end")
    assert starts() == [10, 10]
    commands.refused(1, "topic", "trim", "trimmed", "--to", "11", said=["ends at offset 10"])
    commands.refused(1, "topic", "trim", "trimmed", "-p", "2", "--to", "1", said=["has no partition 2"])
    commands.refused(2, "topic", "trim", "trimmed", "--to", "soon", said=["--to: 'soon' is neither"])


def test_no_broker_is_said_at_once_with_a_code_of_its_own() -> None:
    nobody = Commands(f"127.0.0.1:{free_port()}")
    nobody.refused(3, "topic", "list", said=["No broker answers at", "connection refused"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--bootstrap", "host:port"], "'host:port' is not HOST:PORT"),
        (["-X", "no.such=1"], "there is no setting no.such"),
        (["-X", "sasl.mechanism"], "is not NAME=VALUE"),
        (["-F", "no-such-file"], "no-such-file cannot be read"),
        (["--output", "xml"], "xml"),
        (["--timeout", "0"], "0"),
        (["surplus"], "surplus"),
    ],
)
def test_a_bad_command_line_is_one_sentence_and_2(commands: Commands, arguments: list[str], said: str) -> None:
    commands.refused(2, "topic", "list", *arguments, said=[said])


def test_a_file_with_settings_of_the_connection_is_read(
    commands: Commands, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("settings") / "client.properties"
    file.write_text("# as Kafka's programs have it\nbootstrap.servers=x:1\nsecurity.protocol = PLAINTEXT\n\n")
    commands.ok("topic", "list", "-F", str(file), "-X", "client.id=tester")
    file.write_text("security.protocol\n")
    commands.refused(2, "topic", "list", "-F", str(file), said=["is not NAME=VALUE"])
