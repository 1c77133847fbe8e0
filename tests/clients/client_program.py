"""Every real client behind one interface: `ClientProgram`.

Most are small programs in `programs/`, one a client, with the client's default settings and the same commands:

    PROGRAM BOOTSTRAP produce TOPIC COUNT CODEC PREFIX   records <PREFIX>key-<i> -> <PREFIX>value-<i>, i from 0
    PROGRAM BOOTSTRAP consume TOPIC COUNT                from the beginning; without a group if it can
    PROGRAM BOOTSTRAP group TOPIC GROUP                  until SIGTERM; from the beginning when nothing is committed
    PROGRAM BOOTSTRAP transact TOPIC COUNT ID OUTCOME    one transaction; OUTCOME is commit or abort (some clients)
    PROGRAM BOOTSTRAP transform SOURCE TARGET GROUP ID COUNT   records into "done-" ones, exactly once (some clients)
    PROGRAM BOOTSTRAP admin create TOPIC PARTITIONS | admin delete TOPIC | admin list

CODEC is none, gzip, snappy, lz4, zstd, or default: whatever the client does by itself. They write JSON lines: a record
({"partition", "offset", "key", "value"}) for each that was acknowledged or consumed, in a group with "event": "record"
beside {"event": "assignment", "partitions": [...]}, which tells all partitions owned after each change. A failure is an
exit code other than 0. Properties of the client itself travel in CLIENT_CONFIG, one name=value a line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from tests.clients.group_member import GroupMember, Record, Translate, record_of, translate_json
from tests.clients.installed import CLIENTS, KAFKA_LIBS, PROGRAMS

RUN_TIMEOUT_S = 90.0

JAVA = (
    *("java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"),
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)

Config = Mapping[str, str]


class ClientProgram:
    """A client that runs as a process for each command; what still runs at the end of a test is ended by `close`.

    `codecs`: what it can compress with here. `creates_topics`: has an admin client that creates and deletes.
    `tells_assignment`: its group members tell which partitions they own. `transactional`: knows `transact`.
    `configurable`: takes properties (`config`) under the names of the Java client or librdkafka.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        codecs: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        transactional: bool = False,
        configurable: bool = False,
        creates_topics: bool = True,
        tells_assignment: bool = True,
    ) -> None:
        self.name = name
        self.codecs = tuple(codecs)
        self.transactional = transactional
        self.configurable = configurable
        self.creates_topics = creates_topics
        self.tells_assignment = tells_assignment
        self._command = list(command)
        self._env = dict(env or {})
        self._members: list[GroupMember] = []

    def __repr__(self) -> str:
        return f"<client {self.name}>"

    def produce(
        self,
        bootstrap: str,
        topic: str,
        count: int,
        codec: str = "default",
        *,
        prefix: str = "",
        config: Config | None = None,
    ) -> list[Record]:
        """Produce `count` records and wait for all; what was acknowledged, as far as the client tells it."""
        return self._records(["produce", topic, str(count), codec, prefix], bootstrap, config)

    def consume(self, bootstrap: str, topic: str, count: int, *, config: Config | None = None) -> list[Record]:
        """The first `count` records that it gets, from the beginning of every partition of the topic."""
        return self._records(["consume", topic, str(count)], bootstrap, config)

    def transact(
        self,
        bootstrap: str,
        topic: str,
        count: int,
        transactional_id: str,
        *,
        commit: bool,
        config: Config | None = None,
    ) -> list[Record]:
        """Produce `count` records in one transaction (prefix "commit-" or "abort-") and end it."""
        assert self.transactional, f"{self.name} has no transactions here"
        outcome = "commit" if commit else "abort"
        return self._records(["transact", topic, str(count), transactional_id, outcome], bootstrap, config)

    def transform(
        self, bootstrap: str, source: str, target: str, group_id: str, transactional_id: str, count: int
    ) -> None:
        """Consume `count` records and produce "done-<value>" for each, with the offsets in the same transactions, some
        of which are aborted first."""
        assert self.transactional, f"{self.name} has no transactions here"
        self._run(["transform", source, target, group_id, transactional_id, str(count)], bootstrap)

    def fence(self, bootstrap: str, transactional_id: str) -> None:
        """Have the producers of this id stopped by an administrator; Java's client only."""
        self._run(["admin", "fence", transactional_id], bootstrap)

    def group(self, bootstrap: str, topic: str, group_id: str, *, config: Config | None = None) -> GroupMember:
        """Start a member of the group; see `GroupMember` for waiting, stopping and killing it."""
        return self._member([*self._command, bootstrap, "group", topic, group_id], config)

    def admin_create(self, bootstrap: str, topic: str, partition_count: int = 1) -> None:
        """Create the topic with replication factor 1; AssertionError with the client's message on an error."""
        self._run(["admin", "create", topic, str(partition_count)], bootstrap)

    def admin_delete(self, bootstrap: str, topic: str) -> None:
        self._run(["admin", "delete", topic], bootstrap)

    def admin_list(self, bootstrap: str) -> set[str]:
        """The names of all topics."""
        lines = self._run(["admin", "list"], bootstrap).splitlines()
        return {json.loads(line)["topic"] for line in lines if line.startswith("{")}

    def close(self) -> None:
        """Kill the members that still run."""
        for member in self._members:
            if member.running:
                member.kill()

    def _records(self, arguments: Sequence[str], bootstrap: str, config: Config | None) -> list[Record]:
        lines = self._run(arguments, bootstrap, config).splitlines()
        return [record_of(json.loads(line)) for line in lines if line.startswith("{")]

    def _run(self, arguments: Sequence[str], bootstrap: str, config: Config | None = None) -> str:
        return run(self.name, [*self._command, bootstrap, *arguments], self._environment(config))

    def _member(
        self,
        command: Sequence[str],
        config: Config | None,
        translate: Translate = translate_json,
        clean_exit_code: int = 0,
    ) -> GroupMember:
        member = GroupMember(command, self._environment(config), translate, clean_exit_code)
        self._members.append(member)
        return member

    def _environment(self, config: Config | None) -> dict[str, str]:
        assert not config or self.configurable, f"{self.name} takes no properties here"
        lines = "\n".join(f"{name}={value}" for name, value in (config or {}).items())
        return {**os.environ, **self._env, "CLIENT_CONFIG": lines}


def run(name: str, command: Sequence[str], env: Mapping[str, str], text: str = "") -> str:
    """Run a client's command to its end with `text` on stdin; its stdout. AssertionError if it fails."""
    try:
        done = subprocess.run(command, input=text, env=env, capture_output=True, text=True, timeout=RUN_TIMEOUT_S)
    except subprocess.TimeoutExpired as late:
        told = "\n".join(
            part.decode(errors="replace") for part in (late.stdout, late.stderr) if isinstance(part, bytes)
        )
        raise AssertionError(f"{name} did not end within {RUN_TIMEOUT_S} s: {command}\n{told}") from None
    assert done.returncode == 0, f"{name} ended with {done.returncode}: {command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


ALL_CODECS = ("none", "gzip", "snappy", "lz4", "zstd")

PROGRAM_NAMES = (
    "kafka-python",
    "kafka-python-2.0.2",
    "aiokafka",
    "confluent-kafka",
    "kafkajs",
    "java",
    "franz-go",
    "sarama",
)


def make_program(name: str) -> ClientProgram:
    """The client of that name; ValueError for a name that is not in PROGRAM_NAMES."""
    match name:
        case "kafka-python":
            command = [sys.executable, str(PROGRAMS / "kafka_python_program.py")]
            return ClientProgram(name, command, ALL_CODECS, transactional=True)
        case "kafka-python-2.0.2":
            command = [str(CLIENTS / name / "bin" / "python"), str(PROGRAMS / "kafka_python_program.py")]
            return ClientProgram(name, command, ALL_CODECS)
        case "aiokafka":
            command = [sys.executable, str(PROGRAMS / "aiokafka_program.py")]
            return ClientProgram(name, command, ALL_CODECS, transactional=True)
        case "confluent-kafka":
            command = [sys.executable, str(PROGRAMS / "confluent_program.py")]
            return ClientProgram(name, command, ALL_CODECS, transactional=True, configurable=True)
        case "kafkajs":
            command = ["node", str(PROGRAMS / "kafkajs" / "client.js")]
            env = {"NODE_PATH": str(CLIENTS / "kafkajs" / "node_modules"), "KAFKAJS_NO_PARTITIONER_WARNING": "1"}
            return ClientProgram(name, command, ("none", "gzip"), env=env, transactional=True)
        case "java":
            class_path = f"{CLIENTS / 'java'}:{KAFKA_LIBS}/*"
            command = [*JAVA, "-cp", class_path, "Client"]
            return ClientProgram(name, command, ALL_CODECS, transactional=True, configurable=True)
        case "franz-go":
            return ClientProgram(name, [str(CLIENTS / "bin" / name)], ALL_CODECS, transactional=True)
        case "sarama":
            return ClientProgram(name, [str(CLIENTS / "bin" / name)], ("none", "gzip", "snappy", "lz4"))
        case _:
            raise ValueError(name)
