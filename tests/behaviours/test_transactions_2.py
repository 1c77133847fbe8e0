"""Transaction version 2 (KIP-890): partitions add themselves, every end raises the epoch, and version 1 beside it."""

from __future__ import annotations

import pytest

from chronik.errors import ErrorCode
from chronik.wire.messages.api_versions import ApiVersionsRequest
from chronik.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from tests.behaviours.partition import Partition, create_topic, metadata_of, new_partition
from tests.behaviours.transactional import (
    NONE,
    TransactionalProducer,
    markers_of,
    read_committed,
    settle_transactions,
    transactional_batch,
    wait_stable,
)
from tests.broker_process import BrokerProcess
from tests.raw_client import RawClient

ADDS, RAISES = 12, 5
"""Versions of Produce and EndTxn."""


@pytest.fixture(scope="module", autouse=True)
def coordinating(module_broker: BrokerProcess) -> None:
    with RawClient(module_broker.host, module_broker.port) as client:
        settle_transactions(client)


@pytest.fixture
def partition(client: RawClient) -> Partition:
    return new_partition(client)


@pytest.fixture
def producer(client: RawClient) -> TransactionalProducer:
    return TransactionalProducer(client).begin()


def test_the_version_is_finalized(client: RawClient) -> None:
    """Java clients look for it from ApiVersions 3 on; 3 leaves out what its readers cannot bear (KAFKA-17011)."""
    asked = ApiVersionsRequest(client_software_name="raw", client_software_version="1")
    for version in (3, 4):
        answer = client.ask(asked, version)
        assert answer.finalized_features_epoch >= 0
        (level,) = (one for one in answer.finalized_features if one.name == "transaction.version")
        assert (level.min_version_level, level.max_version_level) == (2, 2)
        supported = {one.name: (one.min_version, one.max_version) for one in answer.supported_features}
        assert supported.get("transaction.version") == (None if version == 3 else (0, 2))
        assert all(low > 0 for low, _ in supported.values()) or version == 4


def test_partitions_add_themselves_and_every_end_raises_the_epoch(
    producer: TransactionalProducer, partition: Partition
) -> None:
    epochs = [producer.epoch]
    for number in range(3):
        producer.send(partition.place, f"{number}".encode(), version=ADDS)
        producer.send(partition.place, b"more", version=ADDS)
        producer.commit(version=RAISES) if number != 1 else producer.abort(version=RAISES)
        epochs.append(producer.epoch)
    assert epochs == [0, 1, 2, 3]
    wait_stable(partition)
    assert markers_of(partition) == [(2, 1, True), (5, 2, False), (8, 3, True)]
    assert read_committed(partition).values == [b"0", b"more", b"2", b"more"]


def test_an_end_is_repeated_with_the_epoch_before(producer: TransactionalProducer, partition: Partition) -> None:
    producer.send(partition.place, b"x", version=ADDS)
    old = producer.twin()
    producer.commit(version=RAISES)
    producer.wait_idle()
    again = old.end_once(commits=True, version=RAISES)
    assert (again.error_code, again.producer_id, again.producer_epoch) == (NONE, producer.producer_id, producer.epoch)
    assert old.end_once(commits=False, version=RAISES).error_code == ErrorCode.INVALID_TXN_STATE
    producer.send(partition.place, b"y", version=ADDS)
    assert old.end_once(commits=True, version=RAISES).error_code == ErrorCode.PRODUCER_FENCED
    producer.abort(version=RAISES)


def test_an_abort_is_taken_even_if_nothing_was_added(producer: TransactionalProducer) -> None:
    assert producer.end_once(commits=True, version=RAISES).error_code == ErrorCode.INVALID_TXN_STATE
    for epoch in (1, 2):
        producer.abort(version=RAISES)
        producer.wait_idle()
        assert (producer.epoch, producer.described().transaction_state) == (epoch, "CompleteAbort")
    assert producer.end_once(commits=True, version=RAISES).error_code == ErrorCode.INVALID_TXN_STATE


def test_a_late_batch_of_the_transaction_before_is_refused(
    producer: TransactionalProducer, partition: Partition
) -> None:
    """Which version 1 cannot tell from one of the next transaction, if that has the same partition."""
    late = producer.twin()
    producer.send(partition.place, b"x", version=ADDS)
    producer.commit(version=RAISES)
    producer.send(partition.place, b"y", version=ADDS)
    old = ErrorCode.INVALID_PRODUCER_EPOCH
    for sequence in (0, 1):
        assert late.send_once(partition.place, b"late", version=ADDS, sequence=sequence).error_code == old
    producer.commit(version=RAISES)
    wait_stable(partition)
    assert read_committed(partition).values == [b"x", b"y"]


def test_a_producer_that_is_new_in_a_partition_begins_at_zero(
    producer: TransactionalProducer, partition: Partition
) -> None:
    answer = producer.send_once(partition.place, b"x", version=ADDS, sequence=5)
    assert answer.error_code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    producer.send(partition.place, b"x", version=ADDS)
    producer.commit(version=RAISES)


def test_both_versions_of_a_producer_work_in_turn(producer: TransactionalProducer, partition: Partition) -> None:
    producer.send(partition.place, b"2 to 1", version=ADDS)
    producer.commit()
    producer.wait_idle()
    producer.add(partition.place)
    producer.send(partition.place, b"1 to 2")
    producer.commit(version=RAISES)
    producer.add(partition.place)
    producer.send(partition.place, b"1")
    producer.commit()
    wait_stable(partition)
    assert read_committed(partition).values == [b"2 to 1", b"1 to 2", b"1"]


def test_producers_of_both_versions_share_a_partition(client: RawClient, partition: Partition) -> None:
    old, new = TransactionalProducer(client).begin(), TransactionalProducer(client).begin()
    for number in range(4):
        old.add(partition.place)
        for producer, version in ((old, 9), (new, ADDS)):
            producer.send(partition.place, f"{number}".encode(), version=version)
        old.commit() if number % 2 else old.abort()
        new.commit(version=RAISES)
    wait_stable(partition)
    assert sorted(read_committed(partition).values) == [b"0", b"1", b"1", b"2", b"3", b"3"]


def test_topics_may_come_by_id(producer: TransactionalProducer, client: RawClient) -> None:
    name = create_topic(client, 2)
    topic_id = metadata_of(client, name).topic_id
    records = transactional_batch(producer.producer_id, producer.epoch, 0, [b"x"])

    def ask(identity: bytes, index: int) -> tuple[int, int, bytes]:
        data = TopicProduceData(
            topic_id=identity, partition_data=[PartitionProduceData(index=index, records=memoryview(records))]
        )
        request = ProduceRequest(
            transactional_id=producer.transactional_id, acks=-1, timeout_ms=30_000, topic_data=[data]
        )
        (topic,) = client.ask(request, 13).responses
        (partition,) = topic.partition_responses
        return partition.error_code, partition.base_offset, topic.topic_id

    assert ask(topic_id, 1) == (NONE, 0, topic_id)
    assert ask(topic_id, 7) == (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1, topic_id)
    unknown = bytes(range(16))
    assert ask(unknown, 0) == (ErrorCode.UNKNOWN_TOPIC_ID, -1, unknown)
    producer.commit(version=RAISES)
    wait_stable(Partition(client, name, 1))
    assert read_committed(Partition(client, name, 1)).values == [b"x"]


def test_a_request_may_hold_transactional_and_plain_batches(producer: TransactionalProducer, client: RawClient) -> None:
    name = create_topic(client, 2)
    batches = [
        transactional_batch(producer.producer_id, producer.epoch, 0, [b"open"]),
        transactional_batch(-1, -1, -1, [b"plain"], plain=True),
    ]
    data = [PartitionProduceData(index=i, records=memoryview(records)) for i, records in enumerate(batches)]
    request = ProduceRequest(
        transactional_id=producer.transactional_id,
        acks=-1,
        timeout_ms=30_000,
        topic_data=[TopicProduceData(name=name, partition_data=data)],
    )
    (topic,) = client.ask(request, ADDS).responses
    assert {(one.index, one.error_code) for one in topic.partition_responses} == {(0, NONE), (1, NONE)}
    assert read_committed(Partition(client, name, 0)).values == []
    assert read_committed(Partition(client, name, 1)).values == [b"plain"]
    producer.abort(version=RAISES)


def test_a_request_has_transactional_batches_of_one_producer_only(client: RawClient) -> None:
    first, second = TransactionalProducer(client).begin(), TransactionalProducer(client).begin()
    name = create_topic(client, 2)
    data = [
        PartitionProduceData(index=i, records=memoryview(transactional_batch(one.producer_id, one.epoch, 0, [b"x"])))
        for i, one in enumerate((first, second))
    ]
    request = ProduceRequest(
        transactional_id=first.transactional_id,
        acks=-1,
        timeout_ms=30_000,
        topic_data=[TopicProduceData(name=name, partition_data=data)],
    )
    for version in (9, ADDS):
        (topic,) = client.ask(request, version).responses
        codes = {one.error_code for one in topic.partition_responses}
        assert codes == {ErrorCode.INVALID_PRODUCER_ID_MAPPING}
