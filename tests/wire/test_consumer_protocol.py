"""The consumers' own payloads: against Kafka's schemas, and as real clients sent them."""

from __future__ import annotations

import json
import linecache
from pathlib import Path
from typing import Any

import pytest

from chronik.wire.apis import ApiKey
from chronik.wire.consumer_protocol import (
    LAST_VERSION,
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
    PartitionsOfTopic,
    decode_assignment,
    decode_subscription,
    encode_assignment,
    encode_subscription,
)
from chronik.wire.header import decode_header, decode_request
from chronik.wire.primitives import MalformedFrame
from chronik.wire.schema import Versions
from tests.wire import oracles
from tests.wire.declared import RandomMessages
from tests.wire.test_conformance import check_schema

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))


@pytest.mark.parametrize("cls", [ConsumerProtocolSubscription, ConsumerProtocolAssignment])
def test_fields_agree_with_kafkas_schema(cls: type) -> None:
    schema = oracles.kafka_python_schema(cls.__name__)
    assert schema is not None
    assert Versions.parse(schema["validVersions"]) == (0, LAST_VERSION)
    check_schema(cls, schema["fields"], Versions(0, LAST_VERSION))


@pytest.mark.parametrize("version", range(LAST_VERSION + 1))
def test_random_payloads_come_back_and_their_cuts_are_refused(version: int) -> None:
    messages = RandomMessages(f"consumer {version}")
    for _ in range(20):
        subscription = messages.message(ConsumerProtocolSubscription, version)
        assignment = messages.message(ConsumerProtocolAssignment, version)
        wanted, given = encode_subscription(subscription, version), encode_assignment(assignment, version)
        assert decode_subscription(wanted) == subscription
        assert decode_assignment(given) == assignment
        for size in range(len(wanted)):
            with pytest.raises(MalformedFrame):
                decode_subscription(wanted[:size])
        for size in range(len(given)):
            with pytest.raises(MalformedFrame):
                decode_assignment(given[:size])


def test_the_bytes_of_a_subscription() -> None:
    subscription = ConsumerProtocolSubscription(["t"], b"u", [PartitionsOfTopic("t", [1])], 5, "r")
    topics, owned = b"\0\0\0\1\0\1t", b"\0\0\0\1\0\1t\0\0\0\1\0\0\0\1"
    assert encode_subscription(subscription, 0) == b"\0\0" + topics + b"\0\0\0\1u"
    assert encode_subscription(subscription) == b"\0\3" + topics + b"\0\0\0\1u" + owned + b"\0\0\0\5" + b"\0\1r"


def test_a_newer_version_is_read_as_the_newest_declared_one() -> None:
    subscription = ConsumerProtocolSubscription(["t"], rack_id="r")
    newer = b"\0\x09" + encode_subscription(subscription)[2:] + b"what version 9 added"
    assert decode_subscription(newer) == subscription
    compiled = [name for name in linecache.cache if "decode ConsumerProtocolSubscription" in name]
    assert compiled, "a decoder is registered where tracebacks look"
    assert not any(name.endswith("v9>") for name in compiled), "a peer must not be able to have versions compiled"


@pytest.mark.parametrize("payload", [b"", b"\0", b"\xff\xff" + bytes(20), b"\0\0\x7f\xff\xff\xff" + bytes(20)])
def test_other_payloads_are_refused(payload: bytes) -> None:
    with pytest.raises(MalformedFrame):
        decode_subscription(payload)


def test_what_real_clients_sent_is_read() -> None:
    topics: dict[str, list[str]] = {}
    for path in GOLDEN:
        for frame in json.loads(path.read_text())["frames"]:
            request = request_of(bytes.fromhex(frame["request"])) if frame["key"] == ApiKey.JOIN_GROUP else None
            for protocol in request.protocols if request else []:
                topics[path.stem] = decode_subscription(protocol.metadata).topics
    assert len(topics) >= 8
    assert all(len(names) == 1 and names[0].startswith("golden-") for names in topics.values())


def request_of(frame: bytes) -> Any:
    header, pos = decode_header(frame)
    return decode_request(header, frame, pos)
