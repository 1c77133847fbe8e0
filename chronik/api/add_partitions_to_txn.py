"""AddPartitionsToTxn: a transaction is to have these partitions too (KIP-98).

Served: 0 to 3; from 4 on it is what brokers say to each other. All partitions are added or none: if one of them does
not exist, it is UNKNOWN_TOPIC_OR_PARTITION and the others are OPERATION_NOT_ATTEMPTED.
"""

from __future__ import annotations

from chronik.api.request import RequestContext
from chronik.api.transactional import key_of, known_since
from chronik.errors import ErrorCode, KafkaError
from chronik.terms import ProducerId
from chronik.txn.requests import PartitionKey, Producer
from chronik.wire.apis import ApiKey
from chronik.wire.messages.add_partitions_to_txn import (
    AddPartitionsToTxnPartitionResult,
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopicResult,
)

API = ApiKey.ADD_PARTITIONS_TO_TXN
VERSIONS = (0, 3)


async def handle(context: RequestContext, request: AddPartitionsToTxnRequest) -> AddPartitionsToTxnResponse:
    """Add what is asked for; every partition has the same answer, unless one does not exist."""
    topics = context.broker.topics
    results: list[tuple[PartitionKey | None, AddPartitionsToTxnPartitionResult]] = []
    response = AddPartitionsToTxnResponse()
    for asked in request.topics:
        answer = AddPartitionsToTxnTopicResult(name=asked.name)
        response.results_by_topic.append(answer)
        for partition in asked.partitions:
            result = AddPartitionsToTxnPartitionResult(partition_index=partition)
            answer.results_by_partition.append(result)
            results.append((key_of(topics, asked.name, partition), result))
    keys = [key for key, _ in results if key is not None]
    if len(keys) < len(results):
        for key, result in results:
            missing = key is None
            result.partition_error_code = (
                ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if missing else ErrorCode.OPERATION_NOT_ATTEMPTED
            )
        return response
    error = known_since(context.version, await _add(context, request, keys))
    for _, result in results:
        result.partition_error_code = error
    return response


async def _add(context: RequestContext, request: AddPartitionsToTxnRequest, keys: list[PartitionKey]) -> ErrorCode:
    producer = Producer(request.transactional_id, ProducerId(request.producer_id), request.producer_epoch)
    try:
        return await context.broker.transactions.add_partitions(producer, keys)
    except KafkaError as error:
        return error.code
