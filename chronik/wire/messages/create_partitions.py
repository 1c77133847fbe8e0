"""CreatePartitions, API key 37: versions 0-3, flexible from 2.

- 0: the first
- 1: a throttled reply is sent at once and the connection rests after it (KIP-219)
- 2: compact forms and tag sections
- 3: may answer THROTTLING_QUOTA_EXCEEDED
"""

from __future__ import annotations

from chronik.wire.schema import BOOL, INT16, INT32, STRING, array, message


@message
class CreatePartitionsAssignment:
    """An element of ``CreatePartitionsTopic.assignments``."""

    broker_ids: list[int] = array(INT32)


@message
class CreatePartitionsTopic:
    """An element of ``CreatePartitionsRequest.topics``."""

    name: str = STRING()
    count: int = INT32()
    assignments: list[CreatePartitionsAssignment] | None = array(CreatePartitionsAssignment, null="0+")


@message
class CreatePartitionsRequest:
    """What the client sends."""

    topics: list[CreatePartitionsTopic] = array(CreatePartitionsTopic)
    timeout_ms: int = INT32()
    validate_only: bool = BOOL()


@message
class CreatePartitionsTopicResult:
    """An element of ``CreatePartitionsResponse.results``."""

    name: str = STRING()
    error_code: int = INT16()
    error_message: str | None = STRING(null="0+", default=None)


@message
class CreatePartitionsResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    results: list[CreatePartitionsTopicResult] = array(CreatePartitionsTopicResult)
