"""How the beginning of a log moves: by DeleteRecords, by bytes and by time."""

from __future__ import annotations

import time

from chronik.errors import ErrorCode
from chronik.wire.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from chronik.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from tests.behaviours.batches import New, values
from tests.behaviours.conftest import ConfiguredBroker
from tests.behaviours.members import commit, settle_coordinator
from tests.behaviours.partition import Partition, new_partition, wait_usable
from tests.broker_process import BrokerProcess, wait_until
from tests.clients.conftest import NamedClient
from tests.conftest import RawFactory
from tests.raw_client import RawClient

MIB = 1 << 20
OFTEN = {"log.retention.check.interval.ms": 200}
RETAINED_S = 30.0


def delete_records(partition: Partition, offset: int) -> tuple[int, int]:
    """The error and the low watermark."""
    wanted = DeleteRecordsPartition(partition_index=partition.place.number, offset=offset)
    topic = DeleteRecordsTopic(name=partition.topic, partitions=[wanted])
    (result,) = partition.client.ask(DeleteRecordsRequest(topics=[topic], timeout_ms=10_000), 2).topics[0].partitions
    return result.error_code, result.low_watermark


def test_deleted_records_are_gone_for_good(broker: BrokerProcess, raw: RawFactory) -> None:
    partition = new_partition(raw(broker))
    for value in values(10):
        partition.append(value, value)
    assert delete_records(partition, 7) == (0, 7)
    assert (partition.start, partition.end) == (7, 20)
    assert partition.fetch(6).error_code == ErrorCode.OFFSET_OUT_OF_RANGE
    assert [record.offset for record in partition.records(7)] == list(range(7, 20))
    broker.stop()
    broker.start()
    wait_usable(raw(broker), partition.topic)
    partition = partition.over(raw(broker))
    assert (partition.start, partition.end) == (7, 20)
    assert partition.fetch(6).error_code == ErrorCode.OFFSET_OUT_OF_RANGE
    assert partition.append(b"next") == 20


def test_records_are_deleted_up_to_the_end_at_most(client: RawClient) -> None:
    partition = new_partition(client)
    partition.append(*values(5))
    assert delete_records(partition, 6) == (ErrorCode.OFFSET_OUT_OF_RANGE, -1)
    assert delete_records(partition, -2) == (ErrorCode.OFFSET_OUT_OF_RANGE, -1)
    assert partition.start == 0
    assert delete_records(partition, 3) == (0, 3)
    assert delete_records(partition, 1) == (0, 3)  # it never moves back
    assert delete_records(partition, -1) == (0, 5)
    assert (partition.start, partition.end) == (5, 5)
    assert partition.append(b"next") == 5
    answer = partition.list_offset(-2)
    assert (answer.error_code, answer.offset) == (0, 5)


def with_retention(configured: ConfiguredBroker, on_kafka: bool) -> BrokerProcess:
    """A broker that looks at its logs all the time; Kafka's first look has a delay of its own."""
    return configured({**OFTEN, "log.initial.task.delay.ms": 200} if on_kafka else OFTEN)


def test_a_log_that_is_too_large_loses_its_beginning(
    configured: ConfiguredBroker, raw: RawFactory, named_client: NamedClient, on_kafka: bool
) -> None:
    broker = with_retention(configured, on_kafka)
    client = raw(broker)
    settle_coordinator(client)
    limits = {"retention.bytes": str(2 * MIB), "segment.bytes": str(MIB), "retention.ms": "-1"}
    partition = new_partition(client, configs=limits)
    now_ms = int(time.time() * 1000)
    for number in range(80):
        partition.append(New(b"%05d" % number + bytes(100_000), timestamp=now_ms))
    wait_until(lambda: partition.start > 0, RETAINED_S, "the log keeps its beginning")
    # What is kept is the limit, and at most one segment more once the next round was there.
    wait_until(lambda: (80 - partition.start) * 100_000 <= 3.2 * MIB, RETAINED_S, "the log is too large")
    start = partition.start
    assert (80 - start) * 100_000 >= MIB
    assert partition.end == 80
    assert partition.fetch(start - 1).error_code == ErrorCode.OFFSET_OUT_OF_RANGE
    assert [record.offset for record in partition.records(start)] == list(range(start, 80))

    # A reader that stands in front of the beginning goes on where the log begins now.
    assert commit(client, "group", partition.place, 0) == 0
    member = named_client("kafka-python").group(broker.bootstrap, partition.topic, "group")
    found = member.wait_records(80 - start)
    assert [record.offset for record in found] == list(range(start, 80))


def test_records_that_are_too_old_go(configured: ConfiguredBroker, raw: RawFactory, on_kafka: bool) -> None:
    broker = with_retention(configured, on_kafka)
    partition = new_partition(raw(broker), configs={"retention.ms": "1000"})
    kept = new_partition(raw(broker), configs={"retention.ms": "-1"})
    now_ms = int(time.time() * 1000)
    for one in (partition, kept):
        one.append(*(New(value, timestamp=now_ms) for value in values(10)))
    assert partition.start in (0, 10)
    wait_until(lambda: partition.start == 10, RETAINED_S, "the records stay")
    assert time.time() * 1000 - now_ms >= 1000
    assert (partition.end, kept.start) == (10, 0)
    assert partition.append(New(b"young", timestamp=int(time.time() * 1000))) == 10


def test_a_shorter_retention_takes_effect_while_the_broker_runs(
    configured: ConfiguredBroker, raw: RawFactory, on_kafka: bool
) -> None:
    """Old records of a topic that keeps everything go when it is told to keep less."""
    broker = with_retention(configured, on_kafka)
    partition = new_partition(raw(broker), configs={"retention.ms": "-1"})
    partition.append(*values(10))
    change = AlterableConfig(name="retention.ms", config_operation=0, value="60000")
    resource = AlterConfigsResource(resource_type=2, resource_name=partition.topic, configs=[change])
    (answer,) = partition.client.ask(IncrementalAlterConfigsRequest(resources=[resource]), 1).responses
    assert answer.error_code == 0
    wait_until(lambda: partition.start == 10, RETAINED_S, "the records stay")
