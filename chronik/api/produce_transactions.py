"""Transactional batches in a Produce request: which transaction they are of, and whether that has their partitions.

Every batch is verified at the moment when it is appended, so that none is written that nobody would end (KIP-890).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chronik.api.produce_answer import Batch
from chronik.api.request import RequestContext
from chronik.broker.broker import Broker
from chronik.errors import ErrorCode, KafkaError
from chronik.terms import ProducerId
from chronik.txn.requests import Producer

Wrong = dict[Batch, ErrorCode]
"""Batches that must not be appended, and why."""

ABORTABLE_SINCE = 11
ADDS_PARTITIONS_SINCE = 12


def producer_of(transactional_id: str | None, batches: Sequence[Batch]) -> Producer:
    """Who the transactional batches of a request come from. KafkaError TRANSACTIONAL_ID_AUTHORIZATION_FAILED without a
    transactional id, INVALID_PRODUCER_ID_MAPPING for more than one producer."""
    if transactional_id is None:
        raise KafkaError(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    producers = {(batch.checked.header.producer_id, batch.checked.header.producer_epoch) for batch in batches}
    if len(producers) > 1:
        raise KafkaError(
            ErrorCode.INVALID_PRODUCER_ID_MAPPING, "Transactional records contained more than one producer ID"
        )
    ((producer_id, epoch),) = producers
    return Producer(transactional_id, ProducerId(producer_id), epoch)


def verifies(context: RequestContext) -> bool:
    """Whether batches must belong to an open transaction: always where they add their partitions themselves."""
    return context.version >= ADDS_PARTITIONS_SINCE or context.broker.settings.transaction_partition_verification_enable


def unverified(broker: Broker, producer: Producer, batches: Iterable[Batch]) -> Wrong:
    """The batches that do not belong to the producer's open transaction now."""
    verify = broker.transactions.verify_partition
    verified = ((batch, verify(producer, batch.key)) for batch in batches)
    return {batch: error for batch, error in verified if error is not ErrorCode.NONE}


async def add(broker: Broker, producer: Producer, batches: Iterable[Batch]) -> ErrorCode:
    """Add the batches' partitions to the transaction, or begin one with them."""
    try:
        return await broker.transactions.add_partitions(producer, [batch.key for batch in batches])
    except KafkaError as error:
        return error.code


def refusal(version: int, error: ErrorCode) -> KafkaError:
    """The error as Kafka puts it in this version. What a client may try again is NOT_ENOUGH_REPLICAS to old ones, as
    that does not make them ask for metadata."""
    match error:
        case ErrorCode.PRODUCER_FENCED:
            return KafkaError(ErrorCode.INVALID_PRODUCER_EPOCH)
        case ErrorCode.TRANSACTION_ABORTABLE if version < ABORTABLE_SINCE:
            return KafkaError(ErrorCode.INVALID_TXN_STATE, "Partition was not added to the transaction")
        case ErrorCode.CONCURRENT_TRANSACTIONS if version >= ADDS_PARTITIONS_SINCE:
            return KafkaError(error)
        case ErrorCode.CONCURRENT_TRANSACTIONS | ErrorCode.COORDINATOR_NOT_AVAILABLE:
            return KafkaError(
                ErrorCode.NOT_ENOUGH_REPLICAS,
                f"Unable to verify the partition has been added to the transaction. Underlying error: {error.name}",
            )
        case _:
            return KafkaError(error)
