"""Records golden frames: real clients against Apache Kafka, through a proxy that keeps what they said.

    python -m tools.capture [--limit 1500] [client ...]

Starts the Kafka of `tools/clients/install.sh java`, drives each named client (default: all that are installed) through
a session, and writes tests/wire/golden/<client>.json: for each API key and version the richest exchange of at most
`--limit` bytes, or else the smallest. The proxy reads only sizes, keys, versions and correlation ids, so that what it
keeps does not depend on the code that the frames are there to test.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import struct
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import confluent_kafka

from tests.broker_process import KafkaProcess, free_port
from tests.clients.client_program import PROGRAM_NAMES, ClientProgram, make_program
from tests.clients.command_line import KafkaTools, Kcat
from tests.clients.installed import CLIENTS, KAFKA_LIBS, missing

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "wire" / "golden"
BROKER = "Apache Kafka 4.2.0"

REASSIGN = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"

REQUEST_FRONT = struct.Struct(">hhi")


@dataclass(slots=True)
class Exchange:
    """One request and its response, without size prefixes; the response is empty where there is none (acks=0)."""

    request: bytes
    response: bytes

    def __len__(self) -> int:
        return len(self.request) + len(self.response)


@dataclass(slots=True)
class RecordingProxy:
    """Passes connections on to a broker and keeps one exchange for each (API key, version)."""

    broker_port: int
    port: int
    limit: int
    kept: dict[tuple[int, int], Exchange] = field(default_factory=dict)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def start(self) -> None:
        started = threading.Event()
        threading.Thread(target=self._run, args=(started,), daemon=True).start()
        started.wait()

    def take(self) -> dict[tuple[int, int], Exchange]:
        """What was kept since the last call."""
        kept, self.kept = self.kept, {}
        return kept

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", self.port))
        started.set()
        self.loop.run_forever()

    async def _serve(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        broker, requests = await asyncio.open_connection("127.0.0.1", self.broker_port)
        waiting: deque[bytes] = deque()
        await asyncio.gather(
            self._pass(client, requests, waiting.append),
            self._pass(broker, answers, lambda response: self._answered(waiting, response)),
        )

    async def _pass(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, note: Callable[[bytes], None]
    ) -> None:
        try:
            while True:
                size = await source.readexactly(4)
                frame = await source.readexactly(int.from_bytes(size, "big"))
                note(frame)
                sink.write(size + frame)
                await sink.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            sink.close()

    def _answered(self, waiting: deque[bytes], response: bytes) -> None:
        """Pair a response with its request; requests that were passed over had none."""
        correlation_id = int.from_bytes(response[:4], "big", signed=True)
        while waiting:
            request = waiting.popleft()
            key, version, expected = REQUEST_FRONT.unpack_from(request)
            answered = expected == correlation_id
            self._keep((key, version), Exchange(request, response if answered else b""))
            if answered:
                return

    def _keep(self, which: tuple[int, int], new: Exchange) -> None:
        old = self.kept.get(which)
        if old is None or (len(old) < len(new) <= self.limit) or len(new) < len(old) > self.limit:
            self.kept[which] = new


def program_session(client: ClientProgram, bootstrap: str) -> None:
    """Produce, consume, join a group, commit and abort; with every codec."""
    topic = f"golden-{client.name}"
    if client.creates_topics:
        client.admin_create(bootstrap, topic, 2)
        if client.name != "sarama":  # its default version lists topics by calls that Kafka 4 dropped
            client.admin_list(bootstrap)
    for codec in client.codecs:
        client.produce(bootstrap, topic, 3, codec)
    client.consume(bootstrap, topic, 3 * len(client.codecs))
    member = client.group(bootstrap, topic, f"group-{client.name}")
    member.wait_records(3 * len(client.codecs))
    member.stop()
    if client.transactional:
        client.transact(bootstrap, topic, 2, f"transaction-{client.name}", commit=True)
        client.transact(bootstrap, topic, 2, f"transaction-{client.name}", commit=False)
    if client.name == "confluent-kafka":
        commit_offsets_in_a_transaction(bootstrap, topic, f"group-{client.name}")
    if client.creates_topics:
        client.admin_delete(bootstrap, topic)


def commit_offsets_in_a_transaction(bootstrap: str, topic: str, group_id: str) -> None:
    """Consume, and commit the offsets within a transaction of a producer."""
    consumer = confluent_kafka.Consumer({"bootstrap.servers": bootstrap, "group.id": group_id})
    producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap, "transactional.id": "offsets"})
    consumer.subscribe([topic])
    consumer.poll(10)
    producer.init_transactions()
    producer.begin_transaction()
    producer.produce(topic, b"golden")
    offsets = [confluent_kafka.TopicPartition(topic, 0, 1, metadata="noted")]
    producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata())
    producer.commit_transaction()
    consumer.close()


def tools_session(tools: KafkaTools, bootstrap: str) -> None:
    """Every admin tool that Kafka ships, as far as one node can answer it."""

    def run(name: str, *arguments: str) -> None:
        tools.tool(name if "." in name else f"org.apache.kafka.tools.{name}", bootstrap, *arguments)

    topic, topics = "golden-tools", ("--topic", "golden-tools")
    tools.admin_create(bootstrap, topic, 2)
    tools.produce(bootstrap, topic, 3)
    member = tools.group(bootstrap, topic, "group-tools")
    member.wait_records(3)
    run(tools.GROUPS, "--describe", "--all-groups")
    member.stop()
    for protocol in ("classic", "consumer"):
        group = f"group-tools-{protocol}"
        member = tools.group(bootstrap, topic, group, config={"group.protocol": protocol})
        member.wait_records(3)
        run(tools.GROUPS, "--describe", "--members", "--verbose", "--group", group)
        member.stop()
        run(tools.GROUPS, "--list", "--state", "--type")
        run(tools.GROUPS, "--reset-offsets", "--to-earliest", "--execute", "--group", group, *topics)
        run(tools.GROUPS, "--delete-offsets", "--group", group, *topics)
        run(tools.GROUPS, "--delete", "--group", group)
    run(tools.TOPICS, "--describe")
    run(tools.TOPICS, "--alter", "--partitions", "3", *topics)
    run(tools.CONFIGS, "--alter", "--add-config", "retention.ms=1000", *topics)
    run(tools.CONFIGS, "--describe", "--all", *topics)
    run(tools.CONFIGS, "--alter", "--add-config", "SCRAM-SHA-256=[password=golden]", "--user", "alice")
    run(tools.CONFIGS, "--alter", "--add-config", "producer_byte_rate=1000000", "--user", "alice")
    run(tools.CONFIGS, "--describe", "--user", "alice")
    run(tools.GET_OFFSETS, *topics)
    run(tools.LOG_DIRS, "--describe", "--topic-list", topic)
    run(tools.API_VERSIONS)
    make_program("java").transact(bootstrap, topic, 1, "golden", commit=True)
    run(tools.TRANSACTIONS, "list")
    run(tools.TRANSACTIONS, "describe", "--transactional-id", "golden")
    run("ClientMetricsCommand", "--list")
    run(tools.TRANSACTIONS, "describe-producers", *topics, "--partition", "0")
    run("AclCommand", "--add", "--allow-principal", "User:alice", "--operation", "Read", *topics)
    run("AclCommand", "--list")
    run("AclCommand", "--remove", "--force", *topics)
    run("LeaderElectionCommand", "--election-type", "preferred", *topics, "--partition", "0")
    run(REASSIGN, "--list")
    run("FeatureCommand", "describe")
    run("FeatureCommand", "upgrade", "--feature", "group.version=1", "--dry-run")
    run("MetadataQuorumCommand", "describe", "--replication")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as wish:
        json.dump({"partitions": [{"topic": topic, "partition": 0, "offset": 1}]}, wish)
        wish.flush()
        run(tools.DELETE_RECORDS, "--offset-json-file", wish.name)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as wish:
        json.dump({"partitions": [{"topic": topic, "partition": 0, "replicas": [1]}], "version": 1}, wish)
        wish.flush()
        run(REASSIGN, "--execute", "--reassignment-json-file", wish.name)
    tools.admin_delete(bootstrap, topic)


def version_of(name: str) -> str:
    """The version of an installed client, from where its package manager noted it."""
    match name:
        case "kafka-python" | "aiokafka" | "confluent-kafka":
            return metadata.version(name)
        case "kafkajs":
            package = CLIENTS / "kafkajs" / "node_modules" / "kafkajs" / "package.json"
            return str(json.loads(package.read_text())["version"])
        case "franz-go" | "sarama":
            built = subprocess.run(["go", "version", "-m", CLIENTS / "bin" / name], capture_output=True, text=True)
            found = re.search(rf"/{name}\t(v\S+)", built.stdout)
        case "kcat":
            shown = subprocess.run(["kcat", "-V"], capture_output=True, text=True)
            found = re.search(r"Version (\S+)", shown.stdout)
        case "kafka-python-2.0.2":
            return ""
        case _:
            found = re.search(r"\d.*", BROKER)
    return found[1 if found.re.groups else 0] if found else "of unknown version"


def write(name: str, exchanges: dict[tuple[int, int], Exchange]) -> None:
    GOLDEN.mkdir(exist_ok=True)
    frames = [
        {"key": key, "version": version, "request": found.request.hex(), "response": found.response.hex()}
        for (key, version), found in sorted(exchanges.items())
    ]
    document = {"client": f"{name} {version_of(name)}".strip(), "broker": BROKER, "frames": frames}
    (GOLDEN / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Record golden frames of real clients against Apache Kafka.")
    parser.add_argument("--limit", type=int, default=1500, help="bytes of an exchange that is worth keeping")
    parser.add_argument("clients", nargs="*")
    options = parser.parse_args()
    names = options.clients or [*PROGRAM_NAMES, "kcat", "kafka-cli"]
    proxy_port = free_port()
    with tempfile.TemporaryDirectory(prefix="golden-") as folder:
        listeners = f"advertised.listeners=PLAINTEXT://127.0.0.1:{proxy_port}"
        authorizer = "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer"
        everyone = "super.users=User:ANONYMOUS"
        kafka = KafkaProcess(Path(folder) / "kafka", libs=KAFKA_LIBS, args=[listeners, authorizer, everyone])
        kafka.start()
        try:
            proxy = RecordingProxy(kafka.port, proxy_port, options.limit)
            proxy.start()
            for name in names:
                if reason := missing(name):
                    print(f"{name}: {reason}", file=sys.stderr)
                    continue
                record(name, proxy)
        finally:
            kafka.close()


def record(name: str, proxy: RecordingProxy) -> None:
    """One client's session, written to its file."""
    bootstrap = f"127.0.0.1:{proxy.port}"
    client = Kcat() if name == "kcat" else KafkaTools() if name == "kafka-cli" else make_program(name)
    try:
        if isinstance(client, KafkaTools):
            tools_session(client, bootstrap)
        else:
            program_session(client, bootstrap)
    finally:
        client.close()
        exchanges = proxy.take()
    write(name, exchanges)
    size_bytes = sum(map(len, exchanges.values()))
    print(f"{name}: {len(exchanges)} exchanges, {size_bytes} bytes")


if __name__ == "__main__":
    main()
