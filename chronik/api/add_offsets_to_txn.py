"""AddOffsetsToTxn: a transaction is to commit offsets of this group too (KIP-98).

Served: 0 to 4.
"""

from __future__ import annotations

from chronik.api.request import RequestContext
from chronik.api.transactional import known_since
from chronik.errors import KafkaError
from chronik.terms import ProducerId
from chronik.txn.requests import Producer
from chronik.wire.apis import ApiKey
from chronik.wire.messages.add_offsets_to_txn import AddOffsetsToTxnRequest, AddOffsetsToTxnResponse

API = ApiKey.ADD_OFFSETS_TO_TXN
VERSIONS = (0, 4)


async def handle(context: RequestContext, request: AddOffsetsToTxnRequest) -> AddOffsetsToTxnResponse:
    """Add the group, which need not exist yet."""
    producer = Producer(request.transactional_id, ProducerId(request.producer_id), request.producer_epoch)
    try:
        error = await context.broker.transactions.add_group(producer, request.group_id)
    except KafkaError as failure:
        error = failure.code
    return AddOffsetsToTxnResponse(error_code=known_since(context.version, error))
