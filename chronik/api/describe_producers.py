"""DescribeProducers: what partitions remember of their producers, and where their transactions began (KIP-664).

Served: 0.
"""

from __future__ import annotations

from chronik.api.request import RequestContext
from chronik.broker.topics import check_name
from chronik.errors import ErrorCode, KafkaError
from chronik.wire.apis import ApiKey
from chronik.wire.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersResponse,
    PartitionResponse,
    ProducerState,
    TopicResponse,
)

API = ApiKey.DESCRIBE_PRODUCERS
VERSIONS = (0, 0)


def handle(context: RequestContext, request: DescribeProducersRequest) -> DescribeProducersResponse:
    """Answer for every partition."""
    return DescribeProducersResponse(
        topics=[
            TopicResponse(
                name=topic.name,
                partitions=[_partition(context, topic.name, partition) for partition in topic.partition_indexes],
            )
            for topic in request.topics
        ]
    )


def _partition(context: RequestContext, name: str, partition: int) -> PartitionResponse:
    try:
        check_name(name)
        topic = context.broker.topics.get(name)
        log = None if topic is None else topic.log_of(partition)
        if log is None:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "This server has no such topic or partition.")
        producers = context.broker.store.producers(log)
    except KafkaError as error:
        return PartitionResponse(partition_index=partition, error_code=error.code, error_message=error.message)
    return PartitionResponse(
        partition_index=partition,
        active_producers=[
            ProducerState(
                producer_id=producer.producer_id,
                producer_epoch=producer.epoch,
                last_sequence=producer.last_sequence,
                last_timestamp=producer.last_ms,
                coordinator_epoch=producer.coordinator_epoch,
                current_txn_start_offset=producer.open_first_offset,
            )
            for producer in producers
        ],
    )
