"""`chronik config`: what `chronik run` would start with, and where each value comes from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chronik.cli.run_options import OPTIONS
from chronik.configs.static import setting_names, setting_texts, static_settings
from chronik.settings import BrokerSettings
from tests.cli.commands import assert_one_sentence, chronik

Found = dict[str, tuple[str | None, str, str | None]]


def shown(*arguments: str, env: dict[str, str] | None = None) -> Found:
    """Name -> value, source, place; in the order of the lines."""
    done = chronik("config", *arguments, "--output", "json", env=env)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {row["name"]: (row["value"], row["source"], row["place"]) for row in rows}


def test_without_anything_all_options_have_their_defaults() -> None:
    found = shown()
    assert list(found) == [option.name for option in OPTIONS]
    assert {source for _, source, _ in found.values()} == {"default"}
    assert found["listen"][0] == "127.0.0.1:9092"
    assert found["data-dir"][0] is None


def test_each_value_says_where_it_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "chronik.toml"
    file.write_text('data-dir = "f"\nnode-id = 1\nnum.partitions = 2\nlog.retention.hours = 3\ntopic = ["x", "y:2"]\n')
    env = {"CHRONIK_NODE_ID": "4", "CHRONIK_CONFIG": str(file), "CHRONIK_LISTEN": "127.0.0.1:1,127.0.0.1:2"}
    found = shown("--num-partitions", "5", "--no-auto-create", "--num-partitions", "6", env=env)
    assert found["data-dir"] == ("f", "file", f"{file}: data-dir")
    assert found["node-id"] == ("4", "environment", "CHRONIK_NODE_ID")
    assert found["listen"] == ("127.0.0.1:1,127.0.0.1:2", "environment", "CHRONIK_LISTEN")
    assert found["num-partitions"] == ("6", "option", "--num-partitions")
    assert found["auto-create"] == ("false", "option", "--auto-create")
    assert found["topic"] == ("x,y:2", "file", f"{file}: topic")
    assert found["log.retention.hours"] == ("3", "file", f"{file}: log.retention.hours")
    assert found["durability"] == ("default", "default", None)


def test_a_table_for_eyes(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("store.chunk.bytes = 5000000\n")
    done = chronik("config", "--config", str(file), "--data-dir", "d")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[:2] == [["NAME", "VALUE", "FROM"], ["data-dir", "d", "--data-dir"]]
    assert lines[-1] == ["store.chunk.bytes", "5000000", f"{file}:", "store.chunk.bytes"]


def test_all_settings_are_those_that_a_file_can_have(tmp_path: Path) -> None:
    found = shown("--all")
    by_option = {name for option in OPTIONS for name in option.kafka_names}
    # Those for replicas of other brokers are taken, and nothing comes of them.
    assert all("thrott" in name or "replica" in name for name in set(setting_names()) - set(found) - by_option)
    assert found["message.max.bytes"] == ("1048588", "default", None)
    assert found["store.chunk.bytes"] == ("67108864", "default", None)


def test_what_is_shown_means_the_same_settings() -> None:
    """Texts of settings are read back as these settings."""
    settings = static_settings({"log.segment.bytes": "2097152", "store.chunk.bytes": "1048576", "broker.rack": "r"})
    texts = {name: text for name, text in setting_texts(settings).items() if text is not None and text != ""}
    assert static_settings(texts) == settings
    assert settings != BrokerSettings()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--num-partitions", "0"], "--num-partitions: '0' is not between 1 and 100000."),
        (["--config", "no-such-file"], "cannot be read: No such file or directory."),
        (["--no-such-option"], "--no-such-option"),
        (["orders"], "orders"),
    ],
)
def test_what_run_would_refuse_is_one_sentence(arguments: list[str], said: str) -> None:
    assert_one_sentence(chronik("config", *arguments), 2, said)
