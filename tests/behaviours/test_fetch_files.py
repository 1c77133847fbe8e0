"""Records that lie in files of their own are sent from there by the kernel: whatever the client does meanwhile."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chronik.wire.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from chronik.wire.messages.fetch import FetchRequest
from chronik.wire.messages.list_offsets import ListOffsetsRequest
from chronik.wire.messages.metadata import MetadataRequest
from tests.behaviours.batches import records_in
from tests.behaviours.partition import LATEST, Partition, Place, create_topic, delete_topic, fetch_request
from tests.broker_process import BrokerProcess, wait_until
from tests.conftest import BrokerFactory, RawFactory
from tests.raw_client import RawClient

PARTITIONS = 3
BATCHES = 180
"""Of a partition; with the other two more than a chunk and the memory for the newest batches."""
SIZES = (9_000, 40_000, 150_000, 500_000)
FETCHED_BYTES = 1 << 20


def value_of(partition: int, offset: int) -> bytes:
    size = SIZES[(offset + partition) % len(SIZES)]
    return struct.pack(">ii", partition, offset) * (size // 8)


@pytest.fixture(scope="module")
def filled(module_broker: BrokerProcess) -> str:
    """A topic whose oldest records are in table files."""
    with RawClient(module_broker.host, module_broker.port) as client:
        return fill(client)


def fill(client: RawClient) -> str:
    topic = create_topic(client, PARTITIONS, configs={"retention.ms": "-1"})
    for offset in range(BATCHES):
        for number in range(PARTITIONS):
            assert Partition(client, topic, number).append(value_of(number, offset)) == offset
    return topic


def oldest(topic: str, offset: int = 0) -> FetchRequest:
    places = [Place(topic, number) for number in range(PARTITIONS)]
    return fetch_request(*(place.fetched(offset, max_bytes=FETCHED_BYTES) for place in places))


def check(topic: str, offsets: list[int], response: Any) -> list[int]:
    """Where each partition goes on, behind the records in a Fetch response, which must be those from there on."""
    ends = list(offsets)
    for answered in response.responses:
        assert answered.topic == topic
        for data in answered.partitions:
            assert data.error_code == 0
            for record in records_in(data.records):
                number = data.partition_index
                assert record.offset == ends[number]
                assert record.value == value_of(number, record.offset)
                ends[number] += 1
    return ends


def test_all_of_it_is_read_in_order(client: RawClient, filled: str) -> None:
    ends = [0] * PARTITIONS
    while min(ends) < BATCHES:
        wanted = [Place(filled, n).fetched(ends[n], max_bytes=FETCHED_BYTES) for n in range(PARTITIONS)]
        before, ends = ends, check(filled, ends, client.ask(fetch_request(*wanted), 11))
        assert ends != before


def test_answers_that_are_ready_meanwhile_wait_for_their_turn(client: RawClient, filled: str) -> None:
    for _ in range(5):
        expected: list[object] = []
        for number in range(6):
            client.send(oldest(filled, number), 11)
            client.send(MetadataRequest(topics=[]), 9)
            client.send(timestamps(filled), 5)
            expected += [number, None, None]
        for offset in expected:
            response = client.receive()
            if isinstance(offset, int):
                assert min(check(filled, [offset] * PARTITIONS, response)) > offset


def timestamps(topic: str) -> ListOffsetsRequest:
    return ListOffsetsRequest(replica_id=-1, topics=[Place(topic, 1).listed(0)])


def slow_reader(broker: BrokerProcess) -> RawClient:
    reader = RawClient.__new__(RawClient)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    connection.settimeout(20)
    connection.connect((broker.host, broker.port))
    RawClient.__init__(reader, broker.host, broker.port)
    reader.socket.close()
    reader.socket = connection
    return reader


@pytest.fixture
def slow(module_broker: BrokerProcess) -> Iterator[RawClient]:
    reader = slow_reader(module_broker)
    yield reader
    reader.close()


def test_a_slow_reader_gets_everything_and_holds_up_nobody(slow: RawClient, client: RawClient, filled: str) -> None:
    slow.send(oldest(filled), 11)
    slow.send(oldest(filled, 3), 11)
    for offset in range(10):
        assert min(check(filled, [offset] * PARTITIONS, client.ask(oldest(filled, offset), 11))) > offset
    for offset in (0, 3):
        assert min(check(filled, [offset] * PARTITIONS, slow.receive())) > offset


def test_who_leaves_in_the_middle_leaves_nothing_open(
    module_broker: BrokerProcess, client: RawClient, filled: str
) -> None:
    before = descriptors(module_broker)
    for _ in range(30):
        reader = slow_reader(module_broker)
        reader.send(oldest(filled), 11)
        assert len(reader.socket.recv(1000)) > 0
        reader.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        reader.close()
    wait_until(lambda: descriptors(module_broker) <= before + 2, 20, "connections stay open")
    assert min(check(filled, [0] * PARTITIONS, client.ask(oldest(filled), 11))) > 0


def descriptors(broker: BrokerProcess) -> int:
    return len(os.listdir(f"/proc/{broker.pid}/fd"))


def test_what_was_answered_is_sent_before_a_connection_is_closed_for_nonsense(slow: RawClient, filled: str) -> None:
    slow.send(oldest(filled), 11)
    slow.write(struct.pack(">i", -5))
    assert min(check(filled, [0] * PARTITIONS, slow.receive())) > 0
    slow.assert_closed()


def test_deleted_records_are_still_sent_to_who_asked_before_and_then_their_file_is_let_go(
    module_broker: BrokerProcess, slow: RawClient, client: RawClient
) -> None:
    topic = fill(client)
    slow.send(oldest(topic), 11)
    assert slow.socket.recv(1, socket.MSG_PEEK)
    parts = [DeleteRecordsPartition(partition_index=number, offset=LATEST) for number in range(PARTITIONS)]
    deleted = client.ask(
        DeleteRecordsRequest(topics=[DeleteRecordsTopic(name=topic, partitions=parts)], timeout_ms=30_000), 2
    )
    assert all(part.error_code == 0 for part in deleted.topics[0].partitions)
    delete_topic(client, topic)
    assert min(check(topic, [0] * PARTITIONS, slow.receive())) > 0
    wait_until(lambda: not deleted_files(module_broker), 30, "a deleted file stays open")


def deleted_files(broker: BrokerProcess) -> list[str]:
    found = []
    for link in Path(f"/proc/{broker.pid}/fd").iterdir():
        try:
            target = os.readlink(link)
        except FileNotFoundError:
            continue
        if target.endswith(".sst (deleted)"):
            found.append(target)
    return found


def test_a_restart_finds_the_files_again_and_a_stop_does_not_wait_for_a_slow_reader(
    broker_factory: BrokerFactory, raw: RawFactory
) -> None:
    broker = broker_factory("files")
    broker.start()
    topic = fill(raw(broker))
    broker.kill()
    broker.start()
    client = raw(broker)
    assert min(check(topic, [0] * PARTITIONS, client.ask(oldest(topic), 11))) > 0
    assert min(check(topic, [5] * PARTITIONS, client.ask(oldest(topic, 5), 11))) > 5
    reader = slow_reader(broker)
    reader.send(oldest(topic), 11)
    assert len(reader.socket.recv(1000)) > 0
    broker.stop()
    reader.close()
