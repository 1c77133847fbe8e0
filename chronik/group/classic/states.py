"""The states of a classic group and the legal moves between them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class ClassicGroupState(Enum):
    """A state; the value is its name in DescribeGroups and ListGroups."""

    EMPTY = "Empty"
    """No members. It may have offsets, and member ids that were handed out and not used yet."""
    PREPARING_REBALANCE = "PreparingRebalance"
    """Waits for its members to join."""
    COMPLETING_REBALANCE = "CompletingRebalance"
    """Waits for the assignment, which the leader's SyncGroup brings."""
    STABLE = "Stable"
    """Every member has an assignment, or can fetch it."""
    DEAD = "Dead"
    """Its removal is being written down."""


LEGAL_MOVES: Mapping[ClassicGroupState, frozenset[ClassicGroupState]] = {
    ClassicGroupState.EMPTY: frozenset(
        {
            ClassicGroupState.PREPARING_REBALANCE,  # a member joins
            ClassicGroupState.DEAD,  # deleted, or nothing of it is left
        }
    ),
    ClassicGroupState.PREPARING_REBALANCE: frozenset(
        {
            ClassicGroupState.COMPLETING_REBALANCE,  # the join is complete
            ClassicGroupState.EMPTY,  # nobody joined
        }
    ),
    ClassicGroupState.COMPLETING_REBALANCE: frozenset(
        {
            ClassicGroupState.STABLE,  # the assignment is written down
            ClassicGroupState.PREPARING_REBALANCE,  # a join, a leave, an expiry, or the assignment could not be written
        }
    ),
    ClassicGroupState.STABLE: frozenset({ClassicGroupState.PREPARING_REBALANCE}),
    ClassicGroupState.DEAD: frozenset({ClassicGroupState.EMPTY}),  # the removal could not be written
}
"""All moves of a living group. A replay at start-up moves nothing: it makes the group anew, Stable or Empty."""
