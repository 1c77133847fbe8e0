"""JoinGroup: becoming a member, and joining again.

A JoinGroup is parked until the join completes. At most one per member is: a newer one of the same member takes over,
and the older one is answered with REBALANCE_IN_PROGRESS. (Kafka forgets the older one without an answer, so that its
connection hangs until the client gives it up; nobody reads the answer in either case, as a client sends the second
request when it has given the first one up.)
"""

from __future__ import annotations

from typing import assert_never

from chronik.decision import Parked
from chronik.errors import ErrorCode
from chronik.group.classic.group import ClassicGroup
from chronik.group.classic.member import Member
from chronik.group.classic.protocols import select_protocol
from chronik.group.classic.rebalance import (
    after_removal,
    after_withdrawal,
    expect_heartbeat,
    joined,
    prepare_rebalance,
    remove_member,
    seen_by_leader,
    try_complete_join,
    withdraw_id,
)
from chronik.group.classic.replies import JoinReply, SyncReply
from chronik.group.classic.requests import JoinRequest
from chronik.group.classic.states import ClassicGroupState
from chronik.group.step import Step


def join(group: ClassicGroup, request: JoinRequest, new_member_suffix: str, step: Step) -> JoinReply | Parked:
    """Handle a JoinGroup whose group id and session timeout are valid."""
    if not group.has_room_for(request, step.settings.group_max_size):
        return _refuse(group, request, step)
    if group.state is ClassicGroupState.DEAD:
        return JoinReply(ErrorCode.COORDINATOR_NOT_AVAILABLE, request.member_id)
    if not group.supports(request.protocol_type, request.protocols):
        return JoinReply(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, request.member_id)
    if not request.member_id:
        return _join_without_id(group, request, new_member_suffix, step)
    if request.member_id in group.pending_ids and request.group_instance_id is None:
        return _join_as_new(group, request, request.member_id, step)
    error = group.check_member(request.member_id, request.group_instance_id)
    if error is not ErrorCode.NONE:
        return JoinReply(error, request.member_id)
    return _join_again(group, request, step)


def _refuse(group: ClassicGroup, request: JoinRequest, step: Step) -> JoinReply:
    """The group is full. A member that is told so is none any more, nor is its id reserved."""
    if request.member_id in group.members:
        remove_member(group, request.member_id, step)
        after_removal(group, step)
    elif request.member_id in group.pending_ids:
        withdraw_id(group, request.member_id, step)
        after_withdrawal(group, step)
    return JoinReply(ErrorCode.GROUP_MAX_SIZE_REACHED, "")


def _join_without_id(group: ClassicGroup, request: JoinRequest, suffix: str, step: Step) -> JoinReply | Parked:
    instance_id = request.group_instance_id
    if instance_id is not None:
        member_id = f"{instance_id}-{suffix}"
        old_id = group.owner_of(instance_id)
        if old_id is not None:
            return _replace_static_member(group, request, old_id, member_id, step)
        return _join_as_new(group, request, member_id, step)
    member_id = f"{request.client_id}-{suffix}"
    if not request.requires_known_member_id:
        return _join_as_new(group, request, member_id, step)
    group.pending_ids.add(member_id)
    step.timers.set(group.session_timer(member_id), step.now_ms + request.session_timeout_ms)
    return JoinReply(ErrorCode.MEMBER_ID_REQUIRED, member_id)


def _join_as_new(group: ClassicGroup, request: JoinRequest, member_id: str, step: Step) -> JoinReply | Parked:
    if group.initial_rebalance is not None:
        group.initial_rebalance.new_member_joined = True
    group.add(Member.joining(request, member_id, is_new=True), request.protocol_type)
    return _park(group, member_id, step)


def _join_again(group: ClassicGroup, request: JoinRequest, step: Step) -> JoinReply | Parked:
    """A member joins once more: to be there in a rebalance, because an answer was lost, or to start a rebalance."""
    member = group.members[request.member_id]
    is_same = request.protocols == member.protocols
    match group.state:
        case ClassicGroupState.PREPARING_REBALANCE:
            starts_rebalance = True
        case ClassicGroupState.COMPLETING_REBALANCE:
            starts_rebalance = not is_same
        case ClassicGroupState.STABLE:
            # A leader has its reasons that its metadata does not show, such as partitions that were added.
            starts_rebalance = not is_same or request.member_id == group.leader
        case ClassicGroupState.EMPTY | ClassicGroupState.DEAD:
            raise AssertionError("there are no members in these states")
        case _:
            assert_never(group.state)
    if not starts_rebalance:
        expect_heartbeat(group, request.member_id, step)
        return joined(group, request.member_id)
    group.update(member, request)
    return _park(group, request.member_id, step)


def _park(group: ClassicGroup, member_id: str, step: Step) -> JoinReply | Parked:
    """Let the member wait for the others, and start or complete the rebalance."""
    ticket = step.new_ticket()
    if (older := group.parked_joins.get(member_id)) is not None:
        step.release(older, JoinReply(ErrorCode.REBALANCE_IN_PROGRESS, member_id))
    group.parked_joins[member_id] = ticket
    expect_heartbeat(group, member_id, step)
    if group.state is ClassicGroupState.PREPARING_REBALANCE:
        try_complete_join(group, step)
    else:
        prepare_rebalance(group, step)
    return step.answer_to(ticket, JoinReply)


def _replace_static_member(
    group: ClassicGroup, request: JoinRequest, old_id: str, new_id: str, step: Step
) -> JoinReply | Parked:
    """A static member is back without its member id: it gets a new one, and the old one is fenced (KIP-345).

    A Stable group does not rebalance for it if it would select the same protocol: the member has its old assignment.
    """
    member = Member.joining(request, new_id, assignment=group.members[old_id].assignment)
    if group.state is ClassicGroupState.STABLE:
        offers = [m.protocols for m in group.members_with(member, old_id)]
        if select_protocol(offers) == group.protocol_name:
            return _replace_in_stable_group(group, request, old_id, member, step)
    if (ticket := group.parked_joins.pop(old_id, None)) is not None:
        step.release(ticket, JoinReply(ErrorCode.FENCED_INSTANCE_ID, old_id))
    if (ticket := group.parked_syncs.pop(old_id, None)) is not None:
        step.release(ticket, SyncReply(ErrorCode.FENCED_INSTANCE_ID))
    step.timers.cancel(group.session_timer(old_id))
    group.substitute(old_id, member)
    return _park(group, new_id, step)


def _replace_in_stable_group(
    group: ClassicGroup, request: JoinRequest, old_id: str, member: Member, step: Step
) -> JoinReply:
    """Nothing changes before the new id is written down, so that a failure leaves the old member as it was."""
    assert group.saved is not None
    new_id, members = member.member_id, group.members_with(member, old_id)
    led = group.leader == old_id
    leader = new_id if led else group.leader
    group.save(step, group.snapshot((m.to_saved(m.assignment) for m in members), leader, group.saved.state_ms))
    step.timers.set(group.session_timer(new_id), step.now_ms + request.session_timeout_ms)
    knows_skipping = request.supports_skip_assignment
    return JoinReply(
        ErrorCode.NONE,
        new_id,
        group.generation,
        group.protocol_type,
        group.protocol_name,
        # Below version 9 a leader that comes back is told its old id as the leader's: so it takes itself for a
        # follower, and fetches the assignment instead of making one.
        (leader if knows_skipping else group.leader) or "",
        skip_assignment=led and knows_skipping,
        members=seen_by_leader(members, group.protocol_name) if led and knows_skipping else (),
    )
