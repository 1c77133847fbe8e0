"""What an administrator sees of transactions, and how one that hangs is ended."""

from __future__ import annotations

import pytest

from chronik.errors import ErrorCode
from chronik.wire.messages.describe_producers import (
    DescribeProducersRequest,
    PartitionResponse,
    ProducerState,
    TopicRequest,
)
from chronik.wire.messages.describe_transactions import DescribeTransactionsRequest
from chronik.wire.messages.list_transactions import ListTransactionsRequest, ListTransactionsResponse
from chronik.wire.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
)
from tests.behaviours.conftest import ConfiguredBroker
from tests.behaviours.partition import Partition, Place, create_topic, new_partition, unique
from tests.behaviours.transactional import (
    NONE,
    TIMEOUT_MS,
    TransactionalProducer,
    markers_of,
    read_committed,
    settle_transactions,
    stable_end,
    wait_stable,
)
from tests.broker_process import BrokerProcess
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


def producers_of(client: RawClient, place: Place) -> PartitionResponse:
    request = DescribeProducersRequest(topics=[TopicRequest(name=place.topic, partition_indexes=[place.number])])
    (found,) = client.ask(request, 0).topics[0].partitions
    assert isinstance(found, PartitionResponse)
    return found


def listed(client: RawClient, **wanted: object) -> ListTransactionsResponse:
    version = 2 if "transactional_id_pattern" in wanted else 1 if "duration_filter" in wanted else 0
    answer = client.ask(ListTransactionsRequest(**wanted), version)  # type: ignore[arg-type]  # as the tests give them
    assert isinstance(answer, ListTransactionsResponse)
    return answer


def ids(client: RawClient, **wanted: object) -> set[str]:
    answer = listed(client, **wanted)
    assert answer.error_code == NONE
    return {one.transactional_id for one in answer.transaction_states}


def mark(
    client: RawClient,
    place: Place,
    producer_id: int,
    epoch: int,
    *,
    commits: bool = False,
    coordinator_epoch: int = 0,
    version: int = 1,
    transaction_version: int = 0,
) -> ErrorCode:
    """WriteTxnMarkers for one partition."""
    marker = WritableTxnMarker(
        producer_id=producer_id,
        producer_epoch=epoch,
        transaction_result=commits,
        topics=[WritableTxnMarkerTopic(name=place.topic, partition_indexes=[place.number])],
        coordinator_epoch=coordinator_epoch,
        transaction_version=transaction_version,
    )
    (answer,) = client.ask(WriteTxnMarkersRequest(markers=[marker]), version).markers
    assert answer.producer_id == producer_id
    (result,) = answer.topics[0].partitions
    return ErrorCode(result.error_code)


def test_producers_are_described_with_where_their_transactions_began(
    producer: TransactionalProducer, client: RawClient, partition: Partition
) -> None:
    partition.append(b"before")
    assert producers_of(client, partition.place).active_producers == []
    producer.add(partition.place)
    producer.send(partition.place, b"a", b"b")
    (found,) = producers_of(client, partition.place).active_producers
    who = (producer.producer_id, producer.epoch)
    assert (found.producer_id, found.producer_epoch, found.last_sequence) == (*who, 1)
    assert (found.current_txn_start_offset, found.coordinator_epoch) == (1, -1)
    assert found.last_timestamp > 0
    producer.commit()
    wait_stable(partition)
    (found,) = producers_of(client, partition.place).active_producers
    assert (found.current_txn_start_offset, found.last_sequence) == (-1, 1)
    assert found.coordinator_epoch >= 0


def test_producers_of_unknown_partitions_are_an_error(client: RawClient, partition: Partition) -> None:
    for place in (Place(unique("unknown")), partition.place._replace(number=7)):
        assert producers_of(client, place).error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_transactions_are_described(producer: TransactionalProducer, client: RawClient) -> None:
    topic = create_topic(client, 3)
    empty = producer.described()
    assert (empty.error_code, empty.transaction_state, empty.topics) == (NONE, "Empty", [])
    assert (empty.producer_id, empty.producer_epoch) == (producer.producer_id, producer.epoch)
    assert (empty.transaction_timeout_ms, empty.transaction_start_time_ms) == (TIMEOUT_MS, -1)
    producer.add(Place(topic, 2), Place(topic, 0))
    ongoing = producer.described()
    assert ongoing.transaction_state == "Ongoing"
    assert ongoing.transaction_start_time_ms > 0
    assert [(one.topic, sorted(one.partitions)) for one in ongoing.topics] == [(topic, [0, 2])]
    producer.abort()
    producer.wait_idle()
    ended = producer.described()
    assert (ended.transaction_state, ended.topics) == ("CompleteAbort", [])
    assert ended.transaction_start_time_ms == ongoing.transaction_start_time_ms

    unknown = unique("unknown")
    states = client.ask(DescribeTransactionsRequest(transactional_ids=["", unknown]), 0).transaction_states
    assert {one.transactional_id: one.error_code for one in states} == {
        "": ErrorCode.INVALID_REQUEST,
        unknown: ErrorCode.TRANSACTIONAL_ID_NOT_FOUND,
    }


def test_transactions_are_listed_by_all_filters(client: RawClient, partition: Partition) -> None:
    stem = unique("listed")
    idle, busy, done = (TransactionalProducer(client, f"{stem}-{name}").begin() for name in ("idle", "busy", "done"))
    busy.add(partition.place)
    done.add(partition.place)
    done.commit()
    done.wait_idle()
    everything = {idle.transactional_id, busy.transactional_id, done.transactional_id}
    assert everything <= ids(client)
    ours = {"transactional_id_pattern": f"{stem}-.*"}
    assert ids(client, **ours) == everything
    assert ids(client, state_filters=["Ongoing", "Empty"], **ours) == everything - {done.transactional_id}
    assert ids(client, producer_id_filters=[done.producer_id, 1 << 60], **ours) == {done.transactional_id}
    assert ids(client, producer_id_filters=[done.producer_id], state_filters=["Ongoing"], **ours) == set()
    assert busy.transactional_id not in ids(client, duration_filter=3_600_000, **ours)
    assert ids(client, duration_filter=-1, **ours) == everything
    assert ids(client, transactional_id_pattern=stem) == set(), "the whole id must match"
    assert ids(client, transactional_id_pattern=f"{stem}-(idle|done)") == everything - {busy.transactional_id}
    assert everything <= ids(client, transactional_id_pattern="")

    unknown = listed(client, state_filters=["Ongoing", "ongoing", "Open"])
    assert sorted(unknown.unknown_state_filters) == ["Open", "ongoing"]
    assert {one.transaction_state for one in unknown.transaction_states} == {"Ongoing"}
    for bad in ("[", "(?=a)b", "a**"):
        answer = listed(client, transactional_id_pattern=bad)
        assert answer.error_code == ErrorCode.INVALID_REGULAR_EXPRESSION
    busy.abort()


def test_markers_can_be_written_by_hand(
    producer: TransactionalProducer, client: RawClient, partition: Partition
) -> None:
    """Where nothing is open too; they raise the producer's epoch."""
    place, who = partition.place, producer.producer_id
    assert mark(client, place, who, 0) is NONE
    assert mark(client, place, who, 3, coordinator_epoch=5) is NONE
    assert mark(client, place, who, 3, coordinator_epoch=4) is ErrorCode.TRANSACTION_COORDINATOR_FENCED
    assert mark(client, place, who, 2, coordinator_epoch=5) is ErrorCode.INVALID_PRODUCER_EPOCH
    assert mark(client, Place(unique("unknown")), who, 3) is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert mark(client, place._replace(number=9), who, 3) is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert markers_of(partition) == [(0, 0, False), (1, 3, False)]
    (found,) = producers_of(client, place).active_producers
    assert (found.producer_epoch, found.coordinator_epoch, found.last_sequence) == (3, 5, -1)


def test_a_marker_of_transaction_version_2_must_have_a_higher_epoch(
    producer: TransactionalProducer, client: RawClient, partition: Partition
) -> None:
    place, who = partition.place, producer.producer_id
    producer.add(place)
    producer.send(place, b"open")
    assert mark(client, place, who, 0, version=2, transaction_version=2) is ErrorCode.INVALID_PRODUCER_EPOCH
    assert stable_end(partition) == 0
    assert mark(client, place, who, 1, version=2, transaction_version=2) is NONE
    assert mark(client, place, who, 1, version=2, transaction_version=2) is NONE
    wait_stable(partition)
    assert read_committed(partition).values == []


def test_a_transaction_that_hangs_is_found_and_aborted(configured: ConfiguredBroker, raw: RawFactory) -> None:
    """Left by a producer whose batch came after its transaction had ended, on a broker that did not verify that."""
    broker = configured({"transaction.partition.verification.enable": "false"})
    client = raw(broker)
    settle_transactions(client)
    partition = new_partition(client)
    producer = TransactionalProducer(client).begin()
    assert producer.send_once(partition.place, b"late").error_code == NONE
    partition.append(b"held back")
    assert stable_end(partition) == 0
    assert producer.described().transaction_state == "Empty"
    (found,) = producers_of(client, partition.place).active_producers
    assert found.current_txn_start_offset == 0
    assert abort_hanging(client, partition.place, found) is NONE
    assert stable_end(partition) == partition.end == 3
    assert read_committed(partition).values == [b"held back"]


def abort_hanging(client: RawClient, place: Place, found: ProducerState) -> ErrorCode:
    """What Kafka's tool sends."""
    coordinator_epoch = max(found.coordinator_epoch, 0)
    return mark(client, place, found.producer_id, found.producer_epoch, coordinator_epoch=coordinator_epoch)
