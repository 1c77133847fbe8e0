"""DescribeCluster, API key 60: versions 0-2, flexible from 0.

- 0: the first
- 1: endpoint_type (1 brokers, 2 controllers)
- 2: fenced brokers
"""

from __future__ import annotations

from chronik.wire.schema import BOOL, INT8, INT16, INT32, STRING, array, message


@message
class DescribeClusterRequest:
    """What the client sends."""

    include_cluster_authorized_operations: bool = BOOL()
    endpoint_type: int = INT8("1+", default=1)
    include_fenced_brokers: bool = BOOL("2+")


@message
class DescribeClusterBroker:
    """An element of ``DescribeClusterResponse.brokers``."""

    broker_id: int = INT32()
    host: str = STRING()
    port: int = INT32()
    rack: str | None = STRING(null="0+", default=None)
    is_fenced: bool = BOOL("2+")


@message
class DescribeClusterResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    error_code: int = INT16()
    error_message: str | None = STRING(null="0+", default=None)
    endpoint_type: int = INT8("1+", default=1)
    cluster_id: str = STRING()
    controller_id: int = INT32(default=-1)
    brokers: list[DescribeClusterBroker] = array(DescribeClusterBroker)
    cluster_authorized_operations: int = INT32(default=-(2**31))
