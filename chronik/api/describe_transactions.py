"""DescribeTransactions: the state of transactional ids, and what their open transactions consist of (KIP-664).

Served: 0.
"""

from __future__ import annotations

from itertools import groupby

from chronik.api.request import RequestContext
from chronik.terms import TopicId
from chronik.txn.listing import TransactionDescription
from chronik.txn.requests import PartitionKey
from chronik.wire.apis import ApiKey
from chronik.wire.messages.describe_transactions import (
    DescribeTransactionsRequest,
    DescribeTransactionsResponse,
    TopicData,
    TransactionState,
)

API = ApiKey.DESCRIBE_TRANSACTIONS
VERSIONS = (0, 0)


def handle(context: RequestContext, request: DescribeTransactionsRequest) -> DescribeTransactionsResponse:
    """Answer for every id."""
    describe = context.broker.transactions.describe
    return DescribeTransactionsResponse(
        transaction_states=[
            _state(context, describe(transactional_id)) for transactional_id in request.transactional_ids
        ]
    )


def _state(context: RequestContext, found: TransactionDescription) -> TransactionState:
    topics: list[TopicData] = []
    for topic_id, keys in groupby(found.partitions, _topic_of):
        name = context.broker.topics.name_of(topic_id)
        if name is not None:
            topics.append(TopicData(topic=name, partitions=[partition for _, partition in keys]))
    return TransactionState(
        error_code=found.error,
        transactional_id=found.transactional_id,
        transaction_state=found.state,
        transaction_timeout_ms=found.timeout_ms,
        transaction_start_time_ms=found.start_ms,
        producer_id=found.producer_id,
        producer_epoch=found.producer_epoch,
        topics=topics,
    )


def _topic_of(key: PartitionKey) -> TopicId:
    return key[0]
