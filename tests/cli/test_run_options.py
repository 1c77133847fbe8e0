"""The options of `chronik run`: how each is read, and which of its four places counts."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from chronik.cli.run_options import OPTIONS, BadOption, RunOptions, TopicWish, run_options
from chronik.settings import BrokerSettings, DurabilityMode
from tests.cli.commands import chronik

DATA = ["--data-dir", "d"]


def options(*arguments: str, env: dict[str, str] | None = None) -> RunOptions:
    return run_options([*DATA, *arguments], env or {})


def with_file(folder: Path, text: str, *arguments: str, env: dict[str, str] | None = None) -> RunOptions:
    file = folder / "chronik.toml"
    file.write_text(text)
    return run_options(["--config", str(file), *arguments], env or {})


def test_only_the_data_directory_has_to_be_said() -> None:
    found = options()
    assert found == RunOptions(Path("d"), (), None, "info", "console", BrokerSettings())
    with pytest.raises(BadOption, match="--data-dir"):
        run_options([], {})


def test_every_option_is_read() -> None:
    found = options(
        *("--listen", "127.0.0.1:0", "--listen=[::1]:9093", "--listen", ":9094", "--advertise", "kafka.local:9092"),
        *("--topic", "orders", "--topic", "users:3", "--topic", "state:2:compact", "--topic", "last::compact"),
        *("--num-partitions", "4", "--no-auto-create", "--node-id", "7", "--durability", "strict"),
        *("--ready-file", "r", "--log-level", "debug", "--log-format", "json"),
    )
    assert found.topics == (
        TopicWish("orders", None, False),
        TopicWish("users", 3, False),
        TopicWish("state", 2, True),
        TopicWish("last", None, True),
    )
    assert (found.ready_file, found.log_level, found.log_format) == (Path("r"), "debug", "json")
    assert found.settings == BrokerSettings(
        node_id=7,
        listeners=(("127.0.0.1", 0), ("::1", 9093), ("0.0.0.0", 9094)),
        advertised=("kafka.local", 9092),
        durability=DurabilityMode.STRICT,
        auto_create_topics_enable=False,
        num_partitions=4,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--listen", "9092"], "--listen: '9092' is not HOST:PORT."),
        (["--listen", "host:port"], "--listen: 'host:port' is not HOST:PORT."),
        (["--listen", "::1:9092"], "--listen: '::1:9092' is not HOST:PORT."),
        (["--listen", "host:65536"], "--listen: 'host:65536' has a port above 65535."),
        (["--listen", "SSL://host:1"], "is a listener of a protocol other than PLAINTEXT."),
        (["--advertise", "0.0.0.0:9092"], "--advertise: '0.0.0.0:9092' is no address that a client could connect to."),
        (["--advertise", ":9092"], "is no address that a client could connect to."),
        (["--advertise", "[::]:9092"], "is no address that a client could connect to."),
        (["--advertise", "host:0"], "has no port that a client could connect to."),
        (["--topic", "a:0"], "--topic: 'a:0' is not between 1 and 100000."),
        (["--topic", "a:b"], "--topic: 'a:b' is not a whole number."),
        (["--topic", "a:1:deleted"], "--topic: 'a:1:deleted' is not NAME[:N[:compact]]."),
        (["--topic", ":1"], "--topic: ':1' is not NAME[:N[:compact]]."),
        (["--topic", "a", "--topic", "a:2"], "The topic a is asked for twice."),
        (["--num-partitions", "0"], "--num-partitions: '0' is not between 1 and 100000."),
        (["--num-partitions", "²"], "--num-partitions: '²' is not a whole number."),
        (["--node-id", "-1"], "--node-id: '-1' is not a whole number."),
        (["--auto-create=perhaps"], "--auto-create: 'perhaps' is neither true nor false."),
        (["--durability", "fast"], "--durability: 'fast' is none of strict, default, relaxed."),
        (["--log-level", "loud"], "--log-level: 'loud' is none of debug, info, warning, error."),
        (["--log-format", "xml"], "--log-format: 'xml' is none of console, json."),
        (["--ready-file", ""], "--ready-file: '' is no path."),
        (["--ready-file"], "The option --ready-file needs a value."),
        (["--topics", "a"], "There is no option --topics; did you mean --topic."),
        (["--no-topic"], "There is no option --no-topic"),
        (["--no-auto-create=true"], "There is no option --no-auto-create"),
        (["orders"], "chronik run takes options only, not 'orders'."),
        (["--", "orders"], "chronik run takes options only, not '--'."),
    ],
)
def test_a_bad_value_is_one_sentence(arguments: list[str], message: str) -> None:
    with pytest.raises(BadOption) as refused:
        options(*arguments)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_environment_has_every_option() -> None:
    env = {
        "CHRONIK_DATA_DIR": "e",
        "CHRONIK_LISTEN": "127.0.0.1:1, 127.0.0.1:2",
        "CHRONIK_ADVERTISE": "host:3",
        "CHRONIK_TOPIC": "a,b:2",
        "CHRONIK_NUM_PARTITIONS": "5",
        "CHRONIK_AUTO_CREATE": "no",
        "CHRONIK_NODE_ID": "6",
        "CHRONIK_DURABILITY": "relaxed",
        "CHRONIK_READY_FILE": "r",
        "CHRONIK_LOG_LEVEL": "error",
        "CHRONIK_LOG_FORMAT": "json",
        "CHRONIK_BOOTSTRAP": "not an option of run",
    }
    assert {option.variable for option in OPTIONS} - {"CHRONIK_CONFIG"} <= set(env)
    found = run_options([], env)
    assert found.topics == (TopicWish("a", None, False), TopicWish("b", 2, False))
    assert (found.data_dir, found.ready_file) == (Path("e"), Path("r"))
    assert (found.log_level, found.log_format) == ("error", "json")
    assert found.settings == BrokerSettings(
        node_id=6,
        listeners=(("127.0.0.1", 1), ("127.0.0.1", 2)),
        advertised=("host", 3),
        durability=DurabilityMode.RELAXED,
        auto_create_topics_enable=False,
        num_partitions=5,
    )


def test_a_bad_value_in_the_environment_names_its_variable() -> None:
    with pytest.raises(BadOption, match=r"CHRONIK_NODE_ID: 'x' is not a whole number\."):
        options(env={"CHRONIK_NODE_ID": "x"})


def test_an_empty_variable_is_none() -> None:
    assert options(env={"CHRONIK_NODE_ID": "", "CHRONIK_ADVERTISE": " "}).settings == BrokerSettings()


def test_the_command_line_comes_before_the_environment_before_the_file_before_the_default(tmp_path: Path) -> None:
    text = 'data-dir = "f"\nnode-id = 1\nnum.partitions = 2\nlisten = ["127.0.0.1:1"]\ntopic = "x,y:2"'
    found = with_file(tmp_path, text)
    assert (found.data_dir, found.settings.node_id, found.settings.num_partitions) == (Path("f"), 1, 2)
    assert (found.settings.listeners, found.topics[1]) == ((("127.0.0.1", 1),), TopicWish("y", 2, False))
    env = {"CHRONIK_DATA_DIR": "e", "CHRONIK_NODE_ID": "3", "CHRONIK_TOPIC": "z"}
    found = with_file(tmp_path, text, env=env)
    assert (found.data_dir, found.settings.node_id, found.settings.num_partitions) == (Path("e"), 3, 2)
    assert found.topics == (TopicWish("z", None, False),)
    found = with_file(tmp_path, text, "--node-id", "4", "--num-partitions", "5", "--data-dir", "c", env=env)
    assert (found.data_dir, found.settings.node_id, found.settings.num_partitions) == (Path("c"), 4, 5)


def test_the_file_itself_can_stand_in_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("node.id = 9")
    assert options(env={"CHRONIK_CONFIG": str(file)}).settings.node_id == 9


def test_the_file_has_kafkas_names_quoted_or_as_tables(tmp_path: Path) -> None:
    text = """
"log.dirs" = "/d"
listeners = "PLAINTEXT://127.0.0.1:1,PLAINTEXT://:2"
"advertised.listeners" = ["PLAINTEXT://host:3"]
auto.create.topics.enable = false
broker.id = 12
broker.rack = "r1"
message.max.bytes = 2000000
"max.request.partition.size.limit" = "3000"
"store.chunk.bytes" = 16777216
max.output.bytes = 2048

[log.retention]
hours = 2
bytes = -1

[log]
segment.bytes = 2097152
cleanup.policy = ["compact", "delete"]

[group.initial.rebalance.delay]
ms = 5
"""
    found = with_file(tmp_path, text)
    settings, defaults = found.settings, found.settings.topic_defaults
    assert found.data_dir == Path("/d")
    assert (settings.listeners, settings.advertised) == ((("127.0.0.1", 1), ("0.0.0.0", 2)), ("host", 3))
    assert (settings.node_id, settings.rack, settings.auto_create_topics_enable) == (12, "r1", False)
    assert (settings.message_max_bytes, defaults.max_message_bytes) == (2_000_000, 2_000_000)
    assert (settings.store.chunk_bytes, settings.max_output_bytes) == (16_777_216, 2048)
    assert settings.group_initial_rebalance_delay_ms == 5
    assert (defaults.retention_ms, defaults.retention_bytes, defaults.segment_bytes) == (7_200_000, -1, 2_097_152)
    assert (defaults.cleanup_compact, defaults.cleanup_delete) == (True, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("num.partitons = 3", "there is no setting num.partitons; did you mean num.partitions."),
        ("zookeeper.connect = 'x'", "there is no setting zookeeper.connect"),
        ("config = 'x'", "there is no setting config"),
        ("num.partitions = 0", "num.partitions: '0' is not between 1 and 100000."),
        ("message.max.bytes = -1", "Invalid value -1 for configuration message.max.bytes: Value must be at least 0."),
        ("message.max.bytes = 'big'", "Invalid value big for configuration message.max.bytes"),
        ("store.chunk.bytes = 0", "store.chunk.bytes: '0' is not a whole number above 0."),
        ("log.segment.bytes = 1979-05-27", "log.segment.bytes is neither a text, nor a number"),
        ("listen = [{a = 1}]", "listen is neither a text, nor a number"),
        ("node.id = 1\nnode-id = 1", "node.id says again what another setting says."),
        ("num.partitions =", "is no TOML: Invalid value (at end of document)."),
        ("advertise = '0.0.0.0:1'", "advertise: '0.0.0.0:1' is no address that a client could connect to."),
    ],
)
def test_a_bad_file_is_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadOption) as refused:
        with_file(tmp_path, text, *DATA)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert str(tmp_path / "chronik.toml") in str(refused.value)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match=r"cannot be read: No such file or directory\."):
        options("--config", str(tmp_path / "none"))


def test_the_help_shows_every_option() -> None:
    shown = chronik("run", "--help", env={"COLUMNS": "120", "NO_COLOR": "1"}).stdout
    assert [option.name for option in OPTIONS if f"--{option.name} " not in shown] == []
    assert "--no-auto-create" in shown


def test_every_reader_is_a_function_with_one_text() -> None:
    """The table is data: nothing in it depends on the order in which options are read."""
    assert all(list(inspect.signature(option.read).parameters) == ["text"] for option in OPTIONS)
