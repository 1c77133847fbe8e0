"""ListOffsets, API key 2: versions 0-11, flexible from 6.

- 0: returns an offsets array (segment-granular, max_num_offsets)
- 1: one offset + timestamp
- 2: isolation_level + throttle
- 3: a throttled reply is sent at once and the connection rests after it (KIP-219)
- 4: leader epochs
- 5: may answer OFFSET_NOT_AVAILABLE
- 6: compact forms and tag sections
- 7: timestamp -3
- 8: timestamp -4
- 9: timestamp -5
- 10: timeout_ms
- 11: timestamp -6
"""

from __future__ import annotations

from chronik.wire.schema import INT8, INT16, INT32, INT64, STRING, array, message


@message
class ListOffsetsPartition:
    """An element of ``ListOffsetsTopic.partitions``."""

    partition_index: int = INT32()
    current_leader_epoch: int = INT32("4+", default=-1)
    timestamp: int = INT64()
    max_num_offsets: int = INT32("0", default=1)


@message
class ListOffsetsTopic:
    """An element of ``ListOffsetsRequest.topics``."""

    name: str = STRING()
    partitions: list[ListOffsetsPartition] = array(ListOffsetsPartition)


@message
class ListOffsetsRequest:
    """What the client sends."""

    replica_id: int = INT32()
    isolation_level: int = INT8("2+")
    topics: list[ListOffsetsTopic] = array(ListOffsetsTopic)
    timeout_ms: int = INT32("10+")


@message
class ListOffsetsPartitionResponse:
    """An element of ``ListOffsetsTopicResponse.partitions``."""

    partition_index: int = INT32()
    error_code: int = INT16()
    old_style_offsets: list[int] = array(INT64, "0")
    timestamp: int = INT64("1+", default=-1)
    offset: int = INT64("1+", default=-1)
    leader_epoch: int = INT32("4+", default=-1)


@message
class ListOffsetsTopicResponse:
    """An element of ``ListOffsetsResponse.topics``."""

    name: str = STRING()
    partitions: list[ListOffsetsPartitionResponse] = array(ListOffsetsPartitionResponse)


@message
class ListOffsetsResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32("2+")
    topics: list[ListOffsetsTopicResponse] = array(ListOffsetsTopicResponse)
