"""DescribeLogDirs: how many bytes each partition has on the disk (KIP-113, KIP-827).

Served: 0 to 4. There is one directory. Partitions that are asked for and do not exist are left out, as are topics of
which nothing is left. A size is that of the batches that the partition holds; space that deleted records still take is
in nobody's.
"""

from __future__ import annotations

from chronik.api.request import RequestContext
from chronik.broker.broker import Broker
from chronik.broker.topics import Topic
from chronik.errors import ErrorCode
from chronik.wire.apis import ApiKey
from chronik.wire.messages.describe_log_dirs import (
    DescribableLogDirTopic,
    DescribeLogDirsPartition,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    DescribeLogDirsResult,
    DescribeLogDirsTopic,
)

API = ApiKey.DESCRIBE_LOG_DIRS
VERSIONS = (0, 4)


def handle(context: RequestContext, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse:
    """Describe the data directory and what is asked for of it; null asks for everything."""
    broker = context.broker
    result = DescribeLogDirsResult(log_dir=str(broker.directory.path.absolute()))
    try:
        result.total_bytes, result.usable_bytes = broker.disk_bytes()
    except OSError:
        result.error_code = ErrorCode.KAFKA_STORAGE_ERROR
        return DescribeLogDirsResponse(results=[result])
    if request.topics is None:
        asked = [(topic, range(len(topic.logs))) for topic in broker.topics]
        result.topics = [_described(broker, topic, partitions) for topic, partitions in asked]
    else:
        result.topics = _chosen(broker, request.topics)
    return DescribeLogDirsResponse(results=[result])


def _chosen(broker: Broker, asked: list[DescribableLogDirTopic]) -> list[DescribeLogDirsTopic]:
    wanted: dict[str, set[int]] = {}
    for element in asked:
        wanted.setdefault(element.topic, set()).update(element.partitions)
    described = []
    for name, partitions in wanted.items():
        topic = broker.topics.get(name)
        there = [] if topic is None else sorted(partitions.intersection(range(len(topic.logs))))
        if topic is not None and there:
            described.append(_described(broker, topic, there))
    return described


def _described(broker: Broker, topic: Topic, partitions: list[int] | range) -> DescribeLogDirsTopic:
    return DescribeLogDirsTopic(
        name=topic.name,
        partitions=[
            DescribeLogDirsPartition(
                partition_index=partition, partition_size=broker.store.info(topic.logs[partition]).size_bytes
            )
            for partition in partitions
        ],
    )
