"""A coordinator with a clock, a disk and clients around it, for tests: everything happens when the test says so."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import count
from typing import Any, Generic, NamedTuple, TypedDict, TypeVar, Unpack

from chronik.changes import Change, GroupSaved, OffsetCommitted
from chronik.decision import Decision, Parked, Ticket
from chronik.errors import ErrorCode
from chronik.group.classic.group import ClassicGroup
from chronik.group.classic.replies import JoinReply, LeaveReply, SyncReply
from chronik.group.classic.requests import JoinRequest, LeavingMember, Protocols, SyncRequest
from chronik.group.classic.states import ClassicGroupState
from chronik.group.coordinator import GroupCoordinator
from chronik.group.offsets import CommitReply, CommitRequest, FetchedOffset, OffsetKey, OffsetToCommit
from chronik.settings import BrokerSettings
from chronik.terms import TopicId

Reply = TypeVar("Reply")

GROUP = "g"
T, U = TopicId(b"t" * 16), TopicId(b"u" * 16)
TOPICS = {T: "t", U: "u"}

RANGE: Protocols = (("range", b"t"),)
RANGE_U: Protocols = (("range", b"t,u"),)
STICKY_OR_RANGE: Protocols = (("sticky", b"t"), ("range", b"t"))

SESSION_MS = 10_000
REBALANCE_MS = 60_000
START_MS = 1_000_000
FOR_EVER_MS = 10_000_000
"""Longer than all timeouts together."""


def subscribed_topics(metadata: bytes) -> frozenset[str] | None:
    """The tests' own consumer protocol: names with commas between them; "?" cannot be read."""
    return None if metadata == b"?" else frozenset(metadata.decode().split(","))


class Call(Generic[Reply]):
    """A call and, once there is one, its answer."""

    def __init__(self, kind: type[Reply]) -> None:
        self.kind = kind
        self.answers: list[Reply] = []

    def answer(self, reply: object) -> None:
        assert isinstance(reply, self.kind)
        assert not self.answers, "answered twice"
        self.answers.append(reply)

    @property
    def is_parked(self) -> bool:
        return not self.answers

    @property
    def reply(self) -> Reply:
        assert self.answers, "not answered"
        return self.answers[0]


class Member(NamedTuple):
    """What a member knows about itself."""

    member_id: str
    generation: int
    instance: str | None = None


class How(TypedDict, total=False):
    """What a JoinGroup may say."""

    instance: str | None
    version: int
    protocols: Protocols
    protocol_type: str
    session_ms: int
    rebalance_ms: int
    group: str
    client: str
    host: str


class World:
    """Persists, replays and answers at once, as a runtime without latency would.

    `fails` makes every write fail; with `holds` writes take until `write_held`.
    """

    def __init__(self, settings: BrokerSettings | None = None, unstable: Collection[OffsetKey] = ()) -> None:
        self.now_ms = START_MS
        self.settings = settings or BrokerSettings()
        self.unstable = unstable
        self.topics = dict(TOPICS)
        self.changes: list[Change] = []
        self.fails = False
        self.holds = False
        self._held: list[tuple[str, Decision[Any], Call[Any] | None]] = []
        self.calls: dict[Ticket, Call[Any]] = {}
        self._tickets: Iterator[int] | None = count(1)
        self._suffixes = count(1)
        self.coordinator = self.new_coordinator()
        self.coordinator.start(self.now_ms)

    def new_coordinator(self) -> GroupCoordinator:
        return GroupCoordinator(
            self.settings,
            subscribed_topics,
            lambda topic_id: self.topics.get(topic_id),
            unstable_offsets=lambda group_id: self.unstable,
            tickets=self._tickets,
        )

    def restart(self) -> None:
        """The process dies and starts again: what was parked is lost, what was written down is replayed as the catalog
        gives it, groups first."""
        durable = self.coordinator.durable_state().values()
        self.calls.clear()
        self._held.clear()
        self.coordinator = self.new_coordinator()
        for change in (*(group.saved for group in durable), *(o for group in durable for o in group.offsets)):
            if change is not None:
                self.coordinator.replay(change)
        self.coordinator.start(self.now_ms)

    # The runtime's part

    def carry_out(self, group_id: str, decision: Decision[Any], call: Call[Any] | None = None) -> None:
        """Persist, replay, answer."""
        if decision.changes and self.holds:
            self._held.append((group_id, decision, call))
            return
        if decision.changes and self.fails:
            self._fail(group_id, decision, call)
            return
        self.changes += decision.changes
        for change in decision.changes:
            self.coordinator.replay(change, self.now_ms)
        if isinstance(decision.reply, Parked):
            assert call is not None
            assert decision.reply.ticket not in self.calls
            self.calls[decision.reply.ticket] = call
        elif call is not None:
            call.answer(decision.reply)
        for release in decision.releases:
            self.calls.pop(release.ticket).answer(release.reply)

    def tickets_on_the_way(self) -> set[Ticket]:
        """Of calls whose answer waits for the disk."""
        return {release.ticket for _, decision, _ in self._held for release in decision.releases}

    def write_held(self) -> None:
        """The disk has caught up."""
        self.holds = False
        held, self._held = self._held, []
        for group_id, decision, call in held:
            self.carry_out(group_id, decision, call)

    def _fail(self, group_id: str, decision: Decision[Any], call: Call[Any] | None) -> None:
        """The changes could not be written: whoever waited for them gets COORDINATOR_NOT_AVAILABLE."""
        assert not isinstance(decision.reply, Parked)
        for waiting in (call, *(self.calls.pop(release.ticket) for release in decision.releases)):
            if waiting is not None:
                waiting.answer(unavailable(waiting.kind))
        if not all(isinstance(change, OffsetCommitted) for change in decision.changes):
            after = self.coordinator.not_persisted(group_id, self.now_ms)
            assert after.changes == ()
            self.carry_out(group_id, after)

    def tick(self) -> None:
        for group_id, decision in self.coordinator.tick(self.now_ms):
            self.carry_out(group_id, decision)

    def pass_time(self, milliseconds: int) -> None:
        """Let time go on, with a tick at every deadline."""
        end_ms = self.now_ms + milliseconds
        while (deadline_ms := self.coordinator.next_deadline()) is not None and deadline_ms <= end_ms:
            self.now_ms = max(self.now_ms, deadline_ms)
            self.tick()
        self.now_ms = end_ms

    def pass_time_alive(self, milliseconds: int, *members: Member) -> None:
        """Let time go on while these members send heartbeats every second."""
        for _ in range(milliseconds // 1000):
            self.pass_time(1000)
            for member in members:
                self.heartbeat(member)

    # The clients' part

    def join(self, member_id: str = "", **how: Unpack[How]) -> Call[JoinReply]:
        group, version = how.get("group", GROUP), how.get("version", 9)
        session_ms = how.get("session_ms", SESSION_MS)
        request = JoinRequest(
            group,
            member_id,
            how.get("instance"),
            how.get("client", "client"),
            how.get("host", "/127.0.0.1"),
            session_ms,
            session_ms if version == 0 else how.get("rebalance_ms", REBALANCE_MS),
            how.get("protocol_type", "consumer"),
            how.get("protocols", RANGE),
            requires_known_member_id=version >= 4,
            supports_skip_assignment=version >= 9,
        )
        call = Call(JoinReply)
        self.carry_out(group, self.coordinator.join(request, str(next(self._suffixes)), self.now_ms), call)
        return call

    def join_anew(self, **how: Unpack[How]) -> Call[JoinReply]:
        """Join as a client does that has no member id yet: it asks for one first, unless it is static or old."""
        first = self.join(**how)
        if first.is_parked or first.reply.error is not ErrorCode.MEMBER_ID_REQUIRED:
            return first
        return self.join(first.reply.member_id, **how)

    def sync(
        self,
        member: Member,
        assignments: dict[str, bytes] | None = None,
        *,
        protocol_type: str | None = "consumer",
        protocol_name: str | None = "range",
        version: int = 5,
        group: str = GROUP,
    ) -> Call[SyncReply]:
        given = tuple((assignments or {}).items())
        names = (protocol_type, protocol_name) if version >= 5 else (None, None)
        request = SyncRequest(group, member.member_id, member.instance, member.generation, *names, version >= 5, given)
        call = Call(SyncReply)
        self.carry_out(group, self.coordinator.sync(request, self.now_ms), call)
        return call

    def heartbeat(self, member: Member, group: str = GROUP) -> ErrorCode:
        who = (member.member_id, member.instance, member.generation)
        decision = self.coordinator.heartbeat(group, *who, self.now_ms)
        assert not isinstance(decision.reply, Parked)
        assert not decision.changes
        assert not decision.releases
        return decision.reply.error

    def begin_leave(self, *leaving: LeavingMember, group: str = GROUP) -> Call[LeaveReply]:
        call = Call(LeaveReply)
        self.carry_out(group, self.coordinator.leave(group, leaving, self.now_ms), call)
        return call

    def leave(self, *leaving: LeavingMember, group: str = GROUP) -> LeaveReply:
        return self.begin_leave(*leaving, group=group).reply

    def commit(
        self,
        member: Member | None = None,
        key: OffsetKey = (T, 0),
        offset: int = 5,
        *,
        metadata: str | None = "",
        retention_ms: int = -1,
        version: int = 9,
        transactional: bool = False,
        group: str = GROUP,
    ) -> ErrorCode:
        """Commit one offset; without a member as somebody outside of the group's generations."""
        member_id, generation, instance = member or ("", -1, None)
        request = CommitRequest(
            group,
            member_id,
            instance,
            generation,
            (OffsetToCommit(*key, offset, metadata=metadata),),
            retention_ms,
            version >= 9,
            transactional,
        )
        decision = self.coordinator.commit_offsets(request, self.now_ms)
        assert not isinstance(decision.reply, Parked)
        assert not decision.releases
        if not transactional:
            self.carry_out(group, decision, Call(CommitReply))
        (result,) = decision.reply.partitions
        return result.error

    def fetch(self, key: OffsetKey = (T, 0), *, group: str = GROUP, stable: bool = False) -> FetchedOffset:
        (fetched,) = self.coordinator.fetch_offsets(group, [key], require_stable=stable).offsets
        return fetched

    def begin_delete(self, group: str = GROUP) -> Call[ErrorCode]:
        call = Call(ErrorCode)
        self.carry_out(group, self.coordinator.delete_group(group, self.now_ms), call)
        return call

    def delete(self, group: str = GROUP) -> ErrorCode:
        return self.begin_delete(group).reply

    def expire(self) -> None:
        for group_id, decision in self.coordinator.expire_offsets(self.now_ms):
            self.carry_out(group_id, decision)

    # Looking inside

    def group(self, group: str = GROUP) -> ClassicGroup:
        return self.coordinator._groups[group].classic

    def state(self) -> ClassicGroupState:
        return self.group().state

    @property
    def saved(self) -> list[GroupSaved]:
        """Every group that was written down."""
        return [change for change in self.changes if isinstance(change, GroupSaved)]


def unavailable(kind: type[object]) -> object:
    """The reply of this kind with COORDINATOR_NOT_AVAILABLE."""
    error = ErrorCode.COORDINATOR_NOT_AVAILABLE
    if kind is JoinReply:
        return JoinReply(error, "")
    if kind is ErrorCode:
        return error
    return kind(error) if kind in (SyncReply, LeaveReply) else CommitReply(error, ())


def joined(call: Call[JoinReply], instance: str | None = None) -> Member:
    """The member that a successful JoinGroup made."""
    assert call.reply.error is ErrorCode.NONE
    return Member(call.reply.member_id, call.reply.generation, instance)


def sync_all(world: World, calls: Sequence[Call[JoinReply]], instances: Sequence[str | None] = ()) -> list[Member]:
    """Let the members that have joined sync. Each is assigned its own id."""
    named = instances or [None] * len(calls)
    members = [joined(call, instance) for call, instance in zip(calls, named, strict=True)]
    name, leader = calls[0].reply.protocol_name, calls[0].reply.leader
    group = next(g for g, found in world.coordinator._groups.items() if leader in found.classic.members)
    kind = world.group(group).protocol_type
    assignments = {member.member_id: member.member_id.encode() for member in members}
    for member in sorted(members, key=lambda m: m.member_id == leader):
        world.sync(member, assignments, protocol_type=kind, protocol_name=name, group=group)
    assert world.group(group).state is ClassicGroupState.STABLE
    return members


def stable_group(world: World, size: int = 2, **how: Unpack[How]) -> list[Member]:
    """A Stable group of so many dynamic members, of which the first one leads."""
    calls = [world.join_anew(**how) for _ in range(size)]
    if world.settings.group_initial_rebalance_delay_ms:
        world.pass_time(world.settings.group_initial_rebalance_delay_ms * size)
    elif size > 1:
        # The first one was alone for a moment, and joins the others.
        calls[0] = world.join(calls[0].reply.member_id, **how)
    return sync_all(world, calls)


def static_group(world: World, *instances: str, rebalance_ms: int = REBALANCE_MS) -> list[Member]:
    """A Stable group of static members, of which the first one leads."""
    calls = [world.join(instance=instance, rebalance_ms=rebalance_ms) for instance in instances]
    if len(instances) > 1:
        calls[0] = world.join(calls[0].reply.member_id, instance=instances[0], rebalance_ms=rebalance_ms)
    return sync_all(world, calls, instances)
