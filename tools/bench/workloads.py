"""Every workload by its name: what is done to a broker that runs, and which figures come out.

Figures whose name ends in "/s" are better high, all others better low.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from chronik.wire.apis import ApiKey
from tools.bench import confluent_load, jvm_load, raw_load
from tools.bench.brokers import Broker
from tools.bench.confluent_load import Measured, Workload, create_topic
from tools.bench.results import Figures, Shown

MB = 1_000_000
BULK = ("MB/s", "CPU s/GB")
REQUESTS = ("requests/s", "p99 ms", "CPU us/request")
LATENCY = ("p50 ms", "p99 ms", "p99.9 ms", "CPU us/record")

PUSHED_OUT_BYTES = 96 * MB
"""Written between producing and reading where records shall be older than a broker's memory: three times chronik's
cache of the newest batches (32 MB over all logs)."""

FAILED_AFTER_S = 240.0
"""A workload that takes longer has failed, at scale 1 or less."""


@dataclass(frozen=True, slots=True)
class Bench:
    """A workload: `run` gets a started broker and the scale (1.0: as in the published table)."""

    shown: Shown
    run: Callable[[Broker, float], Figures]
    needs_disk: bool = False
    """Whether it is about records on the disk, which a broker in memory does not have."""

    @property
    def name(self) -> str:
        return self.shown.name


def figures(measured: Measured) -> Figures:
    return {
        "MB/s": measured.megabytes_per_s,
        "records/s": measured.records_per_s,
        "p50 ms": measured.p50_ms,
        "p99 ms": measured.p99_ms,
        "CPU s/GB": measured.cpu_s_per_gb,
        "resident MB": measured.broker_resident_mb,
    }


def produce(work: Workload) -> Bench:
    name = f"produce {size(work.record_bytes)}, acks={work.acks}, {work.partitions} p"
    if work.producers > 1:
        name += f", {work.producers} producers"
    if work.compression != "none":
        name += f", {work.compression}"

    def run(broker: Broker, scale: float) -> Figures:
        return figures(confluent_load.produce(broker, scaled(work, scale)))

    return Bench(Shown(name, "produce", BULK, "MB/s"), run)


def consume(work: Workload) -> Bench:
    """From the beginning, right after it was produced; `work` is produced first, unmeasured."""

    def run(broker: Broker, scale: float) -> Figures:
        written = scaled(work, scale, "read")
        confluent_load.produce(broker, written)
        return figures(confluent_load.consume(broker, written))

    name = f"consume {size(work.record_bytes)}, {work.partitions} p, from the beginning"
    return Bench(Shown(name, "consume", BULK, "MB/s"), run)


def consume_old(work: Workload) -> Bench:
    """Records that neither the broker nor the page cache holds any more: other records were written meanwhile, and the
    kernel was asked to drop the pages of the broker's files."""

    def run(broker: Broker, scale: float) -> Figures:
        written = scaled(work, scale, "old")
        confluent_load.produce(broker, written)
        confluent_load.produce(broker, Workload(10_000, "1", 1, PUSHED_OUT_BYTES, label=f"newer-{work.partitions}"))
        broker.forget_pages()
        return figures(confluent_load.consume(broker, written))

    name = f"consume {size(work.record_bytes)}, {work.partitions} p, older than memory"
    return Bench(Shown(name, "consume", BULK, "MB/s"), run, needs_disk=True)


def consume_tail(work: Workload) -> Bench:
    """Produced at full speed and read at the tail meanwhile; the CPU is that of both."""

    def run(broker: Broker, scale: float) -> Figures:
        return figures(confluent_load.follow(broker, scaled(work, scale, "tail")))

    name = f"consume {size(work.record_bytes)}, {work.partitions} p, at the tail while acks={work.acks} writes"
    return Bench(Shown(name, "consume", BULK, "MB/s"), run)


def jvm_produce(record_bytes: int, acks: str, partitions: int, total_bytes: int) -> Bench:
    def run(broker: Broker, scale: float) -> Figures:
        topic = f"jvm-{record_bytes}-{acks}-{partitions}"
        create_topic(broker, topic, partitions)
        return jvm_load.produce(broker, topic, record_bytes, int(total_bytes * scale) // record_bytes, acks)

    name = f"ProducerPerformance {size(record_bytes)}, acks={acks}, {partitions} p"
    return Bench(Shown(name, "Kafka's own tools", BULK, "MB/s"), run)


def jvm_consume(record_bytes: int, partitions: int, total_bytes: int) -> Bench:
    def run(broker: Broker, scale: float) -> Figures:
        work = Workload(record_bytes, "1", partitions, int(total_bytes * scale), label="jvm-read")
        confluent_load.produce(broker, work)
        return jvm_load.consume(broker, work.topic, record_bytes, work.record_count)

    name = f"ConsumerPerformance {size(record_bytes)}, {partitions} p"
    return Bench(Shown(name, "Kafka's own tools", BULK, "MB/s"), run)


def small(connections: int, acks: str) -> Bench:
    """One 100 B record a request, closed loop."""

    def run(broker: Broker, scale: float) -> Figures:
        topic = f"small-{connections}-{acks}"
        create_topic(broker, topic, 1)
        request = raw_load.produce_frame(topic, 0, 100, acks_number(acks))
        before = broker.usage().cpu_s
        found = raw_load.closed_loop(broker.port, [request], connections, 5 * scale, raw_load.error_at(topic))
        return with_cpu(broker, before, found, "CPU us/request")

    name = f"one-record requests, acks={acks}, {connections} connections"
    return Bench(Shown(name, "requests", REQUESTS, "requests/s"), run)


def steady(acks: str, rate: float, after_bulk: bool) -> Bench:
    def run(broker: Broker, scale: float) -> Figures:
        topic = f"steady-{acks}-{rate:.0f}-{after_bulk}"
        create_topic(broker, topic, 1)
        if after_bulk:
            confluent_load.produce(broker, Workload(10_000, "1", 1, int(500 * MB * scale), label="before-steady"))
        before = broker.usage().cpu_s
        found = raw_load.fixed_rate(broker.port, topic, acks_number(acks), rate, 8 * scale)
        return with_cpu(broker, before, found, "CPU us/record")

    place = "right after 500 MB" if after_bulk else "on a fresh broker"
    name = f"produce to ack, {rate:,.0f} records/s, acks={acks}, {place}"
    return Bench(Shown(name, "latency", LATENCY, "p99 ms"), run)


def end_to_end(acks: str, rate: float) -> Bench:
    def run(broker: Broker, scale: float) -> Figures:
        topic = f"e2e-{acks}-{rate:.0f}"
        create_topic(broker, topic, 1)
        before = broker.usage().cpu_s
        found = raw_load.end_to_end(broker.port, topic, acks_number(acks), rate, 8 * scale)
        return with_cpu(broker, before, found, "CPU us/record")

    name = f"produce to consume, {rate:,.0f} records/s, acks={acks}"
    return Bench(Shown(name, "latency", LATENCY, "p99 ms"), run)


def many_partitions(kind: str) -> Bench:
    """Metadata, or a fetch that finds nothing, of 2,000 partitions: round trips/s on one connection."""

    def run(broker: Broker, scale: float) -> Figures:
        topic = f"wide-{kind}"
        create_topic(broker, topic, 2000)
        if kind == "metadata":
            key, request = ApiKey.METADATA, raw_load.metadata_frame(topic)
        else:
            key, request = ApiKey.FETCH, raw_load.fetch_frame(topic, [0] * 2000, 0, 0)
        raw_load.check_wide(broker.port, key, request, 2000)
        before = broker.usage().cpu_s
        found = raw_load.closed_loop(broker.port, [request], 1, 4 * scale)
        return with_cpu(broker, before, found, "CPU us/request")

    return Bench(Shown(f"{kind} of 2,000 partitions", "requests", REQUESTS, "requests/s"), run)


def quiet(broker: Broker, scale: float) -> Figures:
    """No connection at all."""
    before, began = broker.usage().cpu_s, time.monotonic()
    time.sleep(5 * scale)
    used = (broker.usage().cpu_s - before) / (time.monotonic() - began) * 100
    return {"CPU %": used, "resident MB": broker.usage().resident_bytes / MB}


def polling(name: str, consumers: int, connections: int, seconds: float) -> Bench:
    """Consumers at the end of a log, each a long poll of 500 ms again and again, and connections that do nothing."""

    def run(broker: Broker, scale: float) -> Figures:
        topic = f"polled-{consumers}"
        create_topic(broker, topic, 1)
        idle = [raw_load.connect(broker.port) for _ in range(connections)]
        raw_load.idle_fetchers(broker.port, topic, 0, consumers, 1.0)
        before, began = broker.usage().cpu_s, time.monotonic()
        polls = raw_load.idle_fetchers(broker.port, topic, 0, consumers, max(seconds * scale, 1.0))
        took = time.monotonic() - began
        used = (broker.usage().cpu_s - before) / took * 100
        for connection in idle:
            connection.close()
        return {"CPU %": used, "polls a second": polls / took, "resident MB": broker.usage().resident_bytes / MB}

    return Bench(Shown(name, "idle", ("CPU %", "resident MB"), "CPU %"), run)


def memory_after_bulk(broker: Broker, scale: float) -> Figures:
    """Resident memory after all that was done to this broker so far, and the most that it ever was."""
    usage = broker.usage()
    return {"resident MB": usage.resident_bytes / MB, "peak MB": usage.peak_bytes / MB}


def group_join(broker: Broker, scale: float) -> Figures:
    create_topic(broker, "joined", 50)
    return {"s": raw_load.Joining(broker.port, "together", "joined", 50).run()}


def first_record(broker: Broker, scale: float) -> Figures:
    """Stop and start on what is there: from exec to the first acknowledged record (acks=all). A broker in memory has
    nothing, so that the topic is created again within that time."""
    create_topic(broker, "first", 1)
    broker.stop()
    return {"s": restarted(broker, "first")}


def after_a_kill(broker: Broker, scale: float) -> Figures:
    """SIGKILL right after 2 GB were written, then from exec to the first acknowledged record."""
    create_topic(broker, "first-after-kill", 1)
    confluent_load.produce(broker, Workload(100_000, "1", 1, int(2000 * MB * scale), label="before-kill"))
    memory = broker.usage()
    broker.stop(signal.SIGKILL)
    return {"s": restarted(broker, "first-after-kill"), "resident MB before": memory.resident_bytes / MB}


def restarted(broker: Broker, topic: str) -> float:
    """Seconds from exec until a record in the topic is acknowledged."""
    began = time.monotonic()
    broker.start()
    if not broker.keeps_on_disk:
        create_topic(broker, topic, 1)
    connection = raw_load.connect(broker.port)
    request = raw_load.produce_frame(topic, 0, 100, -1)
    error_at = raw_load.error_at(topic) - raw_load.SIZE.size
    while True:
        connection.sendall(request)
        if raw_load.read_frame(connection)[error_at : error_at + 2] == b"\x00\x00":
            connection.close()
            return time.monotonic() - began
        time.sleep(0.01)


def with_cpu(broker: Broker, before: float, found: Figures, name: str) -> Figures:
    """`found` with the broker's microseconds of CPU since `before` for each of its "count", which goes."""
    found[name] = (broker.usage().cpu_s - before) / found.pop("count") * 1e6
    return found


def acks_number(acks: str) -> int:
    return -1 if acks == "all" else int(acks)


def scaled(work: Workload, scale: float, label: str = "bench") -> Workload:
    return replace(work, total_bytes=int(work.total_bytes * scale), label=label)


def size(record_bytes: int) -> str:
    for unit, factor in (("MB", 1_000_000), ("KB", 1000)):
        if record_bytes >= factor:
            return f"{record_bytes // factor} {unit}"
    return f"{record_bytes} B"


def all_benches() -> list[Bench]:
    """In the order in which they run; those at steady rates first, while a broker is fresh, 2,000 partitions and
    restarts last."""
    memory = ("resident MB", "peak MB")
    kill = Shown("restart after SIGKILL and 2 GB, to the first acknowledged record", "start", ("s",), "s")
    return [
        Bench(Shown("fresh, no connection: memory", "idle", ("resident MB",), "resident MB"), quiet),
        Bench(Shown("fresh, no connection: CPU", "idle", ("CPU %",), "CPU %"), quiet),
        steady("all", 500, after_bulk=False),
        steady("1", 1000, after_bulk=False),
        *(end_to_end("all", rate) for rate in (100, 500, 1000)),
        end_to_end("1", 1000),
        polling("20 long polls, 100 connections that do nothing", 20, 100, 6),
        polling("500 idle consumers", 500, 0, 6),
        Bench(Shown("50 members join a group", "requests", ("s",), "s"), group_join),
        *(small(connections, acks) for connections in (32, 256) for acks in ("1", "all")),
        *(produce(Workload(1000, acks, 1, 150 * MB)) for acks in ("0", "1", "all")),
        *(produce(Workload(100, acks, 1, 30 * MB)) for acks in ("1", "all")),
        *(produce(Workload(10_000, acks, 1, 200 * MB)) for acks in ("1", "all")),
        *(produce(Workload(100_000, acks, 1, 300 * MB)) for acks in ("1", "all")),
        *(produce(Workload(1_000_000, acks, 1, 300 * MB)) for acks in ("1", "all")),
        *(produce(Workload(1000, acks, partitions, 150 * MB)) for partitions in (8, 100) for acks in ("1", "all")),
        *(produce(Workload(1000, "all", 8, 150 * MB, producers=producers)) for producers in (8, 64)),
        *(produce(Workload(1000, "all", 1, 150 * MB, codec)) for codec in ("gzip", "snappy", "lz4", "zstd")),
        *(consume(Workload(record_bytes, "1", 1, 150 * MB)) for record_bytes in (1000, 10_000, 100_000)),
        consume(Workload(1000, "1", 8, 150 * MB)),
        consume(Workload(100, "1", 1, 30 * MB)),
        consume_old(Workload(1000, "1", 1, 150 * MB)),
        consume_old(Workload(1000, "1", 8, 150 * MB)),
        consume_tail(Workload(1000, "1", 1, 150 * MB)),
        consume_tail(Workload(1000, "all", 8, 150 * MB)),
        jvm_produce(1000, "1", 1, 300 * MB),
        jvm_produce(1000, "all", 1, 300 * MB),
        jvm_consume(1000, 1, 300 * MB),
        jvm_consume(1000, 8, 300 * MB),
        steady("all", 500, after_bulk=True),
        Bench(Shown("memory after all of the above", "idle", memory, "resident MB"), memory_after_bulk),
        *(many_partitions(kind) for kind in ("metadata", "fetch")),
        Bench(Shown("start to the first acknowledged record", "start", ("s",), "s"), first_record),
        Bench(kill, after_a_kill, needs_disk=True),
    ]
