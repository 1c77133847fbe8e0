"""What `bench_produce.py` and `bench_consume.py` have in common: the options, the matrix, the table."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from tools.bench.brokers import Broker, Chronik, Kafka
from tools.bench.confluent_load import Measured, Workload

HEADINGS = ("workload", "MB/s", "records/s", "p50 ms", "p99 ms", "CPU s/GB", "RSS MB")


def options(description: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--broker", choices=["chronik", "kafka"], default="chronik")
    parser.add_argument("--sizes", default="100,1000,10000", help="record sizes in bytes")
    parser.add_argument("--acks", default="1,all")
    parser.add_argument("--partitions", default="1,8")
    parser.add_argument("--compression", default="none")
    parser.add_argument("--megabytes", type=int, default=200, help="of values, for each workload (a quarter at 100 B)")
    return parser.parse_args()


def workloads(chosen: argparse.Namespace) -> Iterator[Workload]:
    sizes, acks, partitions = (text.split(",") for text in (chosen.sizes, chosen.acks, chosen.partitions))
    for size, ack, count in product(sizes, acks, partitions):
        total = chosen.megabytes * 1_000_000 // (4 if int(size) <= 100 else 1)
        yield Workload(int(size), ack, int(count), total, chosen.compression)


def started(chosen: argparse.Namespace, folder: Path) -> Broker:
    broker: Broker = Kafka(folder) if chosen.broker == "kafka" else Chronik(folder)
    broker.start()
    return broker


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="chronik-bench-")


def print_headings() -> None:
    print("{:<24}{:>10}{:>12}{:>10}{:>10}{:>10}{:>9}".format(*HEADINGS))


def print_row(work: Workload, measured: Measured) -> None:
    name = f"{work.record_bytes} B, acks={work.acks}, {work.partitions} p"
    print(
        f"{name:<24}{measured.megabytes_per_s:>10.1f}{measured.records_per_s:>12.0f}{measured.p50_ms:>10.2f}"
        f"{measured.p99_ms:>10.2f}{measured.cpu_s_per_gb:>10.2f}{measured.broker_resident_mb:>9.0f}",
        flush=True,
    )
