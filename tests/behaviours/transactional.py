"""Transactional producers, made by hand: each call is one request. And a reader that sorts batches as consumers do.

Apache Kafka answers EndTxn before all of it is done, and tells whoever comes next to try again: calls here do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from chronik.errors import ErrorCode
from chronik.wire.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from chronik.wire.messages.add_partitions_to_txn import AddPartitionsToTxnRequest, AddPartitionsToTxnTopic
from chronik.wire.messages.describe_transactions import DescribeTransactionsRequest, TransactionState
from chronik.wire.messages.end_txn import EndTxnRequest, EndTxnResponse
from chronik.wire.messages.find_coordinator import FindCoordinatorRequest
from chronik.wire.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from chronik.wire.messages.list_offsets import ListOffsetsRequest
from chronik.wire.messages.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    TopicProduceData,
)
from chronik.wire.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)
from tests.behaviours.batches import NOW_MS, bytes_of
from tests.behaviours.members import settle_coordinator
from tests.behaviours.partition import LATEST, SETTLED_S, Partition, Place, unique
from tests.broker_process import wait_until
from tests.kafka_python import kafka
from tests.raw_client import RawClient

NONE = ErrorCode.NONE
CONCURRENT = ErrorCode.CONCURRENT_TRANSACTIONS
_AGAIN = frozenset({CONCURRENT, ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_NOT_AVAILABLE} | {14})

READ_COMMITTED = 1
TIMEOUT_MS = 60_000


def settle_transactions(client: RawClient) -> None:
    """Wait until the broker coordinates groups and transactions, which Kafka does a while after it began to serve."""
    settle_coordinator(client)
    request = FindCoordinatorRequest(key="transactions", key_type=1)
    wait_until(lambda: client.ask(request, 2).error_code == 0, SETTLED_S, "there is no transaction coordinator")
    TransactionalProducer(client, unique("settling")).begin()


def transactional_batch(
    producer_id: int, epoch: int, sequence: int, values: Sequence[bytes], *, plain: bool = False
) -> bytes:
    """A batch of a transaction (or a `plain` one of the same producer)."""
    builder = kafka.record.default_records.DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=not plain,
        producer_id=producer_id,
        producer_epoch=epoch,
        base_sequence=sequence,
        batch_size=1 << 30,
    )
    for offset, value in enumerate(values):
        builder.append(offset, NOW_MS, None, value, [])
    return bytes(builder.build())


class TransactionalProducer:
    """One producer over one connection. `begin` before anything else.

    Methods that end in `_once` tell what one request was answered; the others try again as clients do, and fail with
    anything but success.
    """

    def __init__(self, client: RawClient, transactional_id: str | None = None, timeout_ms: int = TIMEOUT_MS) -> None:
        self.client = client
        self.transactional_id = transactional_id or unique("producer")
        self.timeout_ms = timeout_ms
        self.producer_id = -1
        self.epoch = -1
        self.sequences: dict[Place, int] = {}

    # InitProducerId

    def begin(self) -> TransactionalProducer:
        """Take the transactional id over."""
        self._use(_until_settled(lambda: self.init_once(), lambda reply: reply.error_code))
        return self

    def init_once(self, producer_id: int = -1, epoch: int = -1, *, version: int = 4) -> InitProducerIdResponse:
        request = InitProducerIdRequest(
            transactional_id=self.transactional_id,
            transaction_timeout_ms=self.timeout_ms,
            producer_id=producer_id,
            producer_epoch=epoch,
        )
        reply = self.client.ask(request, version)
        assert isinstance(reply, InitProducerIdResponse)
        return reply

    def go_on(self) -> None:
        """Raise the own epoch, as after an error that can be recovered from (KIP-360)."""
        again = _until_settled(lambda: self.init_once(self.producer_id, self.epoch), lambda reply: reply.error_code)
        self._use(again)

    def _use(self, reply: InitProducerIdResponse) -> None:
        assert reply.error_code == NONE, repr(ErrorCode(reply.error_code))
        self.producer_id, self.epoch = reply.producer_id, reply.producer_epoch
        self.sequences.clear()

    def twin(self, client: RawClient | None = None) -> TransactionalProducer:
        """Somebody who knows the same producer id and epoch: a restored job, or a zombie."""
        other = TransactionalProducer(client or self.client, self.transactional_id, self.timeout_ms)
        other.producer_id, other.epoch, other.sequences = self.producer_id, self.epoch, dict(self.sequences)
        return other

    # What belongs to the transaction

    def add(self, *places: Place) -> None:
        answers = _until_settled(lambda: self.add_once(*places), lambda found: next(iter(found.values())))
        assert set(answers.values()) == {NONE}, answers

    def add_once(self, *places: Place, version: int = 3) -> dict[Place, ErrorCode]:
        topics = [AddPartitionsToTxnTopic(name=place.topic, partitions=[place.number]) for place in places]
        request = AddPartitionsToTxnRequest(**self._self(), topics=topics)
        results = self.client.ask(request, version).results_by_topic
        return {
            Place(topic.name, partition.partition_index): ErrorCode(partition.partition_error_code)
            for topic in results
            for partition in topic.results_by_partition
        }

    def add_group(self, group_id: str) -> None:
        error = _until_settled(lambda: self.add_group_once(group_id), lambda found: found)
        assert error is NONE, repr(error)

    def add_group_once(self, group_id: str, *, version: int = 3) -> ErrorCode:
        return ErrorCode(self.client.ask(AddOffsetsToTxnRequest(**self._self(), group_id=group_id), version).error_code)

    def send(self, place: Place, *values: bytes, version: int = 9) -> int:
        """Produce one batch to a partition of the transaction; its base offset. From version 12 on it adds the
        partition."""
        answer = _until_settled(lambda: self.send_once(place, *values, version=version), lambda found: found.error_code)
        assert answer.error_code == NONE, f"{ErrorCode(answer.error_code)!r}: {answer.error_message}"
        self.sequences[place] = self.sequences.get(place, 0) + len(values)
        base_offset: int = answer.base_offset
        return base_offset

    def send_once(
        self, place: Place, *values: bytes, version: int = 9, plain: bool = False, sequence: int | None = None
    ) -> PartitionProduceResponse:
        next_sequence = self.sequences.get(place, 0) if sequence is None else sequence
        records = transactional_batch(self.producer_id, self.epoch, next_sequence, values, plain=plain)
        data = PartitionProduceData(index=place.number, records=memoryview(records))
        topic = TopicProduceData(name=place.topic, partition_data=[data])
        request = ProduceRequest(transactional_id=self.transactional_id, acks=-1, timeout_ms=30_000, topic_data=[topic])
        answer = self.client.ask(request, version).responses[0].partition_responses[0]
        assert isinstance(answer, PartitionProduceResponse)
        return answer

    def commit_offset(self, group_id: str, place: Place, offset: int, *, version: int = 3) -> None:
        error = _until_settled(
            lambda: self.commit_offset_once(group_id, place, offset, version=version), lambda found: found
        )
        assert error is NONE, repr(error)

    def commit_offset_once(
        self, group_id: str, place: Place, offset: int, *, version: int = 3, **member: Any
    ) -> ErrorCode:
        """TxnOffsetCommit for one partition; `member` as in the request."""
        partition = TxnOffsetCommitRequestPartition(
            partition_index=place.number, committed_offset=offset, committed_metadata=""
        )
        topic = TxnOffsetCommitRequestTopic(name=place.topic, partitions=[partition])
        request = TxnOffsetCommitRequest(**self._self(), group_id=group_id, topics=[topic], **member)
        return ErrorCode(self.client.ask(request, version).topics[0].partitions[0].error_code)

    # The end

    def commit(self, *, version: int = 3) -> None:
        self._end(commits=True, version=version)

    def abort(self, *, version: int = 3) -> None:
        self._end(commits=False, version=version)

    def _end(self, *, commits: bool, version: int) -> None:
        reply = _until_settled(lambda: self.end_once(commits=commits, version=version), lambda found: found.error_code)
        assert reply.error_code == NONE, repr(ErrorCode(reply.error_code))
        if version >= 5:
            self.producer_id, self.epoch = reply.producer_id, reply.producer_epoch
            self.sequences.clear()

    def end_once(self, *, commits: bool, version: int = 3) -> EndTxnResponse:
        reply = self.client.ask(EndTxnRequest(**self._self(), committed=commits), version)
        assert isinstance(reply, EndTxnResponse)
        return reply

    # What the coordinator says

    def described(self) -> TransactionState:
        (state,) = self.client.ask(
            DescribeTransactionsRequest(transactional_ids=[self.transactional_id]), 0
        ).transaction_states
        assert isinstance(state, TransactionState)
        return state

    def wait_idle(self) -> None:
        """Until no transaction is open or being ended."""
        wait_until(
            lambda: self.described().transaction_state in ("Empty", "CompleteCommit", "CompleteAbort"),
            SETTLED_S,
            lambda: f"it stays {self.described()}",
        )

    def _self(self) -> dict[str, Any]:
        return {
            "transactional_id": self.transactional_id,
            "producer_id": self.producer_id,
            "producer_epoch": self.epoch,
        }


def _until_settled(ask: Callable[[], Any], code_of: Callable[[Any], int]) -> Any:
    """Ask until the answer is not that one should try again."""
    answers: list[Any] = []

    def settled() -> bool:
        answers.append(ask())
        return code_of(answers[-1]) not in _AGAIN

    wait_until(settled, SETTLED_S, lambda: f"the last answer is {answers[-1]}")
    return answers[-1]


class Seen(NamedTuple):
    """What a read-committed reader makes of a partition."""

    values: list[bytes]
    position: int
    """Where it would go on."""
    aborted: set[int]
    """Producer ids that it was told of."""


def read_committed(partition: Partition, offset: int = 0, *, max_bytes: int = 1 << 26) -> Seen:
    """Read from an offset up to the last stable offset, leaving out what was aborted."""
    values: list[bytes] = []
    told: set[int] = set()
    while True:
        data = partition.fetch(offset, isolation_level=READ_COMMITTED, partition_max_bytes=max_bytes)
        assert data.error_code == NONE, repr(ErrorCode(data.error_code))
        batches = list(_split(bytes_of(data.records)))
        if not batches:
            assert offset == data.last_stable_offset
            return Seen(values, offset, told)
        aborted = sorted((entry.first_offset, entry.producer_id) for entry in data.aborted_transactions or [])
        told |= {producer_id for _, producer_id in aborted}
        values += _committed(batches, aborted, offset)
        offset = batches[-1].last_offset + 1


def _committed(batches: Sequence[Any], aborted: list[tuple[int, int]], offset: int) -> list[bytes]:
    open_aborts: set[int] = set()
    found: list[bytes] = []
    for batch in batches:
        while aborted and aborted[0][0] <= batch.last_offset:
            open_aborts.add(aborted.pop(0)[1])
        if batch.is_control_batch:
            (marker,) = batch
            if marker.key[3] == 0:
                open_aborts.discard(batch.producer_id)
        elif not (batch.is_transactional and batch.producer_id in open_aborts):
            found += [record.value for record in batch if record.offset >= offset]
    return found


def _split(raw: bytes) -> Any:
    at = 0
    while at < len(raw):
        size = 12 + int.from_bytes(raw[at + 8 : at + 12], "big")
        yield kafka.record.default_records.DefaultRecordBatch(raw[at : at + size])
        at += size


def markers_of(partition: Partition) -> list[tuple[int, int, bool]]:
    """(offset, producer epoch, whether it commits) of each marker."""
    found: list[tuple[int, int, bool]] = []
    offset = 0
    while offset < partition.end:
        batches = list(_split(bytes_of(partition.fetch(offset).records)))
        found += [
            (batch.base_offset, batch.producer_epoch, next(iter(batch)).key[3] == 1)
            for batch in batches
            if batch.is_control_batch
        ]
        offset = batches[-1].last_offset + 1
    return found


def stable_end(partition: Partition) -> int:
    """The last stable offset, by ListOffsets."""
    request = ListOffsetsRequest(replica_id=-1, isolation_level=READ_COMMITTED, topics=[partition.place.listed(LATEST)])
    (found,) = partition.client.ask(request, 5).topics[0].partitions
    assert found.error_code == NONE
    offset: int = found.offset
    return offset


def wait_stable(partition: Partition) -> None:
    """Until nothing is open: Kafka writes markers a moment after it has answered EndTxn."""
    wait_until(
        lambda: stable_end(partition) == partition.end, SETTLED_S, lambda: f"stable up to {stable_end(partition)}"
    )
