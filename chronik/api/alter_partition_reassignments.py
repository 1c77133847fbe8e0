"""AlterPartitionReassignments: move partitions to other brokers (KIP-455, KIP-860).

Served: 0 to 1. There is one broker: a partition can only be assigned to where it is, which is done at once, and there
is never a reassignment to cancel (replicas null).
"""

from __future__ import annotations

from chronik.api.replica_assignment import check_replicas
from chronik.api.request import RequestContext
from chronik.broker.broker import Broker
from chronik.errors import ErrorCode, KafkaError
from chronik.wire.apis import ApiKey
from chronik.wire.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
    ReassignablePartition,
    ReassignablePartitionResponse,
    ReassignableTopicResponse,
)

API = ApiKey.ALTER_PARTITION_REASSIGNMENTS
VERSIONS = (0, 1)


def handle(context: RequestContext, request: AlterPartitionReassignmentsRequest) -> AlterPartitionReassignmentsResponse:
    """Check every partition that is named."""
    return AlterPartitionReassignmentsResponse(
        allow_replication_factor_change=request.allow_replication_factor_change,
        error_message=None,
        responses=[
            ReassignableTopicResponse(
                name=topic.name,
                partitions=[_answer(context.broker, topic.name, partition) for partition in topic.partitions],
            )
            for topic in request.topics
        ],
    )


def _answer(broker: Broker, name: str, asked: ReassignablePartition) -> ReassignablePartitionResponse:
    response = ReassignablePartitionResponse(partition_index=asked.partition_index, error_message=None)
    try:
        topic = broker.topics.get(name)
        if topic is None:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Topic {name[:300]!r} does not exist.")
        if topic.log_of(asked.partition_index) is None:
            raise KafkaError(
                ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Topic {name!r} has no partition {asked.partition_index}."
            )
        if asked.replicas is None:
            raise KafkaError(ErrorCode.NO_REASSIGNMENT_IN_PROGRESS, "The partition is not being reassigned.")
        check_replicas(broker.node_id, asked.replicas)
    except KafkaError as error:
        response.error_code, response.error_message = error.code, error.message
    return response
