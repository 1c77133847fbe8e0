"""Kill the broker at random under load from several real producers, and account for every acknowledged record.

    python -m tools.torture --kills 100 --data-dir DIR [--seed N] [--longest 2.0]

Ends with exit code 1 if an acknowledged acks=all record is lost, an offset is missing or an idempotent producer left a
duplicate; `chronik dump --verify` must find nothing either. For transactions see `tools.torture.transactions`.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tools.torture.broker import Broker, main
from tools.torture.producers import IDEMPOTENT, KINDS

TOPIC = "torture"
PARTITIONS = 6


@dataclass(slots=True)
class Account:
    """What came out."""

    acknowledged: int = 0
    stored: int = 0
    lost: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.gaps or self.duplicates)


def read_everything(bootstrap: str) -> list[list[tuple[int, str]]]:
    """(offset, value) of every record, by partition."""
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "accounting", "enable.auto.commit": False})
    records: list[list[tuple[int, str]]] = []
    for partition in range(PARTITIONS):
        place = TopicPartition(TOPIC, partition, OFFSET_BEGINNING)
        _, end = consumer.get_watermark_offsets(place, timeout=30)
        consumer.assign([place])
        found: list[tuple[int, str]] = []
        while len(found) < end:
            batch = consumer.consume(5000, timeout=10)
            if not batch:
                break
            for message in batch:
                offset, value = message.offset(), message.value()
                if message.error() is None and offset is not None and value is not None:
                    found.append((offset, value.decode()))
        records.append(found)
    consumer.close()
    return records


def account(records: list[list[tuple[int, str]]], acks: list[Path]) -> Account:
    """Compare what is there with what was acknowledged."""
    result = Account()
    places: list[dict[int, str]] = [dict(found) for found in records]
    for partition, found in enumerate(records):
        result.stored += len(found)
        offsets = [offset for offset, _ in found]
        if offsets != list(range(len(offsets))):
            result.gaps.append(f"partition {partition}: {len(offsets)} offsets, the last {offsets[-1:]}")
    for file in acks:
        for line in file.read_text().splitlines():
            partition_text, offset, value = line.split()
            result.acknowledged += 1
            if places[int(partition_text)].get(int(offset)) != value:
                result.lost.append(line)
    counts = Counter(value for found in records for _, value in found)
    result.duplicates = [
        value for value, count in counts.items() if count > 1 and value.rpartition("-")[0] in IDEMPOTENT
    ]
    return result


def torture(broker: Broker, kills: int, seed: int, longest_s: float) -> int:
    chance = random.Random(seed)
    acks = [broker.folder / f"{kind}.acks" for kind in KINDS]
    producers = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tools.torture.producers",
                kind,
                kind,
                broker.bootstrap,
                TOPIC,
                str(PARTITIONS),
                str(path),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        for kind, path in zip(KINDS, acks, strict=True)
    ]
    began = time.monotonic()
    try:
        time.sleep(1.5)
        for _ in range(kills):
            time.sleep(chance.uniform(0.05, longest_s))
            broker.crash(chance)
        for producer in producers:
            producer.send_signal(signal.SIGTERM)
        told = [producer.communicate(timeout=180)[0].split() for producer in producers]
    finally:
        for producer in producers:
            producer.kill()
    failed = sum(int(fields[1]) for fields in told)
    seconds = time.monotonic() - began
    result = account(read_everything(broker.bootstrap), acks)
    problems = broker.verified()
    print(f"seed {seed}: {kills} kills in {seconds:.0f} s, {result.acknowledged} acknowledged, {result.stored} stored")
    print(f"failed deliveries {failed}; restarts: {broker.start_times()}")
    print(f"lost {len(result.lost)}, gaps {len(result.gaps)}, duplicates {len(result.duplicates)}")
    for problem in (*result.lost[:5], *result.gaps, *result.duplicates[:5]):
        print(f"  {problem}")
    print(f"dump --verify: {problems or 'clean'}")
    return 0 if result.is_clean and not problems and result.acknowledged else 1


if __name__ == "__main__":
    main("tools.torture", __doc__, [f"{TOPIC}:{PARTITIONS}"], torture)
