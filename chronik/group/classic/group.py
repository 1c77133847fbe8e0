"""What a classic group consists of, and the elementary changes of it. When they happen is for the other files to say.

Hard state is what `saved` says: it survives a restart and moves only in `apply`. Everything else starts as a copy of it
and runs ahead while members join; it is lost in a crash, after which members find a generation that they do not know
and join again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import assert_never

from chronik.changes import GroupDeleted, GroupSaved, MemberSaved
from chronik.decision import Ticket
from chronik.errors import ErrorCode
from chronik.group.classic.member import Member
from chronik.group.classic.protocols import names_of, select_protocol
from chronik.group.classic.requests import JoinRequest, Protocols
from chronik.group.classic.states import LEGAL_MOVES, ClassicGroupState
from chronik.group.step import Step
from chronik.group.timers import TimerKey, TimerKind


@dataclass(slots=True)
class InitialRebalance:
    """The first rebalance of an Empty group waits for more members, in windows of the initial rebalance delay."""

    last_ms: int
    """When it completes at the latest: after the rebalance timeout of the member that came first."""
    new_member_joined: bool = False
    """In the current window, which is then followed by another one."""


@dataclass(slots=True)
class ClassicGroup:
    """A group; a new one is Empty with generation 0."""

    group_id: str
    state: ClassicGroupState = ClassicGroupState.EMPTY
    generation: int = 0
    protocol_type: str = ""
    """"" until a member joined: such a group only has offsets (a simple group)."""
    protocol_name: str | None = None
    leader: str | None = None
    """The member that joined first, or the one that took over."""
    members: dict[str, Member] = field(default_factory=dict)
    """By id, in the order in which they joined."""
    instances: dict[str, str] = field(default_factory=dict)
    """Static members' ids by their instance ids."""
    pending_ids: set[str] = field(default_factory=set)
    """Ids that were handed out and not joined with yet."""
    pending_syncs: set[str] = field(default_factory=set)
    """Members that have not synced in this generation."""
    parked_joins: dict[str, Ticket] = field(default_factory=dict)
    """By member. Only while PreparingRebalance."""
    parked_syncs: dict[str, Ticket] = field(default_factory=dict)
    """By member. Only while CompletingRebalance."""
    initial_rebalance: InitialRebalance | None = None
    """Only while PreparingRebalance, coming from Empty."""
    saved: GroupSaved | None = None
    """What was written down last; None for a group that never had a completed rebalance."""
    saving: GroupSaved | GroupDeleted | None = None
    """What is on its way to the disk. Until it is replayed, or given up, nothing else may happen to the membership."""
    _offer_counts: Counter[str] = field(default_factory=Counter)
    """Protocol name -> how many members offer it."""

    # What there is

    def join_timer(self) -> TimerKey:
        return TimerKey(TimerKind.JOIN, self.group_id)

    def sync_timer(self) -> TimerKey:
        return TimerKey(TimerKind.SYNC, self.group_id)

    def session_timer(self, member_id: str) -> TimerKey:
        return TimerKey(TimerKind.SESSION, self.group_id, member_id)

    def timers(self) -> Iterable[TimerKey]:
        """Every timer that the group can have."""
        yield self.join_timer()
        yield self.sync_timer()
        for member_id in (*self.members, *self.pending_ids):
            yield self.session_timer(member_id)

    @property
    def is_blank(self) -> bool:
        """Whether nothing would be lost with the group, its offsets apart."""
        is_empty = self.state is ClassicGroupState.EMPTY
        return is_empty and self.saved is None and not self.pending_ids

    @property
    def all_joined(self) -> bool:
        """Whether there is nobody left to wait for."""
        return len(self.parked_joins) == len(self.members) and not (self.members and self.pending_ids)

    @property
    def rebalance_timeout_ms(self) -> int:
        """The longest one of its members; 0 without members."""
        return max((member.rebalance_timeout_ms for member in self.members.values()), default=0)

    def owner_of(self, group_instance_id: str | None) -> str | None:
        """The id of the static member with this instance id; None if there is none."""
        return None if group_instance_id is None else self.instances.get(group_instance_id)

    def check_member(self, member_id: str, group_instance_id: str | None) -> ErrorCode:
        """NONE for a member that may speak. FENCED_INSTANCE_ID if another one has taken over its instance id,
        UNKNOWN_MEMBER_ID if there is no such member or no such static member."""
        owner = self.owner_of(group_instance_id)
        if owner is not None and owner != member_id:
            return ErrorCode.FENCED_INSTANCE_ID
        if owner is None and group_instance_id is not None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        return ErrorCode.NONE if member_id in self.members else ErrorCode.UNKNOWN_MEMBER_ID

    def has_room_for(self, request: JoinRequest, max_size: int) -> bool:
        """Whether a join fits into `max_size`.

        While members join, those that have joined count, so that after `max_size` became smaller the last ones to
        rejoin are refused. Ids that were handed out do not count. As opposed to Kafka, a static member that comes back
        without its member id is not taken for a new one.
        """
        member_id = request.member_id or self.owner_of(request.group_instance_id)
        match self.state:
            case ClassicGroupState.EMPTY | ClassicGroupState.DEAD:
                return True
            case ClassicGroupState.PREPARING_REBALANCE:
                return member_id in self.parked_joins or len(self.parked_joins) < max_size
            case ClassicGroupState.COMPLETING_REBALANCE | ClassicGroupState.STABLE:
                return member_id in self.members or len(self.members) < max_size
            case _:
                assert_never(self.state)

    def supports(self, protocol_type: str, protocols: Protocols) -> bool:
        """Whether a member that offers these can be in the group. Its own former offer, if it has one, counts among
        those that it must share a protocol with."""
        if not protocol_type or not protocols:
            return False
        if not self.members:
            return True
        everybody = len(self.members)
        return protocol_type == self.protocol_type and any(self._offer_counts[n] == everybody for n, _ in protocols)

    def selected_protocol(self) -> str:
        return select_protocol([member.protocols for member in self.members.values()])

    def members_with(self, member: Member, instead_of: str) -> list[Member]:
        """The members as they would be with `member` in the place of the one whose id is `instead_of`."""
        return [member if other.member_id == instead_of else other for other in self.members.values()]

    # Elementary changes

    def move_to(self, state: ClassicGroupState) -> None:
        assert state in LEGAL_MOVES[self.state], f"group {self.group_id!r} moves from {self.state} to {state}"
        self.state = state

    def add(self, member: Member, protocol_type: str) -> None:
        """Add a member that `supports` accepts. The first one makes the protocol type, and is the leader."""
        assert member.member_id not in self.members
        if not self.members:
            self.protocol_type = protocol_type
        if member.group_instance_id is not None:
            assert member.group_instance_id not in self.instances
            self.instances[member.group_instance_id] = member.member_id
        self.pending_ids.discard(member.member_id)
        self.members[member.member_id] = member
        self._offer_counts.update(names_of(member.protocols))
        if self.leader is None:
            self.leader = member.member_id

    def update(self, member: Member, request: JoinRequest) -> None:
        """A member has joined again: what it says now counts."""
        self._offer_counts.subtract(names_of(member.protocols))
        member.protocols = request.protocols
        self._offer_counts.update(names_of(member.protocols))
        member.client_id = request.client_id
        member.client_host = request.client_host
        member.session_timeout_ms = request.session_timeout_ms
        member.rebalance_timeout_ms = request.rebalance_timeout_ms

    def remove(self, member_id: str) -> None:
        """Remove a member that has nothing parked. If it led, the one that joined first of the others leads."""
        assert member_id not in self.parked_joins
        assert member_id not in self.parked_syncs
        member = self.members.pop(member_id)
        self._offer_counts.subtract(names_of(member.protocols))
        self.pending_syncs.discard(member_id)
        if member.group_instance_id is not None:
            del self.instances[member.group_instance_id]
        if self.leader == member_id:
            self.leader = next(iter(self.members), None)

    def substitute(self, old_id: str, member: Member) -> None:
        """Put a static member into the place that it had under its old id, which has nothing parked."""
        assert old_id not in self.parked_joins
        assert old_id not in self.parked_syncs
        assert member.group_instance_id is not None
        self._offer_counts.subtract(names_of(self.members[old_id].protocols))
        self._offer_counts.update(names_of(member.protocols))
        self.members = {other.member_id: other for other in self.members_with(member, old_id)}
        self.instances[member.group_instance_id] = member.member_id
        if self.leader == old_id:
            self.leader = member.member_id

    # What is written down

    def save(self, step: Step, change: GroupSaved | GroupDeleted) -> None:
        """Decide that this is to become of the group. It does when the change is replayed."""
        assert self.saving is None
        self.saving = change
        step.changes.append(change)

    def snapshot(self, members: Iterable[MemberSaved], leader: str | None, state_ms: int) -> GroupSaved:
        """The current generation with these members."""
        members = tuple(members)
        kind, name = self.protocol_type, self.protocol_name
        return GroupSaved(self.group_id, kind, self.generation, name, leader, state_ms, members)

    def snapshot_of_nobody(self, state_ms: int) -> GroupSaved:
        """The next generation, which has no members."""
        return GroupSaved(self.group_id, self.protocol_type, self.generation + 1, None, None, state_ms, ())

    def die(self, step: Step) -> None:
        """Decide that the Empty group goes, with its offsets."""
        self.move_to(ClassicGroupState.DEAD)
        self.save(step, GroupDeleted(self.group_id))

    def apply(self, saved: GroupSaved) -> None:
        """Be what is written down. Member ids that were handed out, and who has not synced yet, stay."""
        target = ClassicGroupState.STABLE if saved.members else ClassicGroupState.EMPTY
        if self.saving is None:
            self.state = target
        elif self.state is not target:
            self.move_to(target)
        self.saved = saved
        self.saving = None
        self.generation = saved.generation
        self.protocol_type = saved.protocol_type
        self.protocol_name = saved.protocol_name
        self.leader = saved.leader
        self.members = {member.member_id: Member.from_saved(member) for member in saved.members}
        self.instances = {
            member.group_instance_id: member.member_id
            for member in saved.members
            if member.group_instance_id is not None
        }
        self.pending_syncs.intersection_update(self.members)
        self._offer_counts = Counter(name for member in saved.members for name in names_of(member.protocols))
