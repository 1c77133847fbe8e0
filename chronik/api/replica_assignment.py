"""Which brokers shall hold a partition: with one broker, nobody but that one."""

from __future__ import annotations

from collections.abc import Sequence

from chronik.errors import ErrorCode, KafkaError


def check_replicas(node_id: int, replicas: Sequence[int]) -> None:
    """INVALID_REPLICA_ASSIGNMENT unless the list is this broker, once."""
    if not replicas:
        reason = "a partition cannot have an empty list of replicas"
    elif strangers := [broker_id for broker_id in replicas if broker_id != node_id]:
        reason = f"broker {strangers[0]} does not exist, the only one is {node_id}"
    elif len(replicas) > 1:
        reason = f"broker {node_id} is listed more than once for a partition"
    else:
        return
    raise KafkaError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, f"Bad assignment: {reason}.")
