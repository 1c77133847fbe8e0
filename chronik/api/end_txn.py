"""EndTxn: commit or abort a transaction (KIP-98, KIP-890).

Served: 0 to 5. The answer comes when the transaction is completed, so that the next one can begin at once; Kafka
answers a little earlier, and may tell the next call to try again. Version 5 is that of transaction version 2: it raises
the producer's epoch, or gives it a new producer id when the epochs are exhausted, and tells both.
"""

from __future__ import annotations

from chronik.api.request import RequestContext
from chronik.api.transactional import known_since
from chronik.errors import KafkaError
from chronik.terms import ProducerId
from chronik.txn.requests import EndReply, EndRequest, Producer
from chronik.wire.apis import ApiKey
from chronik.wire.messages.end_txn import EndTxnRequest, EndTxnResponse

API = ApiKey.END_TXN
VERSIONS = (0, 5)

_RAISES_EPOCH_SINCE = 5


async def handle(context: RequestContext, request: EndTxnRequest) -> EndTxnResponse:
    """End the transaction; any connection may, as long as it has the producer's id and epoch."""
    producer = Producer(request.transactional_id, ProducerId(request.producer_id), request.producer_epoch)
    raises_epoch = context.version >= _RAISES_EPOCH_SINCE
    try:
        reply = await context.broker.transactions.end(EndRequest(producer, request.committed, raises_epoch))
    except KafkaError as error:
        reply = EndReply(error.code)
    return EndTxnResponse(
        error_code=known_since(context.version, reply.error),
        producer_id=reply.producer_id,
        producer_epoch=reply.producer_epoch,
    )
