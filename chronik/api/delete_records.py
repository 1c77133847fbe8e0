"""DeleteRecords: move the start of partitions forward (KIP-107).

Served: 0 to 2. Offset -1 means the high watermark. What lies below the new start cannot be read any more as soon as the
reply leaves; its space comes back later. A partition that is named twice gets the last offset given for it.
"""

from __future__ import annotations

import asyncio

from chronik.api.request import RequestContext
from chronik.broker.broker import Broker
from chronik.errors import ErrorCode, KafkaError
from chronik.terms import NO_OFFSET
from chronik.wire.apis import ApiKey
from chronik.wire.messages.delete_records import (
    DeleteRecordsPartitionResult,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)

API = ApiKey.DELETE_RECORDS
VERSIONS = (0, 2)


async def handle(context: RequestContext, request: DeleteRecordsRequest) -> DeleteRecordsResponse:
    """Raise all starts together, so that they share an fsync."""
    asked: dict[str, dict[int, int]] = {}
    for topic in request.topics:
        partitions = asked.setdefault(topic.name, {})
        partitions.update({partition.partition_index: partition.offset for partition in topic.partitions})
    found = await asyncio.gather(
        *[
            _delete(context.broker, name, partition, offset)
            for name, partitions in asked.items()
            for partition, offset in partitions.items()
        ]
    )
    results = iter(found)
    return DeleteRecordsResponse(
        topics=[
            DeleteRecordsTopicResult(name=name, partitions=[next(results) for _ in partitions])
            for name, partitions in asked.items()
            if partitions
        ]
    )


async def _delete(broker: Broker, name: str, partition: int, offset: int) -> DeleteRecordsPartitionResult:
    try:
        topic = broker.topics.get(name)
        log = None if topic is None else topic.log_of(partition)
        if topic is None or log is None:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        if topic.is_internal:
            raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION)
        if topic.config.cleanup_compact and not topic.config.cleanup_delete:
            raise KafkaError(ErrorCode.POLICY_VIOLATION)
        start = await broker.store.delete_records(log, offset)
    except KafkaError as error:
        return DeleteRecordsPartitionResult(partition_index=partition, low_watermark=NO_OFFSET, error_code=error.code)
    return DeleteRecordsPartitionResult(partition_index=partition, low_watermark=start)
