"""Consume with confluent-kafka, from the beginning, what was produced before; print throughput and the broker's CPU.

    python -m tools.bench_consume [--broker kafka] [--sizes 100,1000,10000] [--partitions 1,8]

The latencies are the times that the application waited for its next thousand records.
"""

from __future__ import annotations

from pathlib import Path

from tools.bench.confluent_load import consume, produce
from tools.bench.matrix import options, print_headings, print_row, started, temporary_folder, workloads


def main() -> None:
    chosen = options(__doc__)
    chosen.acks = chosen.acks.split(",")[0]  # how it was acknowledged does not matter to a reader
    with temporary_folder() as folder:
        broker = started(chosen, Path(folder))
        try:
            print_headings()
            for work in workloads(chosen):
                produce(broker, work)
                print_row(work, consume(broker, work))
        finally:
            broker.stop()


if __name__ == "__main__":
    main()
