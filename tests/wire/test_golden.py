"""Frames that real clients and Apache Kafka really exchanged (recorded by tools/capture.py).

Read and written again they must be the same bytes: unlike a random message, such a frame was made by code that shares
nothing with ours, with the habits of its author.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chronik.wire.apis import APIS, ApiKey
from chronik.wire.header import decode_header, decode_request, decode_response, encode_request, encode_response
from chronik.wire.messages.api_versions import ApiVersion, ApiVersionsResponse
from chronik.wire.primitives import MalformedFrame

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))


BYTES_LEFT_OVER = {
    # librdkafka reserves four bytes for the count of topics and, asking for brokers only, never makes a compact one of
    # them: the request reads as "all topics" with three bytes behind it, for Kafka as for us.
    ("confluent-kafka", ApiKey.METADATA, 13): 3,
}


class Frame(NamedTuple):
    """One exchange of one client; the response may be empty."""

    client: str
    key: int
    version: int
    request: bytes
    response: bytes

    @property
    def needed(self) -> bytes:
        """The request without what its client left behind it."""
        left_over = BYTES_LEFT_OVER.get((self.client, ApiKey(self.key), self.version), 0)
        return self.request[: len(self.request) - left_over]


def read(path: Path) -> list[Frame]:
    document: dict[str, Any] = json.loads(path.read_text())
    return [
        Frame(path.stem, each["key"], each["version"], bytes.fromhex(each["request"]), bytes.fromhex(each["response"]))
        for each in document["frames"]
    ]


FRAMES = [frame for path in GOLDEN for frame in read(path)]
DECLARED = [frame for frame in FRAMES if frame.key in APIS and frame.version in APIS[frame.key].versions]


def label(frame: Frame) -> str:
    return f"{frame.client}-{ApiKey(frame.key).name}-v{frame.version}"


@pytest.mark.parametrize("frame", DECLARED, ids=label)
def test_a_request_is_written_as_it_was_read(frame: Frame) -> None:
    header, pos = decode_header(frame.request)
    assert (header.api_key, header.api_version) == (frame.key, frame.version)
    message = decode_request(header, frame.request, pos)
    assert b"".join(encode_request(header, message))[4:] == frame.needed


@pytest.mark.parametrize("frame", DECLARED, ids=label)
def test_a_response_is_written_as_it_was_read(frame: Frame) -> None:
    correlation_id, message = decode_response(frame.key, frame.version, frame.response)
    assert correlation_id == decode_header(frame.request)[0].correlation_id
    assert b"".join(encode_response(frame.key, frame.version, correlation_id, message))[4:] == frame.response


def request_of(frame: bytes) -> Any:
    header, pos = decode_header(frame)
    return decode_request(header, frame, pos)


@pytest.mark.parametrize("frame", DECLARED, ids=label)
def test_every_cut_is_refused(frame: Frame) -> None:
    for size in range(len(frame.needed)):
        with pytest.raises(MalformedFrame):
            request_of(frame.request[:size])
    for size in range(len(frame.response)):
        with pytest.raises(MalformedFrame):
            decode_response(frame.key, frame.version, frame.response[:size])


def test_the_frames_come_from_many_clients_and_cover_most_apis() -> None:
    assert len({frame.client for frame in DECLARED}) >= 10
    assert len({frame.key for frame in DECLARED}) >= 45
    assert len({(frame.key, frame.version) for frame in DECLARED}) >= 90


def test_a_newer_api_versions_request_can_be_answered_as_kafka_does() -> None:
    """franz-go opens with version 5; Kafka answers UNSUPPORTED_VERSION in version 0 and names its own range."""
    (frame,) = (frame for frame in FRAMES if frame.key == ApiKey.API_VERSIONS and frame.version == 5)
    header, _ = decode_header(frame.request)
    answer = ApiVersionsResponse(error_code=35, api_keys=[ApiVersion(ApiKey.API_VERSIONS, 0, 4)])
    assert b"".join(encode_response(header.api_key, 0, header.correlation_id, answer))[4:] == frame.response


def test_a_produce_request_says_what_the_client_produced() -> None:
    (frame,) = (frame for frame in FRAMES if frame.client == "java" and frame.key == ApiKey.PRODUCE)
    header, pos = decode_header(frame.request)
    request = decode_request(header, frame.request, pos)
    assert header.client_id == "producer-1"
    assert request.acks == -1
    (topic,) = request.topic_data
    assert len(topic.topic_id) == 16
    records = topic.partition_data[0].records
    assert records[16] == 2  # the magic byte of a record batch
    assert len(records) == int.from_bytes(records[8:12], "big") + 12
