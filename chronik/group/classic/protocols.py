"""How a group agrees on one protocol: everybody must support it, and the members vote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from chronik.group.classic.requests import Protocols


def select_protocol(offers: Sequence[Protocols]) -> str:
    """The protocol of a group whose members (at least one) offer these.

    Candidates are the names that everybody offers, of which there must be one. Each member votes for its first
    candidate and most votes win; where Kafka leaves a tie to chance, the candidate that was voted for first wins.
    """
    candidates = frozenset[str].intersection(*(names_of(protocols) for protocols in offers))
    votes = Counter(next(name for name, _ in protocols if name in candidates) for protocols in offers)
    return max(votes, key=votes.__getitem__)


def names_of(protocols: Protocols) -> frozenset[str]:
    return frozenset(name for name, _ in protocols)
