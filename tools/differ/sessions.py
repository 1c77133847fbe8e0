"""Sessions of real clients: what they sent, request by request, to be asked again of any broker.

A session is kept as a scenario of the API "session", named for its client, beside Kafka's replies (see `recording`).
It is played in the order in which the requests came, one after the other; `tools.differ.record_sessions` makes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tools.differ import codec
from tools.differ.batches import split, stamped
from tools.differ.canonical import Names, arranged
from tools.differ.codec import Message
from tools.differ.masks import Kind, masks_at
from tools.differ.recording import RECORDED, Played, load, save
from tools.differ.script import KEPT, SETTLED, Scenario, Step

API = "session"
FOLDER = RECORDED / "sessions"
LONGEST_WAIT_MS = 50
"""Of a Fetch: it waited for what came later, which in a play comes after it."""

_IDS = {"producer_id", "session_id"}
"""Numbers that brokers choose. (What they choose as text is replaced wherever it is.)"""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request frame and its reply, both without sizes; the reply is empty where there is none (acks=0)."""

    connection: int
    request: bytes
    reply: bytes


class Author:
    """Writes down a session. Each id that a reply brings is given a name, and then called by it.

    `prefix`: what every name began with when the session was recorded."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.steps: list[Step] = []
        self._names = Names()
        self._called: dict[tuple[str, Any], str] = {}

    def add(self, exchange: Exchange) -> None:
        """The step of an exchange."""
        api, version, request = codec.decode_request(exchange.request)
        message = self._written("", self._altered(api, request))
        bind: dict[str, str] = {}
        if exchange.reply:
            _, reply = codec.decode_reply(api, version, exchange.reply)
            bind = dict(self._found(api, "", "", arranged(api, self._without_prefix(reply), self._names)))
        on = f"connection {exchange.connection}"
        self.steps.append(Step(api, version, message, on, is_answered=bool(exchange.reply), bind=bind))
        if api == "EndTxn":
            asked = {"transactional_ids": [message["transactional_id"]]}
            until = ("transaction_states.0.transaction_state", SETTLED)
            self.steps.append(Step("DescribeTransactions", 0, asked, "waiting", until=until))

    def _altered(self, api: str, request: Message) -> Message:
        """What must be otherwise than it was: records are older in a play, and nothing comes while a Fetch waits."""
        if api == "CreateTopics":
            kept = [{"name": name, "value": value} for name, value in KEPT.items()]
            return request | {"topics": [topic | {"configs": topic["configs"] + kept} for topic in request["topics"]]}
        if api == "Fetch":
            return request | {"max_wait": min(request["max_wait"], LONGEST_WAIT_MS)}
        return request

    def _found(self, api: str, path: str, at: str, value: Any) -> Iterator[tuple[str, str]]:
        """The ids in a reply that have no name yet, named: name and place. `path` is as in masks, `at` with numbers."""
        if isinstance(value, dict):
            for name, item in value.items():
                yield from self._found(api, f"{path}.{name}".lstrip("."), f"{at}.{name}".lstrip("."), item)
        elif isinstance(value, list):
            for number, item in enumerate(value):
                yield from self._found(api, path, f"{at}.{number}", item)
        else:
            for mask in masks_at(api, path):
                if mask.kind is Kind.ID and value not in mask.none and (mask.key, value) not in self._called:
                    name = f"{mask.key}_{sum(kind == mask.key for kind, _ in self._called) + 1}"
                    self._called[mask.key, value] = name
                    self._names.bind(name, mask.key, value)
                    yield name, at

    def _written(self, field: str, value: Any) -> Any:
        """A value of a request, by names."""
        match value:
            case dict():
                return {name: self._written(name, item) for name, item in value.items()}
            case list():
                return [self._written(field, item) for item in value]
            case str() if field == "records" and value:
                return {"joined": [self._batch(batch) for batch in split(value)]}
            case str():
                told = value.replace(self.prefix, "~")  # as it was in the reply: member ids begin with client ids
                found = next((name for (_, known), name in self._called.items() if known == told), None)
                return self._text(value) if found is None else f"${found}"
            case int() if (kind := field.removeprefix("v3_and_below_")) in _IDS and (kind, value) in self._called:
                return f"${self._called[kind, value]}"
            case _:
                return value

    def _batch(self, data: str) -> Message:
        """A record batch with the time and the producer that it shall have."""
        batch, producer_id = stamped(data)
        called = self._called.get(("producer_id", producer_id))
        return {"recorded": batch} if called is None else {"recorded": batch, "producer_id": f"${called}"}

    def _text(self, value: str) -> Any:
        """A text in which "~" stands for the prefix, also if it is bytes in hexadecimal."""
        coded = self.prefix.encode().hex()
        return {"hex": value.replace(coded, "~")} if coded in value else value.replace(self.prefix, "~")

    def _without_prefix(self, value: Any) -> Any:
        match value:
            case dict():
                return {name: self._without_prefix(item) for name, item in value.items()}
            case list():
                return [self._without_prefix(item) for item in value]
            case str():
                return value.replace(self.prefix, "~")
            case _:
                return value


def session(client: str, prefix: str, exchanges: Iterable[Exchange]) -> Scenario:
    """The session of a client, from what it and a broker said."""
    author = Author(prefix)
    for exchange in exchanges:
        author.add(exchange)
    return Scenario(API, 0, client, tuple(author.steps))


def save_session(played: Played) -> None:
    """Write a session and Kafka's replies."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    save(FOLDER / f"{played[0].name.partition(' ')[0]}.json", API, [played])


def sessions() -> Iterator[Scenario]:
    """All that are kept."""
    for file in sorted(FOLDER.glob("*.json")):
        for scenario, _ in load(file):
            yield scenario
