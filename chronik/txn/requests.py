"""What producers ask and what they are answered, as the rules need it: versions have become flags.

A producer that is not the current one is PRODUCER_FENCED in all replies; versions of requests that do not know this
code say INVALID_PRODUCER_EPOCH, which is for the handlers to see to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from chronik.decision import Effect
from chronik.errors import ErrorCode
from chronik.terms import NO_PRODUCER_EPOCH, NO_PRODUCER_ID, ProducerId, TopicId

PartitionKey = tuple[TopicId, int]
"""(topic id, partition)."""

OffsetKey = tuple[str, TopicId, int]
"""(group id, topic id, partition)."""


class Producer(NamedTuple):
    """Who speaks: a transactional id, and the producer id and epoch that it was given."""

    transactional_id: str
    producer_id: ProducerId
    producer_epoch: int


@dataclass(frozen=True, slots=True)
class InitRequest:
    """InitProducerId with a transactional id. Producer id and epoch are those that a producer goes on from after an
    error (KIP-360); -1 both for one that begins."""

    transactional_id: str
    timeout_ms: int
    producer_id: ProducerId = NO_PRODUCER_ID
    producer_epoch: int = NO_PRODUCER_EPOCH


@dataclass(frozen=True, slots=True)
class InitReply:
    """The producer id and epoch to produce with; -1 both with an error."""

    error: ErrorCode
    producer_id: ProducerId = NO_PRODUCER_ID
    producer_epoch: int = NO_PRODUCER_EPOCH


@dataclass(frozen=True, slots=True)
class EndRequest:
    """EndTxn. `raises_epoch`: version 5, each transaction ends with a higher epoch (KIP-890)."""

    producer: Producer
    commits: bool
    raises_epoch: bool


@dataclass(frozen=True, slots=True)
class EndReply:
    """What became of the transaction, and (where the request raises epochs) how the producer goes on."""

    error: ErrorCode
    producer_id: ProducerId = NO_PRODUCER_ID
    producer_epoch: int = NO_PRODUCER_EPOCH


@dataclass(frozen=True, slots=True)
class WriteMarkers(Effect):
    """The transaction's outcome is durable: a marker belongs into the log of each partition, and then the transaction
    is to be completed. Done again, only where this producer has a transaction open."""

    transactional_id: str
    producer_id: ProducerId
    producer_epoch: int
    commits: bool
    partitions: tuple[PartitionKey, ...]
