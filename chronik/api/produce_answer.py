"""The answer to a Produce request while it is being put together: what became of each of its batches."""

from __future__ import annotations

from chronik.api.request import NO_RESPONSE, Deferred
from chronik.errors import KafkaError
from chronik.log.access import Appended, AppendTerms
from chronik.log.validate import CheckedBatch, RejectedBatch
from chronik.terms import NO_OFFSET, NO_TIMESTAMP, Acks, LogId
from chronik.txn.requests import PartitionKey
from chronik.wire.messages.produce import BatchIndexAndErrorMessage, PartitionProduceResponse, ProduceResponse


class Answer(Deferred):
    """Gathers what became of each partition; the request is answered when all are known."""

    __slots__ = ("acks", "failed", "response", "waiting")

    def __init__(self, acks: Acks) -> None:
        super().__init__()
        self.acks = acks
        self.response = ProduceResponse()
        self.failed = False
        self.waiting = 1
        """Partitions not known yet; one more while the request is still being read."""

    def settle(self) -> None:
        """One less is waited for."""
        self.waiting -= 1
        if self.waiting == 0:
            self.resolve(NO_RESPONSE if self.acks is Acks.NONE else self.response)

    def refuse(self, partition: PartitionProduceResponse, error: KafkaError) -> None:
        """Say why a partition's batch was not appended."""
        refuse(partition, error)
        self.failed = True


class Batch:
    """A checked batch with its place, and where its answer goes; called by the store when its fate is known."""

    __slots__ = ("answer", "checked", "key", "log", "response", "terms")

    def __init__(
        self,
        key: PartitionKey,
        log: LogId,
        checked: CheckedBatch,
        terms: AppendTerms,
        response: PartitionProduceResponse,
        answer: Answer,
    ) -> None:
        self.key = key
        self.log = log
        self.checked = checked
        self.terms = terms
        self.response = response
        self.answer = answer

    def keep(self) -> None:
        """Copy the bytes: the buffer of a frame is only the handler's until it returns."""
        self.checked = self.checked._replace(data=bytes(self.checked.data))

    def __call__(self, outcome: Appended | KafkaError) -> None:
        if isinstance(outcome, KafkaError):
            self.answer.refuse(self.response, outcome)
        else:
            response = self.response
            response.base_offset, response.log_append_time_ms, response.log_start_offset = outcome
        self.answer.settle()


def refuse(partition: PartitionProduceResponse, error: KafkaError) -> None:
    """Make it the answer for a batch that was not appended."""
    partition.error_code = error.code
    partition.base_offset = NO_OFFSET
    partition.log_append_time_ms = NO_TIMESTAMP
    partition.log_start_offset = NO_OFFSET
    partition.error_message = error.message
    if isinstance(error, RejectedBatch):
        partition.record_errors = [
            BatchIndexAndErrorMessage(batch_index=index, batch_index_error_message=message)
            for index, message in error.record_errors
        ]
