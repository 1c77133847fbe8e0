"""ElectLeaders: let the preferred, or any, replica lead (KIP-460).

Served: 0 to 2. The only replica leads already, so that an election is never needed. Asked for all partitions (null) the
reply names the topics, and no partition: only those in which something changed or failed would be there.
"""

from __future__ import annotations

from chronik.api.request import RequestContext
from chronik.broker.broker import Broker
from chronik.errors import ErrorCode, KafkaError
from chronik.wire.apis import ApiKey
from chronik.wire.messages.elect_leaders import (
    ElectLeadersRequest,
    ElectLeadersResponse,
    PartitionResult,
    ReplicaElectionResult,
)

API = ApiKey.ELECT_LEADERS
VERSIONS = (0, 2)

_PREFERRED = 0
_UNCLEAN = 1


def handle(context: RequestContext, request: ElectLeadersRequest) -> ElectLeadersResponse:
    """Say for every partition that is named why nothing happens."""
    broker = context.broker
    unknown = None
    if request.election_type not in (_PREFERRED, _UNCLEAN):
        unknown = KafkaError(ErrorCode.INVALID_REQUEST, f"There is no election type {request.election_type}.")
    response = ElectLeadersResponse(error_code=ErrorCode.NONE if unknown is None else unknown.code)
    if request.topic_partitions is None:
        if unknown is None:
            response.replica_election_results = [ReplicaElectionResult(topic=topic.name) for topic in broker.topics]
        return response
    for asked in request.topic_partitions:
        result = ReplicaElectionResult(topic=asked.topic)
        response.replica_election_results.append(result)
        for partition in asked.partitions:
            why = unknown or _why_not(broker, asked.topic, partition)
            result.partition_result.append(
                PartitionResult(partition_id=partition, error_code=why.code, error_message=why.message)
            )
    return response


def _why_not(broker: Broker, name: str, partition: int) -> KafkaError:
    topic = broker.topics.get(name)
    if topic is None:
        return KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Topic {name[:300]!r} does not exist.")
    if topic.log_of(partition) is None:
        return KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Topic {name!r} has no partition {partition}.")
    return KafkaError(ErrorCode.ELECTION_NOT_NEEDED, "The only replica leads already.")
