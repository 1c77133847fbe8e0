"""CreatePartitions: more partitions for topics that are there (KIP-195).

Served: 0 to 3. The new ones are empty and existing records stay where they are, so that keys may meet another partition
from now on. The reply leaves when it is done, whatever the request's timeout.
"""

from __future__ import annotations

from collections import Counter

from chronik.api.replica_assignment import check_replicas
from chronik.api.request import RequestContext
from chronik.broker.broker import Broker
from chronik.broker.topics import MAX_NEW_PARTITIONS, Topic
from chronik.errors import ErrorCode, KafkaError
from chronik.wire.apis import ApiKey
from chronik.wire.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
    CreatePartitionsTopicResult,
)

API = ApiKey.CREATE_PARTITIONS
VERSIONS = (0, 3)


async def handle(context: RequestContext, request: CreatePartitionsRequest) -> CreatePartitionsResponse:
    """Answer every topic that is named once, then those that are repeated."""
    named = Counter(asked.name for asked in request.topics)
    response = CreatePartitionsResponse()
    room = MAX_NEW_PARTITIONS
    for asked in request.topics:
        if named[asked.name] > 1:
            continue
        try:
            topic, added = _checked(context.broker, asked, room)
            room -= added
            if not request.validate_only:
                await context.broker.topics.add_partitions(topic, asked.count)
        except KafkaError as error:
            response.results.append(_refused(asked.name, error))
        else:
            response.results.append(CreatePartitionsTopicResult(name=asked.name))
    repeated = KafkaError(ErrorCode.INVALID_REQUEST, "The topic is listed more than once.")
    response.results += [_refused(name, repeated) for name, count in named.items() if count > 1]
    return response


def _checked(broker: Broker, asked: CreatePartitionsTopic, room: int) -> tuple[Topic, int]:
    """The topic and how many partitions it would get."""
    topic = broker.topics.get(asked.name)
    if topic is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Topic {asked.name[:300]!r} does not exist.")
    there = len(topic.logs)
    added = asked.count - there
    if added <= 0:
        raise KafkaError(
            ErrorCode.INVALID_PARTITIONS,
            f"Topic {topic.name!r} has {there} partitions already; {asked.count} would not be more.",
        )
    if asked.assignments is not None:
        if len(asked.assignments) != added:
            raise KafkaError(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                f"{added} partitions are to be added, but there are assignments for {len(asked.assignments)}.",
            )
        for assignment in asked.assignments:
            check_replicas(broker.node_id, assignment.broker_ids)
    if added > room:
        raise KafkaError(
            ErrorCode.POLICY_VIOLATION, f"One request cannot add more than {MAX_NEW_PARTITIONS} partitions."
        )
    return topic, added


def _refused(name: str, error: KafkaError) -> CreatePartitionsTopicResult:
    return CreatePartitionsTopicResult(name=name, error_code=error.code, error_message=error.message)
