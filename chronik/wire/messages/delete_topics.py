"""DeleteTopics, API key 20: versions 0-6, flexible from 4.

- 0: the first
- 1: throttle_time
- 2: a throttled reply is sent at once and the connection rests after it (KIP-219)
- 3: may answer TOPIC_DELETION_DISABLED
- 4: compact forms and tag sections
- 5: error_message
- 6: topics by name or id
"""

from __future__ import annotations

from chronik.wire.schema import INT16, INT32, STRING, UUID, array, message


@message
class DeleteTopicState:
    """An element of ``DeleteTopicsRequest.topics``."""

    name: str | None = STRING(null="0+", default=None)
    topic_id: bytes = UUID()


@message
class DeleteTopicsRequest:
    """What the client sends."""

    topics: list[DeleteTopicState] = array(DeleteTopicState, "6+")
    topic_names: list[str] = array(STRING, "0-5")
    timeout_ms: int = INT32()


@message
class DeletableTopicResult:
    """An element of ``DeleteTopicsResponse.responses``."""

    name: str | None = STRING(null="6+")
    topic_id: bytes = UUID("6+")
    error_code: int = INT16()
    error_message: str | None = STRING("5+", null="5+", default=None)


@message
class DeleteTopicsResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32("1+")
    responses: list[DeletableTopicResult] = array(DeletableTopicResult)
