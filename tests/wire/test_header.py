"""Headers of every version, and frames out and in."""

from __future__ import annotations

import subprocess
import sys
import traceback
from typing import Any

import pytest

from chronik.errors import ErrorCode
from chronik.wire.apis import APIS, ApiKey
from chronik.wire.decoding import decoder
from chronik.wire.header import (
    RequestHeader,
    decode_header,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from chronik.wire.messages.fetch import FetchableTopicResponse, FetchResponse, PartitionData
from chronik.wire.messages.find_coordinator import FindCoordinatorRequest
from chronik.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from chronik.wire.primitives import SMALL_RECORDS_BYTES, Buffer, MalformedFrame
from tests.wire.declared import MESSAGES, RandomMessages


def test_header_v1_has_a_nullable_client_id() -> None:
    assert decode_header(b"\0\x03\0\x01\0\0\0\x09\0\x02meBODY") == (RequestHeader(3, 1, 9, "me"), 12)
    assert decode_header(b"\0\x03\0\x01\0\0\0\x09\xff\xffBODY") == (RequestHeader(3, 1, 9, ""), 10)


def test_header_v2_has_a_classic_client_id_and_a_tag_section() -> None:
    plain = b"\0\x03\0\x09\0\0\0\x09\0\x02me" + b"\0" + b"BODY"
    assert decode_header(plain) == (RequestHeader(3, 9, 9, "me"), 13)
    tagged = b"\0\x03\0\x09\0\0\0\x09\0\x02me" + b"\x01\x07\x02ab" + b"BODY"
    assert decode_header(tagged) == (RequestHeader(3, 9, 9, "me"), 17)


@pytest.mark.parametrize(("key", "version"), [(18, 9), (18, -1), (999, 0), (-1, 0), (7, 0)])
def test_an_undeclared_request_still_says_what_it_is(key: int, version: int) -> None:
    frame = key.to_bytes(2, "big", signed=True) + version.to_bytes(2, "big", signed=True) + b"\0\0\0\x05" + b"\xff" * 9
    header, pos = decode_header(frame)
    assert header == RequestHeader(key, version, 5, "")
    assert pos == 8
    with pytest.raises(MalformedFrame):
        decode_request(header, frame, pos)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\0\x03\0\x01\0\0\0",
        b"\0\x03\0\x01\0\0\0\x09",
        b"\0\x03\0\x01\0\0\0\x09\0\x05me",
        b"\0\x03\0\x01\0\0\0\x09\0\x02\xff\xfe",
        b"\0\x03\0\x09\0\0\0\x09\0\x02me",
        b"\0\x03\0\x09\0\0\0\x09\0\x02me\x01\x07\x05ab",
    ],
)
def test_a_broken_header_is_refused(frame: bytes) -> None:
    with pytest.raises(MalformedFrame):
        decode_header(frame)


def test_response_headers() -> None:
    """v0 until the version is flexible, then v1; ApiVersions stays with v0."""
    assert b"".join(encode_response(12, 3, 7, APIS[12].response())) == b"\0\0\0\x0a" + b"\0\0\0\x07" + bytes(6)
    assert b"".join(encode_response(12, 4, 7, APIS[12].response())) == b"\0\0\0\x0c" + b"\0\0\0\x07\0" + bytes(7)
    assert b"".join(
        encode_response(18, 3, 7, APIS[18].response())
    ) == b"\0\0\0\x0c" + b"\0\0\0\x07" + b"\0\0\1" + bytes(5)


@pytest.mark.parametrize("api", APIS.values(), ids=lambda api: api.name)
def test_whole_frames_come_back(api: Any) -> None:
    for version in api.versions:
        messages = RandomMessages(f"{api.name} {version}")
        request, response = messages.message(api.request, version), messages.message(api.response, version)
        header = RequestHeader(api.key, version, -5, "client-1")
        frame = b"".join(encode_request(header, request))
        assert int.from_bytes(frame[:4], "big") == len(frame) - 4
        assert decode_header(frame[4:])[0] == header
        assert decode_request(header, frame[4:], decode_header(frame[4:])[1]) == request
        frame = b"".join(encode_response(api.key, version, -5, response))
        assert int.from_bytes(frame[:4], "big") == len(frame) - 4
        assert decode_response(api.key, version, frame[4:]) == (-5, response)


def fetched(*records: Any) -> FetchResponse:
    found = [PartitionData(partition_index=at, records=value) for at, value in enumerate(records)]
    return FetchResponse(responses=[FetchableTopicResponse(topic="t", partitions=found)])


@pytest.mark.parametrize("version", [4, 12])
def test_large_records_are_not_copied(version: int) -> None:
    large, view = b"x" * (SMALL_RECORDS_BYTES + 1), memoryview(b"y" * 5000)
    buffers = encode_response(1, version, 3, fetched(large, b"small", [large, view], None))
    assert [type(buffer) for buffer in buffers] == [bytearray, bytes, bytearray, bytes, memoryview, bytearray]
    assert buffers[1] is large
    assert buffers[3] is large
    assert buffers[4] is view
    _, response = decode_response(1, version, b"".join(buffers)[4:])
    read = [part.records for part in response.responses[0].partitions]
    assert read == [large, b"small", large + bytes(view), None]


@pytest.mark.parametrize("version", [4, 12])
def test_small_records_join_their_neighbours(version: int) -> None:
    pieces = [b"a", bytearray(b"b"), memoryview(b"c")]
    buffers = encode_response(1, version, 3, fetched(b"", pieces, tuple(pieces), b"x" * SMALL_RECORDS_BYTES))
    assert len(buffers) == 1
    _, response = decode_response(1, version, buffers[0][4:])
    read = [part.records for part in response.responses[0].partitions]
    assert read == [b"", b"abc", b"abc", b"x" * SMALL_RECORDS_BYTES]


@pytest.mark.parametrize("version", [3, 9])
def test_produced_records_are_views_of_the_frame(version: int) -> None:
    data = [PartitionProduceData(0, memoryview(b"r" * 100))]
    request = ProduceRequest(None, -1, 1000, [TopicProduceData("t", partition_data=data)])
    frame = bytearray(b"".join(encode_request(RequestHeader(0, version, 1, ""), request))[4:])
    header, pos = decode_header(frame)
    records = decode_request(header, frame, pos).topic_data[0].partition_data[0].records
    assert isinstance(records, memoryview)
    assert records.obj is frame


def test_an_error_code_may_be_an_enum() -> None:
    assert encode_response(12, 0, 1, APIS[12].response(error_code=ErrorCode.UNKNOWN_MEMBER_ID))[0][-2:] == b"\0\x19"


def test_a_field_that_the_version_lacks_is_left_out_and_reads_as_its_default() -> None:
    request = FindCoordinatorRequest(key="group", key_type=1, coordinator_keys=["other"])
    header = RequestHeader(ApiKey.FIND_COORDINATOR, 0, 1, "")
    frame = b"".join(encode_request(header, request))[4:]
    assert decode_request(header, frame, decode_header(frame)[1]) == FindCoordinatorRequest(key="group")


def test_a_failing_encode_shows_the_generated_line() -> None:
    with pytest.raises(AttributeError) as failure:
        encode_response(ApiKey.SASL_HANDSHAKE, 0, 1, APIS[ApiKey.SASL_HANDSHAKE].response(0, [None]))
    shown = "".join(traceback.format_exception(failure.value))
    assert "<chronik.wire encode SaslHandshakeResponse v0>" in shown
    assert "v.encode()" in shown


def test_a_codec_is_compiled_once() -> None:
    cls = MESSAGES["HeartbeatRequest"].cls
    assert decoder(cls, 4, True) is decoder(cls, 4, True)
    assert decoder(cls, 4, True) is not decoder(cls, 3, False)


def test_the_table_imports_no_messages() -> None:
    program = (
        "import sys, chronik.wire.header; print(*(m for m in sys.modules if m.startswith('chronik.wire.messages')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_every_api_is_named_for_its_key() -> None:
    for key, api in APIS.items():
        assert key == api.key == ApiKey(key)
        assert api.name.lower() == api.key.name.lower().replace("_", "")
        assert api.request.__name__ == api.name + "Request"
        assert api.response.__module__ == f"chronik.wire.messages.{api.key.name.lower()}"


def test_buffers_are_what_writelines_takes() -> None:
    buffers: list[Buffer] = encode_response(1, 12, 3, fetched([b"x" * 3000, memoryview(b"y")]))
    assert b"".join(buffers)[:4] == (sum(map(len, buffers)) - 4).to_bytes(4, "big")
