"""What is asked: steps, and the scripts that make them.

In the texts of a request, "~" stands for a prefix that no other scenario has, so that all of them can share a broker,
and a whole text "$name" stands for an id that the broker gave out in an earlier reply (see `canonical.Names`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tools.differ.batches import batch
from tools.differ.codec import Message

SETUP_VERSIONS = {
    "AddOffsetsToTxn": 4,
    "AddPartitionsToTxn": 3,
    "ConsumerGroupHeartbeat": 1,
    "CreatePartitions": 3,
    "CreateTopics": 4,  # without all the configs in the reply
    "DeleteGroups": 2,
    "DeleteRecords": 2,
    "DeleteTopics": 6,
    "DescribeConfigs": 4,
    "DescribeGroups": 5,
    "DescribeProducers": 0,
    "DescribeTransactions": 0,
    "EndTxn": 4,
    "Fetch": 12,
    "FindCoordinator": 3,
    "Heartbeat": 4,
    "IncrementalAlterConfigs": 1,
    "InitProducerId": 4,
    "JoinGroup": 7,
    "LeaveGroup": 4,
    "ListOffsets": 7,
    "Metadata": 12,
    "OffsetCommit": 8,
    "OffsetFetch": 7,
    "Produce": 9,
    "OffsetDelete": 0,
    "SyncGroup": 5,
    "TxnOffsetCommit": 3,
}
"""The version of an API where it is not the one under test."""


KEPT = {"retention.ms": "-1", "segment.ms": "9223372036854775807"}
"""Configs of topics: records are years old, and neither go nor begin segments because of it."""


SETTLED = ["Empty", "Ongoing", "CompleteCommit", "CompleteAbort", ""]
"""The states of a transaction in which no markers are being written; "" for none."""


@dataclass(frozen=True, slots=True)
class Step:
    """One request, or one reply to wait for."""

    api: str
    version: int
    request: Message | None
    """None: nothing is sent; the reply to the connection's oldest unanswered request is read."""
    on: str = "main"
    """The connection, by name; made when it is first used."""
    is_answered: bool = True
    """Whether the reply is read in this step; otherwise in a later one, or never (acks=0)."""
    until: tuple[str, Any] | None = None
    """Ask again and again until the reply has this value (or one of these) at this path: for what happens a moment
    later."""
    bind: dict[str, str] = field(default_factory=dict)
    """Names for ids in the reply: name -> path, elements by number (`topics.0.topic_id`)."""


@dataclass(frozen=True, slots=True, eq=False)
class Scenario:
    """A sequence of steps for one version of one API."""

    api: str
    version: int
    name: str
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return f"{self.api} v{self.version} {self.name}"


class Script:
    """Collects the steps of a scenario for `api` at `version`; other APIs take part at their SETUP_VERSIONS."""

    def __init__(self, api: str, version: int) -> None:
        self.api = api
        self.version = version
        self.steps: list[Step] = []

    def ask(
        self,
        api: str,
        message: Message | None = None,
        /,
        *,
        on: str = "main",
        until: tuple[str, Any] | None = None,
        bind: dict[str, str] | None = None,
        at: int | None = None,
        **fields: Any,
    ) -> None:
        """Send a request, of a message and more fields, and read its reply."""
        request = {**(message or {}), **fields}
        self.steps.append(Step(api, self._version(api, at), request, on, until=until, bind=bind or {}))

    def send(self, api: str, /, *, on: str, **fields: Any) -> None:
        """Send a request whose reply is read later, by `receive`."""
        self.steps.append(Step(api, self._version(api, None), fields, on, is_answered=False))

    def receive(self, api: str, /, *, on: str, bind: dict[str, str] | None = None) -> None:
        """Read the reply to an earlier `send`."""
        self.steps.append(Step(api, self._version(api, None), None, on, bind=bind or {}))

    def topic(self, name: str, partitions: int = 1, **configs: str) -> None:
        """Create a topic; its id is bound to its name without "~". Underscores in config names stand for dots."""
        kept = KEPT | {key.replace("_", "."): value for key, value in configs.items()}
        wanted = {
            "name": name,
            "num_partitions": partitions,
            "replication_factor": 1,
            "configs": [{"name": key, "value": value} for key, value in kept.items()],
        }
        self.ask("CreateTopics", topics=[wanted], timeout=20_000, at=SETUP_VERSIONS["CreateTopics"])
        self.describe(name)

    def describe(self, name: str) -> None:
        """Look a topic up, and bind its id."""
        bind = {name.lstrip("~"): "topics.0.topic_id"}
        topics = [{"name": name}]
        self.ask("Metadata", topics=topics, allow_auto_topic_creation=False, bind=bind, at=SETUP_VERSIONS["Metadata"])

    def fill(self, topic: str, *values: bytes, partition: int = 0, **options: Any) -> None:
        """Produce one batch of these values, with acks=all; options are those of `batches.batch`."""
        data = {"index": partition, "records": batch(*values, **options)}
        wanted = [{"name": topic, "topic_id": f"${topic.lstrip('~')}", "partition_data": [data]}]
        self.ask("Produce", acks=-1, timeout=20_000, topic_data=wanted, at=SETUP_VERSIONS["Produce"])

    def _version(self, api: str, at: int | None) -> int:
        if at is not None:
            return at
        return self.version if api == self.api else SETUP_VERSIONS[api]


Author = Callable[[Script], None]


@dataclass(frozen=True, slots=True)
class _Written:
    author: Author
    since: int
    until: int

    @property
    def name(self) -> str:
        return self.author.__name__.replace("_", " ")


_WRITTEN: dict[str, list[_Written]] = {}


def repeated(text: str, times: int) -> dict[str, Any]:
    """A long text that is written in a few characters."""
    return {"text": text, "times": times}


def scenario(api: str, *, since: int = 0, until: int = 1000) -> Callable[[Author], Author]:
    """Declares a function that writes a scenario for each version of an API from `since` to `until`."""

    def declare(author: Author) -> Author:
        _WRITTEN.setdefault(api, []).append(_Written(author, since, until))
        return author

    return declare


def scenarios(api: str, version: int) -> Iterator[Scenario]:
    """What was written by hand for this version."""
    for written in _WRITTEN.get(api, ()):
        if written.since <= version <= written.until:
            script = Script(api, version)
            written.author(script)
            yield Scenario(api, version, written.name, tuple(script.steps))
