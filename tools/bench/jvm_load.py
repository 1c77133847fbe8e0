"""Load from Apache Kafka's own performance tools, which are nobody's home team here."""

from __future__ import annotations

import re
import subprocess

from tools.bench.brokers import KAFKA_LIBS, Broker

_JAVA = ("java", "-Xms512m", "-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", f"{KAFKA_LIBS}/*")
_PRODUCED = re.compile(
    r"(\d+) records sent, ([\d.]+) records/sec \(([\d.]+) MB/sec\), [\d.]+ ms avg latency, [\d.]+ ms max latency, "
    r"(\d+) ms 50th, \d+ ms 95th, (\d+) ms 99th"
)


def produce(broker: Broker, topic: str, record_bytes: int, count: int, acks: str) -> dict[str, float]:
    """ProducerPerformance at full speed: MB are 2**20 bytes there, here 10**6."""
    before = broker.usage()
    output = _run(
        "org.apache.kafka.tools.ProducerPerformance",
        *("--bootstrap-server", broker.bootstrap, "--topic", topic, "--num-records", str(count)),
        *("--record-size", str(record_bytes), "--throughput", "-1"),
        # One option: of several of them only the last counts.
        *("--command-property", f"acks={acks}", "linger.ms=5", "batch.size=65536"),
    )
    found = _PRODUCED.findall(output)
    if not found:
        raise SystemExit(f"ProducerPerformance said: {output[-2000:]}")
    _, records, megabytes, p50, p99 = found[-1]
    gigabytes = record_bytes * count / 1e9
    return {
        "MB/s": float(megabytes) * 1.048576,
        "records/s": float(records),
        "p50 ms": float(p50),
        "p99 ms": float(p99),
        "CPU s/GB": (broker.usage().cpu_s - before.cpu_s) / gigabytes,
    }


def consume(broker: Broker, topic: str, record_bytes: int, count: int) -> dict[str, float]:
    """ConsumerPerformance from the beginning."""
    before = broker.usage()
    output = _run(
        "org.apache.kafka.tools.ConsumerPerformance",
        *("--bootstrap-server", broker.bootstrap, "--topic", topic, "--num-records", str(count)),
        *("--timeout", "60000", "--group", f"perf-{topic}"),
    )
    headings, values = [[field.strip() for field in line.split(",")] for line in output.strip().splitlines()[-2:]]
    row = dict(zip(headings, values, strict=True))
    gigabytes = record_bytes * count / 1e9
    return {
        "MB/s": float(row["fetch.MB.sec"]) * 1.048576,
        "records/s": float(row["fetch.nMsg.sec"]),
        "CPU s/GB": (broker.usage().cpu_s - before.cpu_s) / gigabytes,
    }


def _run(*arguments: str) -> str:
    done = subprocess.run([*_JAVA, *arguments], capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise SystemExit(f"{arguments[0]} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout
