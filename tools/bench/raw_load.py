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
from tools.bench.results import latencies as percentiles

SIZE = struct.Struct(">i")
CLIENT_ID = "bench"
_MEMBER_ID_REQUIRED = 79
_UNKNOWN_MEMBER_ID = 25
_CREATED_S = 60.0


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


def error_at(topic: str) -> int:
    """Where in the answer to `produce_frame` the error code lies: size, correlation id, one topic, its name, one
    partition, its index."""
    return 4 + 4 + 4 + 2 + len(topic) + 4 + 4


def closed_loop(
    port: int, request: Sequence[bytes], connections: int, seconds: float, error_code_at: int | None = None
) -> dict[str, float]:
    """Each connection sends its request again as soon as it was answered: requests/s, and their latencies. An answer
    with an error code at that place ends it with SystemExit."""
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
            more = busy.recv(1 << 20)
            if not more:
                raise SystemExit("the broker closed a connection")
            data = pending.pop(fd, b"") + more
            if len(data) < 4 or len(data) < 4 + SIZE.unpack_from(data)[0]:
                pending[fd] = data
                continue
            if error_code_at is not None and data[error_code_at : error_code_at + 2] != b"\0\0":
                raise SystemExit(f"error code {int.from_bytes(data[error_code_at : error_code_at + 2], 'big')}")
            now = clock()
            latencies.append(now - began[fd])
            began[fd] = now
            busy.send(key.data)
    took = clock() - started
    for connection in sockets:
        connection.close()
    return {"requests/s": len(latencies) / took, **percentiles(latencies), "count": len(latencies)}


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
        _check(read_frame(connection), topic)
        latencies.append(time.perf_counter() - due)
    connection.close()
    first = latencies[0]
    return {**percentiles(latencies), "first ms": first * 1000, "count": len(latencies)}


def _check(answer: bytes, topic: str) -> None:
    """`answer`: to `produce_frame`, without its size."""
    at = error_at(topic) - 4
    if answer[at : at + 2] != b"\0\0":
        raise SystemExit(f"error code {int.from_bytes(answer[at : at + 2], 'big')}")


def end_to_end(port: int, topic: str, acks: int, rate: float, seconds: float) -> dict[str, float]:
    """The same, and a reader on a second connection: the time from when a record was due to its having been read."""
    reader, writer = connect(port), connect(port)
    request = produce_frame(topic, 0, 100, acks)
    due_at: list[float] = []
    latencies: list[float] = []
    problems: list[BaseException] = []
    count = int(rate * seconds)
    latest = ListOffsetsRequest(
        replica_id=-1,
        topics=[ListOffsetsTopic(name=topic, partitions=[ListOffsetsPartition(partition_index=0, timestamp=-1)])],
    )
    start = call(reader, ApiKey.LIST_OFFSETS, 1, latest).topics[0].partitions[0].offset

    def read() -> None:
        offset = start
        try:
            while offset < start + count:
                reader.sendall(fetch_frame(topic, [offset], 500))
                end = _end_of_fetched(read_frame(reader), offset)
                now = time.perf_counter()
                latencies.extend(now - due_at[number] for number in range(offset - start, end - start))
                offset = end
        except (Exception, SystemExit) as problem:  # told by the thread that waits for this one
            problems.append(problem)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    started = time.perf_counter()
    for number in range(count):
        due = started + number / rate
        while (wait := due - time.perf_counter()) > 0:
            time.sleep(min(wait, 0.001) if wait > 0.0003 else 0)
        due_at.append(due)
        writer.sendall(request)
        _check(read_frame(writer), topic)
    thread.join(30)
    reader.close()
    writer.close()
    if problems or len(latencies) < count:
        raise SystemExit(f"{len(latencies)} of {count} records were read: {problems}")
    return {**percentiles(latencies), "count": count}


def _end_of_fetched(answer: bytes, offset: int) -> int:
    """The offset behind the batches of one record each that were fetched from `offset` on."""
    (_, response) = decode_response(ApiKey.FETCH, 11, answer)
    partition = response.responses[0].partitions[0]
    if partition.error_code:
        raise SystemExit(f"fetch: error code {partition.error_code}")
    end, at = offset, 0
    while at < len(partition.records):
        base, length = struct.unpack_from(">qi", partition.records, at)
        end = base + 1
        at += 12 + length
    return end


def idle_fetchers(port: int, topic: str, offset: int, count: int, seconds: float, max_wait_ms: int = 500) -> int:
    """Consumers at the end of a log, each polling with `max_wait_ms`; how many polls were answered."""
    request = fetch_frame(topic, [offset], max_wait_ms)
    return int(closed_loop(port, [request], count, seconds)["count"])


def check_wide(port: int, key: ApiKey, request: bytes, partitions: int) -> None:
    """Wait until all partitions are in the answer, none with an error: Kafka creates so many for seconds. Beforehand,
    because afterwards answers are only counted."""
    deadline = time.monotonic() + _CREATED_S
    while True:
        connection = connect(port)
        connection.sendall(request)
        response = decode_response(key, 8 if key is ApiKey.METADATA else 11, read_frame(connection))[1]
        connection.close()
        topics = response.topics if key is ApiKey.METADATA else response.responses
        found = [partition for topic in topics for partition in topic.partitions]
        wrong = {partition.error_code for partition in found} - {0}
        if not wrong and len(found) == partitions:
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"{len(found)} of {partitions} partitions were answered, error codes {sorted(wrong)}")
        time.sleep(0.2)


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
        self._gate.wait(30)
        began = time.perf_counter()
        if not self._complete.wait(60) or self._problems:
            self._complete.set()  # the members' threads end by it
            raise SystemExit(f"the group did not form: {self._problems[:3] or 'not within 60 s'}")
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
        try:
            self._take_part()
        except Exception as problem:  # told by `run`
            self._problems.append(repr(problem))
            self._complete.set()

    def _take_part(self) -> None:
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
