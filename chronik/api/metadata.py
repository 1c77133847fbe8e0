"""Metadata: the brokers, and the topics with the leaders of their partitions.

Served: 0 to 13. A topic that is named, does not exist and may be created is created before the reply, which then has no
error: every client copes with that, and several do not with the LEADER_NOT_AVAILABLE that Kafka once sent first.
Version 0 asks for all topics with an empty list, later ones with null.
"""

from __future__ import annotations

from typing import cast

from chronik.api import authorized_operations
from chronik.api.request import RequestContext
from chronik.broker.broker import Broker
from chronik.broker.clock import now_ms
from chronik.broker.topics import NewTopic, Topic, check_name
from chronik.errors import ErrorCode, KafkaError
from chronik.wire.apis import APIS, ApiKey
from chronik.wire.encoding import encoded_array
from chronik.wire.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from chronik.wire.primitives import EncodedArray

API = ApiKey.METADATA
VERSIONS = (0, 13)

_NULL_IS_ALL_SINCE = 1
_AUTO_CREATION_FLAG_SINCE = 4
_BY_ID_SINCE = 12
_NO_TOPIC_ID = bytes(16)


async def handle(context: RequestContext, request: MetadataRequest) -> MetadataResponse:
    """Describe this broker and the topics that are asked for."""
    broker = context.broker
    if context.version < _BY_ID_SINCE and any(_by_id(topic) for topic in request.topics or ()):
        # Versions 10 and 11 have the fields, but brokers could not use them yet.
        refused = [_refused(topic, ErrorCode.INVALID_REQUEST) for topic in request.topics or ()]
        return MetadataResponse(topics=refused)
    host, port = context.peer.advertised
    response = MetadataResponse(
        brokers=[MetadataResponseBroker(node_id=broker.node_id, host=host, port=port, rack=broker.settings.rack)],
        cluster_id=broker.cluster_id,
        controller_id=broker.node_id,
    )
    if request.include_cluster_authorized_operations:
        response.cluster_authorized_operations = authorized_operations.CLUSTER
    response.topics = await _topics(context, request)
    if request.include_topic_authorized_operations:
        for topic in response.topics:
            if topic.name is not None:  # one that could not be found by its id has none
                topic.topic_authorized_operations = authorized_operations.TOPIC
    return response


async def _topics(context: RequestContext, request: MetadataRequest) -> list[MetadataResponseTopic]:
    broker, asked = context.broker, request.topics
    if asked is None or (not asked and context.version < _NULL_IS_ALL_SINCE):
        return [_described(context, topic) for topic in broker.topics]
    asked = list({(topic.name, topic.topic_id): topic for topic in asked}.values())
    may_create = request.allow_auto_topic_creation or context.version < _AUTO_CREATION_FLAG_SINCE
    created = await _create_missing(broker, asked, may_create)
    return [_answered(context, topic, created) for topic in asked]


def _by_id(asked: MetadataRequestTopic) -> bool:
    return asked.name is None or asked.topic_id != _NO_TOPIC_ID


async def _create_missing(broker: Broker, asked: list[MetadataRequestTopic], may_create: bool) -> dict[str, KafkaError]:
    """Create what is missing and legal; why not, for the names where that failed."""
    if not (may_create and broker.settings.auto_create_topics_enable):
        return {}
    by_name = [topic for topic in asked if topic.topic_id == _NO_TOPIC_ID]
    missing = dict.fromkeys(topic.name for topic in by_name if topic.name is not None)
    names = [name for name in missing if broker.topics.get(name) is None]
    if not names:
        return {}
    wanted = [NewTopic(name, broker.settings.num_partitions, {}) for name in names]
    results = await broker.topics.create(wanted, now_ms())
    return {name: result for name, result in zip(names, results, strict=True) if isinstance(result, KafkaError)}


def _answered(
    context: RequestContext, asked: MetadataRequestTopic, failed: dict[str, KafkaError]
) -> MetadataResponseTopic:
    broker = context.broker
    if asked.name is None or asked.topic_id != _NO_TOPIC_ID:
        topic = broker.topics.by_id(asked.topic_id)
        if topic is not None:
            return _described(context, topic)
        return MetadataResponseTopic(error_code=ErrorCode.UNKNOWN_TOPIC_ID, name=None, topic_id=asked.topic_id)
    topic = broker.topics.get(asked.name)
    if topic is not None:
        return _described(context, topic)
    error = failed.get(asked.name)
    if error is not None and error.code is not ErrorCode.TOPIC_ALREADY_EXISTS:
        return _refused(asked, error.code)
    try:
        check_name(asked.name)
    except KafkaError as illegal:
        return _refused(asked, illegal.code)
    return _refused(asked, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)


def _refused(asked: MetadataRequestTopic, code: ErrorCode) -> MetadataResponseTopic:
    return MetadataResponseTopic(error_code=code, name=asked.name or "", topic_id=asked.topic_id)


def _described(context: RequestContext, topic: Topic) -> MetadataResponseTopic:
    return MetadataResponseTopic(
        error_code=ErrorCode.NONE,
        name=topic.name,
        topic_id=topic.topic_id,
        is_internal=topic.is_internal,
        partitions=_partitions(context, topic),
    )


def _partitions(context: RequestContext, topic: Topic) -> list[MetadataResponsePartition]:
    """Always the same for a topic, and asked for by every client every few minutes: encoded once for each version."""
    version, me = context.version, [context.broker.node_id]
    found: EncodedArray | None = topic.described.get(version)
    if found is None:
        partitions = [
            MetadataResponsePartition(
                error_code=ErrorCode.NONE,
                partition_index=index,
                leader_id=context.broker.node_id,
                leader_epoch=topic.leader_epoch,
                replica_nodes=me,
                isr_nodes=me,
            )
            for index in range(len(topic.logs))
        ]
        flexible = APIS[API].is_flexible(version)
        found = topic.described[version] = encoded_array(partitions, version, flexible)
    # It stands for the list, and the encoder knows it.
    return cast("list[MetadataResponsePartition]", found)
