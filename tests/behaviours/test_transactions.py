"""Transactions as producers of version 1 run them, and what readers see of them."""

from __future__ import annotations

import pytest

from chronik.errors import ErrorCode
from tests.behaviours.partition import Partition, Place, create_topic, new_partition, unique
from tests.behaviours.transactional import (
    NONE,
    READ_COMMITTED,
    TransactionalProducer,
    markers_of,
    read_committed,
    settle_transactions,
    stable_end,
    wait_stable,
)
from tests.broker_process import BrokerProcess, wait_until
from tests.conftest import RawFactory
from tests.raw_client import RawClient


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


def uncommitted(partition: Partition) -> list[bytes]:
    """What a reader sees that does not care, markers left out."""
    places = {offset for offset, _, _ in markers_of(partition)}
    return [record.value or b"" for record in partition.records() if record.offset not in places]


@pytest.mark.parametrize("version", [3, 9])
def test_a_committed_transaction_is_seen_as_a_whole(
    producer: TransactionalProducer, client: RawClient, version: int
) -> None:
    topic = create_topic(client, 2)
    partitions = [Partition(client, topic, number) for number in range(2)]
    producer.add(*(partition.place for partition in partitions))
    for partition in partitions:
        producer.send(partition.place, b"one", b"two", version=version)
        producer.send(partition.place, b"three", version=version)
        assert uncommitted(partition) == [b"one", b"two", b"three"]
        assert read_committed(partition).values == []
    producer.commit()
    for partition in partitions:
        wait_stable(partition)
        assert read_committed(partition).values == [b"one", b"two", b"three"]


def test_an_aborted_transaction_is_never_seen_and_read_past(
    producer: TransactionalProducer, partition: Partition
) -> None:
    partition.append(b"before")
    producer.add(partition.place)
    producer.send(partition.place, b"lost", b"too")
    producer.abort()
    wait_stable(partition)
    partition.append(b"after")
    seen = read_committed(partition)
    assert seen.values == [b"before", b"after"]
    assert seen.position == partition.end == 5
    assert seen.aborted == {producer.producer_id}
    assert uncommitted(partition) == [b"before", b"lost", b"too", b"after"]


def test_an_open_transaction_holds_back_what_comes_after_it(
    producer: TransactionalProducer, partition: Partition
) -> None:
    """In Fetch and ListOffsets alike, plain records too."""
    partition.append(b"before")
    producer.add(partition.place)
    producer.send(partition.place, b"open")
    partition.append(b"plain")
    assert (stable_end(partition), partition.end) == (1, 3)
    data = partition.fetch(0, isolation_level=READ_COMMITTED)
    assert (data.last_stable_offset, data.high_watermark) == (1, 3)
    assert read_committed(partition).values == [b"before"]
    assert uncommitted(partition) == [b"before", b"open", b"plain"]
    producer.commit()
    wait_stable(partition)
    assert read_committed(partition).values == [b"before", b"open", b"plain"]


def test_the_oldest_of_several_open_transactions_counts(client: RawClient, partition: Partition) -> None:
    first, second = TransactionalProducer(client).begin(), TransactionalProducer(client).begin()
    for producer in (first, second):
        producer.add(partition.place)
        producer.send(partition.place, b"open")
    first.commit()
    wait_for_marker(partition, 1)
    assert stable_end(partition) == 1
    second.abort()
    wait_stable(partition)
    assert read_committed(partition).values == [b"open"]


def wait_for_marker(partition: Partition, count: int) -> None:
    wait_until(lambda: len(markers_of(partition)) == count, 20, "the marker does not come")


def test_a_reader_may_begin_anywhere_between_overlapping_transactions(client: RawClient, partition: Partition) -> None:
    """Two producers whose transactions lie across each other, one of which aborts: from every offset on a reader sees
    exactly the committed records from there on."""
    stays, goes = TransactionalProducer(client).begin(), TransactionalProducer(client).begin()
    committed: dict[int, bytes] = {}
    for number in range(4):
        for producer in (stays, goes):
            producer.add(partition.place)
            value = f"{number}-{producer is stays}".encode()
            offset = producer.send(partition.place, value, value)
            if producer is stays:
                committed |= {offset: value, offset + 1: value}
        for producer in (stays, goes) if number % 2 else (goes, stays):
            producer.send(partition.place, b"more")
            if producer is stays:
                committed[partition.end - 1] = b"more"
        for producer in (stays, goes) if number % 2 else (goes, stays):
            producer.commit() if producer is stays else producer.abort()
        committed[partition.append(b"plain")] = b"plain"
        wait_stable(partition)
    for offset in range(partition.end + 1):
        expected = [value for at, value in sorted(committed.items()) if at >= offset]
        assert read_committed(partition, offset).values == expected, offset
        assert read_committed(partition, offset, max_bytes=1).values == expected, offset


def test_a_second_producer_stops_the_first_one_and_aborts_its_transaction(
    client: RawClient, other: RawClient, partition: Partition
) -> None:
    first = TransactionalProducer(client).begin()
    first.add(partition.place)
    first.send(partition.place, b"of the first")
    second = TransactionalProducer(other, first.transactional_id).begin()
    assert second.producer_id == first.producer_id
    assert second.epoch > first.epoch
    wait_stable(partition)
    assert read_committed(partition).values == []

    fenced, old = ErrorCode.PRODUCER_FENCED, ErrorCode.INVALID_PRODUCER_EPOCH
    for version in (3, 9, 11, 12):
        assert first.send_once(partition.place, b"late", version=version).error_code == old
    for commits in (True, False):
        assert [first.end_once(commits=commits, version=v).error_code for v in (0, 1, 2, 4)] == [
            old,
            old,
            fenced,
            fenced,
        ]
    assert [first.add_once(partition.place, version=v)[partition.place] for v in (1, 2)] == [old, fenced]
    assert [first.add_group_once("group", version=v) for v in (1, 2)] == [old, fenced]
    assert [first.init_once(first.producer_id, first.epoch, version=v).error_code for v in (3, 4)] == [old, fenced]
    assert first.commit_offset_once("group", partition.place, 1) == old

    second.add(partition.place)
    second.send(partition.place, b"of the second")
    second.commit()
    wait_stable(partition)
    assert read_committed(partition).values == [b"of the second"]


def test_taking_over_ends_the_open_transaction_first(client: RawClient, partition: Partition) -> None:
    """InitProducerId waits for that, or asks to be sent again."""
    first = TransactionalProducer(client).begin()
    first.add(partition.place)
    first.send(partition.place, b"open")
    assert stable_end(partition) == 0
    reply = first.init_once()
    assert reply.error_code in (NONE, ErrorCode.CONCURRENT_TRANSACTIONS)
    second = TransactionalProducer(client, first.transactional_id).begin()
    wait_stable(partition)
    assert (partition.end, second.described().transaction_state) == (2, "Empty")


def test_only_the_right_producer_id_may_speak(producer: TransactionalProducer, partition: Partition) -> None:
    stranger = producer.twin()
    stranger.producer_id += 100_000
    unknown = producer.twin()
    unknown.transactional_id = unique("nobody")
    for wrong in (stranger, unknown):
        mapping = ErrorCode.INVALID_PRODUCER_ID_MAPPING
        assert wrong.add_once(partition.place)[partition.place] is mapping
        assert wrong.add_group_once("group") is mapping
        assert wrong.end_once(commits=True).error_code == mapping
        assert wrong.end_once(commits=True, version=5).error_code == mapping
        assert wrong.send_once(partition.place, b"x").error_code == mapping
        assert wrong.commit_offset_once("group", partition.place, 1) is mapping


def test_an_end_can_be_repeated_but_not_contradicted(producer: TransactionalProducer, partition: Partition) -> None:
    invalid = ErrorCode.INVALID_TXN_STATE
    for commits in (True, False):
        assert producer.end_once(commits=commits).error_code == invalid, "nothing was added"
    for commits in (True, False):
        producer.add(partition.place)
        producer.send(partition.place, b"value")
        producer.commit() if commits else producer.abort()
        producer.wait_idle()
        assert producer.end_once(commits=commits).error_code == NONE
        assert producer.end_once(commits=not commits).error_code == invalid
    wait_stable(partition)
    assert [commits for _, _, commits in markers_of(partition)] == [True, False]


def test_partitions_are_added_all_or_none(producer: TransactionalProducer, client: RawClient) -> None:
    known = Place(create_topic(client, 2))
    unknown, beyond = Place(unique("unknown")), Place(known.topic, 7)
    missing, not_attempted = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.OPERATION_NOT_ATTEMPTED
    assert producer.add_once(known, unknown) == {known: not_attempted, unknown: missing}
    assert producer.add_once(known, beyond) == {known: not_attempted, beyond: missing}
    assert (producer.described().transaction_state, producer.described().topics) == ("Empty", [])
    producer.add(known, Place(known.topic, 1))
    (topic,) = producer.described().topics
    assert (topic.topic, sorted(topic.partitions)) == (known.topic, [0, 1])
    producer.abort()


def test_a_marker_takes_one_offset(producer: TransactionalProducer, partition: Partition) -> None:
    for count in (1, 2, 3):
        producer.add(partition.place)
        producer.send(partition.place, *[b"value"] * count)
        producer.commit()
        wait_stable(partition)
    assert partition.end == 6 + 3
    assert [offset for offset, _, _ in markers_of(partition)] == [1, 4, 8]
    assert read_committed(partition).position == partition.end


@pytest.mark.parametrize("commits", [True, False])
def test_a_partition_that_was_added_in_vain_has_a_marker(
    producer: TransactionalProducer, partition: Partition, commits: bool
) -> None:
    """As in Kafka, so that offsets are the same."""
    for number in range(2):
        producer.add(partition.place)
        producer.commit() if commits else producer.abort()
        producer.wait_idle()
        assert [(offset, outcome) for offset, _, outcome in markers_of(partition)][number:] == [(number, commits)]
    assert read_committed(partition).position == partition.end == 2


def test_a_partition_must_have_been_added(producer: TransactionalProducer, partition: Partition) -> None:
    producer.add(new_partition(partition.client).place)
    for version in (3, 7, 8, 9, 10):
        assert producer.send_once(partition.place, b"x", version=version).error_code == ErrorCode.INVALID_TXN_STATE
    assert producer.send_once(partition.place, b"x", version=11).error_code == ErrorCode.TRANSACTION_ABORTABLE
    assert partition.end == 0
    producer.abort()
    producer.wait_idle()
    # Nor is what was added to an earlier transaction in the next one.
    producer.add(partition.place)
    producer.send(partition.place, b"y")
    producer.commit()
    producer.wait_idle()
    assert producer.send_once(partition.place, b"z").error_code == ErrorCode.INVALID_TXN_STATE


def test_transactional_batches_need_a_transactional_id(producer: TransactionalProducer, partition: Partition) -> None:
    producer.add(partition.place)
    anonymous = producer.twin()
    anonymous.transactional_id = None  # type: ignore[assignment]  # what the protocol allows
    for version in (9, 11, 12):
        answer = anonymous.send_once(partition.place, b"x", version=version)
        assert answer.error_code == ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    producer.abort()


def test_a_plain_batch_within_the_own_transaction_is_refused(
    producer: TransactionalProducer, partition: Partition
) -> None:
    producer.add(partition.place)
    producer.send(partition.place, b"x")
    answer = producer.send_once(partition.place, b"y", plain=True)
    assert answer.error_code == ErrorCode.INVALID_TXN_STATE
    producer.send(partition.place, b"z")
    producer.commit()


def test_a_retry_within_a_transaction_is_a_duplicate(producer: TransactionalProducer, partition: Partition) -> None:
    producer.add(partition.place)
    offset = producer.send(partition.place, b"x", b"y")
    again = producer.send_once(partition.place, b"x", b"y", sequence=0)
    assert (again.error_code, again.base_offset) == (NONE, offset)
    gap = producer.send_once(partition.place, b"x", sequence=7)
    assert gap.error_code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    producer.commit()
    wait_stable(partition)
    # Sequences go on over transactions of the same epoch.
    producer.add(partition.place)
    producer.send(partition.place, b"z")
    producer.commit()
    wait_stable(partition)
    assert read_committed(partition).values == [b"x", b"y", b"z"]


@pytest.mark.parametrize(
    ("timeout_ms", "error"),
    [
        (0, ErrorCode.INVALID_TRANSACTION_TIMEOUT),
        (-5, ErrorCode.INVALID_TRANSACTION_TIMEOUT),
        (900_001, ErrorCode.INVALID_TRANSACTION_TIMEOUT),
        (900_000, NONE),
    ],
)
def test_a_timeout_has_bounds(client: RawClient, timeout_ms: int, error: ErrorCode) -> None:
    assert TransactionalProducer(client, timeout_ms=timeout_ms).init_once().error_code == error


def test_init_producer_id_refuses_what_makes_no_sense(client: RawClient) -> None:
    producer = TransactionalProducer(client)
    for producer_id, epoch in ((5, -1), (-1, 5)):
        assert producer.init_once(producer_id, epoch).error_code == ErrorCode.INVALID_REQUEST
    empty = TransactionalProducer(client)
    empty.transactional_id = ""
    assert empty.init_once().error_code == ErrorCode.INVALID_REQUEST


def test_a_producer_goes_on_with_a_higher_epoch(producer: TransactionalProducer, partition: Partition) -> None:
    """KIP-360, also when the answer was lost and is asked for again."""
    old = producer.twin()
    producer.go_on()
    assert (producer.producer_id, producer.epoch) == (old.producer_id, old.epoch + 1)
    again = old.init_once(old.producer_id, old.epoch)
    assert (again.error_code, again.producer_epoch) == (NONE, producer.epoch)
    producer.add(partition.place)
    producer.send(partition.place, b"x")
    producer.commit()
    producer.wait_idle()
    producer.go_on()
    assert old.init_once(old.producer_id, old.epoch).error_code == ErrorCode.PRODUCER_FENCED


def test_a_job_restored_elsewhere_ends_the_transaction_of_the_dead_one(
    producer: TransactionalProducer, partition: Partition, broker_connection: RawClient
) -> None:
    """As Flink does from a checkpoint: another connection, which never asked for a producer id, has the one that the
    dead process wrote down."""
    producer.add(partition.place)
    producer.send(partition.place, b"value")
    restored = producer.twin(broker_connection)
    restored.commit()
    restored.commit()
    wait_stable(partition)
    assert read_committed(partition).values == [b"value"]


@pytest.fixture
def broker_connection(module_broker: BrokerProcess, raw: RawFactory) -> RawClient:
    return raw(module_broker)
