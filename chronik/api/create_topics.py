"""CreateTopics: topics with their partitions and configs (KIP-4, KIP-464, KIP-525).

Served: 0 to 7. -1 asks for the broker's number of partitions or replicas, in every version. The reply leaves when the
topics are durable and everybody sees them, whatever the request's timeout. A name that is listed more than once is
answered once, after the others. With `validate_only` nothing is created, and the reply has no topic id.
"""

from __future__ import annotations

from collections import Counter

from chronik.api.replica_assignment import check_replicas
from chronik.api.request import RequestContext
from chronik.broker.broker import Broker
from chronik.broker.clock import now_ms
from chronik.broker.topics import MAX_NEW_PARTITIONS, NewTopic, Topic
from chronik.configs.alter import Alteration, created_overrides
from chronik.configs.describe import describe_topic
from chronik.errors import ErrorCode, KafkaError
from chronik.wire.apis import ApiKey
from chronik.wire.messages.create_topics import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfigs,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)

API = ApiKey.CREATE_TOPICS
VERSIONS = (0, 7)

DEFAULT = -1
"""The number of partitions or replicas that the broker chooses."""

_EFFECTIVE_CONFIGS_SINCE = 5


async def handle(context: RequestContext, request: CreateTopicsRequest) -> CreateTopicsResponse:
    """Create every topic that can be, and say of the others why not."""
    broker = context.broker
    if _partition_count(broker, request) > MAX_NEW_PARTITIONS:
        excess = KafkaError(
            ErrorCode.POLICY_VIOLATION, f"One request cannot create more than {MAX_NEW_PARTITIONS} partitions."
        )
        return CreateTopicsResponse(topics=[_refused(name, excess) for name in _names(request)])
    checked = _checked(broker, request)
    new = [plan for plan in checked.values() if isinstance(plan, NewTopic)]
    made: dict[str, Topic | KafkaError] = {}
    if not request.validate_only:
        made = dict(zip((plan.name for plan in new), await broker.topics.create(new, now_ms()), strict=True))
    response = CreateTopicsResponse()
    for name, plan in checked.items():
        outcome = made.get(name, plan)
        if isinstance(outcome, KafkaError):
            response.topics.append(_refused(name, outcome))
        else:
            response.topics.append(_created(context, outcome))
    return response


def _names(request: CreateTopicsRequest) -> list[str]:
    """Every name once, those that are repeated last."""
    count = Counter(topic.name for topic in request.topics)
    return sorted(count, key=lambda name: count[name] > 1)


def _partition_count(broker: Broker, request: CreateTopicsRequest) -> int:
    asked = [len(topic.assignments) or topic.num_partitions for topic in request.topics]
    return sum(broker.settings.num_partitions if count == DEFAULT else max(count, 0) for count in asked)


def _checked(broker: Broker, request: CreateTopicsRequest) -> dict[str, NewTopic | KafkaError]:
    """By name, what is to be created or why it cannot be."""
    repeated = KafkaError(ErrorCode.INVALID_REQUEST, "The topic is listed more than once.")
    count = Counter(topic.name for topic in request.topics)
    by_name = {topic.name: topic for topic in request.topics}
    checked: dict[str, NewTopic | KafkaError] = {}
    for name in _names(request):
        if count[name] > 1:
            checked[name] = repeated
            continue
        try:
            checked[name] = _check(broker, by_name[name])
        except KafkaError as error:
            checked[name] = error
    return checked


def _check(broker: Broker, asked: CreatableTopic) -> NewTopic:
    """The topic as it would be. The order of the checks is Kafka's."""
    broker.topics.check_new(asked.name)
    configs = created_overrides(
        [Alteration(config.name, config.value) for config in asked.configs], broker.configs.broker
    )
    if asked.assignments:
        if asked.replication_factor != DEFAULT or asked.num_partitions != DEFAULT:
            raise KafkaError(
                ErrorCode.INVALID_REQUEST,
                "With an assignment of replicas, the number of partitions and the replication factor must be -1.",
            )
        _check_assignments(broker.node_id, asked.assignments)
        return NewTopic(asked.name, len(asked.assignments), configs)
    if asked.replication_factor != DEFAULT and asked.replication_factor < 1:
        raise KafkaError(
            ErrorCode.INVALID_REPLICATION_FACTOR, "The replication factor must be positive, or -1 for the default."
        )
    if asked.num_partitions != DEFAULT and asked.num_partitions < 1:
        raise KafkaError(
            ErrorCode.INVALID_PARTITIONS, "The number of partitions must be positive, or -1 for the default."
        )
    if asked.replication_factor > 1:
        raise KafkaError(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"There is one broker; it cannot hold {asked.replication_factor} replicas of a partition.",
        )
    count = broker.settings.num_partitions if asked.num_partitions == DEFAULT else asked.num_partitions
    return NewTopic(asked.name, count, configs)


def _check_assignments(node_id: int, assignments: list[CreatableReplicaAssignment]) -> None:
    for assignment in assignments:
        check_replicas(node_id, assignment.broker_ids)
    if sorted(assignment.partition_index for assignment in assignments) != list(range(len(assignments))):
        raise KafkaError(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            f"Bad assignment: the {len(assignments)} partitions must be numbered from 0, each once.",
        )


def _refused(name: str, error: KafkaError) -> CreatableTopicResult:
    return CreatableTopicResult(name=name, error_code=error.code, error_message=error.message)


def _created(context: RequestContext, outcome: Topic | NewTopic) -> CreatableTopicResult:
    result = CreatableTopicResult(name=outcome.name, error_message=None)
    if isinstance(outcome, Topic):
        result.topic_id = outcome.topic_id
        result.num_partitions = len(outcome.logs)
    else:
        result.num_partitions = outcome.partition_count
    result.replication_factor = 1
    if context.version >= _EFFECTIVE_CONFIGS_SINCE:
        result.configs = [
            CreatableTopicConfigs(
                name=entry.name,
                value=entry.value,
                read_only=entry.read_only,
                config_source=entry.source,
                is_sensitive=entry.is_sensitive,
            )
            for entry in describe_topic(outcome.configs, context.broker.configs.broker)
        ]
    return result
