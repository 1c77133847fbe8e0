"""WriteTxnMarkers: put markers into logs, whatever the coordinator says (KIP-98, KIP-664).

Served: 1 and 2. Brokers say this to each other in Kafka; here only administrators do, to end a transaction that hangs
in a partition. From version 2 the marker may be of transaction version 2: its epoch must then be above that of the
transaction that it ends.
"""

from __future__ import annotations

import asyncio

from chronik.api.request import RequestContext
from chronik.api.transactional import key_of
from chronik.batch.control import ControlType
from chronik.errors import ErrorCode
from chronik.log.markers import Marker
from chronik.terms import ProducerId
from chronik.wire.apis import ApiKey
from chronik.wire.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerPartitionResult,
    WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult,
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)

API = ApiKey.WRITE_TXN_MARKERS
VERSIONS = (1, 2)

_RAISES_EPOCH_SINCE = 2
"""The transaction version, not that of the request."""


async def handle(context: RequestContext, request: WriteTxnMarkersRequest) -> WriteTxnMarkersResponse:
    """Write all markers; each partition has an answer of its own. A marker without topics is left out."""
    return WriteTxnMarkersResponse(
        markers=list(
            await asyncio.gather(*(_write_all(context, marker) for marker in request.markers if marker.topics))
        )
    )


async def _write_all(context: RequestContext, asked: WritableTxnMarker) -> WritableTxnMarkerResult:
    marker = Marker(
        ProducerId(asked.producer_id),
        asked.producer_epoch,
        ControlType.COMMIT if asked.transaction_result else ControlType.ABORT,
        asked.coordinator_epoch,
        asked.transaction_version >= _RAISES_EPOCH_SINCE,
    )
    result = WritableTxnMarkerResult(producer_id=asked.producer_id)
    for topic in asked.topics:
        errors = await asyncio.gather(
            *(_write(context, topic.name, partition, marker) for partition in topic.partition_indexes)
        )
        partitions = [
            WritableTxnMarkerPartitionResult(partition_index=partition, error_code=error)
            for partition, error in zip(topic.partition_indexes, errors, strict=True)
        ]
        result.topics.append(WritableTxnMarkerTopicResult(name=topic.name, partitions=partitions))
    return result


async def _write(context: RequestContext, topic: str, partition: int, marker: Marker) -> ErrorCode:
    broker = context.broker
    key = key_of(broker.topics, topic, partition)
    if key is None:
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    if marker.producer_id < 0 or marker.producer_epoch < 0:
        return ErrorCode.INVALID_REQUEST
    return await broker.transactions.write_marker(key, marker)
