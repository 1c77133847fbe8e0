"""What the handlers of transactions share: names of partitions, and codes that older versions do not know."""

from __future__ import annotations

from chronik.broker.topics import Topics
from chronik.errors import ErrorCode
from chronik.txn.requests import PartitionKey

FENCED_SINCE = 2
"""From this version on AddPartitionsToTxn, AddOffsetsToTxn and EndTxn know PRODUCER_FENCED."""


def key_of(topics: Topics, name: str, partition: int) -> PartitionKey | None:
    """The partition of that name; None if there is none."""
    topic = topics.get(name)
    if topic is None or topic.log_of(partition) is None:
        return None
    return topic.topic_id, partition


def known_since(version: int, error: ErrorCode, since: int = FENCED_SINCE) -> ErrorCode:
    """The error as a client of this version knows it: a fenced producer is told INVALID_PRODUCER_EPOCH before
    `since`."""
    if error is ErrorCode.PRODUCER_FENCED and version < since:
        return ErrorCode.INVALID_PRODUCER_EPOCH
    return error
