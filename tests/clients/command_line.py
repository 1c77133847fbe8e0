"""The clients that come with a program of their own: kcat, and Kafka's command-line tools."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from tests.clients.client_program import ALL_CODECS, JAVA, ClientProgram, Config, run
from tests.clients.group_member import Assignment, GroupMember, Record
from tests.clients.installed import KAFKA_LIBS

KCAT_REBALANCE = re.compile(
    r"% Group \S+ rebalanced \(memberid [^)]*\): (?P<event>assigned|revoked)(?:: )?(?P<rest>.*)"
)


class Kcat(ClientProgram):
    """kcat (librdkafka); it creates no topics by command and does not tell what was acknowledged."""

    def __init__(self) -> None:
        super().__init__("kcat", ["kcat"], ALL_CODECS, configurable=True, creates_topics=False)

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
        """Nothing is told: the list is empty, and the exit code says that all were delivered."""
        compression = [] if codec == "default" else ["-z", codec]
        command = ["kcat", "-b", bootstrap, "-P", "-t", topic, "-K:", *compression, *self._properties(config)]
        run(self.name, command, self._environment(None), lines_of(count, prefix))
        return []

    def consume(self, bootstrap: str, topic: str, count: int, *, config: Config | None = None) -> list[Record]:
        command = ["kcat", "-b", bootstrap, "-C", "-t", topic, "-o", "beginning", "-c", str(count), "-J", "-u", "-q"]
        output = run(self.name, [*command, *self._properties(config)], self._environment(None))
        return [kcat_record(line) for line in output.splitlines()]

    def group(self, bootstrap: str, topic: str, group_id: str, *, config: Config | None = None) -> GroupMember:
        start = ["-X", "auto.offset.reset=earliest", *self._properties(config)]
        command = ["kcat", "-b", bootstrap, *start, "-J", "-u", "-G", group_id, topic]
        return self._member(command, None, translate_kcat)

    def admin_create(self, bootstrap: str, topic: str, partition_count: int = 1) -> None:
        raise NotImplementedError("kcat creates no topics")

    def admin_delete(self, bootstrap: str, topic: str) -> None:
        raise NotImplementedError("kcat deletes no topics")

    def admin_list(self, bootstrap: str) -> set[str]:
        output = run(self.name, ["kcat", "-b", bootstrap, "-L", "-J"], self._environment(None))
        return {topic["topic"] for topic in json.loads(output)["topics"]}

    def _properties(self, config: Config | None) -> list[str]:
        return [part for name, value in (config or {}).items() for part in ("-X", f"{name}={value}")]


def kcat_record(line: str) -> Record:
    fields = json.loads(line)
    return Record(fields["partition"], fields["offset"], fields["key"], fields["payload"])


def translate_kcat(line: str) -> Assignment | Record | None:
    """A line of kcat's stdout (records as JSON) or stderr (what a rebalance gave)."""
    if line.startswith("{"):
        return kcat_record(line)
    rebalance = KCAT_REBALANCE.match(line)
    if rebalance is None:
        return None
    if rebalance["event"] == "revoked":
        return Assignment(())
    return Assignment(tuple(sorted(int(number) for number in re.findall(r"\[(\d+)\]", rebalance["rest"]))))


class KafkaTools(ClientProgram):
    """Kafka's own command-line tools: kafka-console-producer and so on, by the names of their classes."""

    CONSOLE_PRODUCER = "org.apache.kafka.tools.ConsoleProducer"
    CONSOLE_CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"
    TOPICS = "org.apache.kafka.tools.TopicCommand"
    GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
    CONFIGS = "kafka.admin.ConfigCommand"
    DELETE_RECORDS = "org.apache.kafka.tools.DeleteRecordsCommand"
    GET_OFFSETS = "org.apache.kafka.tools.GetOffsetShell"
    TRANSACTIONS = "org.apache.kafka.tools.TransactionsCommand"
    LOG_DIRS = "org.apache.kafka.tools.LogDirsCommand"
    API_VERSIONS = "org.apache.kafka.tools.BrokerApiVersionsCommand"

    def __init__(self) -> None:
        command = [*JAVA, "-cp", f"{KAFKA_LIBS}/*"]
        super().__init__("kafka-cli", command, ALL_CODECS, configurable=True, tells_assignment=False)

    def tool(self, main_class: str, bootstrap: str, *arguments: str, text: str = "") -> str:
        """Run one of the tools with `--bootstrap-server`; its stdout. AssertionError when it ends with an error."""
        command = [*self._command, main_class, "--bootstrap-server", bootstrap, *arguments]
        return run(self.name, command, self._environment(None), text)

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
        """Nothing is told: the list is empty. A failure is an error line, which is raised: the exit code stays 0."""
        compression = [] if codec == "default" else ["--compression-codec", codec]
        reader = ["--reader-property", "parse.key=true", "--reader-property", "key.separator=:"]
        arguments = ["--topic", topic, *compression, *reader, *self._properties(config)]
        output = self.tool(self.CONSOLE_PRODUCER, bootstrap, *arguments, text=lines_of(count, prefix))
        assert "ERROR" not in output, output
        return []

    def consume(self, bootstrap: str, topic: str, count: int, *, config: Config | None = None) -> list[Record]:
        arguments = ["--topic", topic, "--from-beginning", "--max-messages", str(count)]
        output = self.tool(self.CONSOLE_CONSUMER, bootstrap, *arguments, *self._printing(), *self._properties(config))
        return [record for line in output.splitlines() if (record := translate_console(line)) is not None]

    def group(self, bootstrap: str, topic: str, group_id: str, *, config: Config | None = None) -> GroupMember:
        arguments = ["--topic", topic, "--group", group_id, "--from-beginning", *self._printing()]
        command = [*self._command, self.CONSOLE_CONSUMER, "--bootstrap-server", bootstrap, *arguments]
        # Java's own code for "ended by SIGTERM"; the consumer is closed by a shutdown hook before that.
        return self._member([*command, *self._properties(config)], None, translate_console, clean_exit_code=143)

    def admin_create(self, bootstrap: str, topic: str, partition_count: int = 1) -> None:
        self.tool(self.TOPICS, bootstrap, "--create", "--topic", topic, "--partitions", str(partition_count))

    def admin_delete(self, bootstrap: str, topic: str) -> None:
        self.tool(self.TOPICS, bootstrap, "--delete", "--topic", topic)

    def admin_list(self, bootstrap: str) -> set[str]:
        return set(self.tool(self.TOPICS, bootstrap, "--list").split())

    def _printing(self) -> Sequence[str]:
        names = ("print.partition", "print.offset", "print.key")
        return [part for name in names for part in ("--formatter-property", f"{name}=true")]

    def _properties(self, config: Config | None) -> list[str]:
        return [part for name, value in (config or {}).items() for part in ("--command-property", f"{name}={value}")]


def translate_console(line: str) -> Record | None:
    """A line of the console consumer: Partition:0<tab>Offset:5<tab>key<tab>value."""
    fields = line.split("\t")
    if len(fields) != 4 or not fields[0].startswith("Partition:"):
        return None
    partition, offset = (int(field.split(":")[1]) for field in fields[:2])
    key, value = (None if field == "null" else field for field in fields[2:])
    return Record(partition, offset, key, value)


def lines_of(count: int, prefix: str) -> str:
    """What a console producer reads: key:value lines."""
    return "".join(f"{prefix}key-{i}:{prefix}value-{i}\n" for i in range(count))
