"""What consumers put inside JoinGroup and SyncGroup: their subscription and their assignment (KIP-429, -792, -881).

To the group coordinator these are opaque bytes; it looks into a subscription only to know which topics a group still
reads. Each payload is a version and then the message, never flexible. A newer version is read as the newest declared
one: its author promises to add only behind.
"""

from __future__ import annotations

import struct
from typing import TypeVar

from chronik.wire.decoding import decoder
from chronik.wire.encoding import encoder
from chronik.wire.primitives import Buffer, MalformedFrame
from chronik.wire.schema import BYTES, INT32, STRING, array, message

T = TypeVar("T")

LAST_VERSION = 3

_VERSION = struct.Struct(">h")


@message
class PartitionsOfTopic:
    """Some partitions of one topic; Kafka's schema calls this TopicPartition."""

    topic: str = STRING()
    partitions: list[int] = array(INT32)


@message
class ConsumerProtocolSubscription:
    """What a member wants, and what it owned before the rebalance."""

    topics: list[str] = array(STRING)
    user_data: bytes | None = BYTES(null="0+", default=None)
    owned_partitions: list[PartitionsOfTopic] = array(PartitionsOfTopic, "1+")
    generation_id: int = INT32("2+", default=-1)
    rack_id: str | None = STRING("3+", null="3+", default=None)


@message
class ConsumerProtocolAssignment:
    """What a member was given."""

    assigned_partitions: list[PartitionsOfTopic] = array(PartitionsOfTopic)
    user_data: bytes | None = BYTES(null="0+", default=None)


def decode_subscription(payload: Buffer) -> ConsumerProtocolSubscription:
    """The metadata of a member whose protocol type is "consumer". MalformedFrame if it is something else."""
    return _decode(ConsumerProtocolSubscription, payload)


def decode_assignment(payload: Buffer) -> ConsumerProtocolAssignment:
    """The assignment that a leader made for a member. MalformedFrame if it is something else."""
    return _decode(ConsumerProtocolAssignment, payload)


def encode_subscription(subscription: ConsumerProtocolSubscription, version: int = LAST_VERSION) -> bytes:
    return _encode(subscription, version)


def encode_assignment(assignment: ConsumerProtocolAssignment, version: int = LAST_VERSION) -> bytes:
    return _encode(assignment, version)


def _decode(cls: type[T], payload: Buffer) -> T:
    if len(payload) < _VERSION.size:
        raise MalformedFrame(f"{cls.__name__} is cut short")
    (version,) = _VERSION.unpack_from(payload)
    if version < 0:
        raise MalformedFrame(f"{cls.__name__} has no version {version}")
    decoded: T = decoder(cls, min(version, LAST_VERSION), False)(payload, _VERSION.size)
    return decoded


def _encode(payload: object, version: int) -> bytes:
    return bytes(encoder(type(payload), version, False)(payload, bytearray(_VERSION.pack(version)), []))
