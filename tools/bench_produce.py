"""Produce with confluent-kafka against a broker of its own, and print throughput, latency and the broker's CPU.

python -m tools.bench_produce [--broker kafka] [--sizes 100,1000,10000] [--acks 1,all] [--partitions 1,8]
"""

from __future__ import annotations

from pathlib import Path

from tools.bench.confluent_load import produce
from tools.bench.matrix import options, print_headings, print_row, started, temporary_folder, workloads


def main() -> None:
    chosen = options(__doc__)
    with temporary_folder() as folder:
        broker = started(chosen, Path(folder))
        try:
            print_headings()
            for work in workloads(chosen):
                print_row(work, produce(broker, work))
        finally:
            broker.stop()


if __name__ == "__main__":
    main()
