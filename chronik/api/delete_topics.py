"""DeleteTopics: topics, their records and every group's offsets of them, gone (KIP-516).

Served: 0 to 6. Version 6 names a topic by its name or by its id, but not by both. The reply leaves when the topics are
durably gone, whatever the request's timeout. An element that is repeated is answered once.
"""

from __future__ import annotations

from collections import Counter

from chronik.api.request import RequestContext
from chronik.broker.topics import Topic, Topics
from chronik.errors import ErrorCode, KafkaError
from chronik.terms import NO_TOPIC_ID
from chronik.wire.apis import ApiKey
from chronik.wire.messages.delete_topics import (
    DeletableTopicResult,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DeleteTopicState,
)

API = ApiKey.DELETE_TOPICS
VERSIONS = (0, 6)

_BY_ID_SINCE = 6
_DISABLED_SINCE = 3


async def handle(context: RequestContext, request: DeleteTopicsRequest) -> DeleteTopicsResponse:
    """Delete what is named well and exists."""
    asked = request.topics
    if context.version < _BY_ID_SINCE:
        asked = [DeleteTopicState(name=name) for name in request.topic_names]
    if not context.broker.settings.delete_topic_enable:
        return DeleteTopicsResponse(responses=[_disabled(context.version, state) for state in asked])
    topics = context.broker.topics
    doomed, results = _read(topics, asked)
    error: KafkaError | None = None
    try:
        await topics.delete(doomed)
    except KafkaError as failed:
        error = failed
    results += [_result(topic.name, topic.topic_id, error) for topic in doomed]
    return DeleteTopicsResponse(responses=results)


def _read(topics: Topics, asked: list[DeleteTopicState]) -> tuple[list[Topic], list[DeletableTopicResult]]:
    """The topics that are to go, and the refusals for the rest."""
    refused: list[DeletableTopicResult] = []
    names: Counter[str] = Counter()
    ids: Counter[bytes] = Counter()
    for state in asked:
        if state.name is not None and state.topic_id != NO_TOPIC_ID:
            refused.append(_invalid(state.name, state.topic_id, "Give a topic's name or its id, not both."))
        elif state.name is not None:
            names[state.name] += 1
        elif state.topic_id != NO_TOPIC_ID:
            ids[state.topic_id] += 1
        else:
            refused.append(_invalid(None, NO_TOPIC_ID, "Neither the name nor the id of a topic was given."))
    doomed: dict[bytes, Topic] = {}
    for topic_id, count in ids.items():
        topic = topics.by_id(topic_id)
        if count > 1:
            refused.append(_invalid(None, topic_id, "The topic id is listed more than once."))
        elif topic is None:
            refused.append(_result(None, topic_id, KafkaError(ErrorCode.UNKNOWN_TOPIC_ID, "No topic has this id.")))
        else:
            doomed[topic_id] = topic
    for name, count in names.items():
        topic = topics.get(name)
        if count > 1:
            refused.append(_invalid(name, NO_TOPIC_ID, "The topic name is listed more than once."))
        elif topic is None:
            unknown = KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "No topic has this name.")
            refused.append(_result(name, NO_TOPIC_ID, unknown))
        elif topic.topic_id in ids:
            doomed.pop(topic.topic_id, None)
            refused.append(_invalid(name, topic.topic_id, "The topic is listed by its name and by its id."))
        else:
            doomed[topic.topic_id] = topic
    return list(doomed.values()), refused


def _disabled(version: int, state: DeleteTopicState) -> DeletableTopicResult:
    code = ErrorCode.TOPIC_DELETION_DISABLED if version >= _DISABLED_SINCE else ErrorCode.INVALID_REQUEST
    return _result(state.name, state.topic_id, KafkaError(code, "Topics cannot be deleted here (delete.topic.enable)."))


def _invalid(name: str | None, topic_id: bytes, message: str) -> DeletableTopicResult:
    return _result(name, topic_id, KafkaError(ErrorCode.INVALID_REQUEST, message))


def _result(name: str | None, topic_id: bytes, error: KafkaError | None) -> DeletableTopicResult:
    if error is None:
        return DeletableTopicResult(name=name, topic_id=topic_id)
    return DeletableTopicResult(name=name, topic_id=topic_id, error_code=error.code, error_message=error.message)
