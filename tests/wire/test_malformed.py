"""What a peer can do wrong raises MalformedFrame, and nothing else, before anything large is made from it."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronik.wire.apis import APIS, Api, ApiKey
from chronik.wire.header import RequestHeader, decode_header, decode_request, decode_response, encode_request
from chronik.wire.primitives import Buffer, MalformedFrame, read_uvarint, uvarint
from tests.wire.declared import MESSAGES, RandomMessages

EVERY_VERSION = [(name, version) for name, declared in MESSAGES.items() for version in declared.api.versions]


def refuses(decode: Callable[[], object]) -> bool:
    """Whether decoding raises MalformedFrame; any other exception goes up."""
    try:
        decode()
    except MalformedFrame:
        return True
    return False


@pytest.mark.parametrize("name", MESSAGES)
def test_every_cut_of_a_message_is_refused(name: str) -> None:
    declared = MESSAGES[name]
    for version in declared.api.versions:
        decode, messages = declared.decoder(version), RandomMessages(f"cut {name} {version}")
        for _ in range(2):
            body = declared.encode(messages.message(declared.cls, version), version)
            for size in range(len(body)):
                assert refuses(lambda: decode(body[:size], 0)), f"v{version} cut at {size} of {len(body)}"  # noqa: B023


@pytest.mark.parametrize("api", APIS.values(), ids=lambda api: api.name)
def test_every_cut_of_a_request_frame_is_refused(api: Api) -> None:
    for version in api.versions:
        message = RandomMessages(f"frame {api.name} {version}").message(api.request, version)
        frame = b"".join(encode_request(RequestHeader(api.key, version, 7, "client"), message))[4:]
        header, pos = decode_header(frame)
        assert decode_request(header, frame, pos) == message
        for size in range(len(frame)):
            assert refuses(lambda: request_of(frame[:size])), f"v{version} cut at {size} of {len(frame)}"  # noqa: B023


def request_of(frame: Buffer) -> object:
    header, pos = decode_header(frame)
    return decode_request(header, frame, pos)


@pytest.mark.parametrize("form", [bytes, bytearray, memoryview])
def test_any_kind_of_buffer_is_read_alike(form: Callable[[bytes], Buffer]) -> None:
    for name, version in EVERY_VERSION:
        declared = MESSAGES[name]
        message = RandomMessages(f"form {name} {version}").message(declared.cls, version)
        body = declared.encode(message, version)
        assert declared.decoder(version)(form(body), 0) == message
        assert declared.decoder(version)(form(b"head" + body + b"tail"), 4) == message
        if body:
            assert refuses(lambda: declared.decoder(version)(form(body[:-1]), 0))  # noqa: B023


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from(EVERY_VERSION), st.binary(max_size=200))
def test_garbage_is_read_or_refused(which: tuple[str, int], garbage: bytes) -> None:
    name, version = which
    refuses(lambda: MESSAGES[name].decoder(version)(garbage, 0))


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=100))
def test_a_garbage_frame_is_read_or_refused(garbage: bytes) -> None:
    refuses(lambda: request_of(garbage))
    for key in APIS:
        refuses(lambda: decode_response(key, APIS[key].versions[-1], garbage))  # noqa: B023


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from(EVERY_VERSION), st.integers(0, 2**32), st.data())
def test_a_damaged_message_is_read_or_refused(which: tuple[str, int], seed: int, data: st.DataObject) -> None:
    """Damage gets deeper into a decoder than garbage, which ends at the first length."""
    name, version = which
    declared = MESSAGES[name]
    body = bytearray(declared.encode(RandomMessages(seed).message(declared.cls, version), version))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    refuses(lambda: declared.decoder(version)(body, 0))


def test_many_damaged_messages_are_read_or_refused() -> None:
    """The same, without Hypothesis's cost per example: every byte of a message set to values that mean something."""
    for name, version in EVERY_VERSION:
        declared = MESSAGES[name]
        body = declared.encode(RandomMessages(f"damage {name} {version}").message(declared.cls, version), version)
        decode, choose = declared.decoder(version), random.Random(name)
        for at in choose.sample(range(len(body)), min(len(body), 60)):
            for value in (0x00, 0x01, 0x7F, 0x80, 0xFF):
                refuses(lambda: decode(body[:at] + bytes([value]) + body[at + 1 :], 0))  # noqa: B023


HUGE_COUNTS = [
    # Metadata v1: the classic i32 count of topics.
    (ApiKey.METADATA, 1, b"\x7f\xff\xff\xff"),
    # Metadata v12: the compact count of topics, at the end of its range.
    (ApiKey.METADATA, 12, b"\xff\xff\xff\xff\x0f"),
    # Produce v9: no transactional id, acks, timeout, then the count of topics.
    (ApiKey.PRODUCE, 9, b"\x00\xff\xff\x00\x00\x75\x30" + b"\xff\xff\xff\xff\x0f"),
    # Produce v3: a records length of 2 GiB in the only partition of a topic named "t".
    (ApiKey.PRODUCE, 3, b"\xff\xff\xff\xff\0\0\x75\x30\0\0\0\1\0\1t\0\0\0\1\0\0\0\0\x7f\xff\xff\xff"),
    # ListTransactions v0: no state filters, then the count of an array of i64.
    (ApiKey.LIST_TRANSACTIONS, 0, b"\x01\xff\xff\xff\xff\x0f"),
    # SaslAuthenticate v0: a token of 2 GiB.
    (ApiKey.SASL_AUTHENTICATE, 0, b"\x7f\xff\xff\xff"),
    # FindCoordinator v3: an empty key and a key type, then a tag section of 2**32 - 1 tags.
    (ApiKey.FIND_COORDINATOR, 3, b"\x01\x00\xff\xff\xff\xff\x0f"),
    # Fetch v12: the tag section of the message, holding cluster_id in 2 GiB.
    (ApiKey.FETCH, 12, bytes(4 + 4 + 4 + 4 + 1 + 4 + 4) + b"\x01\x01\x01\x01\x00\xff\xff\xff\xff\x07"),
]


@pytest.mark.parametrize(("key", "version", "body"), HUGE_COUNTS)
def test_a_huge_count_is_refused_before_it_costs_memory(key: ApiKey, version: int, body: bytes) -> None:
    decode = APIS[key].request_decoder(version)
    body += bytes(1000)
    tracemalloc.start()
    try:
        with pytest.raises(MalformedFrame):
            decode(body, 0)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 100_000


def test_a_count_is_held_against_the_smallest_size_of_its_elements() -> None:
    """Metadata v1 topics take two bytes at least, so that seven bytes cannot hold four of them."""
    decode = APIS[ApiKey.METADATA].request_decoder(1)
    assert len(decode(b"\0\0\0\3" + bytes(6), 0).topics) == 3
    with pytest.raises(MalformedFrame, match="topics has a wrong length or count"):
        decode(b"\0\0\0\4" + bytes(7), 0)


@pytest.mark.parametrize(
    ("version", "body"),
    [
        (0, b"\xff\xff"),  # a null group id, classic
        (4, b"\x00\0\0\0\1\x02m\x00\x00"),  # a null group id, compact
        (0, b"\x00\x02\xff\xfe" + bytes(6)),  # not UTF-8
        (4, b"\x81\x80\x02" + bytes(32768) + b"\0\0\0\1\x02m\x00\x00"),  # a compact string of 32768 bytes
        (4, b"\xff\xff\xff\xff\xff\x01" + bytes(100)),  # a varint of six bytes
        (4, b"\xff\xff\xff\xff\x1f" + bytes(100)),  # a varint of 33 bits
    ],
)
def test_a_wrong_string_is_refused(version: int, body: bytes) -> None:
    with pytest.raises(MalformedFrame):
        APIS[ApiKey.HEARTBEAT].request_decoder(version)(body, 0)


def test_a_compact_string_of_32767_bytes_is_read() -> None:
    body = uvarint(32768) + b"g" * 32767 + b"\0\0\0\1\x02m\x00\x00"
    assert APIS[ApiKey.HEARTBEAT].request_decoder(4)(body, 0).group_id == "g" * 32767


def test_a_null_array_where_none_is_allowed_is_refused() -> None:
    with pytest.raises(MalformedFrame):
        APIS[ApiKey.METADATA].request_decoder(0)(b"\xff\xff\xff\xff", 0)
    assert APIS[ApiKey.METADATA].request_decoder(1)(b"\xff\xff\xff\xff", 0).topics is None


def test_unknown_tags_are_skipped_everywhere() -> None:
    """Two tags that no version declares, after a partition, after its topic and after the message."""
    unknown = b"\x02\x62\x00\xc8\x01\x03abc"
    body = b"\x00\xff\xff\x00\x00\x75\x30" + b"\x02\x02t" + b"\x02\0\0\0\5\x04xyz" + unknown + unknown + unknown
    request = APIS[ApiKey.PRODUCE].request_decoder(9)(body, 0)
    assert request.topic_data[0].partition_data[0].index == 5
    assert bytes(request.topic_data[0].partition_data[0].records) == b"xyz"
    for size in range(len(body)):
        assert refuses(lambda: APIS[ApiKey.PRODUCE].request_decoder(9)(body[:size], 0))  # noqa: B023


def test_unknown_tags_beside_known_ones_are_skipped() -> None:
    """Fetch v12 knows tag 0, the cluster id."""
    fixed = bytes(4 + 4 + 4 + 4 + 1 + 4 + 4) + b"\x01\x01\x01"
    body = fixed + b"\x03" + b"\x05\x00" + b"\x00\x03\x03id" + b"\x63\x02ab"
    assert APIS[ApiKey.FETCH].request_decoder(12)(body, 0).cluster_id == "id"
    for size in range(len(body)):
        assert refuses(lambda: APIS[ApiKey.FETCH].request_decoder(12)(body[:size], 0))  # noqa: B023


def test_a_tagged_field_must_fit_its_size() -> None:
    fixed = bytes(4 + 4 + 4 + 4 + 1 + 4 + 4) + b"\x01\x01\x01"
    with pytest.raises(MalformedFrame, match="cluster_id is longer than its tagged field"):
        APIS[ApiKey.FETCH].request_decoder(12)(fixed + b"\x01" + b"\x00\x02\x03id" + bytes(9), 0)
    padded = APIS[ApiKey.FETCH].request_decoder(12)(fixed + b"\x01" + b"\x00\x04\x03id!", 0)
    assert padded.cluster_id == "id"


def test_bytes_after_the_message_are_tolerated() -> None:
    assert APIS[ApiKey.LIST_GROUPS].request_decoder(0)(b"left over", 0) == APIS[ApiKey.LIST_GROUPS].request()


def test_a_varint_has_32_bits() -> None:
    assert read_uvarint(b"\xff\xff\xff\xff\x0f", 0) == (2**32 - 1, 5)
    for longer in (b"\xff\xff\xff\xff\x1f", b"\x80\x80\x80\x80\x80\x00"):
        with pytest.raises(MalformedFrame):
            read_uvarint(longer, 0)


@given(st.integers(0, 2**32 - 1))
def test_a_varint_comes_back(value: int) -> None:
    encoded = uvarint(value)
    assert read_uvarint(b"." + encoded, 1) == (value, 1 + len(encoded))
    for size in range(len(encoded)):
        with pytest.raises(IndexError):
            read_uvarint(encoded[:size], 0)
