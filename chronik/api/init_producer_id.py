"""InitProducerId: a producer id for an idempotent or transactional producer (KIP-98, KIP-360).

Served: 0 to 5. Without a transactional id each call gets a new id with epoch 0. With one, the producer that had it
before is fenced, and its open transaction aborted before this is answered; from version 3 a producer can go on with a
higher epoch after an error. Up to version 3 a fenced producer is told INVALID_PRODUCER_EPOCH.
"""

from __future__ import annotations

from chronik.api.request import RequestContext
from chronik.api.transactional import known_since
from chronik.errors import ErrorCode, KafkaError
from chronik.terms import NO_PRODUCER_EPOCH, NO_PRODUCER_ID, ProducerId
from chronik.txn.requests import InitReply, InitRequest
from chronik.wire.apis import ApiKey
from chronik.wire.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse

API = ApiKey.INIT_PRODUCER_ID
VERSIONS = (0, 5)

_FENCED_SINCE = 4


async def handle(context: RequestContext, request: InitProducerIdRequest) -> InitProducerIdResponse:
    """Give out a producer id."""
    try:
        reply = await _reply(context, request)
    except KafkaError as error:
        reply = InitReply(error.code)
    return InitProducerIdResponse(
        error_code=known_since(context.version, reply.error, _FENCED_SINCE),
        producer_id=reply.producer_id,
        producer_epoch=reply.producer_epoch,
    )


async def _reply(context: RequestContext, request: InitProducerIdRequest) -> InitReply:
    producer_id, epoch = request.producer_id, request.producer_epoch
    if (producer_id == NO_PRODUCER_ID) != (epoch == NO_PRODUCER_EPOCH):
        return InitReply(ErrorCode.INVALID_REQUEST)
    broker = context.broker
    if request.transactional_id is None:
        return InitReply(ErrorCode.NONE, await broker.transactions.new_producer_id(), 0)
    return await broker.transactions.init_producer_id(
        InitRequest(request.transactional_id, request.transaction_timeout_ms, ProducerId(producer_id), epoch)
    )
