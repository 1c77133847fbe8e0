"""What the group coordinator has to know of a consumer's subscription: its topics."""

from __future__ import annotations

from chronik.wire.consumer_protocol import decode_subscription
from chronik.wire.primitives import MalformedFrame


def subscribed_topics(metadata: bytes) -> frozenset[str] | None:
    """The topics in the metadata of a member whose protocol type is "consumer"; None if it is something else."""
    try:
        return frozenset(decode_subscription(metadata).topics)
    except MalformedFrame:
        return None
