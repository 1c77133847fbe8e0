"""WriteTxnMarkers, API key 27: versions 0-2, flexible from 1.

- 0: the first
- 1: compact forms and tag sections
- 2: transaction_version (4.2)
"""

from __future__ import annotations

from chronik.wire.schema import BOOL, INT8, INT16, INT32, INT64, STRING, array, message


@message
class WritableTxnMarkerTopic:
    """An element of ``WritableTxnMarker.topics``."""

    name: str = STRING()
    partition_indexes: list[int] = array(INT32)


@message
class WritableTxnMarker:
    """An element of ``WriteTxnMarkersRequest.markers``."""

    producer_id: int = INT64()
    producer_epoch: int = INT16()
    transaction_result: bool = BOOL()
    topics: list[WritableTxnMarkerTopic] = array(WritableTxnMarkerTopic)
    coordinator_epoch: int = INT32()
    transaction_version: int = INT8("2+")


@message
class WriteTxnMarkersRequest:
    """What the client sends."""

    markers: list[WritableTxnMarker] = array(WritableTxnMarker)


@message
class WritableTxnMarkerPartitionResult:
    """An element of ``WritableTxnMarkerTopicResult.partitions``."""

    partition_index: int = INT32()
    error_code: int = INT16()


@message
class WritableTxnMarkerTopicResult:
    """An element of ``WritableTxnMarkerResult.topics``."""

    name: str = STRING()
    partitions: list[WritableTxnMarkerPartitionResult] = array(WritableTxnMarkerPartitionResult)


@message
class WritableTxnMarkerResult:
    """An element of ``WriteTxnMarkersResponse.markers``."""

    producer_id: int = INT64()
    topics: list[WritableTxnMarkerTopicResult] = array(WritableTxnMarkerTopicResult)


@message
class WriteTxnMarkersResponse:
    """What the client gets."""

    markers: list[WritableTxnMarkerResult] = array(WritableTxnMarkerResult)
