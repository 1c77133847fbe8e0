"""DescribeLogDirs: one directory, and the bytes of every partition in it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

from chronik.wire.apis import ApiKey
from chronik.wire.messages.describe_log_dirs import (
    DescribableLogDirTopic,
    DescribeLogDirsRequest,
    DescribeLogDirsResult,
)
from tests.api.topics import batch_of, create_topic, produce
from tests.broker_process import BrokerProcess, wait_until
from tests.clients.installed import REPOSITORY
from tests.conftest import BrokerFactory, RawFactory
from tests.raw_client import RawClient

API = ApiKey.DESCRIBE_LOG_DIRS

Asked = list[tuple[str, list[int]]] | None


class Described(NamedTuple):
    result: DescribeLogDirsResult
    sizes: dict[tuple[str, int], int]
    """By topic and partition; AssertionError when one is there twice."""


def describe(client: RawClient, asked: Asked, version: int = 4) -> Described:
    topics = None if asked is None else [DescribableLogDirTopic(topic=name, partitions=ids) for name, ids in asked]
    response = client.ask(DescribeLogDirsRequest(topics=topics), version)
    assert (response.throttle_time_ms, response.error_code) == (0, 0)
    (result,) = response.results
    assert result.error_code == 0
    partitions = [(topic.name, partition) for topic in result.topics for partition in topic.partitions]
    sizes = {(name, partition.partition_index): partition.partition_size for name, partition in partitions}
    assert len(sizes) == len(partitions)
    assert all(partition.offset_lag == 0 and not partition.is_future_key for _, partition in partitions)
    return Described(result, sizes)


def topic_on_disk(client: RawClient, partitions: int = 1) -> str:
    """A new topic, once the broker has its logs (Kafka makes them a little later)."""
    name = create_topic(client, partitions=partitions).name
    asked = [(name, list(range(partitions)))]
    wait_until(lambda: len(describe(client, asked).sizes) == partitions, 20, "the logs do not appear")
    return name


def test_describes_in_every_version(client: RawClient, module_broker: BrokerProcess, version: int) -> None:
    name = topic_on_disk(client, 2)
    produce(client, name, [b"x" * 1000], partition=1)
    size = len(batch_of([b"x" * 1000]))
    described = describe(client, [(name, [0, 1])], version)
    assert described.sizes == {(name, 0): 0, (name, 1): size}
    assert described.result.log_dir == str(module_broker.data_dir)
    if version >= 4:
        usage = shutil.disk_usage(module_broker.data_dir)
        assert described.result.total_bytes == usage.total
        assert 0 < described.result.usable_bytes < usage.total
    else:
        assert (described.result.total_bytes, described.result.usable_bytes) == (-1, -1)


def test_null_is_everything_and_empty_is_nothing(client: RawClient) -> None:
    first, second = topic_on_disk(client, 2), topic_on_disk(client)
    assert {(first, 0), (first, 1), (second, 0)} <= describe(client, None).sizes.keys()
    assert describe(client, []).sizes == {}
    assert describe(client, [(first, [])]).result.topics == []


def test_leaves_out_what_does_not_exist(client: RawClient) -> None:
    name = topic_on_disk(client)
    assert describe(client, [(name, [0, 9, -1]), ("nobody", [0]), ("a b", [0])]).sizes == {(name, 0): 0}
    assert describe(client, [("nobody", [0])]).result.topics == []


def test_names_each_partition_once(client: RawClient) -> None:
    name = topic_on_disk(client, 2)
    described = describe(client, [(name, [0, 0]), (name, [1, 0])])
    assert described.sizes.keys() == {(name, 0), (name, 1)}
    assert len(described.result.topics) == 1


def test_a_size_is_that_of_all_batches(client: RawClient) -> None:
    name = topic_on_disk(client)
    for count in range(1, 6):
        produce(client, name, [b"value"] * count)
    expected = sum(len(batch_of([b"value"] * count)) for count in range(1, 6))
    assert describe(client, [(name, [0])]).sizes == {(name, 0): expected}


def test_a_size_survives_a_crash(broker: BrokerProcess, raw: RawFactory, only_chronik: None) -> None:
    client = raw(broker)
    name = topic_on_disk(client)
    produce(client, name, [b"x" * 5000])
    before = describe(client, [(name, [0])]).sizes
    broker.kill()
    broker.start()
    assert describe(raw(broker), [(name, [0])]).sizes == before == {(name, 0): len(batch_of([b"x" * 5000]))}


def test_the_directory_is_absolute(broker_factory: BrokerFactory, raw: RawFactory, only_chronik: None) -> None:
    broker = broker_factory()
    absolute = broker.data_dir
    # The broker starts in the repository's folder.
    broker.data_dir = Path(os.path.relpath(absolute, REPOSITORY))
    broker.start()
    assert Path(describe(raw(broker), []).result.log_dir).resolve() == absolute.resolve()
    assert describe(raw(broker), []).result.log_dir.startswith("/")


def test_admin_clients_describe(kafka_python: Any, client: RawClient, module_broker: BrokerProcess) -> None:
    name = topic_on_disk(client)
    produce(client, name, [b"x" * 300])
    (described,) = kafka_python.describe_log_dirs({name: [0]})
    (log_dir,) = described["log_dirs"]
    assert log_dir["log_dir"] == str(module_broker.data_dir)
    (topic,) = log_dir["topics"]
    assert topic["partitions"][0]["partition_size"] == len(batch_of([b"x" * 300]))
