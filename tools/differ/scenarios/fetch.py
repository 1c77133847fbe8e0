"""Fetch."""

from __future__ import annotations

from typing import Any

from tools.differ.batches import batch
from tools.differ.script import Script, scenario


def wanted(topic: str, *partitions: dict[str, Any]) -> dict[str, Any]:
    """A topic of a fetch; a partition says what is not usual (`partition` 0, `fetch_offset` 0)."""
    usual = {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 100_000}
    return {"topic": topic, "topic_id": f"${topic.lstrip('~')}", "partitions": [usual | one for one in partitions]}


def fetch(s: Script, *topics: dict[str, Any], on: str = "main", **fields: Any) -> None:
    usual = {"max_wait": 0, "min_bytes": 0, "max_bytes": 1_000_000, "isolation_level": 0, "topics": list(topics)}
    s.ask("Fetch", usual | fields, on=on)


@scenario("Fetch")
def good(s: Script) -> None:
    s.topic("~t", 2)
    s.fill("~t", b"one", b"two")
    s.fill("~t", b"three", codec="gzip", keys=[b"key"])
    s.fill("~t", b"other", partition=1)
    for offset in (0, 1, 2, 3):
        fetch(s, wanted("~t", {"fetch_offset": offset}))
    fetch(s, wanted("~t", {"partition": 1}, {}))
    fetch(s, wanted("~t", {}), isolation_level=1)
    fetch(s, wanted("~t", {}), replica_id=-2)
    fetch(s, wanted("~t", {}), rack_id="somewhere")
    fetch(s, wanted("~t", {}), cluster_id="another")


@scenario("Fetch")
def nonsense(s: Script) -> None:
    s.topic("~t")
    s.fill("~t", b"one")
    fetch(s, wanted("~t", {}), isolation_level=2)
    fetch(s, wanted("~t", {"partition_max_bytes": -1}))
    fetch(s, wanted("~t", {}), max_bytes=-1)


@scenario("Fetch")
def out_of_range(s: Script) -> None:
    s.topic("~t")
    s.fill("~t", b"one", b"two", b"three")
    for offset in (4, 1_000_000, -1, -2):
        fetch(s, wanted("~t", {"fetch_offset": offset}))
    partitions = [{"partition_index": 0, "offset": 2}]
    s.ask("DeleteRecords", topics=[{"name": "~t", "partitions": partitions}], timeout=20_000)
    for offset in (0, 1, 2, 3):
        fetch(s, wanted("~t", {"fetch_offset": offset}))
    fetch(s, wanted("~t", {"log_start_offset": 7, "fetch_offset": 2}))


@scenario("Fetch")
def unknown_partitions(s: Script) -> None:
    s.topic("~t")
    s.fill("~t", b"one")
    fetch(s, wanted("~missing", {}))
    fetch(s, wanted("~t", {"partition": 9}))
    fetch(s, wanted("~t", {"partition": -1}))
    fetch(s, wanted("~t", {}, {"partition": 9}))
    fetch(s, wanted("", {}))
    fetch(s, {"topic": "~t", "topic_id": None, "partitions": [{"partition": 0, "partition_max_bytes": 1000}]})
    fetch(s)
    fetch(s, wanted("~t"))


@scenario("Fetch")
def twice_in_one_request(s: Script) -> None:
    s.topic("~t")
    s.fill("~t", b"one")
    fetch(s, wanted("~t", {}, {"fetch_offset": 1}))
    fetch(s, wanted("~t", {}), wanted("~t", {"fetch_offset": 1}))


@scenario("Fetch")
def deleted_topic(s: Script) -> None:
    s.topic("~t")
    s.fill("~t", b"one")
    s.ask("DeleteTopics", topics=[{"name": "~t"}], timeout=20_000)
    fetch(s, wanted("~t", {}))


@scenario("Fetch")
def limits(s: Script) -> None:
    s.topic("~t", 2)
    for value in (b"a", b"b", b"c"):
        s.fill("~t", value * 100)
        s.fill("~t", value * 100, partition=1)
    for partition_limit in (0, 1, 200, 340, 500):
        fetch(s, wanted("~t", {"partition_max_bytes": partition_limit}))
    for limit in (0, 1, 200, 340, 500, 700):
        fetch(s, wanted("~t", {}, {"partition": 1}), max_bytes=limit)
    fetch(s, wanted("~t", {"partition_max_bytes": 1}, {"partition": 1, "partition_max_bytes": 1}))


@scenario("Fetch")
def waiting(s: Script) -> None:
    s.topic("~t")
    fetch(s, wanted("~t", {}), max_wait=1, min_bytes=1)
    fetch(s, wanted("~t", {}), max_wait=60_000, min_bytes=0)
    fetch(s, wanted("~t", {"fetch_offset": 5}), max_wait=60_000, min_bytes=1)
    fetch(s, wanted("~t", {"partition": 9}, {}), max_wait=100, min_bytes=1)
    fetch(s, max_wait=60_000, min_bytes=1)
    s.send("Fetch", on="waiting", max_wait=20_000, min_bytes=1, max_bytes=1000, topics=[wanted("~t", {})])
    s.fill("~t", b"at last")
    s.receive("Fetch", on="waiting")
    fetch(s, wanted("~t", {}), max_wait=-1, min_bytes=1_000_000)


@scenario("Fetch")
def epochs(s: Script) -> None:
    s.topic("~t")
    s.fill("~t", b"one", b"two")
    for epoch in (0, 1, 9, -2):
        fetch(s, wanted("~t", {"current_leader_epoch": epoch}))
    for epoch, offset in ((0, 0), (0, 2), (0, 3), (1, 1), (9, 0), (9, 2), (-2, 0)):
        fetch(s, wanted("~t", {"last_fetched_epoch": epoch, "fetch_offset": offset}))
    fetch(s, wanted("~t", {"last_fetched_epoch": 0, "current_leader_epoch": 0}))


@scenario("Fetch", since=7)
def sessions(s: Script) -> None:
    s.topic("~t", 3)
    s.fill("~t", b"one")
    everything = wanted("~t", {}, {"partition": 1}, {"partition": 2})
    fetch(s, everything, session_id=0, session_epoch=0)
    session = "$session_id1"
    fetch(s, session_id=session, session_epoch=1)
    s.fill("~t", b"two", partition=1)
    fetch(s, session_id=session, session_epoch=2)
    fetch(s, wanted("~t", {"fetch_offset": 1}), session_id=session, session_epoch=3)
    fetch(s, session_id=session, session_epoch=4)
    forgotten = [{"topic": "~t", "topic_id": "$t", "partitions": [1]}]
    fetch(s, session_id=session, session_epoch=5, forgotten_topics_data=forgotten)
    fetch(s, wanted("~t", {"partition": 7}), session_id=session, session_epoch=6)
    fetch(s, session_id=session, session_epoch=7)
    fetch(s, session_id=session, session_epoch=7)
    fetch(s, session_id=session, session_epoch=99)
    fetch(s, session_id=session, session_epoch=8)
    fetch(s, wanted("~t", {}), session_id=session, session_epoch=0)
    fetch(s, session_id=session, session_epoch=8)
    fetch(s, session_id="$session_id2", session_epoch=1, isolation_level=1)
    fetch(s, wanted("~t", {}), session_id="$session_id2", session_epoch=-1)
    fetch(s, session_id="$session_id2", session_epoch=2)


@scenario("Fetch", since=7)
def bad_sessions(s: Script) -> None:
    s.topic("~t")
    s.fill("~t", b"one")
    fetch(s, wanted("~t", {}), session_id=987_654, session_epoch=1)
    fetch(s, wanted("~t", {}), session_id=987_654, session_epoch=0)
    fetch(s, wanted("~t", {}), session_id=987_654, session_epoch=-1)
    fetch(s, wanted("~t", {}), session_id=0, session_epoch=5)
    fetch(s, wanted("~t", {}), session_id=-5, session_epoch=1)
    fetch(s, wanted("~t", {}), session_id=0, session_epoch=-2)
    fetch(s, session_id=0, session_epoch=0)
    fetch(s, session_id=0, session_epoch=-1)


@scenario("Fetch", since=7)
def session_of_forgotten(s: Script) -> None:
    s.topic("~t")
    s.fill("~t", b"one")
    fetch(s, wanted("~t", {}), session_id=0, session_epoch=0)
    forgotten = [{"topic": "~t", "topic_id": "$t", "partitions": [0]}]
    fetch(s, session_id="$session_id1", session_epoch=1, forgotten_topics_data=forgotten)
    fetch(s, session_id="$session_id1", session_epoch=2)


@scenario("Fetch", since=12)
def names_and_ids_in_a_session(s: Script) -> None:
    s.topic("~t")
    s.fill("~t", b"one")
    fetch(s, wanted("~t", {}), session_id=0, session_epoch=0)
    other = 13 if s.version == 12 else 12
    fields: dict[str, Any] = {"max_wait": 0, "min_bytes": 0, "max_bytes": 1000, "topics": []}
    s.ask("Fetch", fields, at=other, session_id="$session_id1", session_epoch=1)
    fetch(s, session_id="$session_id1", session_epoch=1)
    fetch(s, session_id="$session_id1", session_epoch=2)


@scenario("Fetch", since=13)
def session_over_a_new_topic_of_the_name(s: Script) -> None:
    s.topic("~t")
    s.fill("~t", b"one")
    fetch(s, wanted("~t", {}), session_id=0, session_epoch=0)
    s.ask("DeleteTopics", topics=[{"name": "~t"}], timeout=20_000)
    fetch(s, session_id="$session_id1", session_epoch=1)
    fetch(s, session_id="$session_id1", session_epoch=2)
    s.topic("~t")
    fetch(s, session_id="$session_id1", session_epoch=3)


@scenario("Fetch")
def aborted(s: Script) -> None:
    s.topic("~t")
    s.ask("InitProducerId", transactional_id="~tx", transaction_timeout=60_000, bind={"producer": "producer_id"})
    s.fill("~t", b"plain")
    fetch(s, wanted("~t", {}), isolation_level=1)
    producer = {"producer_id": "$producer", "producer_epoch": 0}
    topics = [{"name": "~t", "partitions": [0]}]
    old = {f"v3_and_below_{name}": value for name, value in producer.items()}
    ids = {"v3_and_below_transactional_id": "~tx", "v3_and_below_topics": topics}
    s.ask("AddPartitionsToTxn", old | ids)
    records = batch(b"undone", producer_id="$producer", epoch=0, sequence=0, transactional=True)
    data = [{"name": "~t", "partition_data": [{"index": 0, "records": records}]}]
    s.ask("Produce", transactional_id="~tx", acks=-1, timeout=20_000, topic_data=data)
    for isolation_level in (0, 1):
        fetch(s, wanted("~t", {}), isolation_level=isolation_level)
    s.ask("EndTxn", producer, transactional_id="~tx", committed=False)
    end = [{"name": "~t", "partitions": [{"partition_index": 0, "timestamp": -1}]}]
    s.ask("ListOffsets", isolation_level=1, topics=end, until=("topics.0.partitions.0.offset", 3))
    for isolation_level in (0, 1):
        fetch(s, wanted("~t", {}), isolation_level=isolation_level)
    fetch(s, wanted("~t", {"fetch_offset": 2}), isolation_level=1)
    fetch(s, wanted("~t", {"fetch_offset": 3}), isolation_level=1)
