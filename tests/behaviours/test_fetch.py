"""Reading: whole batches, limits, and waiting for data."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from chronik.errors import ErrorCode
from chronik.wire.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from chronik.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from tests.behaviours.batches import batch, batches_in, bytes_of, offsets_of, records_in, values
from tests.behaviours.conftest import configure
from tests.behaviours.partition import (
    Partition,
    Place,
    create_topic,
    fetch_request,
    metadata_of,
    new_partition,
    only_partition,
    produce_request,
)
from tests.broker_process import BrokerProcess
from tests.conftest import _brokers as brokers
from tests.kafka_python import kafka
from tests.raw_client import RawClient

SOON_S = 5.0
"""Far less than the waits that are not meant to run out, far more than a busy machine takes."""


@pytest.fixture(scope="module", params=["memory", "disk"])
def module_broker(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[BrokerProcess]:
    """A broker that serves what is new from its memory, and one that reads everything from the disk."""
    if request.param == "disk" and request.config.getoption("--broker") == "kafka":
        pytest.skip("Kafka leaves this to the system")
    with brokers(tmp_path_factory.mktemp("module"), request) as make:
        process = make()
        if request.param == "disk":
            configure(process, {"store.tail.cache.bytes": 1})
        process.start()
        yield process


@pytest.fixture
def in_memory(request: pytest.FixtureRequest) -> None:
    """Skip on the broker that reads from the disk: what is older than its memory counts as enough to answer with, as
    Kafka takes what is in an older segment."""
    if request.node.callspec.params["module_broker"] == "disk":
        pytest.skip("a fetch of what is on the disk does not wait")


@pytest.fixture
def partition(client: RawClient) -> Partition:
    return new_partition(client)


def delete_records(client: RawClient, place: Place, offset: int) -> tuple[int, int]:
    """Move the log start; the error and the low watermark."""
    wanted = DeleteRecordsPartition(partition_index=place.number, offset=offset)
    request = DeleteRecordsRequest(
        topics=[DeleteRecordsTopic(name=place.topic, partitions=[wanted])], timeout_ms=10_000
    )
    (result,) = client.ask(request, 2).topics[0].partitions
    return result.error_code, result.low_watermark


@pytest.mark.parametrize("version", range(4, 18))
def test_every_version_of_fetch_reads(partition: Partition, version: int) -> None:
    partition.append(*values(3))
    topic_id = metadata_of(partition.client, partition.topic).topic_id
    wanted = FetchPartition(partition=0, fetch_offset=1, partition_max_bytes=1 << 20)
    request = FetchRequest(topics=[FetchTopic(topic=partition.topic, topic_id=topic_id, partitions=[wanted])])
    data = only_partition(partition.client.ask(request, version))
    assert (data.error_code, data.high_watermark, data.last_stable_offset) == (0, 3, 3)
    assert [record.value for record in records_in(data.records)] == values(3)


@pytest.mark.parametrize("filled", [False, True], ids=["empty log", "log with records"])
def test_a_fetch_at_the_end_waits_and_brings_nothing(partition: Partition, filled: bool) -> None:
    end = partition.append(b"x") + 1 if filled else 0
    began = time.monotonic()
    data = partition.fetch(end, max_wait_ms=500, min_bytes=1)
    took_s = time.monotonic() - began
    assert (data.error_code, data.high_watermark, records_in(data.records)) == (0, end, [])
    assert 0.5 <= took_s < SOON_S


def test_a_fetch_that_asks_for_no_bytes_does_not_wait(partition: Partition) -> None:
    began = time.monotonic()
    assert partition.fetch(0, max_wait_ms=30_000, min_bytes=0).error_code == 0
    assert time.monotonic() - began < SOON_S


def test_a_waiting_fetch_is_woken_by_a_produce(partition: Partition, other: RawClient) -> None:
    writer = partition.over(other)
    delays = []
    for number in range(20):
        partition.client.send(fetch_request(partition.place.fetched(number), max_wait_ms=30_000, min_bytes=1), 11)
        if number == 0:
            assert partition.client.receives_nothing(0.05)
        writer.append(b"%d" % number)
        began = time.monotonic()
        (record,) = records_in(only_partition(partition.client.receive()).records)
        delays.append(time.monotonic() - began)
        assert (record.offset, record.value) == (number, b"%d" % number)
    # The machine may be busy with something else for one of them, not for most.
    assert sorted(delays)[len(delays) // 2] < 0.05


@pytest.mark.parametrize("number", [0, 1])
def test_a_fetch_that_waits_for_two_partitions_is_woken_by_either(
    client: RawClient, other: RawClient, number: int
) -> None:
    topic = create_topic(client, 2)
    places = [Place(topic, 0).fetched(0), Place(topic, 1).fetched(0)]
    client.send(fetch_request(*places, max_wait_ms=30_000, min_bytes=1), 11)
    assert client.receives_nothing(0.05)
    Partition(other, topic, number).append(b"x")
    response = client.receive(SOON_S)
    found = {one.partition_index: one.high_watermark for answered in response.responses for one in answered.partitions}
    assert found == {number: 1, 1 - number: 0}


def test_a_fetch_that_comes_together_with_a_produce_does_not_miss_it(partition: Partition, other: RawClient) -> None:
    """Both in one turn of the broker's loop, in either order: the records are there already, or wake the fetch."""
    writer = partition.over(other)
    for number in range(300):
        produced = other.frame(produce_request(writer.place.produced(batch(b"%d" % number)), acks=1), 9)
        fetched = partition.client.frame(
            fetch_request(partition.place.fetched(number), max_wait_ms=30_000, min_bytes=1), 11
        )
        for client, frame in ((other, produced), (partition.client, fetched))[:: 1 if number % 3 else -1]:
            client.write(frame)
        (record,) = records_in(only_partition(partition.client.receive(SOON_S)).records)
        assert (record.offset, record.value) == (number, b"%d" % number)
        other.receive()


def test_offsets_outside_the_log_are_out_of_range(partition: Partition) -> None:
    partition.append(*values(5))
    assert delete_records(partition.client, partition.place, 2) == (0, 2)
    for offset in (6, 1000, 1, 0, -1):
        began = time.monotonic()
        data = partition.fetch(offset, max_wait_ms=30_000, min_bytes=1)
        assert time.monotonic() - began < SOON_S
        assert (data.error_code, data.high_watermark, data.log_start_offset) == (ErrorCode.OFFSET_OUT_OF_RANGE, -1, -1)
        assert records_in(data.records) == []
    assert offsets_of(records_in(partition.fetch(2).records))[-1] == 4
    assert partition.fetch(5).error_code == 0


def test_a_fetch_inside_a_batch_brings_the_whole_batch(partition: Partition, module_broker: BrokerProcess) -> None:
    partition.append(*values(3, "before"))
    partition.append(*values(10, "wanted"))
    partition.append(*values(2, "after"))
    found = batches_in(partition.fetch(7).records)
    assert [(one.base_offset, one.last_offset) for one in found] == [(3, 12), (13, 14)]
    consumer = kafka.KafkaConsumer(bootstrap_servers=module_broker.bootstrap)
    there = kafka.TopicPartition(partition.topic, 0)
    consumer.assign([there])
    consumer.seek(there, 7)
    try:
        first = next(consumer)
        assert (first.offset, first.value) == (7, b"wanted-4")
    finally:
        consumer.close()


def test_the_first_batch_is_returned_however_large_it_is(partition: Partition) -> None:
    partition.append(bytes(100_000))
    partition.append(bytes(100_000))
    for limits in ({"max_bytes": 1000}, {"partition_max_bytes": 1000}, {"max_bytes": 1, "partition_max_bytes": 1}):
        for offset in (0, 1):
            found = batches_in(partition.fetch(offset, **limits).records)
            assert [one.base_offset for one in found] == [offset], limits


def test_small_limits_bring_whole_batches_of_every_partition_in_turn(client: RawClient, on_kafka: bool) -> None:
    """Kafka cuts the last batch at the limit, which readers have to put up with; here no batch is ever cut."""
    topic = create_topic(client, 2)
    places = [Place(topic, 0), Place(topic, 1)]
    for number in range(10):
        for place in places:
            Partition(client, *place).append(bytes(300 + number))
    positions = dict.fromkeys(places, 0)
    rounds = 0
    while set(positions.values()) != {10}:
        rounds += 1
        assert rounds <= 40, f"no progress: {positions}"
        # The one that was served goes to the end of the line, as consumers do.
        order = sorted(places, key=lambda place: positions[place])
        wanted = [place.fetched(positions[place], max_bytes=700) for place in order]
        response = client.ask(fetch_request(*wanted, max_bytes=900), 11)
        size = 0
        for answered in response.responses:
            for data in answered.partitions:
                found = batches_in(data.records, may_be_cut=on_kafka)
                size += sum(one.size_bytes for one in found)
                assert sum(one.size_bytes for one in found) <= 700
                for one in found:
                    assert one.base_offset == positions[Place(topic, data.partition_index)]
                    positions[Place(topic, data.partition_index)] = one.last_offset + 1
        assert 0 < size <= 900


@pytest.mark.usefixtures("in_memory")
def test_a_fetch_that_asks_for_more_than_comes_takes_what_is_there_at_the_end(partition: Partition) -> None:
    partition.append(b"little")
    began = time.monotonic()
    data = partition.fetch(0, max_wait_ms=400, min_bytes=1_000_000)
    took_s = time.monotonic() - began
    assert 0.4 <= took_s < SOON_S
    assert [record.value for record in records_in(data.records)] == [b"little"]


@pytest.mark.usefixtures("in_memory")
def test_a_waiting_fetch_returns_when_enough_has_come(partition: Partition, other: RawClient) -> None:
    writer = partition.over(other)
    partition.client.send(fetch_request(partition.place.fetched(0), max_wait_ms=30_000, min_bytes=3000), 11)
    writer.append(bytes(1000))
    writer.append(bytes(1000))
    assert partition.client.receives_nothing(0.2)
    writer.append(bytes(1000))
    assert len(records_in(only_partition(partition.client.receive(SOON_S)).records)) == 3


def test_an_error_of_one_partition_ends_the_wait_of_all(client: RawClient) -> None:
    topic = create_topic(client, 2)
    began = time.monotonic()
    places = [Place(topic, 0).fetched(0), Place(topic, 1).fetched(99)]
    response = client.ask(fetch_request(*places, max_wait_ms=30_000, min_bytes=1), 11)
    assert time.monotonic() - began < SOON_S
    errors = {one.partition_index: one.error_code for answered in response.responses for one in answered.partitions}
    assert errors == {0: 0, 1: ErrorCode.OFFSET_OUT_OF_RANGE}


@pytest.mark.usefixtures("only_chronik")
def test_a_topic_that_is_missing_ends_the_wait_of_all(partition: Partition) -> None:
    """Kafka answers this error only when the wait for the other partition is over."""
    began = time.monotonic()
    places = [partition.place.fetched(0), Place("no-such-topic").fetched(0)]
    response = partition.client.ask(fetch_request(*places, max_wait_ms=30_000, min_bytes=1), 11)
    assert time.monotonic() - began < SOON_S
    errors = {answered.topic: answered.partitions[0].error_code for answered in response.responses}
    assert errors == {partition.topic: 0, "no-such-topic": ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}


@pytest.mark.usefixtures("only_chronik", "in_memory")
def test_a_waiting_fetch_is_woken_when_its_records_are_deleted(partition: Partition, other: RawClient) -> None:
    """Kafka lets it wait to its end."""
    partition.append(*values(3))
    partition.client.send(fetch_request(partition.place.fetched(1), max_wait_ms=30_000, min_bytes=100_000), 11)
    assert partition.client.receives_nothing(0.05)
    assert delete_records(other, partition.place, 2) == (0, 2)
    data = only_partition(partition.client.receive(SOON_S))
    assert data.error_code == ErrorCode.OFFSET_OUT_OF_RANGE


def test_a_compressed_batch_is_returned_as_it_was_sent(partition: Partition) -> None:
    sent = batch(*values(50), codec="gzip")
    partition.produce(sent)
    stored = bytes_of(partition.fetch(0).records)
    # Base offset and leader epoch, both outside the CRC, are the broker's.
    assert (stored[8:12], stored[16:]) == (sent[8:12], sent[16:])
