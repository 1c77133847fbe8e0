"""Transactions: InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, TxnOffsetCommit, EndTxn, and who tells of them."""

from __future__ import annotations

from typing import Any

from tools.differ.batches import NOW_MS, batch
from tools.differ.runner import UNKNOWN
from tools.differ.scenarios.groups import A, alone
from tools.differ.script import Script, repeated, scenario

P = "$producer"
Partitions = tuple[str, list[int]]


def begin(s: Script, transactional_id: str | None = "~x", name: str = "producer", **fields: Any) -> None:
    """Initialise a producer; its id is bound to the name."""
    usual = {"transactional_id": transactional_id, "transaction_timeout": 60_000}
    s.ask("InitProducerId", usual | fields, bind={name: "producer_id"})


def add(s: Script, *topics: Partitions, transactional_id: str = "~x", producer: Any = P, epoch: int = 0) -> None:
    """AddPartitionsToTxn, in the form that clients use."""
    named = [{"name": name, "partitions": indexes} for name, indexes in topics]
    message = {"transactional_id": transactional_id, "producer_id": producer, "producer_epoch": epoch, "topics": named}
    s.ask("AddPartitionsToTxn", {f"v3_and_below_{name}": value for name, value in message.items()})


def add_offsets(s: Script, group: str = "~g", transactional_id: str = "~x", producer: Any = P, epoch: int = 0) -> None:
    fields = {"transactional_id": transactional_id, "producer_id": producer, "producer_epoch": epoch}
    s.ask("AddOffsetsToTxn", fields, group_id=group)


def end(s: Script, committed: bool, transactional_id: str = "~x", producer: Any = P, epoch: int = 0) -> None:
    fields = {"transactional_id": transactional_id, "producer_id": producer, "producer_epoch": epoch}
    s.ask("EndTxn", fields, committed=committed)


def produce(s: Script, sequence: int, epoch: int = 0, producer: Any = P, topic: str = "~t", **fields: Any) -> None:
    records = batch(b"v", producer_id=producer, epoch=epoch, sequence=sequence, transactional=True)
    data = [{"index": fields.pop("partition", 0), "records": records}]
    wanted = [{"name": topic, "topic_id": f"${topic.lstrip('~')}", "partition_data": data}]
    s.ask("Produce", {"transactional_id": "~x", "acks": -1, "timeout": 20_000, "topic_data": wanted} | fields)


def commit_offsets(s: Script, offset: int = 5, topic: str = "~t", partition: int = 0, **fields: Any) -> None:
    one = {"partition_index": partition, "committed_offset": offset, "committed_metadata": fields.pop("metadata", "m")}
    usual = {"transactional_id": "~x", "group_id": "~g", "producer_id": P, "producer_epoch": 0}
    s.ask("TxnOffsetCommit", usual | {"topics": [{"name": topic, "partitions": [one]}]} | fields)


def until(s: Script, state: str, transactional_id: str = "~x") -> None:
    path = "transaction_states.0.transaction_state"
    s.ask("DescribeTransactions", transactional_ids=[transactional_id], until=(path, state))


def last_stable(s: Script, offset: int) -> None:
    end_of = [{"name": "~t", "partitions": [{"partition_index": 0, "timestamp": -1}]}]
    s.ask("ListOffsets", isolation_level=1, topics=end_of, until=("topics.0.partitions.0.offset", offset))


@scenario("InitProducerId")
def initialised(s: Script) -> None:
    begin(s, None)
    begin(s, None)
    begin(s, None, producer_id=5, producer_epoch=3)
    begin(s)
    begin(s)
    begin(s, "~y", name="producer_y")
    begin(s, "")
    for timeout in (0, -1, 900_000, 900_001, 1):
        begin(s, "~z", name="producer_z", transaction_timeout=timeout)
    begin(s, None, transaction_timeout=0)


@scenario("InitProducerId")
def initialised_again(s: Script) -> None:
    begin(s)
    begin(s, producer_id=P, producer_epoch=0)
    begin(s, producer_id=P, producer_epoch=0)
    begin(s, producer_id=P, producer_epoch=1)
    begin(s, producer_id=P, producer_epoch=7)
    begin(s, producer_id=UNKNOWN["producer"], producer_epoch=0)
    begin(s, producer_id=P, producer_epoch=-1)
    begin(s, producer_id=-1, producer_epoch=1)
    begin(s, "~new", name="producer_new", producer_id=P, producer_epoch=0)


@scenario("InitProducerId")
def initialised_in_a_transaction(s: Script) -> None:
    s.topic("~t")
    begin(s)
    add(s, ("~t", [0]))
    produce(s, 0)
    one = {"transactional_id": "~x", "transaction_timeout": 60_000}
    s.ask("InitProducerId", one, until=("error_code", "none"))
    s.ask("DescribeTransactions", transactional_ids=["~x"])
    begin(s)
    produce(s, 1)
    add(s, ("~t", [0]), epoch=0)


@scenario("AddPartitionsToTxn", until=3)
def added_partitions(s: Script) -> None:
    s.topic("~t", 2)
    add(s, ("~t", [0]), producer=5)
    begin(s)
    add(s, ("~t", [0]))
    add(s, ("~t", [0, 1]))
    add(s, ("~t", [1]))
    add(s)
    add(s, ("~t", []))
    add(s, ("~t", [0, 0]))
    add(s, ("~t", [0]), ("~t", [1]))
    for transactional_id, producer, epoch in (
        *(("~unknown", P, 0), ("", P, 0), ("~x", UNKNOWN["producer"], 0), ("~x", P, 1), ("~x", P, -1), ("~x", -1, -1)),
    ):
        add(s, ("~t", [0]), transactional_id=transactional_id, producer=producer, epoch=epoch)
    add(s, ("~t", [0, 9]))
    add(s, ("~missing", [0]), ("~t", [0]))
    until(s, "Ongoing")
    end(s, True)
    until(s, "CompleteCommit")
    add(s, ("~t", [0]))
    until(s, "Ongoing")


@scenario("AddOffsetsToTxn")
def added_offsets(s: Script) -> None:
    add_offsets(s, producer=5)
    begin(s)
    add_offsets(s)
    add_offsets(s)
    add_offsets(s, group="~other")
    add_offsets(s, group="")
    for transactional_id, producer, epoch in (
        *(("~unknown", P, 0), ("", P, 0), ("~x", UNKNOWN["producer"], 0), ("~x", P, 1), ("~x", P, -1)),
    ):
        add_offsets(s, transactional_id=transactional_id, producer=producer, epoch=epoch)
    until(s, "Ongoing")
    end(s, True)
    until(s, "CompleteCommit")
    add_offsets(s)


@scenario("EndTxn", until=4)
def ended(s: Script) -> None:
    s.topic("~t")
    end(s, True, producer=5)
    begin(s)
    end(s, True)
    end(s, False)
    for committed, state in ((True, "CompleteCommit"), (False, "CompleteAbort")):
        add(s, ("~t", [0]))
        produce(s, 0 if committed else 1)
        end(s, committed, epoch=1)
        end(s, committed, producer=UNKNOWN["producer"])
        end(s, committed, transactional_id="~unknown")
        end(s, committed, transactional_id="")
        end(s, committed)
        until(s, state)
        end(s, committed)
        end(s, not committed)
    last_stable(s, 4)


@scenario("EndTxn")
def ended_in_vain(s: Script) -> None:
    """A partition to which nothing was written has a marker too."""
    s.topic("~t")
    begin(s)
    add(s, ("~t", [0]))
    end(s, True)
    until(s, "CompleteCommit")
    last_stable(s, 1)


@scenario("ListOffsets")
def times_of_markers(s: Script) -> None:
    s.topic("~t")
    begin(s)
    add(s, ("~t", [0]))
    produce(s, 0)
    end(s, True)
    until(s, "CompleteCommit")
    for timestamp in (-3, NOW_MS, NOW_MS + 1):
        wanted = [{"name": "~t", "partitions": [{"partition_index": 0, "timestamp": timestamp}]}]
        s.ask("ListOffsets", replica_id=-1, isolation_level=1, topics=wanted)


@scenario("EndTxn", since=5)
def ended_with_a_new_epoch(s: Script) -> None:
    s.topic("~t")
    end(s, True, producer=5)
    begin(s)
    end(s, True)
    end(s, False)
    until(s, "CompleteAbort")
    add(s, ("~t", [0]), epoch=1)
    produce(s, 0, epoch=1)
    end(s, True, epoch=1)
    until(s, "CompleteCommit")
    end(s, True, epoch=1)
    end(s, False, epoch=1)
    end(s, True, epoch=2)
    end(s, True, epoch=0)
    end(s, False, epoch=2)
    until(s, "CompleteAbort")
    last_stable(s, 2)


@scenario("TxnOffsetCommit", until=4)
def committed_offsets(s: Script) -> None:
    s.topic("~t")
    wanted = {"group_id": "~g", "topics": [{"name": "~t", "partition_indexes": [0]}]}
    begin(s)
    add_offsets(s)
    commit_offsets(s)
    s.ask("OffsetFetch", wanted)
    s.ask("OffsetFetch", wanted, require_stable=True)
    commit_offsets(s, 6, partition=7)
    commit_offsets(s, 6, topic="~missing")
    commit_offsets(s, 6, metadata=repeated("x", 5000))
    wrong: list[dict[str, Any]] = [
        {"producer_epoch": 1},
        {"producer_epoch": -1},
        {"producer_id": UNKNOWN["producer"]},
        {"group_id": ""},
        {"topics": []},
    ]
    for fields in wrong:
        commit_offsets(s, 7, **fields)
    end(s, True)
    until(s, "CompleteCommit")
    s.ask("OffsetFetch", wanted, require_stable=True, until=("topics.0.partitions.0.error_code", "none"))


@scenario("TxnOffsetCommit", since=3, until=4)
def committed_offsets_of_members(s: Script) -> None:
    s.topic("~t")
    begin(s)
    add_offsets(s)
    for member, generation in (("nobody", 1), ("", 1), ("", -1)):
        commit_offsets(s, member_id=member, generation_id=generation)
    alone(s)
    for member, generation in ((A, 1), (A, 2), (A, 0), ("nobody", 1), ("", -1), ("nobody", -1)):
        commit_offsets(s, member_id=member, generation_id=generation)
    commit_offsets(s, member_id=A, generation_id=1, group_instance_id="unknown")


@scenario("TxnOffsetCommit")
def committed_offsets_without_adding(s: Script) -> None:
    s.topic("~t")
    begin(s)
    commit_offsets(s)
    s.ask("DescribeTransactions", transactional_ids=["~x"])
    commit_offsets(s, producer_epoch=1)
    commit_offsets(s, producer_id=UNKNOWN["producer"])


@scenario("TxnOffsetCommit")
def committed_offsets_by_another_id(s: Script) -> None:
    begin(s)
    add_offsets(s)
    s.topic("~t")
    commit_offsets(s)
    for transactional_id in ("~unknown", ""):
        commit_offsets(s, transactional_id=transactional_id)


@scenario("Produce", since=3)
def transactional(s: Script) -> None:
    s.topic("~t", 2)
    begin(s)
    add(s, ("~t", [0]))
    produce(s, 0)
    produce(s, 0)
    produce(s, 2)
    produce(s, 1, epoch=1)
    produce(s, 1, producer=UNKNOWN["producer"])
    produce(s, 1, transactional_id=None)
    s.ask("DescribeProducers", topics=[{"name": "~t", "partition_indexes": [0, 1]}])
    plain = batch(b"plain", producer_id=P, epoch=0, sequence=1)
    wanted = [{"name": "~t", "topic_id": "$t", "partition_data": [{"index": 0, "records": plain}]}]
    s.ask("Produce", acks=-1, timeout=20_000, topic_data=wanted)
    end(s, True)
    last_stable(s, 2)
    until(s, "CompleteCommit")


@scenario("Produce", since=3)
def transactional_without_adding(s: Script) -> None:
    s.topic("~t", 2)
    begin(s)
    produce(s, 0)
    s.ask("DescribeTransactions", transactional_ids=["~x"])
    produce(s, 0, partition=1, epoch=3)
    produce(s, 5, partition=1)


@scenario("DescribeTransactions")
def described_transactions(s: Script) -> None:
    s.topic("~t", 2)
    s.ask("DescribeTransactions", transactional_ids=["~x", ""])
    s.ask("DescribeTransactions", transactional_ids=[])
    begin(s)
    s.ask("DescribeTransactions", transactional_ids=["~x"])
    add(s, ("~t", [1, 0]))
    s.ask("DescribeTransactions", transactional_ids=["~x", "~missing", "~x"])
    end(s, False)
    until(s, "CompleteAbort")


@scenario("ListTransactions")
def listed_transactions(s: Script) -> None:
    s.topic("~t")
    begin(s)
    begin(s, "~y", name="producer_y")
    s.ask("ListTransactions")
    add(s, ("~t", [0]))
    for states in (["Ongoing"], ["Empty"], ["Ongoing", "Empty"], ["ongoing"], ["Nonsense"], ["Empty", "Nonsense"]):
        s.ask("ListTransactions", state_filters=states)
    for producers in ([P], [P, "$producer_y"], [UNKNOWN["producer"]]):
        s.ask("ListTransactions", producer_id_filters=producers)
    s.ask("ListTransactions", state_filters=["Ongoing"], producer_id_filters=["$producer_y"])
    for duration in (0, 600_000, -1, -2):
        s.ask("ListTransactions", duration_filter=duration)


@scenario("ListTransactions", since=2)
def listed_transactions_by_pattern(s: Script) -> None:
    begin(s)
    for pattern in (".*x", "x", ".*", "", "(", None, "[a-z0-9]+x", ".*\\dx?"):
        s.ask("ListTransactions", transactional_id_pattern=pattern)


@scenario("DescribeProducers")
def described_producers(s: Script) -> None:
    def describe(*topics: Partitions) -> None:
        s.ask("DescribeProducers", topics=[{"name": name, "partition_indexes": indexes} for name, indexes in topics])

    s.topic("~t", 2)
    describe(("~t", [0, 1]))
    begin(s)
    add(s, ("~t", [0]))
    produce(s, 0)
    describe(("~t", [0, 1]))
    s.fill("~t", b"a", b"b", partition=1, producer_id=P, epoch=0, sequence=0)
    describe(("~t", [1, 9]), ("~missing", [0]))
    describe()
    describe(("~t", []))
    describe(("", [0]), ("~wrong name", [0]))
    end(s, True)
    last_stable(s, 2)
    describe(("~t", [0]))


@scenario("WriteTxnMarkers")
def markers(s: Script) -> None:
    def write(
        *topics: Partitions, committed: bool = False, producer: Any = P, epoch: int = 0, coordinator: int = 0
    ) -> None:
        named = [{"name": name, "partition_indexes": indexes} for name, indexes in topics]
        marker = {"producer_id": producer, "producer_epoch": epoch, "transaction_result": committed, "topics": named}
        s.ask("WriteTxnMarkers", markers=[marker | {"coordinator_epoch": coordinator}])

    s.topic("~t", 2)
    begin(s)
    add(s, ("~t", [0]))
    produce(s, 0)
    write(("~t", [0]))
    last_stable(s, 2)
    write(("~t", [1]))
    write(("~t", [7]), ("~missing", [0]))
    write(("~t", [0]), committed=True, epoch=3)
    write(("~t", [0]), epoch=2)
    write()
    s.ask("WriteTxnMarkers", markers=[])
    partition = {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 100_000}
    s.ask("Fetch", max_bytes=100_000, isolation_level=1, topics=[{"topic": "~t", "partitions": [partition]}])
