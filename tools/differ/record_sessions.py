"""Records sessions of real clients:  python -m tools.differ.record_sessions [client ...]

Each client (default: all that are installed) talks to a chronik through a proxy that keeps what is said. What it sent
is then asked of Apache Kafka, and both are kept in tests/differ/recorded/sessions. (It is chronik that it talks to,
because the versions that both brokers serve are what can be compared.)
"""

from __future__ import annotations

import argparse
import asyncio
import json
import struct
import sys
import tempfile
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from tests.broker_process import BrokerProcess, free_port
from tests.clients.client_program import PROGRAM_NAMES, ClientProgram, make_program
from tests.clients.command_line import KafkaTools
from tests.clients.installed import missing
from tools.capture import RecordingProxy, version_of
from tools.differ.brokers import CHRONIK_OPTIONS, kafka
from tools.differ.canonical import PREFIX
from tools.differ.recording import load_served
from tools.differ.runner import Play
from tools.differ.script import Scenario
from tools.differ.served import served_by
from tools.differ.sessions import Exchange, save_session, session

_FRONT = struct.Struct(">hhi")

TRANSFORMING = {"aiokafka", "confluent-kafka", "java", "kafka-python"}
"""Whose programs know `transform`."""


def told(reply: bytes) -> int:
    """The correlation id of a reply."""
    return int.from_bytes(reply[:4], "big", signed=True)


@dataclass(slots=True)
class SessionProxy(RecordingProxy):
    """Keeps everything, in the order of the requests."""

    requests: list[tuple[int, bytes]] = field(default_factory=list)
    replies: dict[int, bytes] = field(default_factory=dict)
    """By the request's place in `requests`."""
    connections: int = 0

    def taken(self) -> list[Exchange]:
        """What was said since the last call."""
        requests, self.requests, replies, self.replies = self.requests, [], self.replies, {}
        self.connections = 0
        return [Exchange(on, request, replies.get(number, b"")) for number, (on, request) in enumerate(requests)]

    async def _serve(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        broker, sink = await asyncio.open_connection("127.0.0.1", self.broker_port)
        self.connections += 1
        connection, waiting = self.connections, deque[int]()

        def asked(request: bytes) -> None:
            waiting.append(len(self.requests))
            self.requests.append((connection, request))

        def answered(reply: bytes) -> None:
            while waiting:
                number = waiting.popleft()  # the reply's, unless that request had none (acks=0)
                if number < len(self.requests) and _FRONT.unpack_from(self.requests[number][1])[2] == told(reply):
                    self.replies[number] = reply
                    return

        await asyncio.gather(self._pass(client, sink, asked), self._pass(broker, answers, answered))


def played_session(client: ClientProgram, bootstrap: str, prefix: str) -> None:
    """What people do with a client: topics, records, groups, transactions."""
    topic, target, group, producer = (f"{prefix}-{name}" for name in ("topic", "target", "group", "producer"))
    count = 2 * len(client.codecs)
    for name in (topic, target):
        client.admin_create(bootstrap, name, 2)
    if client.name != "sarama":  # its default version lists topics by calls that Kafka 4 dropped
        client.admin_list(bootstrap)
    for codec in client.codecs:
        client.produce(bootstrap, topic, 2, codec)
    if client.name != "kafkajs":  # which reads in a group whose name is always another one
        client.consume(bootstrap, topic, count)
    member = client.group(bootstrap, topic, group)
    member.wait_records(count)
    member.stop()
    if client.transactional:
        client.transact(bootstrap, target, 2, producer, commit=True)
        client.transact(bootstrap, target, 2, producer, commit=False)
    if client.name in TRANSFORMING:
        client.transform(bootstrap, topic, target, f"{group}-2", f"{producer}-2", count)
    for name in (topic, target):
        client.admin_delete(bootstrap, name)


def administered(tools: KafkaTools, bootstrap: str, prefix: str) -> None:
    """What administrators do with the tools that Kafka ships."""

    def run(name: str, *arguments: str) -> None:
        tools.tool(name if "." in name else f"org.apache.kafka.tools.{name}", bootstrap, *arguments)

    topic, group, named = f"{prefix}-topic", f"{prefix}-group", ("--topic", f"{prefix}-topic")
    run(tools.API_VERSIONS)
    tools.admin_create(bootstrap, topic, 2)
    tools.produce(bootstrap, topic, 3)
    member = tools.group(bootstrap, topic, group)
    member.wait_records(3)
    run(tools.GROUPS, "--describe", "--members", "--verbose", "--group", group)
    member.stop()
    run(tools.GROUPS, "--list", "--state", "--type")
    run(tools.GROUPS, "--describe", "--group", group)
    run(tools.GROUPS, "--reset-offsets", "--to-earliest", "--execute", "--group", group, *named)
    run(tools.GROUPS, "--delete-offsets", "--group", group, *named)
    run(tools.GROUPS, "--delete", "--group", group)
    run(tools.TOPICS, "--describe", *named)
    run(tools.TOPICS, "--alter", "--partitions", "3", *named)
    run(tools.CONFIGS, "--alter", "--add-config", "max.message.bytes=1000", *named)
    run(tools.CONFIGS, "--describe", "--all", *named)
    run(tools.GET_OFFSETS, *named)
    run(tools.LOG_DIRS, "--describe", "--topic-list", topic)
    run(tools.TRANSACTIONS, "list")
    run(tools.TRANSACTIONS, "describe-producers", *named, "--partition", "0")
    run("LeaderElectionCommand", "--election-type", "preferred", *named, "--partition", "0")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as wish:
        json.dump({"partitions": [{"topic": topic, "partition": 0, "offset": 1}]}, wish)
        wish.flush()
        run(tools.DELETE_RECORDS, "--offset-json-file", wish.name)
    tools.admin_delete(bootstrap, topic)


def recorded(name: str, proxy: SessionProxy, prefix: str) -> Scenario:
    """What one client and the broker said to each other in versions that Kafka serves too."""
    client, bootstrap = KafkaTools() if name == "kafka-cli" else make_program(name), f"127.0.0.1:{proxy.port}"
    try:
        if isinstance(client, KafkaTools):
            administered(client, bootstrap, prefix)
        else:
            played_session(client, bootstrap, prefix)
    finally:
        client.close()
    theirs = load_served()
    exchanges = [exchange for exchange in proxy.taken() if served_by(theirs, exchange.request)]
    return session(f"{name} {version_of(name)}".strip(), prefix, exchanges)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.differ.record_sessions", description=__doc__)
    parser.add_argument("clients", nargs="*")
    names = parser.parse_args().clients or [*PROGRAM_NAMES, "kafka-cli"]
    with tempfile.TemporaryDirectory(prefix="differ-") as folder:
        port = free_port()
        broker = BrokerProcess(Path(folder) / "chronik", args=[*CHRONIK_OPTIONS, "--advertise", f"127.0.0.1:{port}"])
        broker.start()
        found = []
        try:
            proxy = SessionProxy(broker.port, port, 0)
            proxy.start()
            for number, name in enumerate(names):
                if reason := missing(name):
                    print(f"{name}: {reason}", file=sys.stderr)
                    continue
                found.append(recorded(name, proxy, PREFIX.format(number)))
                print(f"{found[-1].name}: {len(found[-1].steps)} steps")
        finally:
            broker.close()
        with kafka(Path(folder)) as other:
            for scenario in found:
                save_session((scenario, [outcome.compared for outcome in Play(other, scenario).run()]))


if __name__ == "__main__":
    main()
