"""Fetch sessions (KIP-227): a consumer names its partitions once, and is told only what is new."""

from __future__ import annotations

import struct
import time
from typing import Any, NamedTuple

import pytest

from chronik.errors import ErrorCode
from chronik.wire.messages.fetch import FetchResponse, FetchTopic, ForgottenTopic
from tests.behaviours.batches import offsets_of, records_in, values
from tests.behaviours.partition import Partition, Place, create_topic, fetch_request, new_partition
from tests.behaviours.process import rss_mib
from tests.broker_process import BrokerProcess
from tests.conftest import RawFactory
from tests.raw_client import RawClient

NO_SESSION, NEW, NONE = 0, 0, -1


class Told(NamedTuple):
    """What a reply says of one partition."""

    error_code: int
    high_watermark: int
    offsets: list[int]


class Session:
    """A reader with a session: each `fetch` carries the next epoch."""

    def __init__(self, client: RawClient, *topics: FetchTopic) -> None:
        self.client = client
        self.session_id, self.epoch = NO_SESSION, NEW
        self.first = self.fetch(*topics)
        assert self.session_id > 0

    def fetch(self, *topics: FetchTopic, **options: Any) -> dict[Place, Told]:
        """What the next reply tells."""
        response = self.ask(*topics, **options)
        assert response.error_code == 0, repr(ErrorCode(response.error_code))
        self.session_id, self.epoch = response.session_id, self.epoch + 1
        return told(response)

    def ask(self, *topics: FetchTopic, **options: Any) -> FetchResponse:
        options = {"session_id": self.session_id, "session_epoch": self.epoch, **options}
        response = self.client.ask(fetch_request(*topics, **options), 11)
        assert isinstance(response, FetchResponse)
        return response


def told(response: FetchResponse) -> dict[Place, Told]:
    return {
        Place(topic.topic, data.partition_index): Told(
            data.error_code, data.high_watermark, offsets_of(records_in(data.records))
        )
        for topic in response.responses
        for data in topic.partitions
    }


@pytest.fixture
def places(client: RawClient) -> list[Place]:
    topic = create_topic(client, 3)
    return [Place(topic, number) for number in range(3)]


def test_a_session_tells_everything_first_and_then_what_is_new(
    client: RawClient, other: RawClient, places: list[Place]
) -> None:
    zero, one, two = places
    Partition(other, *zero).append(*values(2))
    session = Session(client, zero.fetched(0), one.fetched(0), two.fetched(0))
    assert session.first == {zero: Told(0, 2, [0, 1]), one: Told(0, 0, []), two: Told(0, 0, [])}
    # The records are told again as long as the session's position does not move.
    assert session.fetch() == {zero: Told(0, 2, [0, 1])}
    assert session.fetch(zero.fetched(2)) == {}
    assert session.fetch() == {}
    Partition(other, *two).append(b"x")
    assert session.fetch() == {two: Told(0, 1, [0])}
    assert session.fetch(two.fetched(1)) == {}


def test_a_session_tells_a_high_watermark_that_moved_without_records_to_read(
    client: RawClient, other: RawClient, places: list[Place]
) -> None:
    zero, one, _ = places
    session = Session(client, zero.fetched(0), one.fetched(0))
    Partition(other, *zero).append(bytes(1000))
    Partition(other, *one).append(bytes(1000))
    # Only one of the two has room; the other is told for its new end alone.
    found = session.fetch(max_bytes=1)
    assert sorted(found.values()) == [Told(0, 1, []), Told(0, 1, [0])]


def test_a_session_waits_for_partitions_that_the_request_does_not_name(
    client: RawClient, other: RawClient, places: list[Place]
) -> None:
    session = Session(client, *(place.fetched(0) for place in places))
    began = time.monotonic()
    client.send(fetch_request(session_id=session.session_id, session_epoch=1, max_wait_ms=30_000, min_bytes=1), 11)
    assert client.receives_nothing(0.1)
    Partition(other, *places[2]).append(b"x")
    assert told(client.receive()) == {places[2]: Told(0, 1, [0])}
    assert time.monotonic() - began < 10


def test_an_unknown_session_and_a_wrong_epoch_are_told_and_a_full_fetch_works_again(
    client: RawClient, places: list[Place]
) -> None:
    session = Session(client, *(place.fetched(0) for place in places))
    strange = session.ask(session_id=session.session_id ^ 0x55AA, session_epoch=1)
    assert (strange.error_code, strange.session_id, strange.responses) == (
        ErrorCode.FETCH_SESSION_ID_NOT_FOUND,
        0,
        [],
    )
    for epoch in (2, 5):
        wrong = session.ask(session_epoch=epoch)
        assert (wrong.error_code, wrong.responses) == (ErrorCode.INVALID_FETCH_SESSION_EPOCH, [])
    assert session.fetch() == {}
    again = Session(client, *(place.fetched(0) for place in places))
    assert again.session_id != session.session_id
    assert set(again.first) == set(places)
    assert again.fetch() == {}


def test_an_epoch_is_used_once(client: RawClient, places: list[Place]) -> None:
    session = Session(client, places[0].fetched(0))
    assert session.ask().error_code == 0
    assert session.ask().error_code == ErrorCode.INVALID_FETCH_SESSION_EPOCH


def test_a_forgotten_partition_is_told_no_more(client: RawClient, other: RawClient, places: list[Place]) -> None:
    zero, one, two = places
    session = Session(client, zero.fetched(0), one.fetched(0))
    forgotten = [ForgottenTopic(topic=zero.topic, partitions=[zero.number])]
    # One goes and another comes in the same request; a new one is always told.
    assert session.fetch(two.fetched(0), forgotten_topics_data=forgotten) == {two: Told(0, 0, [])}
    for place in places:
        Partition(other, *place).append(b"x")
    assert session.fetch() == {one: Told(0, 1, [0]), two: Told(0, 1, [0])}
    everything = [ForgottenTopic(topic=zero.topic, partitions=[1, 2])]
    last = session.ask(forgotten_topics_data=everything)
    assert (last.error_code, last.session_id, last.responses) == (0, NO_SESSION, [])


def test_a_session_ends_when_its_client_says_so(client: RawClient, places: list[Place]) -> None:
    session = Session(client, places[0].fetched(0))
    final = session.ask(places[0].fetched(0), session_epoch=NONE)
    assert (final.error_code, final.session_id) == (0, NO_SESSION)
    assert set(told(final)) == {places[0]}
    assert session.ask(session_epoch=1).error_code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND


def test_a_fetch_without_a_session_gets_none(client: RawClient, places: list[Place]) -> None:
    response = client.ask(fetch_request(places[0].fetched(0)), 11)
    assert (response.session_id, set(told(response))) == (NO_SESSION, {places[0]})


def test_an_error_is_told_each_time_until_it_is_gone(client: RawClient, other: RawClient, places: list[Place]) -> None:
    zero = places[0]
    session = Session(client, zero.fetched(5))
    wrong = {zero: Told(ErrorCode.OFFSET_OUT_OF_RANGE, -1, [])}
    assert session.first == session.fetch() == session.fetch() == wrong
    assert session.fetch(zero.fetched(0)) == {zero: Told(0, 0, [])}
    assert session.fetch() == {}


def test_thousands_of_sessions_are_bounded(broker: BrokerProcess, raw: RawFactory, on_kafka: bool) -> None:
    """A client that asks for a new session with every fetch; without a slot the answer has session id 0."""
    client = raw(broker)
    topic = create_topic(client, 50)
    partitions = [Place(topic, number).fetched(0) for number in range(50)]
    frame = client.frame(fetch_request(*partitions, session_id=NO_SESSION, session_epoch=NEW), 11)
    before, ids = 0.0 if on_kafka else rss_mib(broker.pid), []
    for _ in range(20):
        client.write(frame * 100)
        for _ in range(100):
            _throttle_ms, error, session_id = struct.unpack_from(">ihi", client.read_reply().rest)
            assert error == 0
            ids.append(session_id)
    with_session = [session_id for session_id in ids if session_id]
    assert 0 < len(with_session) == len(set(with_session)) <= 1000
    if not on_kafka:
        assert rss_mib(broker.pid) - before < 60
    # Those without a session read as well as the others.
    partition = new_partition(raw(broker))
    partition.append(b"x")
    assert [record.value for record in partition.records()] == [b"x"]
