"""How a rebalance begins, waits, completes and fails, and how members are lost.

PreparingRebalance ends when everybody has joined or the JOIN timer fires, CompletingRebalance when the leader's
assignment is written down or the SYNC timer fires. Both timers run for the longest rebalance timeout among the members.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from chronik.changes import GroupSaved
from chronik.errors import ErrorCode
from chronik.group.classic.group import ClassicGroup, InitialRebalance
from chronik.group.classic.member import Member
from chronik.group.classic.replies import JoinedMember, JoinReply, SyncReply
from chronik.group.classic.states import ClassicGroupState
from chronik.group.step import Step
from chronik.group.timers import TimerKey, TimerKind

NEW_MEMBER_JOIN_TIMEOUT_MS = 300_000
"""A new member that is parked for so long is dropped: its client may be gone, and nothing else would tell."""

MIN_FURTHER_WAIT_MS = 100
"""When nobody joined, the group waits again for at least this long, whatever its rebalance timeout."""

SAVE_RETRY_MS = 1_000
"""When it could not be written that a group is empty, it is tried again after this time."""


def prepare_rebalance(group: ClassicGroup, step: Step) -> None:
    """Begin a rebalance, and complete the join if everybody is there. Parked syncs get REBALANCE_IN_PROGRESS."""
    fail_parked_syncs(group, step)
    group.pending_syncs.clear()
    step.timers.cancel(group.sync_timer())
    delay_ms = step.settings.group_initial_rebalance_delay_ms
    is_initial = group.state is ClassicGroupState.EMPTY
    group.move_to(ClassicGroupState.PREPARING_REBALANCE)
    if is_initial and delay_ms > 0:
        group.initial_rebalance = InitialRebalance(step.now_ms + group.rebalance_timeout_ms)
        step.timers.set(group.join_timer(), step.now_ms + delay_ms)
    elif is_initial or group.all_joined:
        complete_join(group, step)
    else:
        step.timers.set(group.join_timer(), step.now_ms + group.rebalance_timeout_ms)


def fail_parked_syncs(group: ClassicGroup, step: Step) -> None:
    """Answer the parked syncs with REBALANCE_IN_PROGRESS: those members are to join again."""
    parked, group.parked_syncs = group.parked_syncs, {}
    for member_id, ticket in parked.items():
        step.release(ticket, SyncReply(ErrorCode.REBALANCE_IN_PROGRESS))
        expect_heartbeat(group, member_id, step)


def on_timer(group: ClassicGroup, timer: TimerKey, step: Step) -> None:
    """One of the group's timers has fired."""
    match timer.kind:
        case TimerKind.SESSION:
            _on_session_timer(group, timer.member_id, step)
        case TimerKind.JOIN:
            _on_join_timer(group, step)
        case TimerKind.SYNC:
            _on_sync_timer(group, step)
        case _:
            assert_never(timer.kind)


def _on_join_timer(group: ClassicGroup, step: Step) -> None:
    """The group has waited for its members: for a window of the initial delay, or for the whole rebalance timeout."""
    if group.state is not ClassicGroupState.PREPARING_REBALANCE:
        return
    initial = group.initial_rebalance
    if initial is not None and initial.new_member_joined:
        initial.new_member_joined = False
        next_ms = step.now_ms + step.settings.group_initial_rebalance_delay_ms
        step.timers.set(group.join_timer(), min(next_ms, initial.last_ms))
        return
    complete_join(group, step)


def try_complete_join(group: ClassicGroup, step: Step) -> None:
    """Complete the join if everybody is there. The first rebalance of an Empty group lasts until its timer fires."""
    if group.initial_rebalance is None and group.all_joined:
        complete_join(group, step)


def complete_join(group: ClassicGroup, step: Step) -> None:
    """Go on with those who have joined, and with the static members. The others are removed.

    Without members the group becomes Empty, once that is written down. When only static members are left, none of which
    has joined, it goes on waiting: for them, or for their sessions to end.
    """
    step.timers.cancel(group.join_timer())
    group.initial_rebalance = None
    for member in list(group.members.values()):
        if member.group_instance_id is None and member.member_id not in group.parked_joins:
            remove_member(group, member.member_id, step)
    if not group.members:
        group.save(step, group.snapshot_of_nobody(step.now_ms))
        return
    if group.leader not in group.parked_joins:
        leader = next((member_id for member_id in group.members if member_id in group.parked_joins), None)
        if leader is None:
            wait_ms = max(group.rebalance_timeout_ms, MIN_FURTHER_WAIT_MS)
            step.timers.set(group.join_timer(), step.now_ms + wait_ms)
            return
        group.leader = leader
    _start_generation(group, step)


def _start_generation(group: ClassicGroup, step: Step) -> None:
    group.generation += 1
    group.protocol_name = group.selected_protocol()
    group.move_to(ClassicGroupState.COMPLETING_REBALANCE)
    parked, group.parked_joins = group.parked_joins, {}
    for member_id, member in group.members.items():
        if member_id in parked:
            step.release(parked[member_id], joined(group, member_id))
        member.is_new = False
        group.pending_syncs.add(member_id)
        expect_heartbeat(group, member_id, step)
    step.timers.set(group.sync_timer(), step.now_ms + group.rebalance_timeout_ms)


def joined(group: ClassicGroup, member_id: str) -> JoinReply:
    """What a member of the current generation is told; the leader also learns the members."""
    sees_members = member_id == group.leader
    return JoinReply(
        ErrorCode.NONE,
        member_id,
        group.generation,
        group.protocol_type,
        group.protocol_name,
        group.leader or "",
        members=seen_by_leader(group.members.values(), group.protocol_name) if sees_members else (),
    )


def seen_by_leader(members: Iterable[Member], protocol_name: str | None) -> tuple[JoinedMember, ...]:
    return tuple(
        JoinedMember(member.member_id, member.group_instance_id, member.metadata_of(protocol_name) or b"")
        for member in members
    )


def _on_sync_timer(group: ClassicGroup, step: Step) -> None:
    """Members that have not synced in the time of a rebalance are removed, even if the group is Stable by now."""
    match group.state:
        case ClassicGroupState.COMPLETING_REBALANCE | ClassicGroupState.STABLE:
            late = [member_id for member_id in group.members if member_id in group.pending_syncs]
            for member_id in late:
                remove_member(group, member_id, step)
            if late:
                prepare_rebalance(group, step)
        case ClassicGroupState.EMPTY | ClassicGroupState.PREPARING_REBALANCE | ClassicGroupState.DEAD:
            pass
        case _:
            assert_never(group.state)


def _on_session_timer(group: ClassicGroup, member_id: str, step: Step) -> None:
    """A member was silent for its session timeout, or nobody came with a member id that was handed out."""
    if member_id in group.pending_ids:
        withdraw_id(group, member_id, step)
        after_withdrawal(group, step)
    elif member_id in group.members:
        remove_member(group, member_id, step)
        after_removal(group, step)


def withdraw_id(group: ClassicGroup, member_id: str, step: Step) -> None:
    """Nobody will join with an id that was handed out."""
    step.timers.cancel(group.session_timer(member_id))
    group.pending_ids.discard(member_id)


def after_withdrawal(group: ClassicGroup, step: Step) -> None:
    """Ids that were handed out are withdrawn: a rebalance does not wait for them any longer."""
    if group.state is ClassicGroupState.PREPARING_REBALANCE:
        try_complete_join(group, step)


def remove_member(group: ClassicGroup, member_id: str, step: Step) -> None:
    """Remove a member. What it has parked gets UNKNOWN_MEMBER_ID: a client that is still there joins anew."""
    if (ticket := group.parked_joins.pop(member_id, None)) is not None:
        step.release(ticket, JoinReply(ErrorCode.UNKNOWN_MEMBER_ID, ""))
    if (ticket := group.parked_syncs.pop(member_id, None)) is not None:
        step.release(ticket, SyncReply(ErrorCode.UNKNOWN_MEMBER_ID))
    step.timers.cancel(group.session_timer(member_id))
    group.remove(member_id)


def after_removal(group: ClassicGroup, step: Step) -> None:
    """Members are gone: what follows for the others."""
    match group.state:
        case ClassicGroupState.COMPLETING_REBALANCE | ClassicGroupState.STABLE:
            prepare_rebalance(group, step)
        case ClassicGroupState.PREPARING_REBALANCE:
            try_complete_join(group, step)
        case ClassicGroupState.EMPTY | ClassicGroupState.DEAD:
            pass
        case _:
            assert_never(group.state)


def expect_heartbeat(group: ClassicGroup, member_id: str, step: Step) -> None:
    """The member has just shown that it is alive: its session starts anew, unless it is parked and cannot speak."""
    timer = group.session_timer(member_id)
    if _is_excused(group, member_id):
        step.timers.cancel(timer)
        return
    member = group.members[member_id]
    timeout_ms = NEW_MEMBER_JOIN_TIMEOUT_MS if member.is_new else member.session_timeout_ms
    step.timers.set(timer, step.now_ms + timeout_ms)


def _is_excused(group: ClassicGroup, member_id: str) -> bool:
    """Whether the member's next word is ours. A new member is not excused, but has a longer time."""
    is_parked = member_id in group.parked_joins or member_id in group.parked_syncs
    return is_parked and not group.members[member_id].is_new


def resume_after_failed_save(group: ClassicGroup, step: Step) -> None:
    """What was to be written down was not, and the calls that waited for it are answered otherwise: undo it."""
    saving, group.saving = group.saving, None
    match group.state:
        case ClassicGroupState.COMPLETING_REBALANCE:
            for member_id in group.members:
                expect_heartbeat(group, member_id, step)
            prepare_rebalance(group, step)
        case ClassicGroupState.PREPARING_REBALANCE:
            step.timers.set(group.join_timer(), step.now_ms + SAVE_RETRY_MS)
        case ClassicGroupState.DEAD:
            group.move_to(ClassicGroupState.EMPTY)
        case ClassicGroupState.STABLE | ClassicGroupState.EMPTY:
            # A static member was to get a new id. It keeps the old one.
            for saved in saving.members if isinstance(saving, GroupSaved) else ():
                if saved.member_id not in group.members:
                    step.timers.cancel(group.session_timer(saved.member_id))
        case _:
            assert_never(group.state)
