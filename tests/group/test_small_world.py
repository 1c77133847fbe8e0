"""A few clients do whatever they like with one group, on a disk that may be slow or full: what always holds."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chronik.changes import GroupDeleted
from chronik.decision import Ticket
from chronik.errors import ErrorCode
from chronik.group.classic.rebalance import SAVE_RETRY_MS
from chronik.group.classic.replies import JoinReply, SyncReply
from chronik.group.classic.requests import LeavingMember, Protocols
from chronik.group.classic.states import ClassicGroupState
from chronik.group.coordinator import POSTPONE_MS
from chronik.group.offsets import OffsetKey
from chronik.settings import BrokerSettings
from tests.group.world import (
    FOR_EVER_MS,
    GROUP,
    RANGE,
    RANGE_U,
    STICKY_OR_RANGE,
    Call,
    Member,
    T,
    U,
    World,
)

SESSION_MS = 6_000
REBALANCE_MS = 20_000
DELAY_MS = 3_000
LONGEST_WAIT_MS = REBALANCE_MS + DELAY_MS + POSTPONE_MS
"""For a parked JoinGroup or SyncGroup: less than the time for new members, as everybody has this rebalance timeout."""


@dataclass
class Client:
    """What a client program remembers."""

    instance: str | None
    member_id: str = ""
    generation: int = -1
    protocol_name: str | None = None
    has_synced: bool = False
    joins: list[Call[JoinReply]] = field(default_factory=list)
    syncs: list[Call[SyncReply]] = field(default_factory=list)

    def as_member(self) -> Member:
        return Member(self.member_id, self.generation, self.instance)

    def forget(self) -> None:
        self.member_id, self.generation, self.has_synced = "", -1, False

    def learn(self) -> list[JoinReply]:
        """Take in what was answered meanwhile; old calls may be answered after new ones. Returns the JoinGroups'."""
        for sync in [call.reply for call in self.syncs if not call.is_parked]:
            self.has_synced = self.has_synced or sync.error is ErrorCode.NONE
            self.react_to(sync.error)
        replies = [call.reply for call in self.joins if not call.is_parked]
        for reply in replies:
            if reply.error in (ErrorCode.NONE, ErrorCode.MEMBER_ID_REQUIRED):
                self.member_id, self.generation = reply.member_id, reply.generation
                self.protocol_name, self.has_synced = reply.protocol_name, reply.skip_assignment
            self.react_to(reply.error)
        self.joins = [call for call in self.joins if call.is_parked]
        self.syncs = [call for call in self.syncs if call.is_parked]
        return replies

    def react_to(self, error: ErrorCode) -> None:
        if error in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID):
            self.forget()
        elif error in (ErrorCode.REBALANCE_IN_PROGRESS, ErrorCode.ILLEGAL_GENERATION):
            self.generation, self.has_synced = -1, False


CLIENTS = st.integers(0, 4)


def client_protocols(number: int) -> Protocols:
    return (RANGE, RANGE_U, STICKY_OR_RANGE)[number % 3]


PROTOCOLS = st.sampled_from([RANGE, RANGE_U, STICKY_OR_RANGE])


class SmallWorld(RuleBasedStateMachine):
    @initialize(
        delay_ms=st.sampled_from([0, DELAY_MS]),
        max_size=st.sampled_from([2, 100]),
        founders=st.lists(CLIENTS, unique=True, max_size=4),
    )
    def begin(self, delay_ms: int, max_size: int, founders: list[int]) -> None:
        self.world = World(
            BrokerSettings(
                group_initial_rebalance_delay_ms=delay_ms, group_max_size=max_size, offsets_retention_minutes=1
            )
        )
        self.clients = [Client(None), Client(None), Client(None), Client("i"), Client("j")]
        self.parked_since: dict[Ticket, int] = {}
        self.generations: dict[int, tuple[str, str | None]] = {}
        self.last_generation = 0
        self.deletions = 0
        self.behave(founders, 2)
        self.world.pass_time(delay_ms)
        self.behave(founders, 4)

    @property
    def is_free(self) -> bool:
        """Whether the runtime would let a call of the group through."""
        group = self.world.coordinator._groups.get(GROUP)
        return group is None or group.classic.saving is None or group.classic.state is ClassicGroupState.DEAD

    # What clients do

    @rule(numbers=st.lists(CLIENTS, min_size=1, max_size=4), rounds=st.integers(1, 5))
    def behave(self, numbers: list[int], rounds: int) -> None:
        """These clients do what a client has to do next, in turn."""
        for number in numbers * rounds:
            client = self.clients[number]
            self.learn(client)
            if not self.is_free or client.joins or client.syncs:
                continue
            if client.generation < 0:
                self.join(number, 9 if client.instance else 5, client_protocols(number))
            elif not client.has_synced:
                self.sync(number)
            else:
                client.react_to(self.world.heartbeat(client.as_member()))

    @rule(number=CLIENTS)
    def client_restarts(self, number: int) -> None:
        self.clients[number].forget()
        self.behave([number], 1)

    @precondition(lambda self: self.is_free)
    @rule(number=CLIENTS, version=st.sampled_from([3, 5, 9]), protocols=PROTOCOLS)
    def join(self, number: int, version: int, protocols: Protocols) -> None:
        client = self.clients[number]
        call = self.world.join(
            client.member_id,
            instance=client.instance if version >= 5 else None,
            version=version,
            protocols=protocols,
            session_ms=SESSION_MS,
            rebalance_ms=REBALANCE_MS,
        )
        client.joins.append(call)

    @precondition(lambda self: self.is_free)
    @rule(number=CLIENTS)
    def sync(self, number: int) -> None:
        client = self.clients[number]
        assignments = {c.member_id: f"{c.member_id} in {client.generation}".encode() for c in self.clients}
        name = client.protocol_name or "range"
        client.syncs.append(self.world.sync(client.as_member(), assignments, protocol_name=name))

    @precondition(lambda self: self.is_free)
    @rule(number=CLIENTS)
    def heartbeat(self, number: int) -> None:
        self.world.heartbeat(self.clients[number].as_member())

    @precondition(lambda self: self.is_free)
    @rule(numbers=st.lists(CLIENTS, max_size=3), administrator=st.booleans())
    def leave(self, numbers: list[int], administrator: bool) -> None:
        left = [self.clients[number] for number in numbers]
        self.world.begin_leave(*(LeavingMember("" if administrator else c.member_id, c.instance) for c in left))

    @rule(number=st.none() | CLIENTS, key=st.sampled_from([(T, 0), (U, 0)]), offset=st.integers(0, 99))
    def commit(self, number: int | None, key: OffsetKey, offset: int) -> None:
        member = None if number is None else self.clients[number].as_member()
        self.world.commit(member, key, offset)

    @rule(milliseconds=st.sampled_from([1, 1_000, 3_000, 5_999, 6_000, 20_000, 60_000]))
    def pass_time(self, milliseconds: int) -> None:
        self.world.pass_time(milliseconds)

    # What operators and disks do

    @precondition(lambda self: self.is_free)
    @rule()
    def delete(self) -> None:
        self.world.begin_delete()

    @rule()
    def expire(self) -> None:
        self.world.expire()

    @precondition(lambda self: not self.world.holds)
    @rule()
    def slow_disk(self) -> None:
        self.world.holds = True

    @rule(fails=st.booleans())
    def disk_catches_up(self, fails: bool) -> None:
        self.world.fails = fails
        self.world.write_held()

    @rule()
    def restart(self) -> None:
        self.world.restart()
        self.parked_since.clear()
        for client in self.clients:
            client.joins.clear()
            client.syncs.clear()
        self.forget_generations()

    def forget_generations(self) -> None:
        """After a restart, or in a new group of the same name, generations that never completed may come again."""
        self.generations.clear()
        self.last_generation = 0

    # What always holds

    @invariant()
    def the_group_is_sound(self) -> None:
        found = self.world.coordinator._groups.get(GROUP)
        deletions = sum(isinstance(change, GroupDeleted) for change in self.world.changes)
        if found is None or deletions > self.deletions:
            self.deletions = deletions
            self.forget_generations()
        if found is None:
            return
        group, timers = found.classic, self.world.coordinator._timers
        assert (group.leader in group.members) if group.members else group.leader is None
        assert group.generation >= self.last_generation
        self.last_generation = group.generation
        assert group.instances == {
            m.group_instance_id: m.member_id for m in group.members.values() if m.group_instance_id
        }
        assert not group.pending_ids & group.members.keys()
        assert group.pending_syncs <= group.members.keys()
        match group.state:
            case ClassicGroupState.PREPARING_REBALANCE:
                assert group.saving is not None or timers.deadline_of(group.join_timer()) is not None
            case ClassicGroupState.COMPLETING_REBALANCE:
                assert group.saving is not None or timers.deadline_of(group.sync_timer()) is not None
                assert group.members
            case ClassicGroupState.STABLE:
                assert group.saved is not None
                assert [m.to_saved(m.assignment) for m in group.members.values()] == list(group.saved.members)
                assert group.saved.members
            case ClassicGroupState.EMPTY | ClassicGroupState.DEAD:
                assert not group.members
        assert not group.parked_joins or group.state is ClassicGroupState.PREPARING_REBALANCE
        assert not group.parked_syncs or group.state is ClassicGroupState.COMPLETING_REBALANCE
        for member_id, member in group.members.items():
            excused = not member.is_new and (member_id in group.parked_joins or member_id in group.parked_syncs)
            assert excused is (timers.deadline_of(group.session_timer(member_id)) is None)
        if group.saving is None:
            assert {key for key, timer in timers._timers.items() if timer.deadline_ms is not None} <= {*group.timers()}

    @invariant()
    def every_parked_call_is_known_and_young(self) -> None:
        world = self.world
        found = world.coordinator._groups.get(GROUP)
        parked = {*found.classic.parked_joins.values(), *found.classic.parked_syncs.values()} if found else set()
        assert world.calls.keys() - world.tickets_on_the_way() == parked
        self.parked_since = {ticket: self.parked_since.get(ticket, world.now_ms) for ticket in parked}
        assert all(world.now_ms - since_ms <= LONGEST_WAIT_MS for since_ms in self.parked_since.values())

    @invariant()
    def a_generation_has_one_leader_and_one_protocol(self) -> None:
        for client in self.clients:
            self.learn(client)

    def learn(self, client: Client) -> None:
        for reply in client.learn():
            if reply.error is not ErrorCode.NONE:
                assert reply == JoinReply(reply.error, reply.member_id)
                continue
            members = [member.member_id for member in reply.members]
            assert (reply.member_id in members) is (reply.member_id == reply.leader)
            if client.instance is None:
                # A static leader's id may change. (And such a leader may be told its former one.)
                seen = (re.sub("^([ij])-.*", r"\1", reply.leader), reply.protocol_name)
                assert self.generations.setdefault(reply.generation, seen) == seen

    @invariant()
    def what_is_written_down_is_what_is_true(self) -> None:
        again = self.world.new_coordinator()
        for change in self.world.changes:
            again.replay(change)
        assert again.durable_state() == self.world.coordinator.durable_state()

    def teardown(self) -> None:
        """Once nobody does anything any more, everybody is answered and the group ends up without members."""
        if not hasattr(self, "world"):
            return
        self.disk_catches_up(fails=False)
        self.world.pass_time(FOR_EVER_MS + SAVE_RETRY_MS)
        assert self.world.calls == {}
        found = self.world.coordinator._groups.get(GROUP)
        assert found is None or found.classic.state is ClassicGroupState.EMPTY
        assert self.world.coordinator.next_deadline() is None


TestSmallWorld = SmallWorld.TestCase
TestSmallWorld.settings = settings(max_examples=300, stateful_step_count=50, deadline=None)
