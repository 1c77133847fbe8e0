"""DescribeLogDirs, API key 35: versions 0-4, flexible from 2.

- 0: the first
- 1: a throttled reply is sent at once and the connection rests after it (KIP-219)
- 2: compact forms and tag sections
- 3: top-level error_code
- 4: total/usable bytes
"""

from __future__ import annotations

from chronik.wire.schema import BOOL, INT16, INT32, INT64, STRING, array, message


@message
class DescribableLogDirTopic:
    """An element of ``DescribeLogDirsRequest.topics``."""

    topic: str = STRING()
    partitions: list[int] = array(INT32)


@message
class DescribeLogDirsRequest:
    """What the client sends."""

    topics: list[DescribableLogDirTopic] | None = array(DescribableLogDirTopic, null="0+")


@message
class DescribeLogDirsPartition:
    """An element of ``DescribeLogDirsTopic.partitions``."""

    partition_index: int = INT32()
    partition_size: int = INT64()
    offset_lag: int = INT64()
    is_future_key: bool = BOOL()


@message
class DescribeLogDirsTopic:
    """An element of ``DescribeLogDirsResult.topics``."""

    name: str = STRING()
    partitions: list[DescribeLogDirsPartition] = array(DescribeLogDirsPartition)


@message
class DescribeLogDirsResult:
    """An element of ``DescribeLogDirsResponse.results``."""

    error_code: int = INT16()
    log_dir: str = STRING()
    topics: list[DescribeLogDirsTopic] = array(DescribeLogDirsTopic)
    total_bytes: int = INT64("4+", default=-1)
    usable_bytes: int = INT64("4+", default=-1)


@message
class DescribeLogDirsResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    error_code: int = INT16("3+")
    results: list[DescribeLogDirsResult] = array(DescribeLogDirsResult)
