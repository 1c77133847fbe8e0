"""Every workload by its name: what is done to a broker that runs, and which figures come out.

Figures whose name ends in "/s" are better high, all others better low.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from tools.bench import confluent_load, jvm_load, raw_load
from tools.bench.brokers import Broker
from tools.bench.confluent_load import Measured, Workload, create_topic

Figures = dict[str, float]
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Bench:
    """A workload: `run` gets a started broker and the scale (1.0: as in the published table)."""

    name: str
    run: Callable[[Broker, float], Figures]
    main_figure: str
    """By what the brokers are compared."""


def figures(measured: Measured) -> Figures:
    return {
        "MB/s": measured.megabytes_per_s,
        "records/s": measured.records_per_s,
        "p50 ms": measured.p50_ms,
        "p99 ms": measured.p99_ms,
        "CPU s/GB": measured.cpu_s_per_gb,
    }


def produce(work: Workload) -> Bench:
    name = f"produce {size(work.record_bytes)}, acks={work.acks}, {work.partitions} p"
    if work.producers > 1:
        name += f", {work.producers} producers"
    if work.compression != "none":
        name += f", {work.compression}"

    def run(broker: Broker, scale: float) -> Figures:
        return figures(confluent_load.produce(broker, replace(work, total_bytes=int(work.total_bytes * scale))))

    return Bench(name, run, "MB/s")


def consume(work: Workload) -> Bench:
    """From the beginning, right after it was produced; `work` is produced first, unmeasured."""

    def run(broker: Broker, scale: float) -> Figures:
        scaled = replace(work, total_bytes=int(work.total_bytes * scale), label="read")
        confluent_load.produce(broker, scaled)
        return figures(confluent_load.consume(broker, scaled))

    return Bench(f"consume {size(work.record_bytes)}, {work.partitions} p", run, "MB/s")


def jvm_produce(record_bytes: int, acks: str, partitions: int, total_bytes: int) -> Bench:
    def run(broker: Broker, scale: float) -> Figures:
        topic = f"jvm-{record_bytes}-{acks}-{partitions}"
        create_topic(broker, topic, partitions)
        return jvm_load.produce(broker, topic, record_bytes, int(total_bytes * scale) // record_bytes, acks)

    return Bench(f"ProducerPerformance {size(record_bytes)}, acks={acks}, {partitions} p", run, "MB/s")


def jvm_consume(record_bytes: int, partitions: int, total_bytes: int) -> Bench:
    def run(broker: Broker, scale: float) -> Figures:
        work = Workload(record_bytes, "1", partitions, int(total_bytes * scale), label="jvm-read")
        confluent_load.produce(broker, work)
        return jvm_load.consume(broker, work.topic, record_bytes, work.record_count)

    return Bench(f"ConsumerPerformance {size(record_bytes)}, {partitions} p", run, "MB/s")


def small(connections: int, acks: str) -> Bench:
    """One 100 B record a request, closed loop."""

    def run(broker: Broker, scale: float) -> Figures:
        topic = f"small-{connections}-{acks}"
        create_topic(broker, topic, 1)
        request = raw_load.produce_frame(topic, 0, 100, -1 if acks == "all" else int(acks))
        before = broker.usage().cpu_s
        found = raw_load.closed_loop(broker.port, [request], connections, 6 * scale)
        found["CPU us/request"] = (broker.usage().cpu_s - before) / found.pop("count") * 1e6
        return found

    return Bench(f"one-record requests, acks={acks}, {connections} connections", run, "requests/s")


def steady(acks: str, rate: float, after_bulk: bool) -> Bench:
    def run(broker: Broker, scale: float) -> Figures:
        topic = f"steady-{acks}-{rate:.0f}-{after_bulk}"
        create_topic(broker, topic, 1)
        if after_bulk:
            confluent_load.produce(broker, Workload(10_000, "1", 1, int(1000 * MB * scale), label="before-steady"))
        return raw_load.fixed_rate(broker.port, topic, -1 if acks == "all" else int(acks), rate, 10 * scale)

    place = "after bulk writes" if after_bulk else "on a fresh broker"
    return Bench(f"{rate:.0f} records/s, acks={acks}, {place}: ack", run, "p99 ms")


def end_to_end(acks: str, rate: float) -> Bench:
    def run(broker: Broker, scale: float) -> Figures:
        topic = f"e2e-{acks}-{rate:.0f}"
        create_topic(broker, topic, 1)
        return raw_load.end_to_end(broker.port, topic, -1 if acks == "all" else int(acks), rate, 10 * scale)

    return Bench(f"{rate:.0f} records/s, acks={acks}: produce to consume", run, "p99 ms")


def many_partitions(kind: str) -> Bench:
    """Metadata, or a fetch that finds nothing, of 2,000 partitions: round trips/s on one connection."""

    def run(broker: Broker, scale: float) -> Figures:
        topic = f"wide-{kind}"
        create_topic(broker, topic, 2000)
        if kind == "metadata":
            request = raw_load.metadata_frame(topic)
        else:
            request = raw_load.fetch_frame(topic, [0] * 2000, 0, 0)
        before = broker.usage().cpu_s
        found = raw_load.closed_loop(broker.port, [request], 1, 5 * scale)
        found["CPU us/request"] = (broker.usage().cpu_s - before) / found.pop("count") * 1e6
        return found

    return Bench(f"{kind} of 2,000 partitions", run, "requests/s")


def idle_consumers(broker: Broker, scale: float) -> Figures:
    create_topic(broker, "idle", 1)
    before, began = broker.usage().cpu_s, time.monotonic()
    raw_load.idle_fetchers(broker.port, "idle", 0, 500, 8 * scale)
    return {"CPU %": (broker.usage().cpu_s - before) / (time.monotonic() - began) * 100}


def idle(broker: Broker, scale: float) -> Figures:
    """100 idle connections and 20 long polls."""
    create_topic(broker, "quiet", 1)
    connections = [raw_load.connect(broker.port) for _ in range(100)]
    raw_load.idle_fetchers(broker.port, "quiet", 0, 20, 1.0)
    before, began = broker.usage().cpu_s, time.monotonic()
    raw_load.idle_fetchers(broker.port, "quiet", 0, 20, 10 * scale)
    used = (broker.usage().cpu_s - before) / (time.monotonic() - began) * 100
    for connection in connections:
        connection.close()
    return {"CPU %": used, "resident MB": broker.usage().resident_bytes / MB}


def group_join(broker: Broker, scale: float) -> Figures:
    create_topic(broker, "joined", 50)
    return {"s": raw_load.Joining(broker.port, "together", "joined", 50).run()}


def first_record(broker: Broker, scale: float) -> Figures:
    """Stop and start on what is there: from exec to the first acknowledged record (acks=all)."""
    create_topic(broker, "first", 1)
    broker.stop()
    return {"s": restarted(broker)}


def after_a_kill(broker: Broker, scale: float) -> Figures:
    """SIGKILL right after 2 GB were written, then from exec to the first acknowledged record."""
    create_topic(broker, "first-after-kill", 1)
    confluent_load.produce(broker, Workload(100_000, "1", 1, int(2000 * MB * scale), label="before-kill"))
    memory = broker.usage()
    broker.stop(signal.SIGKILL)
    return {"s": restarted(broker, "first-after-kill"), "resident MB before": memory.resident_bytes / MB}


def restarted(broker: Broker, topic: str = "first") -> float:
    began = time.monotonic()
    broker.start()
    connection = raw_load.connect(broker.port)
    request = raw_load.produce_frame(topic, 0, 100, -1)
    while True:
        connection.sendall(request)
        answer = raw_load.read_frame(connection)
        # Behind the correlation id: one topic, its name, one partition, its index, the error code.
        at = 4 + 4 + 2 + len(topic) + 4 + 4
        if answer[at : at + 2] == b"\x00\x00":
            connection.close()
            return time.monotonic() - began
        time.sleep(0.01)


def size(record_bytes: int) -> str:
    for unit, factor in (("MB", 1_000_000), ("KB", 1000)):
        if record_bytes >= factor:
            return f"{record_bytes // factor} {unit}"
    return f"{record_bytes} B"


def all_benches() -> list[Bench]:
    """In the order in which they run on one broker; steady-rate ones first, while it is fresh."""
    return [
        steady("all", 500, after_bulk=False),
        steady("1", 1000, after_bulk=False),
        end_to_end("all", 500),
        Bench("idle: 100 connections, 20 long polls", idle, "CPU %"),
        Bench("500 idle consumers", idle_consumers, "CPU %"),
        Bench("50 members join a group", group_join, "s"),
        *(small(connections, acks) for connections in (32, 256) for acks in ("1", "all")),
        *(many_partitions(kind) for kind in ("metadata", "fetch")),
        *(produce(Workload(1000, acks, 1, 200 * MB)) for acks in ("0", "1", "all")),
        *(produce(Workload(100, acks, 1, 40 * MB)) for acks in ("1", "all")),
        *(produce(Workload(10_000, acks, 1, 300 * MB)) for acks in ("1", "all")),
        *(produce(Workload(100_000, acks, 1, 500 * MB)) for acks in ("1", "all")),
        *(produce(Workload(1_000_000, acks, 1, 500 * MB)) for acks in ("1", "all")),
        *(produce(Workload(1000, acks, partitions, 200 * MB)) for partitions in (8, 100) for acks in ("1", "all")),
        *(produce(Workload(1000, "all", 8, 200 * MB, producers=producers)) for producers in (8, 64)),
        *(produce(Workload(1000, "all", 1, 200 * MB, codec)) for codec in ("gzip", "snappy", "lz4", "zstd")),
        *(consume(Workload(record_bytes, "1", 1, 200 * MB)) for record_bytes in (1000, 10_000, 100_000)),
        consume(Workload(1000, "1", 8, 200 * MB)),
        consume(Workload(100, "1", 1, 40 * MB)),
        jvm_produce(1000, "1", 1, 400 * MB),
        jvm_produce(1000, "all", 1, 400 * MB),
        jvm_consume(1000, 1, 400 * MB),
        jvm_consume(1000, 8, 400 * MB),
        steady("all", 500, after_bulk=True),
        Bench("start to the first acknowledged record", first_record, "s"),
        Bench("the same after SIGKILL and 2 GB", after_a_kill, "s"),
    ]
