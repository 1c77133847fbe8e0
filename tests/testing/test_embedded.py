"""`chronik.Broker` in the caller's event loop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from chronik import Broker
from chronik.errors import KafkaError
from chronik.store.datadir import DataDirectoryError
from chronik.store.rocks.reader_directory import verify

pytestmark = pytest.mark.anyio


async def send(broker: Broker, topic: str, *values: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers, acks="all") as producer:
        for value in values:
            await producer.send_and_wait(topic, value)


async def receive(broker: Broker, topic: str, count: int, group: str) -> list[bytes | None]:
    """Read as a member of a group and commit."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=broker.bootstrap_servers,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    async with consumer:
        values = [(await consumer.getone()).value for _ in range(count)]
        await consumer.commit()
        return values


def values_of(records: list[Any]) -> list[bytes | None]:
    return [record.value for record in records]


async def test_broker_serves_in_the_running_loop_and_keeps_what_it_was_given(tmp_path: Path) -> None:
    async with Broker(tmp_path / "data", topics={"orders": 1}) as broker:
        await send(broker, "orders", b"one", b"two")
        assert await receive(broker, "orders", 2, "readers") == [b"one", b"two"]
        assert broker.topics == {"orders": 1}
        assert broker.committed("readers") == {("orders", 0): 2}
    async with Broker(str(tmp_path / "data")) as again:
        assert values_of(await again.records("orders")) == [b"one", b"two"]
        assert again.committed("readers") == {("orders", 0): 2}
    found = verify(tmp_path / "data" / "records", tmp_path / "data" / "catalog.sqlite", lambda read, all_: None)
    assert found.findings == []


async def test_several_brokers_live_in_one_loop() -> None:
    async with Broker(topics=["t"]) as first, Broker(topics=["t"]) as second:
        assert first.bootstrap_servers != second.bootstrap_servers
        assert first.data_dir != second.data_dir
        await asyncio.gather(send(first, "t", b"first"), send(second, "t", b"second"))
        assert values_of(await first.records("t")) == [b"first"]
        assert values_of(await second.records("t")) == [b"second"]


async def test_temporary_directory_goes_with_its_broker() -> None:
    async with Broker() as broker:
        assert (broker.data_dir / "catalog.sqlite").is_file()
        data_dir = broker.data_dir
    assert not data_dir.parent.exists()
    assert not broker.is_running


async def test_broker_that_cannot_start_leaves_nothing_behind(tmp_path: Path) -> None:
    async with Broker(tmp_path) as broker:
        with pytest.raises(DataDirectoryError, match="is using the data directory"):
            await Broker(tmp_path).start()
        with pytest.raises(OSError, match=r"(?i)address.* in use"):
            await Broker(tmp_path / "other", listen=broker.bootstrap_servers).start()
        with pytest.raises(KafkaError, match="INVALID_TOPIC_EXCEPTION"):
            await Broker(tmp_path / "other", topics=["no such name"]).start()
        with pytest.raises(KafkaError, match="INVALID_CONFIG"):
            await Broker(tmp_path / "other", topics={"t": {"retention.ms": "soon"}}).start()
    async with Broker(tmp_path / "other"):
        pass


async def test_restart_keeps_port_and_records() -> None:
    async with Broker(topics=["t"]) as broker:
        await send(broker, "t", b"before")
        bootstrap = broker.bootstrap_servers
        await broker.restart()
        assert broker.bootstrap_servers == bootstrap
        await send(broker, "t", b"after")
        assert values_of(await broker.records("t")) == [b"before", b"after"]
        await broker.stop()
        with pytest.raises(RuntimeError, match="not running"):
            _ = broker.topics
        await broker.start()
        assert broker.topics == {"t": 1}


async def test_settings_go_by_their_kafka_names(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"num_partitions": 4, "auto_create_topics_enable": False, "log_retention_ms": 60_000}
    async with Broker(tmp_path, topics=["t"], durability="strict", node_id=7, **settings) as broker:
        assert broker.topics == {"t": 4}
        with pytest.raises(KafkaError, match="UNKNOWN_TOPIC_OR_PARTITION"):
            await broker.records("other")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_partitons": 3}, "there is no setting num.partitons"),
        ({"num_partitions": "many"}, "num.partitions"),
        ({"durability": "some"}, "not a valid DurabilityMode"),
        ({"listen": "here"}, "'here' is not an address"),
        ({"advertise": "broker:http"}, "is not an address"),
    ],
)
async def test_argument_that_makes_no_sense_is_refused_at_once(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Broker(**arguments)


async def test_several_addresses_and_what_clients_are_told() -> None:
    async with Broker(listen=["127.0.0.1:0", ("127.0.0.1", 0)]) as broker:
        first, second = broker.bootstrap_servers.split(",")
        assert first != second
        await send(broker, "t", b"x")
    async with Broker(listen="0.0.0.0:0") as broker:
        assert broker.bootstrap_servers.startswith("127.0.0.1:")


async def test_records_are_waited_for() -> None:
    async with Broker() as broker:
        waiting = asyncio.ensure_future(broker.records("later", at_least=3))
        await send(broker, "later", b"1", b"2")
        assert not waiting.done()
        await send(broker, "later", b"3")
        assert values_of(await waiting) == [b"1", b"2", b"3"]
        with pytest.raises(TimeoutError, match=r"has 3 records after 0\.01 s, not 4"):
            await broker.records("later", at_least=4, timeout_s=0.01)
        with pytest.raises(KafkaError, match="There is no topic 'never'"):
            await broker.records("never", at_least=1, timeout_s=0.01)


async def test_records_have_all_that_was_sent() -> None:
    async with Broker(topics={"t": 2}) as broker:
        headers = [("trace", b"1"), ("trace", b"2")]
        for codec in (None, "gzip", "zstd"):
            async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers, compression_type=codec) as producer:
                await producer.send_and_wait("t", b"v", key=b"k", partition=1, timestamp_ms=12345, headers=headers)
        records = await broker.records("t")
        assert [record.offset for record in records] == [0, 1, 2]
        assert {record[3:] for record in records} == {(12345, b"k", b"v", tuple(headers))}
        assert {record.partition for record in records} == {1}


async def test_records_of_transactions_are_there_once_they_are_committed() -> None:
    async with Broker(topics=["t"]) as broker:
        producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers, transactional_id="tx")
        async with producer:
            for value, commits in ((b"no", False), (b"yes", True)):
                await producer.begin_transaction()
                await producer.send_and_wait("t", value)
                assert value not in values_of(await broker.records("t"))
                assert value in values_of(await broker.records("t", committed=False))
                await (producer.commit_transaction() if commits else producer.abort_transaction())
        assert values_of(await broker.records("t")) == [b"yes"]
        assert values_of(await broker.records("t", committed=False)) == [b"no", b"yes"]


async def test_topics_are_created_as_wished() -> None:
    async with Broker(topics="one") as broker:
        await broker.create_topics({"three": 3, "kept": {"partitions": 2, "cleanup.policy": "compact"}, "plain": None})
        await broker.create_topics(["four", "five"])
        assert broker.topics == {"one": 1, "three": 3, "kept": 2, "plain": 1, "four": 1, "five": 1}
        with pytest.raises(KafkaError, match="TOPIC_ALREADY_EXISTS"):
            await broker.create_topics("one")


def test_package_is_imported_without_the_broker() -> None:
    program = (
        "import sys, chronik; assert chronik.__version__; "
        "assert not {'asyncio', 'sqlite3', 'rocksdict', 'chronik.server'} & set(sys.modules); "
        "from chronik import Broker; assert 'sqlalchemy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
