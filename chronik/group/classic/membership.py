"""Heartbeat and LeaveGroup: staying a member, and ceasing to be one."""

from __future__ import annotations

from collections.abc import Sequence

from chronik.errors import ErrorCode
from chronik.group.classic.group import ClassicGroup
from chronik.group.classic.rebalance import (
    after_removal,
    after_withdrawal,
    expect_heartbeat,
    remove_member,
    withdraw_id,
)
from chronik.group.classic.replies import HeartbeatReply, LeaveReply, LeftMember
from chronik.group.classic.requests import LeavingMember
from chronik.group.classic.states import ClassicGroupState
from chronik.group.step import Step


def heartbeat(
    group: ClassicGroup, member_id: str, group_instance_id: str | None, generation: int, step: Step
) -> HeartbeatReply:
    """Handle a Heartbeat whose group id is valid. REBALANCE_IN_PROGRESS asks the member to join again."""
    if group.state is ClassicGroupState.DEAD:
        return HeartbeatReply(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    error = group.check_member(member_id, group_instance_id)
    if error is not ErrorCode.NONE:
        return HeartbeatReply(error)
    if generation != group.generation:
        return HeartbeatReply(ErrorCode.ILLEGAL_GENERATION)
    expect_heartbeat(group, member_id, step)
    if group.state is ClassicGroupState.PREPARING_REBALANCE:
        return HeartbeatReply(ErrorCode.REBALANCE_IN_PROGRESS)
    return HeartbeatReply(ErrorCode.NONE)


def leave(group: ClassicGroup, leaving: Sequence[LeavingMember], step: Step) -> LeaveReply:
    """Handle a LeaveGroup whose group id is valid. However many leave, they make one rebalance."""
    if group.state is ClassicGroupState.DEAD:
        return LeaveReply(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    member_count, pending_count = len(group.members), len(group.pending_ids)
    left = tuple(LeftMember(one.member_id, one.group_instance_id, _leave_one(group, one, step)) for one in leaving)
    if len(group.members) < member_count:
        after_removal(group, step)
    elif len(group.pending_ids) < pending_count:
        after_withdrawal(group, step)
    return LeaveReply(ErrorCode.NONE, left)


def _leave_one(group: ClassicGroup, one: LeavingMember, step: Step) -> ErrorCode:
    if not one.member_id:
        member_id = group.owner_of(one.group_instance_id)
        if member_id is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        remove_member(group, member_id, step)
        return ErrorCode.NONE
    if one.member_id in group.pending_ids:
        withdraw_id(group, one.member_id, step)
        return ErrorCode.NONE
    error = group.check_member(one.member_id, one.group_instance_id)
    if error is ErrorCode.NONE:
        remove_member(group, one.member_id, step)
    return error
