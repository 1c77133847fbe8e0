"""`chronik perf`: how fast a broker takes and gives records, as one client sees it."""

from __future__ import annotations

import math
import os
import sys
import time
from collections import deque
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import typer

from chronik.cli.client.arguments import OutputOption, TopicArgument
from chronik.cli.client.command import client_command
from chronik.cli.client.connection import Connection, drop, producer
from chronik.cli.client.positions import Kind, Position
from chronik.cli.client.problems import ClientProblem
from chronik.cli.client.produce import Acks, Codec
from chronik.cli.client.progress import progress
from chronik.cli.output import Output, Row, View, show

COLUMNS = ("RECORDS", "SECONDS", "RECORDS/S", "MB/S", "P50 MS", "P95 MS", "P99 MS", "MAX MS")
_MAX_WAITING = 10_000
_MAX_WAITING_BYTES = 32 * 1024 * 1024
_POOL_BYTES = 4 * 1024 * 1024
"""Random bytes that values are cut from: no codec makes them smaller."""

app = typer.Typer(no_args_is_help=True, help="Measure how fast records are written and read.")


class _Measured(NamedTuple):
    """`latencies_ms` is empty where nothing can be said of them."""

    record_count: int
    size_bytes: int
    seconds: float
    latencies_ms: Sequence[float]


@app.command("produce")
@client_command
def perf_produce(
    to: Connection,
    topic: TopicArgument,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many records.")] = 100_000,
    size: Annotated[int, typer.Option("--size", "-s", min=0, metavar="BYTES", help="Of each value.")] = 1000,
    rate: Annotated[
        float | None, typer.Option(min=0.001, metavar="N", help="Records a second; else as many as go.")
    ] = None,
    acks: Annotated[Acks, typer.Option(help="Wait for every replica, for the leader, or for nobody.")] = Acks.ALL,
    codec: Annotated[Codec, typer.Option("--codec", "-z", help="How to compress.")] = Codec.NONE,
    linger: Annotated[int, typer.Option(min=0, metavar="MS", help="How long a batch is gathered.")] = 5,
    batch: Annotated[int, typer.Option(min=1, metavar="BYTES", help="How large a batch is at most.")] = 128 * 1024,
    output: OutputOption = Output.TABLE,
) -> None:
    """Write random records, and show rates and the times from writing a record to its acknowledgement."""
    client = producer(
        to,
        acks=-1 if acks is Acks.ALL else int(acks.value),
        enable_idempotence=acks is Acks.ALL,
        compression_type=None if codec is Codec.NONE else codec.value,
        linger_ms=linger,
        batch_size=batch,
        max_request_size=max(size + 1024, 1024 * 1024),
        delivery_timeout_ms=to.timeout_ms + linger + 1000,
    )
    load = _Load(client, topic, size)
    try:
        with progress(f"produce {topic}", count) as advance:
            load.run(count, rate, advance)
    finally:
        if load.is_cut_off:
            drop(client)
        else:
            client.close(timeout=to.timeout_s)
        _report(load.measured(), output)


class _Load:
    """Writes records and notes when each is acknowledged."""

    def __init__(self, client: Any, topic: str, size_bytes: int) -> None:
        self._client = client
        self._topic = topic
        self._size_bytes = size_bytes
        self._pool = os.urandom(_POOL_BYTES + size_bytes)
        self._waiting: deque[Any] = deque()
        self._latencies_ms: list[float] = []
        self._began_s = self._ended_s = time.perf_counter()
        self.is_cut_off = True

    def run(self, count: int, rate: float | None, advance: Any) -> None:
        """Write everything and wait for it. ClientProblem for the first record that is refused."""
        from kafka.errors import KafkaTimeoutError

        try:
            self._client.partitions_for(self._topic)
        except KafkaTimeoutError:
            raise ClientProblem(f"There is no topic {self._topic}, and the broker has not created it.") from None
        most = max(1, min(_MAX_WAITING, _MAX_WAITING_BYTES // max(1, self._size_bytes)))
        self._began_s = time.perf_counter()
        for number in range(count):
            if rate is not None:
                _sleep_until(self._began_s + number / rate)
            self._write(number)
            if len(self._waiting) > most:
                self._waiting.popleft().get()
            advance(1)
        while self._waiting:
            self._waiting.popleft().get()
        self.is_cut_off = False

    def measured(self) -> _Measured:
        """What has been acknowledged."""
        count = len(self._latencies_ms)
        return _Measured(count, count * self._size_bytes, self._ended_s - self._began_s, self._latencies_ms)

    def _write(self, number: int) -> None:
        at = number * 4099 % _POOL_BYTES
        began_s = time.perf_counter()
        future = self._client.send(self._topic, value=self._pool[at : at + self._size_bytes])
        future.add_callback(self._acknowledged, began_s)
        self._waiting.append(future)

    def _acknowledged(self, began_s: float, metadata: Any) -> None:
        """In the producer's thread."""
        self._ended_s = time.perf_counter()
        self._latencies_ms.append((self._ended_s - began_s) * 1000)


def _sleep_until(moment_s: float) -> None:
    left_s = moment_s - time.perf_counter()
    if left_s > 0:
        time.sleep(left_s)


@app.command("consume")
@client_command
def perf_consume(
    to: Connection,
    topic: TopicArgument,
    count: Annotated[
        int | None, typer.Option("--count", "-n", min=1, help="How many records; else all that there are now.")
    ] = None,
    live: Annotated[
        bool,
        typer.Option("--live", help="Only records that are yet to be written, and how old they are when they come."),
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Read records, and show rates; with --live also the times from a record's timestamp to its arrival."""
    from chronik.cli.client.consume_plan import plan
    from chronik.cli.client.record_reader import RecordReader

    where = (Position(Kind.END if live else Kind.BEGINNING), None)
    planned = plan(to, [topic], (), where, exit_at_end=not live and count is None, read_committed=True)
    reader = RecordReader(to, planned, read_committed=True, group=None, reset="earliest")
    done, size_bytes = 0, 0
    ages_ms: list[float] = []
    began_s = ended_s = time.perf_counter()
    try:
        with progress(f"consume {topic}", planned.record_count if count is None else count) as advance:
            for block in reader.blocks(count):
                if count is not None:
                    block = block[: count - done]
                if not block:
                    continue
                if live and not done:
                    began_s = time.perf_counter()  # before it there was nothing to read
                ended_s = time.perf_counter()
                now_ms = time.time() * 1000
                if live:
                    ages_ms += [now_ms - record.timestamp_ms for record in block]
                done += len(block)
                size_bytes += sum([len(record.value or b"") for record in block])
                advance(len(block))
                if done == count:
                    break
    finally:
        reader.close()
        _report(_Measured(done, size_bytes, ended_s - began_s, ages_ms), output)


def _report(found: _Measured, output: Output) -> None:
    seconds = max(found.seconds, 1e-9)
    ordered = sorted(found.latencies_ms)
    facts: dict[str, Any] = {
        "records": found.record_count,
        "bytes": found.size_bytes,
        "seconds": round(found.seconds, 3),
        "records_per_second": round(found.record_count / seconds, 1),
        "mb_per_second": round(found.size_bytes / seconds / 1e6, 3),
        "p50_ms": _percentile(ordered, 0.5),
        "p95_ms": _percentile(ordered, 0.95),
        "p99_ms": _percentile(ordered, 0.99),
        "max_ms": _percentile(ordered, 1.0),
    }
    line = (
        *(facts["records"], f"{facts['seconds']:.2f}", f"{facts['records_per_second']:.0f}"),
        f"{facts['mb_per_second']:.2f}",
        *("" if facts[name] is None else f"{facts[name]:.2f}" for name in ("p50_ms", "p95_ms", "p99_ms", "max_ms")),
    )
    show(View(COLUMNS, [Row(facts, [line])]), output)
    sys.stdout.flush()


def _percentile(ordered: Sequence[float], part: float) -> float | None:
    """The least value that this part of all is not above; None of none."""
    if not ordered:
        return None
    return round(ordered[max(0, math.ceil(part * len(ordered)) - 1)], 3)
