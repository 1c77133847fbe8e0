"""`chronik run` as a process: how it starts, what it says, how it ends, and when it does not start at all."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from chronik import __version__
from chronik.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from chronik.wire.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from tests.broker_process import BrokerProcess, wait_until
from tests.cli.commands import ROOT, assert_one_sentence, batch_of, chronik, dump_json, produce
from tests.conftest import BrokerFactory, RawFactory
from tests.raw_client import RawClient

UNKNOWN_TOPIC_OR_PARTITION = 3
READY = re.compile(
    r"chronik (?P<version>\S+) listens on (?P<address>\S+), data in (?P<data>\S+): (?P<topics>\d+) topics?, "
    r"(?P<partitions>\d+) partitions?, (?P<records>\d+) records?; recovered in (?P<recovery>\d+) ms, "
    r"ready in (?P<ready>\d+) ms"
)


def ready_line(broker: BrokerProcess, start: int = 1) -> re.Match[str]:
    """The ready line of the broker's first start, or a later one. It comes soon after the ready file."""

    def found() -> list[re.Match[str]]:
        return list(READY.finditer(broker.log()))

    wait_until(lambda: len(found()) == start, 20, broker.log_tail)
    return found()[-1]


def metadata(client: RawClient, *topics: str, create: bool = False) -> MetadataResponse:
    asked = [MetadataRequestTopic(name=name) for name in topics]
    answered = client.ask(MetadataRequest(topics=asked, allow_auto_topic_creation=create), 9)
    assert isinstance(answered, MetadataResponse)
    return answered


def partition_counts(response: MetadataResponse) -> dict[str | None, int]:
    return {topic.name: len(topic.partitions) for topic in response.topics}


def refused(broker: BrokerProcess) -> subprocess.CompletedProcess[str]:
    """A start that is meant to fail, as a completed process."""
    return chronik(*broker.command()[3:])


def test_the_version_is_told_in_both_ways() -> None:
    script = Path(sys.executable).parent / "chronik"
    for command in ([sys.executable, "-m", "chronik"], [str(script)]):
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, cwd=ROOT, check=True)
        assert done.stdout == f"chronik {__version__}\n"


# What it says


def test_a_start_tells_where_it_is_and_what_it_has(broker_factory: BrokerFactory, raw: RawFactory) -> None:
    broker = broker_factory(args=["--topic", "a:3", "--topic", "b"])
    broker.start()
    assert broker.ready_file.read_text() == f"{broker.bootstrap}\n"
    line = ready_line(broker)
    assert line["version"] == __version__
    assert (line["address"], line["data"]) == (broker.bootstrap, str(broker.data_dir))
    assert (line["topics"], line["partitions"], line["records"]) == ("2", "4", "0")
    client = raw(broker)
    produce(client, "a", 2, batch_of([b"x", b"y"]))
    produce(client, "b", 0, batch_of([b"z"]))
    broker.restart()
    assert ready_line(broker, start=2)["records"] == "3"


def test_ready_counts_the_whole_life_of_the_process(broker: BrokerProcess) -> None:
    line = ready_line(broker)
    # No interpreter starts and opens two databases in less; and recovery is a part of it.
    assert int(line["ready"]) >= int(line["recovery"]) + 10


def test_the_ready_file_goes_at_the_stop(broker: BrokerProcess) -> None:
    assert broker.stop() == 0
    assert not broker.ready_file.exists()
    assert list(broker.folder.glob(".ready*")) == []


def test_every_listener_serves_and_the_ready_file_has_all(broker_factory: BrokerFactory) -> None:
    broker = broker_factory(args=["--listen", "127.0.0.1:0"])
    broker.start()
    addresses = broker.ready_file.read_text().strip().split(",")
    assert len(set(addresses)) == 2
    assert ready_line(broker)["address"] == ",".join(addresses)
    for address in addresses:
        host, _, port = address.rpartition(":")
        with RawClient(host, int(port)) as client:
            assert metadata(client).brokers[0].port == int(port)


def test_nobody_is_told_the_address_that_means_every_interface(broker_factory: BrokerFactory, raw: RawFactory) -> None:
    broker = broker_factory()
    broker.listen = "0.0.0.0:0"
    broker.start()
    assert broker.host == "127.0.0.1"
    assert metadata(raw(broker)).brokers[0].host == "127.0.0.1"
    broker.stop()


def test_clients_are_told_what_is_advertised(broker_factory: BrokerFactory, raw: RawFactory) -> None:
    broker = broker_factory(args=["--advertise", "kafka.example:19092", "--node-id", "5"])
    broker.start()
    (told,) = metadata(raw(broker)).brokers
    assert (told.node_id, told.host, told.port) == (5, "kafka.example", 19092)


def test_without_an_option_the_broker_is_number_0(broker: BrokerProcess, raw: RawFactory) -> None:
    assert metadata(raw(broker)).brokers[0].node_id == 0


def line_about_a_bad_frame(broker: BrokerProcess) -> str:
    """Send something that is no request; the line that is logged about it."""
    with socket.create_connection((broker.host, broker.port)) as client:
        client.sendall(b"\xff\xff\xff\xff")
        assert client.recv(1) == b""
    wait_until(lambda: "a frame cannot have" in broker.log(), 20, broker.log_tail)
    return next(line for line in broker.log().splitlines() if "a frame cannot have" in line)


def test_log_lines_are_for_people(broker: BrokerProcess) -> None:
    pattern = (
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \[warning  \] Connection from 127\.0\.0\.1 closed: a frame cannot"
    )
    assert re.match(pattern, line_about_a_bad_frame(broker))


def test_log_lines_are_for_machines_if_asked(broker_factory: BrokerFactory) -> None:
    broker = broker_factory(args=["--log-format", "json"])
    broker.start()
    said = json.loads(line_about_a_bad_frame(broker))
    assert (said["level"], said["event"][:16]) == ("warning", "Connection from ")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", said["timestamp"])
    ready = json.loads(broker.log().splitlines()[0])
    assert (ready["event"], ready["address"], ready["topics"]) == ("ready", broker.bootstrap, 0)


def test_what_is_below_the_log_level_is_not_written(broker_factory: BrokerFactory) -> None:
    broker = broker_factory(args=["--log-level", "error"])
    broker.start()
    with socket.create_connection((broker.host, broker.port)) as client:
        client.sendall(b"\xff\xff\xff\xff")
        assert client.recv(1) == b""
    broker.stop()
    assert "a frame cannot have" not in broker.log()


# Topics


def test_topics_are_created_at_the_start_unless_they_exist(broker_factory: BrokerFactory, raw: RawFactory) -> None:
    broker = broker_factory(args=["--topic", "a:3", "--topic", "b:1:compact", "--topic", "c", "--num-partitions", "2"])
    broker.start()
    assert partition_counts(metadata(raw(broker), "a", "b", "c")) == {"a": 3, "b": 1, "c": 2}
    before = {topic["topic"]: topic for topic in dump_json(broker.data_dir, "--topics")}
    assert before["b"]["configs"] == {"cleanup.policy": "compact"}
    broker.args = ["--topic", "a:4", "--topic", "d:1"]
    broker.restart()
    after = {topic["topic"]: topic for topic in dump_json(broker.data_dir, "--topics")}
    assert after.pop("d")["partitions"][0]["partition"] == 0
    assert after == before
    assert "Topic a exists and has 3 partitions." in broker.log()


def test_a_topic_is_created_when_it_is_asked_for_unless_that_is_off(
    broker_factory: BrokerFactory, raw: RawFactory
) -> None:
    broker = broker_factory(args=["--num-partitions", "3"])
    broker.start()
    assert partition_counts(metadata(raw(broker), "made", create=True)) == {"made": 3}
    broker.args = ["--no-auto-create"]
    broker.restart()
    (missing,) = metadata(raw(broker), "missing", create=True).topics
    assert missing.error_code == UNKNOWN_TOPIC_OR_PARTITION


def test_an_illegal_topic_is_refused_like_a_bad_value(broker_factory: BrokerFactory) -> None:
    broker = broker_factory(args=["--topic", "no spaces"])
    assert_one_sentence(refused(broker), 2, "--topic no spaces: ", "is illegal")
    assert not broker.ready_file.exists()


# Where the values come from


def test_a_broker_runs_with_the_environment_and_a_file(broker_factory: BrokerFactory, raw: RawFactory) -> None:
    broker = broker_factory(args=["--num-partitions", "4"], env={"CHRONIK_NODE_ID": "8", "CHRONIK_TOPIC": "e:2,f"})
    file = broker.folder / "c.toml"
    file.write_text("node-id = 9\nnum.partitions = 5\n[auto.create]\ntopics.enable = false\n")
    broker.env["CHRONIK_CONFIG"] = str(file)
    broker.start()
    answered = metadata(raw(broker), "e", "f", "g", create=True)
    assert answered.brokers[0].node_id == 8
    assert partition_counts(answered) == {"e": 2, "f": 4, "g": 0}


# Starts that are refused


def test_a_bad_value_ends_with_2_before_anything_is_made(tmp_path: Path) -> None:
    done = chronik("run", "--data-dir", str(tmp_path / "d"), "--num-partitions", "none")
    assert_one_sentence(done, 2, "--num-partitions: 'none' is not a whole number.")
    assert_one_sentence(chronik("run"), 2, "--data-dir DIR")
    assert_one_sentence(chronik("run", "--nonsense"), 2, "no option --nonsense")
    assert_one_sentence(chronik("nonsense"), 2, "nonsense")
    assert list(tmp_path.iterdir()) == []


def test_a_second_broker_on_the_directory_is_refused(broker: BrokerProcess) -> None:
    done = refused(broker)
    assert_one_sentence(
        done, 1, f"Another broker (process {broker.pid}) is using the data directory {broker.data_dir}."
    )
    assert broker.ready_file.read_text() == f"{broker.bootstrap}\n"


def test_a_newer_directory_is_refused(broker_factory: BrokerFactory) -> None:
    broker = broker_factory()
    broker.data_dir.mkdir()
    (broker.data_dir / "format").write_text("99\n")
    assert_one_sentence(refused(broker), 1, "has format 99", "newer version")


def test_a_directory_that_cannot_be_used_is_refused(broker_factory: BrokerFactory) -> None:
    broker = broker_factory()
    broker.data_dir.write_text("a file")
    assert_one_sentence(refused(broker), 1, str(broker.data_dir))


def test_records_that_rocksdb_cannot_open_are_refused(broker_factory: BrokerFactory) -> None:
    broker = broker_factory()
    (broker.data_dir / "records").mkdir(parents=True)
    (broker.data_dir / "records" / "CURRENT").write_text("MANIFEST-000001\n")
    assert_one_sentence(refused(broker), 1, f"The records in {broker.data_dir} cannot be opened: ", "MANIFEST-000001")


def test_a_journal_that_is_broken_before_its_end_is_refused(broker_factory: BrokerFactory) -> None:
    broker = broker_factory()
    broker.start()
    assert broker.stop() == 0
    for number, content in ((1, "rubbish"), (2, "")):
        (broker.data_dir / "records" / f"journal-0000000{number}").write_text(content)
    message = f"The records in {broker.data_dir} cannot be opened: journal-00000001 cannot be read from byte 0"
    assert_one_sentence(refused(broker), 1, message)
    (broker.data_dir / "records" / "journal-00000002").unlink()
    broker.start()  # what the last one is, no record was ever acknowledged in it


def test_a_port_in_use_is_refused_and_the_directory_is_let_go(broker_factory: BrokerFactory) -> None:
    broker = broker_factory(args=["--listen", "127.0.0.1:0"])
    with socket.create_server(("127.0.0.1", 0)) as other:
        broker.listen = f"127.0.0.1:{other.getsockname()[1]}"
        assert_one_sentence(refused(broker), 1, f"Cannot listen on {broker.listen}: ", "in use")
    assert not broker.ready_file.exists()
    broker.start()


def test_an_address_that_is_not_ours_is_refused(broker_factory: BrokerFactory) -> None:
    broker = broker_factory()
    broker.listen = "no-such-host.invalid:0"
    assert_one_sentence(refused(broker), 1, "Cannot listen on no-such-host.invalid:0: ")


def test_a_ready_file_that_cannot_be_written_is_refused(broker_factory: BrokerFactory) -> None:
    broker = broker_factory()
    broker.ready_file = broker.folder / "no-folder" / "ready"
    assert_one_sentence(refused(broker), 1, f"The ready file {broker.ready_file} cannot be written: No such file")


# Ends


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(broker: BrokerProcess, number: signal.Signals) -> None:
    process = broker._process
    assert process is not None
    process.send_signal(number)
    assert process.wait(30) == 0
    assert not broker.ready_file.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((broker.host, broker.port), timeout=5)


def test_a_second_interrupt_ends_it_at_once(broker_factory: BrokerFactory, raw: RawFactory) -> None:
    broker = broker_factory(args=["--topic", "a"])
    broker.start()
    # A request that is not answered for a long time, which the stop would wait for.
    partition = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1000)
    waiting = FetchRequest(
        max_wait_ms=60_000, min_bytes=1, max_bytes=1000, topics=[FetchTopic("a", partitions=[partition])]
    )
    client = raw(broker)
    client.send(waiting, 11)
    metadata(raw(broker))
    process = broker._process
    assert process is not None
    process.send_signal(signal.SIGINT)
    wait_until(lambda: not broker.ready_file.exists(), 20, broker.log_tail)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == -signal.SIGINT
    broker.restart()


def test_a_killed_broker_leaves_a_ready_file_that_the_next_start_replaces(broker: BrokerProcess) -> None:
    broker.kill()
    assert broker.ready_file.exists()
    broker.start()
    assert broker.ready_file.read_text() == f"{broker.bootstrap}\n"
