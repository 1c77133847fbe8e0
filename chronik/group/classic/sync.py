"""SyncGroup: the leader hands in the assignment, everybody fetches theirs.

A follower's SyncGroup is parked until the assignment is written down. At most one per member is: a newer one takes
over, and the older one is answered with REBALANCE_IN_PROGRESS (see `join`).
"""

from __future__ import annotations

from typing import assert_never

from chronik.decision import Parked
from chronik.errors import ErrorCode
from chronik.group.classic.group import ClassicGroup
from chronik.group.classic.rebalance import expect_heartbeat
from chronik.group.classic.replies import SyncReply
from chronik.group.classic.requests import SyncRequest
from chronik.group.classic.states import ClassicGroupState
from chronik.group.step import Step


def sync(group: ClassicGroup, request: SyncRequest, step: Step) -> SyncReply | Parked:
    """Handle a SyncGroup whose group id is valid and which gives what it must."""
    error = _check(group, request)
    if error is not ErrorCode.NONE:
        return SyncReply(error)
    match group.state:
        case ClassicGroupState.PREPARING_REBALANCE:
            return SyncReply(ErrorCode.REBALANCE_IN_PROGRESS)
        case ClassicGroupState.COMPLETING_REBALANCE if request.member_id == group.leader:
            group.pending_syncs.discard(request.member_id)
            return _assign(group, dict(request.assignments), step)
        case ClassicGroupState.COMPLETING_REBALANCE:
            group.pending_syncs.discard(request.member_id)
            return _park(group, request.member_id, step)
        case ClassicGroupState.STABLE:
            group.pending_syncs.discard(request.member_id)
            expect_heartbeat(group, request.member_id, step)
            return _synced(group, group.members[request.member_id].assignment)
        case ClassicGroupState.EMPTY | ClassicGroupState.DEAD:
            raise AssertionError("there are no members in these states")
        case _:
            assert_never(group.state)


def _check(group: ClassicGroup, request: SyncRequest) -> ErrorCode:
    if group.state is ClassicGroupState.DEAD:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    error = group.check_member(request.member_id, request.group_instance_id)
    if error is not ErrorCode.NONE:
        return error
    if request.generation != group.generation:
        return ErrorCode.ILLEGAL_GENERATION
    if request.protocol_type not in (None, group.protocol_type):
        return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    if request.protocol_name not in (None, group.protocol_name):
        return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    return ErrorCode.NONE


def _park(group: ClassicGroup, member_id: str, step: Step) -> Parked:
    ticket = step.new_ticket()
    if (older := group.parked_syncs.get(member_id)) is not None:
        step.release(older, SyncReply(ErrorCode.REBALANCE_IN_PROGRESS))
    group.parked_syncs[member_id] = ticket
    expect_heartbeat(group, member_id, step)
    return Parked(ticket)


def _assign(group: ClassicGroup, assignments: dict[str, bytes], step: Step) -> SyncReply:
    """The generation has its assignment. It counts when it is written down, and then everybody is answered."""
    members = [member.to_saved(assignments.get(member_id, b"")) for member_id, member in group.members.items()]
    group.save(step, group.snapshot(members, group.leader, step.now_ms))
    parked, group.parked_syncs = group.parked_syncs, {}
    for member_id, ticket in parked.items():
        step.release(ticket, _synced(group, assignments.get(member_id, b"")))
        expect_heartbeat(group, member_id, step)
    assert group.leader is not None
    expect_heartbeat(group, group.leader, step)
    return _synced(group, assignments.get(group.leader, b""))


def _synced(group: ClassicGroup, assignment: bytes) -> SyncReply:
    return SyncReply(ErrorCode.NONE, group.protocol_type, group.protocol_name, assignment)
