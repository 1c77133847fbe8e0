"""Produce."""

from __future__ import annotations

from typing import Any

from tools.differ.batches import NOW_MS, batch
from tools.differ.script import Script, scenario

FUTURE_MS = 32_503_680_000_000
INT_MAX = 2_147_483_647


def produced(topic: str, *partitions: tuple[int, Any]) -> dict[str, Any]:
    """The topic_data of one topic: records (None, text, or batches) by partition."""
    data = [{"index": index, "records": records} for index, records in partitions]
    return {"name": topic, "topic_id": f"${topic.lstrip('~')}", "partition_data": data}


def send(s: Script, records: Any, topic: str = "~t", partition: int = 0, acks: int = -1) -> None:
    s.ask("Produce", acks=acks, timeout=20_000, topic_data=[produced(topic, (partition, records))])


@scenario("Produce", since=3)
def good(s: Script) -> None:
    s.topic("~t", 3)
    s.topic("~u")
    send(s, batch(b"one", b"two"))
    send(s, batch(b"three", keys=[b"key"], timestamps=[NOW_MS + 5]), acks=1)
    send(s, batch(b"later", b"earlier", timestamps=[NOW_MS + 9, NOW_MS]), partition=1)
    both = [produced("~u", (0, batch(b"u"))), produced("~t", (2, batch(b"c")), (1, batch(b"b")))]
    s.ask("Produce", acks=-1, timeout=20_000, topic_data=both)
    for codec in ("gzip", "snappy", "lz4", "zstd"):
        send(s, batch(b"x" * 200, b"x" * 200, codec=codec))
    s.ask(
        "ListOffsets",
        topics=[{"name": "~t", "partitions": [{"partition_index": n, "timestamp": -1} for n in (0, 1, 2)]}],
    )


@scenario("Produce", since=3)
def without_an_answer(s: Script) -> None:
    s.topic("~t")
    s.send("Produce", on="main", acks=0, timeout=20_000, topic_data=[produced("~t", (0, batch(b"quiet")))])
    s.ask("Metadata", topics=[{"name": "~t"}], allow_auto_topic_creation=False)
    end = [{"name": "~t", "partitions": [{"partition_index": 0, "timestamp": -1}]}]
    s.ask("ListOffsets", topics=end, until=("topics.0.partitions.0.offset", 1))
    s.send("Produce", on="failing", acks=0, timeout=20_000, topic_data=[produced("~gone", (0, batch(b"quiet")))])
    s.receive("Produce", on="failing")


@scenario("Produce", since=3)
def unknown_partitions(s: Script) -> None:
    s.topic("~t")
    send(s, batch(b"x"), topic="~missing")
    send(s, batch(b"x"), topic="")
    send(s, batch(b"x"), topic="not a name!")
    send(s, batch(b"x"), partition=7)
    send(s, batch(b"x"), partition=-1)
    s.ask("Produce", acks=-1, timeout=20_000, topic_data=[produced("~t", (0, batch(b"good")), (9, batch(b"bad")))])
    s.ask("Produce", acks=-1, timeout=20_000, topic_data=[])
    s.ask("Produce", acks=-1, timeout=20_000, topic_data=[produced("~t")])


@scenario("Produce", since=3)
def acks(s: Script) -> None:
    s.topic("~t")
    for acks in (2, -2, 32_767):
        send(s, batch(b"x"), acks=acks)
    s.ask("Produce", acks=1, timeout=0, topic_data=[produced("~t", (0, batch(b"at once")))])
    s.ask("Produce", acks=-1, timeout=0, topic_data=[produced("~t", (0, batch(b"at once")))])
    s.ask("Produce", acks=-1, timeout=-1, topic_data=[produced("~t", (0, batch(b"at once")))])


@scenario("Produce", since=3)
def twice_in_one_request(s: Script) -> None:
    s.topic("~t")
    s.ask("Produce", acks=-1, timeout=20_000, topic_data=[produced("~t", (0, batch(b"a")), (0, batch(b"b")))])
    twice = [produced("~t", (0, batch(b"c"))), produced("~t", (0, batch(b"d")))]
    s.ask("Produce", acks=-1, timeout=20_000, topic_data=twice)
    s.ask("ListOffsets", topics=[{"name": "~t", "partitions": [{"partition_index": 0, "timestamp": -1}]}])


@scenario("Produce", since=3)
def no_records(s: Script) -> None:
    s.topic("~t")
    send(s, "")
    send(s, "00")
    send(s, batch())
    send(s, {"batches": [batch(b"a"), batch(b"b")]})
    s.ask("ListOffsets", topics=[{"name": "~t", "partitions": [{"partition_index": 0, "timestamp": -1}]}])


@scenario("Produce", since=9, until=9)
def null_records(s: Script) -> None:
    s.topic("~t")
    send(s, None)


@scenario("Produce", since=3)
def spoiled_batches(s: Script) -> None:
    s.topic("~t")
    for spoiled in (
        {"crc": 1},
        {"magic": 1},
        {"magic": 0},
        {"magic": 3},
        {"base_offset": 7},
        {"base_offset": -1},
        {"leader_epoch": 5},
        {"last_offset_delta": 5},
        {"last_offset_delta": -1},
        {"record_count": 1},
        {"record_count": 3},
        {"record_count": 0},
        {"record_count": -1},
        {"record_count": INT_MAX},
        {"length": 5},
        {"length": 10_000},
        {"length": -1},
        {"attributes": 32},
        {"attributes": 64},
        {"attributes": 128},
        {"max_timestamp": NOW_MS - 1},
        {"max_timestamp": NOW_MS + 1000},
        {"max_timestamp": -1},
        {"base_timestamp": -1},
    ):
        send(s, batch(b"one", b"two", **spoiled))
    s.ask("ListOffsets", topics=[{"name": "~t", "partitions": [{"partition_index": 0, "timestamp": -1}]}])


@scenario("Produce", since=3)
def codecs_that_are_not_true(s: Script) -> None:
    s.topic("~t")
    for attributes in (1, 5, 7):
        send(s, batch(b"one", b"two", attributes=attributes))


@scenario("Produce", since=3)
def stamped_by_the_producer(s: Script) -> None:
    s.topic("~t")
    send(s, batch(b"one", b"two", attributes=8))
    s.topic("~stamped", message_timestamp_type="LogAppendTime")
    send(s, batch(b"one", b"two", attributes=8), topic="~stamped")


@scenario("Produce", since=3)
def too_large(s: Script) -> None:
    s.topic("~t", max_message_bytes="100")
    send(s, batch(b"small"))
    send(s, batch(b"x" * 200))
    send(s, batch(*[b"y" * 20] * 20))
    send(s, batch(b"z" * 500, codec="gzip"))
    s.topic("~none", max_message_bytes="0")
    send(s, batch(b"small"), topic="~none")


@scenario("Produce", since=3)
def compacted(s: Script) -> None:
    s.topic("~t", cleanup_policy="compact")
    send(s, batch(b"with", keys=[b"key"]))
    send(s, batch(b"without"))
    send(s, batch(b"with", b"without", b"with", keys=[b"key", None, b"key"]))
    send(s, batch(b"with", b"without", keys=[b"key", None], codec="gzip"))
    send(s, batch(None, keys=[b"key"]))
    s.topic("~both", cleanup_policy="compact,delete")
    send(s, batch(b"without"), topic="~both")
    send(s, batch(b"empty", keys=[b""]), topic="~both")


@scenario("Produce", since=3)
def times(s: Script) -> None:
    s.topic("~t")
    send(s, batch(b"far", timestamps=[FUTURE_MS]))
    send(s, batch(b"now", b"far", timestamps=[NOW_MS, FUTURE_MS]))
    send(s, batch(b"none", timestamps=[-1]))
    send(s, batch(b"zero", timestamps=[0]))
    s.topic("~stamped", message_timestamp_type="LogAppendTime")
    send(s, batch(b"stamped"), topic="~stamped")
    send(s, batch(b"far", timestamps=[FUTURE_MS]), topic="~stamped")
    s.topic("~recent", message_timestamp_before_max_ms="1000")
    send(s, batch(b"old", b"old"), topic="~recent")
    send(s, batch(b"none", timestamps=[-1]), topic="~recent")
    s.topic("~future", message_timestamp_after_max_ms=str(10**15))
    send(s, batch(b"far", timestamps=[FUTURE_MS]), topic="~future")


@scenario("Produce", since=3)
def recompressed(s: Script) -> None:
    for codec in ("gzip", "snappy", "lz4", "zstd", "uncompressed"):
        topic = f"~{codec}"
        s.topic(topic, compression_type=codec)
        send(s, batch(b"x" * 100, b"x" * 100), topic=topic)
        send(s, batch(b"y" * 100, b"y" * 100, codec="lz4"), topic=topic)
        partition = {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 100_000}
        wanted = [{"topic": topic, "partitions": [partition]}]
        s.ask("Fetch", max_wait=0, min_bytes=0, max_bytes=100_000, topics=wanted)


@scenario("Produce", since=3)
def idempotent(s: Script) -> None:
    s.topic("~t", 2)
    s.ask("InitProducerId", transactional_id=None, transaction_timeout=60_000, bind={"producer": "producer_id"})

    def numbered(sequence: int, count: int = 1, epoch: int = 0, partition: int = 0) -> None:
        values = [b"v"] * count
        send(s, batch(*values, producer_id="$producer", epoch=epoch, sequence=sequence), partition=partition)

    numbered(0, 2)
    numbered(0, 2)
    numbered(2)
    numbered(2)
    numbered(0, 2)
    numbered(0)
    numbered(9)
    numbered(1, 2)
    for sequence in range(3, 8):
        numbered(sequence)
    numbered(3)
    numbered(2)
    numbered(5, partition=1)
    numbered(0, partition=1)
    numbered(6, partition=1)
    numbered(5, epoch=1)
    numbered(0, epoch=1)
    numbered(8)
    numbered(1, epoch=1)


@scenario("Produce", since=3)
def sequences_that_wrap(s: Script) -> None:
    s.topic("~t")
    for sequence, count in ((INT_MAX - 1, 1), (INT_MAX, 1), (0, 1), (1, 2)):
        send(s, batch(*[b"v"] * count, producer_id=77_001, epoch=0, sequence=sequence))
    s.topic("~u")
    send(s, batch(b"a", b"b", b"c", producer_id=77_001, epoch=0, sequence=INT_MAX), topic="~u")
    send(s, batch(b"d", producer_id=77_001, epoch=0, sequence=2), topic="~u")


@scenario("Produce", since=3)
def half_idempotent(s: Script) -> None:
    s.topic("~t")
    for producer_id, epoch, sequence in ((77_002, 0, -1), (-1, 0, 0), (-1, -1, 0), (77_002, 0, -5)):
        send(s, batch(b"v", producer_id=producer_id, epoch=epoch, sequence=sequence))
    send(s, batch(b"v", producer_id=77_003, epoch=32_767, sequence=0))


@scenario("Produce", since=3)
def no_producer(s: Script) -> None:
    s.topic("~t")
    send(s, batch(b"v", producer_id=77_002, epoch=-1, sequence=0))
    send(s, batch(b"v", transactional=True))
    send(s, batch(b"v", producer_id=77_004, epoch=0, sequence=-1, transactional=True))


@scenario("Produce", since=3)
def wrong_in_a_transaction_that_is_not_open(s: Script) -> None:
    """A record without a key, to a compacted topic."""
    s.topic("~t", cleanup_policy="compact")
    records = batch(b"v", producer_id=77_006, epoch=0, sequence=0, transactional=True)
    s.ask("Produce", transactional_id="~nobody", acks=-1, timeout=20_000, topic_data=[produced("~t", (0, records))])


@scenario("Produce", since=3)
def transactional_without_a_transaction(s: Script) -> None:
    s.topic("~t")
    records = batch(b"v", producer_id=77_005, epoch=0, sequence=0, transactional=True)
    for transactional_id in ("~nobody", None, ""):
        data = [produced("~t", (0, records))]
        s.ask("Produce", transactional_id=transactional_id, acks=-1, timeout=20_000, topic_data=data)
    data = [produced("~t", (0, batch(b"plain")))]
    s.ask("Produce", transactional_id="~nobody", acks=-1, timeout=20_000, topic_data=data)
    s.ask("Produce", transactional_id="~nobody", acks=1, timeout=20_000, topic_data=[produced("~t", (0, records))])
