"""The group coordinator as the runtime uses it.

Each call is decided at once. The runtime then persists the decision's changes, replays them here one by one, and sends
the reply and the releases; a decision without changes is answered right away. What the runtime must keep to:

- **One at a time.** From a decision with a `GroupSaved` or `GroupDeleted` until its replay (or `not_persisted`), no
  call of that group but `commit_offsets`, `fetch_offsets`, `delete_offsets`, `describe` and `list_groups`. Others raise
  RuntimeError. Timers of such a group wait by themselves. Changes of offsets need not wait for each other, but are
  written and replayed in the order in which they were decided.
- **Failure.** When the changes of such a decision cannot be written, `not_persisted`, and its reply and releases are
  replaced by COORDINATOR_NOT_AVAILABLE. When only changes of offsets cannot be written, the reply alone is replaced.
- **Time.** `tick` when `next_deadline` has come, and `now_ms` never goes back.
- **Start.** Replay what is stored, then `start`.

A ticket is released once, at the latest when its member's time to join or sync is over. At most one JoinGroup and one
SyncGroup of a member are parked: a newer one takes over, and the older one gets REBALANCE_IN_PROGRESS.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from chronik.changes import Change, GroupDeleted, GroupSaved, OffsetCommitted, OffsetsDeleted, TopicDeleted
from chronik.decision import Decision
from chronik.errors import ErrorCode
from chronik.group import expiry, listing, offsets
from chronik.group.classic import join, membership, rebalance, sync
from chronik.group.classic.group import ClassicGroup
from chronik.group.classic.replies import HeartbeatReply, JoinReply, LeaveReply, LeftMember, SyncReply
from chronik.group.classic.requests import JoinRequest, LeavingMember, SyncRequest
from chronik.group.classic.states import ClassicGroupState
from chronik.group.expiry import SubscribedTopics, Subscriptions, TopicName
from chronik.group.listing import GroupDescription, ListedGroup
from chronik.group.offsets import (
    CommitReply,
    CommitRequest,
    DeleteOffsetsReply,
    FetchReply,
    GroupOffsets,
    OffsetKey,
)
from chronik.group.step import Step
from chronik.group.timers import Timers
from chronik.settings import BrokerSettings
from chronik.terms import TopicId

POSTPONE_MS = 1_000
"""A timer that fires while its group is being written down is looked at again after this time."""

MINUTE_MS = 60_000

UnstableOffsets = Callable[[str], Collection[OffsetKey]]
"""The partitions of a group whose offsets were committed in a transaction that is still open."""


class GroupDecision(NamedTuple):
    """A decision that nobody's call has caused, for one group."""

    group_id: str
    decision: Decision[None]


class DurableGroup(NamedTuple):
    """What survives a restart: the group, if it ever completed a rebalance, and its offsets."""

    saved: GroupSaved | None
    offsets: frozenset[OffsetCommitted]


@dataclass(slots=True)
class _Group:
    classic: ClassicGroup
    offsets: GroupOffsets = field(default_factory=GroupOffsets)


def _no_unstable_offsets(group_id: str) -> Collection[OffsetKey]:
    return ()


class GroupCoordinator:
    """All groups of one coordinator. `settings` may be replaced at any time and counts for what follows."""

    def __init__(
        self,
        settings: BrokerSettings,
        subscribed_topics: SubscribedTopics,
        topic_name: TopicName,
        *,
        unstable_offsets: UnstableOffsets = _no_unstable_offsets,
        tickets: Iterator[int] | None = None,
    ) -> None:
        """`tickets` are numbers that nobody else uses for tickets; by default 1, 2, 3 and so on."""
        self.settings = settings
        self._subscriptions = Subscriptions(subscribed_topics, topic_name)
        self._unstable_offsets = unstable_offsets
        self._tickets = count(1) if tickets is None else tickets
        self._groups: dict[str, _Group] = {}
        self._timers = Timers()
        self._is_started = False

    # Members

    def join(self, request: JoinRequest, new_member_suffix: str, now_ms: int) -> Decision[JoinReply]:
        """JoinGroup. `new_member_suffix` must be unique: it makes the id of a new member."""
        if not request.group_id:
            return Decision(JoinReply(ErrorCode.INVALID_GROUP_ID, request.member_id))
        shortest, longest = self.settings.group_min_session_timeout_ms, self.settings.group_max_session_timeout_ms
        if not shortest <= request.session_timeout_ms <= longest:
            return Decision(JoinReply(ErrorCode.INVALID_SESSION_TIMEOUT, request.member_id))
        if request.member_id and request.group_id not in self._groups:
            return Decision(JoinReply(ErrorCode.UNKNOWN_MEMBER_ID, request.member_id))
        group = self._existing_or_new(request.group_id).classic
        _check_idle(group)
        step = self._step(now_ms)
        reply = join.join(group, request, new_member_suffix, step)
        self._forget_if_blank(request.group_id)
        return step.decision(reply)

    def sync(self, request: SyncRequest, now_ms: int) -> Decision[SyncReply]:
        """SyncGroup. The leader's has a change: the group as it is from then on."""
        if request.requires_protocol and (request.protocol_type is None or request.protocol_name is None):
            return Decision(SyncReply(ErrorCode.INCONSISTENT_GROUP_PROTOCOL))
        group = self._with_members(request.group_id)
        if group is None:
            return Decision(SyncReply(_missing(request.group_id)))
        _check_idle(group)
        step = self._step(now_ms)
        return step.decision(sync.sync(group, request, step))

    def heartbeat(
        self, group_id: str, member_id: str, group_instance_id: str | None, generation: int, now_ms: int
    ) -> Decision[HeartbeatReply]:
        """Heartbeat. Never has changes or releases."""
        group = self._with_members(group_id)
        if group is None:
            return Decision(HeartbeatReply(_missing(group_id)))
        _check_idle(group)
        step = self._step(now_ms)
        return step.decision(membership.heartbeat(group, member_id, group_instance_id, generation, step))

    def leave(self, group_id: str, members: Sequence[LeavingMember], now_ms: int) -> Decision[LeaveReply]:
        """LeaveGroup. In a group that does not exist every member is unknown, one by one."""
        group = self._with_members(group_id)
        if group is None:
            error = _missing(group_id)
            if error is ErrorCode.INVALID_GROUP_ID:
                return Decision(LeaveReply(error))
            unknown = tuple(LeftMember(one.member_id, one.group_instance_id, error) for one in members)
            return Decision(LeaveReply(ErrorCode.NONE, unknown))
        _check_idle(group)
        step = self._step(now_ms)
        reply = membership.leave(group, members, step)
        self._forget_if_blank(group_id)
        return step.decision(reply)

    # Offsets

    def commit_offsets(self, request: CommitRequest, now_ms: int) -> Decision[CommitReply]:
        """OffsetCommit, with one change per partition. The same checks for TxnOffsetCommit: its changes are not to be
        written now, but kept with the transaction, and written and replayed when that commits."""
        group = self._groups.get(request.group_id)
        error = offsets.check_commit(group.classic if group else None, request)
        reply, committed = offsets.commit(request, error, self.settings.offset_metadata_max_bytes, now_ms)
        if error is not ErrorCode.NONE or group is None or request.is_transactional:
            return Decision(reply, tuple(committed))
        for change in committed:
            group.offsets.expect(change)
        if request.member_id in group.classic.members:
            rebalance.expect_heartbeat(group.classic, request.member_id, self._step(now_ms))
        return Decision(reply, tuple(committed))

    def fetch_offsets(
        self, group_id: str, partitions: Sequence[OffsetKey] | None, *, require_stable: bool
    ) -> FetchReply:
        """OffsetFetch for one group; None fetches all that is stored. Works in every state and for every group id.

        `require_stable`: partitions that an open transaction has committed are UNSTABLE_OFFSET_COMMIT.
        """
        group = self._groups.get(group_id)
        is_there = group is not None and group.classic.state is not ClassicGroupState.DEAD
        stored = group.offsets if group is not None and is_there else GroupOffsets()
        return stored.fetch(partitions, self._unstable_offsets(group_id) if require_stable else ())

    def committed(self, group_id: str, partition: OffsetKey) -> OffsetCommitted | None:
        """What the group has committed in a partition, with its time."""
        group = self._groups.get(group_id)
        return None if group is None else group.offsets.get(partition)

    def delete_offsets(self, group_id: str, partitions: Sequence[OffsetKey]) -> Decision[DeleteOffsetsReply]:
        """OffsetDelete. Offsets in open transactions are not touched."""
        if not group_id:
            return Decision(DeleteOffsetsReply(ErrorCode.INVALID_GROUP_ID))
        group = self._groups.get(group_id)
        error = expiry.check_deletion(group.classic if group else None)
        if error is not ErrorCode.NONE or group is None:
            return Decision(DeleteOffsetsReply(error))
        reply, deleted = expiry.delete_offsets(group.classic, group.offsets, partitions, self._subscriptions)
        return Decision(reply, (OffsetsDeleted(group_id, tuple(deleted)),) if deleted else ())

    def expire_offsets(self, now_ms: int) -> list[GroupDecision]:
        """What the settings' retention takes away: offsets, and Empty groups that have none left. To be called every
        `offsets_retention_check_interval_ms`."""
        decisions = []
        for group_id, group in self._groups.items():
            if group.classic.saving is not None:
                continue
            step = self._step(now_ms)
            self._expire(group, step)
            if step.changes:
                decisions.append(GroupDecision(group_id, step.decision(None)))
        return decisions

    def _expire(self, group: _Group, step: Step) -> None:
        classic = group.classic
        unstable, in_flight = self._unstable_offsets(classic.group_id), group.offsets.in_flight(step.now_ms)
        retention_ms = self.settings.offsets_retention_minutes * MINUTE_MS
        expired = expiry.expired_offsets(
            classic, group.offsets, self._subscriptions, {*unstable, *in_flight}, retention_ms, step.now_ms
        )
        is_used = unstable or in_flight or classic.pending_ids or len(expired) < len(group.offsets)
        if classic.state is ClassicGroupState.EMPTY and not is_used:
            classic.die(step)
        elif expired:
            step.changes.append(OffsetsDeleted(classic.group_id, tuple(expired)))

    def topic_deleted(self, topic_id: TopicId) -> None:
        """A topic is gone: its offsets are no more. The catalog removes them together with the topic."""
        for group in self._groups.values():
            group.offsets.remove_topic(topic_id)

    # Groups

    def delete_group(self, group_id: str, now_ms: int) -> Decision[ErrorCode]:
        """DeleteGroups, one group. NON_EMPTY_GROUP while it has members, GROUP_ID_NOT_FOUND if it is not there."""
        group = self._classic(group_id)
        if group is None or group.state is ClassicGroupState.DEAD:
            return Decision(ErrorCode.GROUP_ID_NOT_FOUND)
        _check_idle(group)
        if group.state is not ClassicGroupState.EMPTY:
            return Decision(ErrorCode.NON_EMPTY_GROUP)
        step = self._step(now_ms)
        group.die(step)
        return step.decision(ErrorCode.NONE)

    def describe(self, group_id: str) -> GroupDescription:
        """DescribeGroups, one group."""
        return listing.describe(group_id, self._classic(group_id))

    def list_groups(self, states: Collection[str] = (), types: Collection[str] = ()) -> tuple[ListedGroup, ...]:
        """ListGroups: those in one of the states and of one of the types. An empty filter passes all."""
        return listing.list_groups((group.classic for group in self._groups.values()), states, types)

    def durable_state(self) -> dict[str, DurableGroup]:
        """All that a coordinator must have after the same changes were replayed into it."""
        return {
            group_id: DurableGroup(group.classic.saved, frozenset(group.offsets))
            for group_id, group in self._groups.items()
            if group.classic.saved is not None or len(group.offsets) > 0
        }

    # Time

    def next_deadline(self) -> int | None:
        """When `tick` must be called next; None while no timer is set. May come nearer with every call."""
        return self._timers.next_deadline()

    def tick(self, now_ms: int) -> list[GroupDecision]:
        """Let every timer fire that is due."""
        steps: dict[str, Step] = {}
        while (timer := self._timers.pop_due(now_ms)) is not None:
            group = self._classic(timer.group_id)
            if group is None:
                continue
            if group.saving is not None:
                self._timers.set(timer, now_ms + POSTPONE_MS)
                continue
            rebalance.on_timer(group, timer, steps.setdefault(timer.group_id, self._step(now_ms)))
        for group_id in steps:
            self._forget_if_blank(group_id)
        return [
            GroupDecision(group_id, step.decision(None))
            for group_id, step in steps.items()
            if step.changes or step.releases
        ]

    def start(self, now_ms: int) -> None:
        """Everything stored is replayed: members may speak, and their sessions begin."""
        assert not self._is_started
        self._is_started = True
        step = self._step(now_ms)
        for group in self._groups.values():
            classic = group.classic
            for member_id in classic.members:
                rebalance.expect_heartbeat(classic, member_id, step)
            if len(classic.members) > self.settings.group_max_size:
                # The setting is smaller than before: a rebalance refuses those that join last.
                rebalance.prepare_rebalance(classic, step)
        assert not step.changes
        assert not step.releases

    # What is written down

    def replay(self, change: Change, now_ms: int | None = None) -> None:
        """A change is durable: it is true from now on. Changes of other rooms do not matter here.

        `now_ms` is to be given in a running broker: members could not speak while the group was being written down, so
        their sessions start anew. Before `start` there are no sessions.
        """
        match change:
            case GroupSaved():
                self._apply(self._existing_or_new(change.group_id).classic, change, now_ms)
            case GroupDeleted():
                group = self._groups.pop(change.group_id, None)
                for timer in group.classic.timers() if group else ():
                    self._timers.cancel(timer)
            case OffsetCommitted():
                # A commit that raced with the deletion of its topic: the catalog has dropped it too. At the start the
                # topics may not be known yet, and the catalog has no such offsets.
                if not self._is_started or self._subscriptions.topic_name(change.topic_id) is not None:
                    self._existing_or_new(change.group_id).offsets.put(change)
            case OffsetsDeleted():
                if (group := self._groups.get(change.group_id)) is not None:
                    group.offsets.remove(change.partitions)
            case TopicDeleted():
                self.topic_deleted(change.topic_id)
            case _:
                pass

    def _apply(self, group: ClassicGroup, saved: GroupSaved, now_ms: int | None) -> None:
        former = list(group.members)
        group.apply(saved)
        for member_id in former:
            if member_id not in group.members:
                self._timers.cancel(group.session_timer(member_id))
        if now_ms is not None:
            step = self._step(now_ms)
            for member_id in group.members:
                rebalance.expect_heartbeat(group, member_id, step)

    def not_persisted(self, group_id: str, now_ms: int) -> Decision[None]:
        """The GroupSaved or GroupDeleted of a decision could not be written.

        An assignment is forgotten and the members are to join again; a static member keeps its former id; a group that
        was to be deleted is Empty; that a group is Empty is written again a little later. Has no changes.
        """
        step = self._step(now_ms)
        group = self._classic(group_id)
        if group is not None and group.saving is not None:
            rebalance.resume_after_failed_save(group, step)
        return step.decision(None)

    # Within

    def _step(self, now_ms: int) -> Step:
        return Step(now_ms, self.settings, self._timers, self._tickets)

    def _classic(self, group_id: str) -> ClassicGroup | None:
        group = self._groups.get(group_id)
        return None if group is None else group.classic

    def _with_members(self, group_id: str) -> ClassicGroup | None:
        """The group, for its members: the one without a name can have offsets, but nobody can be in it."""
        return self._classic(group_id) if group_id else None

    def _existing_or_new(self, group_id: str) -> _Group:
        group = self._groups.get(group_id)
        if group is None:
            group = self._groups[group_id] = _Group(ClassicGroup(group_id))
        return group

    def _forget_if_blank(self, group_id: str) -> None:
        """A group that nobody joined and that holds nothing leaves no trace: anybody can name any number of them."""
        group = self._groups[group_id]
        if group.classic.is_blank and not len(group.offsets):
            del self._groups[group_id]


def _check_idle(group: ClassicGroup) -> None:
    """The runtime's side of the contract. A group that is being deleted answers for itself."""
    if group.saving is not None and group.state is not ClassicGroupState.DEAD:
        raise RuntimeError(f"group {group.group_id!r} is being written down")


def _missing(group_id: str) -> ErrorCode:
    """What a member of a group that does not exist is told."""
    return ErrorCode.UNKNOWN_MEMBER_ID if group_id else ErrorCode.INVALID_GROUP_ID
