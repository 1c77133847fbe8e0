"""Frames, headers and the order of answers, byte by byte."""

from __future__ import annotations

import struct

import pytest

from chronik.errors import ErrorCode
from chronik.wire.apis import ApiKey
from chronik.wire.messages.api_versions import ApiVersionsRequest
from chronik.wire.messages.metadata import MetadataRequest
from tests.behaviours.batches import batch
from tests.behaviours.partition import fetch_request, new_partition, only_partition, produce_request
from tests.behaviours.process import rss_mib
from tests.broker_process import BrokerProcess
from tests.conftest import RawFactory
from tests.raw_client import RawClient, Reply, sized

NAMED = ApiVersionsRequest(client_software_name="raw", client_software_version="1.0")
NOBODY = MetadataRequest(topics=[])
LARGEST_FRAME_BYTES = 104_857_600


def test_api_versions_0_lists_what_is_served(client: RawClient) -> None:
    response = client.ask(ApiVersionsRequest(), 0)
    assert response.error_code == 0
    ranges = {entry.api_key: (entry.min_version, entry.max_version) for entry in response.api_keys}
    assert len(ranges) == len(response.api_keys)
    assert all(0 <= first <= last for first, last in ranges.values())
    assert ranges[ApiKey.API_VERSIONS] == (0, 4)


@pytest.mark.parametrize("version", range(5))
def test_every_version_of_api_versions_lists_the_same(client: RawClient, version: int) -> None:
    def listed(at: int) -> list[tuple[int, int, int]]:
        return [(entry.api_key, entry.min_version, entry.max_version) for entry in client.ask(NAMED, at).api_keys]

    assert listed(version) == listed(0)


def test_api_versions_3_has_a_flexible_body_behind_the_oldest_header(client: RawClient) -> None:
    client.send(NAMED, 3)
    body = client.read_reply().rest
    # No tag byte before the error code: the reader cannot know yet which header the broker would use.
    assert body[:2] == b"\0\0"
    count = body[2] - 1
    assert 0 < count < 127
    at = 3
    for _ in range(count):
        key, first, last, tags = struct.unpack_from(">hhhB", body, at)
        assert (0 <= first <= last, tags) == (True, 0), key
        at += 7
    assert body[at : at + 4] == bytes(4), "no throttle time"


def test_api_versions_127_is_answered_with_the_versions_to_use(client: RawClient) -> None:
    header = client.header(ApiKey.API_VERSIONS, 127, flexible=True)
    client.write(sized(header + b"\x7fbody that nobody can read"))
    assert client.read_reply().rest == struct.pack(">hihhh", ErrorCode.UNSUPPORTED_VERSION, 1, 18, 0, 4)
    assert client.ask(NAMED, 4).error_code == 0


def test_metadata_may_follow_api_versions_at_once(client: RawClient) -> None:
    client.send(ApiVersionsRequest(), 0)
    client.send(MetadataRequest(topics=[]), 0)
    assert client.receive().api_keys
    assert len(client.receive().brokers) == 1


def test_how_requests_are_cut_into_segments_makes_no_difference(client: RawClient) -> None:
    def replies(piece_bytes: int | None) -> list[Reply]:
        frames = [client.frame(NAMED, 3), client.frame(NOBODY, 1), client.frame(NOBODY, 9)]
        client.write(b"".join(frames), piece_bytes=piece_bytes)
        first = client.read_reply()
        found = [first, client.read_reply(), client.read_reply()]
        # Correlation ids count up from request to request.
        return [Reply(reply.correlation_id - first.correlation_id, reply.rest) for reply in found]

    together = replies(None)
    assert [reply.correlation_id for reply in together] == [0, 1, 2]
    assert together == replies(1) == replies(3)


@pytest.mark.parametrize(
    ("key", "version"),
    [
        pytest.param(9999, 0, id="unknown API"),
        pytest.param(-1, 0, id="negative API"),
        pytest.param(ApiKey.PRODUCE, 99, id="later version"),
        pytest.param(ApiKey.METADATA, -1, id="negative version"),
        pytest.param(ApiKey.FETCH, 0, id="version that went with the old message formats"),
        pytest.param(4, 0, id="API between brokers"),
    ],
)
def test_what_is_not_served_closes_only_that_connection(
    client: RawClient, other: RawClient, key: int, version: int
) -> None:
    client.write(sized(client.header(key, version, flexible=False) + bytes(20)))
    client.assert_closed()
    assert other.ask(NAMED, 3).error_code == 0


@pytest.mark.parametrize("size", [-1, -(2**31), 2**31 - 1, LARGEST_FRAME_BYTES + 1])
def test_a_size_that_no_frame_has_closes_only_that_connection(client: RawClient, other: RawClient, size: int) -> None:
    client.write(struct.pack(">i", size) + b"and what follows it")
    client.assert_closed()
    assert other.ask(NAMED, 3).error_code == 0


@pytest.mark.usefixtures("only_chronik")
def test_a_large_size_takes_no_memory_before_the_bytes_come(broker: BrokerProcess, raw: RawFactory) -> None:
    assert raw(broker).ask(NAMED, 3).error_code == 0
    before = rss_mib(broker.pid)
    for _ in range(20):
        client = raw(broker)
        client.write(struct.pack(">i", LARGEST_FRAME_BYTES) + bytes(100))
    for size in (-1, 2**31 - 1) * 20:
        client = raw(broker)
        client.write(struct.pack(">i", size))
        client.assert_closed()
    # Each of the twenty holds the step in which large frames get their memory, 2 MiB, and not the 100 MiB it claims.
    assert rss_mib(broker.pid) - before < 20 * 2 + 20


@pytest.mark.parametrize("frame", [b"", b"\0", bytes(7)], ids=["empty", "one byte", "cut header"])
def test_a_frame_without_a_header_closes_only_that_connection(
    client: RawClient, other: RawClient, frame: bytes
) -> None:
    client.write(sized(frame))
    client.assert_closed()
    assert other.ask(NAMED, 3).error_code == 0


@pytest.mark.parametrize("frame", [b"", b"\0"], ids=["empty", "one byte"])
def test_a_frame_without_a_header_behind_a_produce_closes_only_that_connection(
    client: RawClient, other: RawClient, frame: bytes
) -> None:
    partition = new_partition(other)
    request = produce_request(partition.place.produced(batch(b"x")))
    client.write(client.frame(request, 9) + sized(frame))
    # What was asked before the nonsense may still be answered; then the end comes.
    client.socket.settimeout(client.timeout_s)
    while client.socket.recv(4096):
        pass
    assert other.ask(NAMED, 3).error_code == 0


def test_unknown_tags_in_header_and_body_are_skipped(client: RawClient) -> None:
    tags = bytes([2, 0, 3]) + b"abc" + bytes([0xE4, 0x07, 0])  # tag 0 of three bytes, and tag 996 of none

    def answer(header_tags: bytes, body: bytes) -> bytes:
        header = client.header(ApiKey.METADATA, 9, flexible=False)
        client.write(sized(header + header_tags + body))
        return client.read_reply().rest

    name = b"\x0bunknown-tag"[:1] + b"no-such-to"
    plain = b"\x02" + name + b"\0" + bytes(3) + b"\0"
    tagged = b"\x02" + name + tags + bytes(3) + tags
    assert answer(b"\0", plain) == answer(tags, tagged)


def test_answers_keep_the_order_of_the_requests(client: RawClient, other: RawClient) -> None:
    partition = new_partition(other)
    client.send(fetch_request(partition.place.fetched(0), max_wait_ms=30_000, min_bytes=1), 11)
    client.send(NOBODY, 9)
    # Metadata could be answered at once, but waits for the Fetch before it.
    assert client.receives_nothing(0.3)
    partition.append(b"awaited")
    assert only_partition(client.receive()).high_watermark == 1
    assert len(client.receive().brokers) == 1


def test_a_body_that_cannot_be_read_closes_only_that_connection(client: RawClient, other: RawClient) -> None:
    client.write(sized(client.header(ApiKey.PRODUCE, 9, flexible=True) + b"\xff" * 40))
    client.assert_closed()
    assert other.ask(NAMED, 3).error_code == 0
