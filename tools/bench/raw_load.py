"""Load from raw sockets where real clients are the limit: requests are encoded beforehand, answers only counted.

Every function connects to a broker that runs, works for a while, and returns figures; the broker's own CPU time is
taken by the caller.
"""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from collections.abc import Sequence
from typing import Any

from chronik.batch.records import Record, build_batch
from chronik.wire.apis import ApiKey
from chronik.wire.header import RequestHeader, decode_response, encode_request
from chronik.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from chronik.wire.messages.find_coordinator import FindCoordinatorRequest
from chronik.wire.messages.heartbeat import HeartbeatRequest
from chronik.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from chronik.wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from chronik.wire.messages.metadata import MetadataRequest, MetadataRequestTopic
from chronik.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from chronik.wire.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment

SIZE = struct.Struct(">i")
CLIENT_ID = "bench"
_MEMBER_ID_REQUIRED = 79
_UNKNOWN_MEMBER_ID = 25


def connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def frame(key: ApiKey, version: int, message: Any, correlation_id: int = 1) -> bytes:
    return b"".join(encode_request(RequestHeader(key, version, correlation_id, CLIENT_ID), message))


def read_frame(connection: socket.socket) -> bytes:
    data = b""
    while len(data) < 4 or len(data) < 4 + SIZE.unpack_from(data)[0]:
        more = connection.recv(1 << 20)
        if not more:
            raise ConnectionError("the broker closed the connection")
        data += more
    return data[4:]


def call(connection: socket.socket, key: ApiKey, version: int, message: Any) -> Any:
    connection.sendall(frame(key, version, message))
    return decode_response(key, version, read_frame(connection))[1]


def produce_frame(topic: str, partition: int, record_bytes: int, acks: int) -> bytes:
    batch = build_batch([Record(0, 0, None, bytes(record_bytes))], time.time_ns() // 1_000_000)
    data = [PartitionProduceData(index=partition, records=memoryview(batch))]
    request = ProduceRequest(
        acks=acks, timeout_ms=30_000, topic_data=[TopicProduceData(name=topic, partition_data=data)]
    )
    return frame(ApiKey.PRODUCE, 7, request)


def fetch_frame(topic: str, offsets: Sequence[int], max_wait_ms: int, min_bytes: int = 1) -> bytes:
    """A sessionless fetch of the topic's first partitions, one for each offset."""
    partitions = [
        FetchPartition(partition=number, fetch_offset=offset, partition_max_bytes=1 << 20)
        for number, offset in enumerate(offsets)
    ]
    request = FetchRequest(
        max_wait_ms=max_wait_ms, min_bytes=min_bytes, topics=[FetchTopic(topic=topic, partitions=partitions)]
    )
    return frame(ApiKey.FETCH, 11, request)


def closed_loop(port: int, request: Sequence[bytes], connections: int, seconds: float) -> dict[str, float]:
    """Each connection sends its request again as soon as it was answered: requests/s, and their latencies."""
    selector = selectors.DefaultSelector()
    sockets = [connect(port) for _ in range(connections)]
    began: dict[int, float] = {}
    for number, connection in enumerate(sockets):
        connection.setblocking(False)
        selector.register(connection, selectors.EVENT_READ, request[number % len(request)])
    clock = time.perf_counter
    latencies: list[float] = []
    started = clock()
    end = started + seconds
    for number, connection in enumerate(sockets):
        began[connection.fileno()] = clock()
        connection.send(request[number % len(request)])
    pending: dict[int, bytes] = {}
    while (now := clock()) < end:
        for key, _ in selector.select(0.1):
            busy, fd = key.fileobj, key.fd
            assert isinstance(busy, socket.socket)
            data = pending.pop(fd, b"") + busy.recv(1 << 20)
            if len(data) < 4 or len(data) < 4 + SIZE.unpack_from(data)[0]:
                pending[fd] = data
                continue
            now = clock()
            latencies.append(now - began[fd])
            began[fd] = now
            busy.send(key.data)
    took = clock() - started
    for connection in sockets:
        connection.close()
    latencies.sort()
    return {
        "requests/s": len(latencies) / took,
        "p50 ms": latencies[len(latencies) // 2] * 1000,
        "p99 ms": latencies[int(len(latencies) * 0.99)] * 1000,
        "count": len(latencies),
    }


def fixed_rate(port: int, topic: str, acks: int, rate: float, seconds: float) -> dict[str, float]:
    """One record a request at a fixed rate on one connection: the time from when it was due to its answer."""
    connection = connect(port)
    request = produce_frame(topic, 0, 100, acks)
    latencies: list[float] = []
    started = time.perf_counter()
    for number in range(int(rate * seconds)):
        due = started + number / rate
        while (wait := due - time.perf_counter()) > 0:
            time.sleep(min(wait, 0.001) if wait > 0.0003 else 0)
        connection.sendall(request)
        read_frame(connection)
        latencies.append(time.perf_counter() - due)
    connection.close()
    first = latencies[0]
    latencies.sort()
    return {
        "p50 ms": latencies[len(latencies) // 2] * 1000,
        "p99 ms": latencies[int(len(latencies) * 0.99)] * 1000,
        "p99.9 ms": latencies[int(len(latencies) * 0.999)] * 1000,
        "first ms": first * 1000,
    }


def end_to_end(port: int, topic: str, acks: int, rate: float, seconds: float) -> dict[str, float]:
    """The same, and a reader on a second connection: the time from sending a record to having read it."""
    reader, writer = connect(port), connect(port)
    request = produce_frame(topic, 0, 100, acks)
    sent: list[float] = []
    latencies: list[float] = []
    count = int(rate * seconds)
    latest = ListOffsetsRequest(
        replica_id=-1,
        topics=[ListOffsetsTopic(name=topic, partitions=[ListOffsetsPartition(partition_index=0, timestamp=-1)])],
    )
    start = call(reader, ApiKey.LIST_OFFSETS, 1, latest).topics[0].partitions[0].offset

    def read() -> None:
        offset = start
        while offset < start + count:
            reader.sendall(fetch_frame(topic, [offset], 500))
            (_, response) = decode_response(ApiKey.FETCH, 11, read_frame(reader))
            now = time.perf_counter()
            records = response.responses[0].partitions[0].records
            end = offset
            at = 0
            while at < len(records):
                base, length = struct.unpack_from(">qi", records, at)
                end = base + 1
                at += 12 + length
            latencies.extend(now - sent[number] for number in range(offset - start, end - start))
            offset = end

    thread = threading.Thread(target=read)
    thread.start()
    started = time.perf_counter()
    for number in range(count):
        due = started + number / rate
        while (wait := due - time.perf_counter()) > 0:
            time.sleep(min(wait, 0.001))
        sent.append(time.perf_counter())
        writer.sendall(request)
        read_frame(writer)
    thread.join(30)
    reader.close()
    writer.close()
    latencies.sort()
    return {
        "p50 ms": latencies[len(latencies) // 2] * 1000,
        "p99 ms": latencies[int(len(latencies) * 0.99)] * 1000,
    }


def idle_fetchers(port: int, topic: str, offset: int, count: int, seconds: float, max_wait_ms: int = 500) -> int:
    """Consumers at the end of a log, each polling with `max_wait_ms`; how many polls were answered."""
    request = fetch_frame(topic, [offset], max_wait_ms)
    return int(closed_loop(port, [request], count, seconds)["count"])


def metadata_frame(topic: str) -> bytes:
    return frame(ApiKey.METADATA, 8, MetadataRequest(topics=[MetadataRequestTopic(name=topic)]))


class Joining:
    """Members that join one group at the same time, and heartbeat until all of them are in one generation."""

    def __init__(self, port: int, group: str, topic: str, members: int) -> None:
        self._port = port
        self._group = group
        self._topic = topic
        self._members = members
        self._gate = threading.Barrier(members + 1)
        self._lock = threading.Lock()
        self._synced: dict[str, int] = {}
        self._full_generation = -1
        self._complete = threading.Event()
        self._completed_at = 0.0
        self._problems: list[str] = []

    def run(self) -> float:
        """Seconds until all are assigned."""
        self._wait_for_coordinator()
        threads = [threading.Thread(target=self._member, daemon=True) for _ in range(self._members)]
        for thread in threads:
            thread.start()
        self._gate.wait()
        began = time.perf_counter()
        if not self._complete.wait(120) or self._problems:
            raise SystemExit(f"the group did not form: {self._problems}")
        for thread in threads:
            thread.join(10)
        return self._completed_at - began

    def _wait_for_coordinator(self) -> None:
        """Kafka makes its topic of offsets when it is first asked for a coordinator."""
        connection = connect(self._port)
        deadline = time.monotonic() + 60
        beat = HeartbeatRequest(group_id=self._group, generation_id=1, member_id="nobody")
        while call(connection, ApiKey.HEARTBEAT, 3, beat).error_code != _UNKNOWN_MEMBER_ID:
            if time.monotonic() > deadline:
                raise SystemExit("the group has no coordinator")
            call(connection, ApiKey.FIND_COORDINATOR, 2, FindCoordinatorRequest(key=self._group))
            time.sleep(0.1)
        connection.close()

    def _member(self) -> None:
        connection = connect(self._port)
        self._gate.wait()
        member_id = ""
        while not self._complete.is_set():
            member_id, generation = self._join(connection, member_id)
            beat = HeartbeatRequest(group_id=self._group, generation_id=generation, member_id=member_id)
            while not self._complete.is_set() and not call(connection, ApiKey.HEARTBEAT, 3, beat).error_code:
                self._complete.wait(0.02)
        connection.close()

    def _join(self, connection: socket.socket, member_id: str) -> tuple[str, int]:
        metadata = b"\x00\x00\x00\x00\x00\x01" + _text(self._topic) + b"\xff\xff\xff\xff"
        while True:
            request = JoinGroupRequest(
                group_id=self._group,
                session_timeout_ms=30_000,
                rebalance_timeout_ms=60_000,
                member_id=member_id,
                protocol_type="consumer",
                protocols=[JoinGroupRequestProtocol(name="range", metadata=metadata)],
            )
            joined = call(connection, ApiKey.JOIN_GROUP, 5, request)
            member_id = joined.member_id
            if joined.error_code == _MEMBER_ID_REQUIRED:
                continue
            if joined.error_code:
                self._problems.append(f"JoinGroup {joined.error_code}")
                self._complete.set()
                return member_id, -1
            assignments = [
                SyncGroupRequestAssignment(member_id=one.member_id, assignment=b"x") for one in joined.members
            ]
            sync = SyncGroupRequest(
                group_id=self._group,
                generation_id=joined.generation_id,
                member_id=member_id,
                assignments=assignments,
            )
            if call(connection, ApiKey.SYNC_GROUP, 3, sync).error_code == 0:
                self._note(member_id, joined.generation_id, len(joined.members))
                return member_id, joined.generation_id

    def _note(self, member_id: str, generation: int, listed: int) -> None:
        with self._lock:
            self._synced[member_id] = generation
            if listed == self._members:
                self._full_generation = generation
            if sum(one == self._full_generation for one in self._synced.values()) == self._members:
                self._completed_at = time.perf_counter()
                self._complete.set()


def _text(value: str) -> bytes:
    return len(value).to_bytes(2, "big") + value.encode()
