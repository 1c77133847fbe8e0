"""InitProducerId: a producer id for an idempotent producer (KIP-98, KIP-360).

Served: 0 to 5. Each call gets a new id with epoch 0; the id and epoch in the request mean nothing without a
transactional id. Transactions are not there yet: a transactional id is answered with a fatal error rather than half a
transaction.
"""

from __future__ import annotations

from chronik.api.request import RequestContext
from chronik.errors import ErrorCode, KafkaError
from chronik.terms import NO_PRODUCER_EPOCH, NO_PRODUCER_ID
from chronik.wire.apis import ApiKey
from chronik.wire.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse

API = ApiKey.INIT_PRODUCER_ID
VERSIONS = (0, 5)


async def handle(context: RequestContext, request: InitProducerIdRequest) -> InitProducerIdResponse:
    """Give out a fresh producer id."""
    try:
        if request.transactional_id == "":
            raise KafkaError(ErrorCode.INVALID_REQUEST)
        if request.transactional_id is not None:
            raise KafkaError(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
        producer_id = await context.broker.producer_ids.new()
    except KafkaError as error:
        return InitProducerIdResponse(
            error_code=error.code, producer_id=NO_PRODUCER_ID, producer_epoch=NO_PRODUCER_EPOCH
        )
    return InitProducerIdResponse(producer_id=producer_id, producer_epoch=0)
