"""A transaction coordinator with a clock, a disk and logs around it, for tests: everything happens when the test says
so, and the process can die between any two steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar

from chronik.changes import Change, GroupDeleted, OffsetCommitted, TopicDeleted
from chronik.decision import Decision, Parked
from chronik.errors import ErrorCode
from chronik.settings import BrokerSettings
from chronik.terms import ProducerId, TopicId
from chronik.txn.coordinator import TransactionCoordinator, TransactionDecision
from chronik.txn.listing import TransactionDescription
from chronik.txn.requests import (
    EndReply,
    EndRequest,
    InitReply,
    InitRequest,
    PartitionKey,
    Producer,
    WriteMarkers,
)
from chronik.txn.states import TransactionState
from chronik.txn.transaction import Transaction

Reply = TypeVar("Reply")

ID, GROUP = "orders", "g"
T, U = TopicId(b"t" * 16), TopicId(b"u" * 16)
START_MS = 1_000_000
TIMEOUT_MS = 60_000
DAY_MS = 86_400_000


class Died(Exception):
    """The process ended here."""


class NotWritten(Exception):
    """The disk refused the changes."""


@dataclass(slots=True)
class Log:
    """What one partition has: values with the producer that wrote them, and what became of them."""

    open: dict[ProducerId, list[str]] = field(default_factory=dict)
    committed: list[str] = field(default_factory=list)
    aborted: list[str] = field(default_factory=list)
    epochs: dict[ProducerId, int] = field(default_factory=dict)
    """The epoch of the last marker."""

    def append(self, producer: Producer, value: str) -> None:
        self.open.setdefault(producer.producer_id, []).append(value)

    def mark(self, markers: WriteMarkers) -> None:
        """Does nothing where no transaction is open: a marker there says nothing."""
        values = self.open.pop(markers.producer_id, [])
        assert not values or markers.producer_epoch >= self.epochs.get(markers.producer_id, -1)
        if values:
            self.epochs[markers.producer_id] = markers.producer_epoch
            (self.committed if markers.commits else self.aborted).extend(values)


class World:
    """Persists, replays, marks and answers at once, as a runtime without latency would.

    With `steps_left` the process dies after so many steps; `refuses` makes the next write fail.
    """

    def __init__(self, settings: BrokerSettings | None = None) -> None:
        self.now_ms = START_MS
        self.settings = settings or BrokerSettings()
        self.topics = {T, U}
        self.logs: dict[PartitionKey, Log] = {}
        self.offsets: dict[tuple[str, TopicId, int], OffsetCommitted] = {}
        self.disk: list[Change] = []
        self.steps_left: int | None = None
        self.refuses = False
        self._producer_ids = count(1000)
        self.coordinator = self.new_coordinator()
        self.coordinator.start()

    def new_coordinator(self) -> TransactionCoordinator:
        return TransactionCoordinator(
            self.settings, lambda group, key: self.offsets.get((group, *key)), lambda topic: topic in self.topics
        )

    # The runtime's part

    def carry_out(self, transactional_id: str, decision: Decision[Reply]) -> Reply:
        """Persist, replay, write markers, complete, answer."""
        assert not decision.releases
        if decision.changes:
            self.persist(transactional_id, decision.changes)
        for effect in decision.effects:
            assert isinstance(effect, WriteMarkers)
            self.finish(effect)
        assert not isinstance(decision.reply, Parked)
        return decision.reply

    def carry_out_all(self, decisions: list[TransactionDecision]) -> None:
        """Each for itself, as the broker does: a write that is refused to one does not touch the others."""
        refused: NotWritten | None = None
        for transactional_id, decision in decisions:
            try:
                self.carry_out(transactional_id, decision)
            except NotWritten as error:
                refused = error
        if refused is not None:
            raise refused

    def persist(self, transactional_id: str, changes: tuple[Change, ...]) -> None:
        self.step()
        if self.refuses:
            self.refuses = False
            self.coordinator.not_persisted(transactional_id, self.now_ms)
            raise NotWritten
        self.write(*changes)
        self.step()
        for change in changes:
            self.coordinator.replay(change)

    def write(self, *changes: Change) -> None:
        """To the disk, and into what the groups and topics know."""
        self.disk += changes
        for change in changes:
            match change:
                case OffsetCommitted():
                    self.offsets[change.group_id, change.topic_id, change.partition] = change
                case GroupDeleted():
                    self.offsets = {key: one for key, one in self.offsets.items() if key[0] != change.group_id}
                case TopicDeleted():
                    self.offsets = {key: one for key, one in self.offsets.items() if key[1] != change.topic_id}
                case _:
                    pass

    def finish(self, markers: WriteMarkers) -> None:
        for key in markers.partitions:
            self.step()
            self.log(key).mark(markers)
        self.step()
        decision = self.coordinator.complete(markers.transactional_id, self.now_ms)
        assert not decision.effects
        self.persist(markers.transactional_id, decision.changes)

    def finish_what_is_left(self) -> None:
        for markers in self.coordinator.resume():
            self.finish(markers)

    def step(self) -> None:
        """The process may die here."""
        if self.steps_left is not None:
            if self.steps_left == 0:
                self.steps_left = None
                raise Died
            self.steps_left -= 1

    def restart(self) -> None:
        """A new process over the same disk and logs."""
        self.coordinator = self.new_coordinator()
        for change in self.disk:
            self.coordinator.replay(change)
        self.coordinator.start()
        for markers in self.coordinator.resume():
            self.finish(markers)
        assert self.coordinator.resume() == ()

    def tick(self) -> None:
        self.carry_out_all(self.coordinator.tick(self.now_ms))

    def pass_time(self, milliseconds: int) -> None:
        """Let time go on, with a tick at every deadline."""
        end_ms = self.now_ms + milliseconds
        while (deadline_ms := self.coordinator.next_deadline()) is not None and deadline_ms <= end_ms:
            self.now_ms = max(self.now_ms, deadline_ms)
            self.tick()
        self.now_ms = end_ms

    def expire(self) -> list[str]:
        decisions = self.coordinator.expire(self.now_ms)
        self.carry_out_all(decisions)
        return [one.transactional_id for one in decisions]

    # The producers' part

    def init(self, transactional_id: str = ID, before: Producer | None = None, timeout_ms: int = TIMEOUT_MS) -> Any:
        """One InitProducerId."""
        nobody = (ProducerId(-1), -1)
        request = InitRequest(transactional_id, timeout_ms, *(before[1:] if before else nobody))
        new_id = ProducerId(next(self._producer_ids))
        return self.carry_out(transactional_id, self.coordinator.init_producer_id(request, new_id, self.now_ms))

    def producer(self, transactional_id: str = ID, timeout_ms: int = TIMEOUT_MS) -> Producer:
        """Begin as a producer does, which asks again while the last transaction is being ended."""
        reply: InitReply = self.init(transactional_id, timeout_ms=timeout_ms)
        if reply.error is ErrorCode.CONCURRENT_TRANSACTIONS:
            reply = self.init(transactional_id, timeout_ms=timeout_ms)
        assert reply.error is ErrorCode.NONE
        return Producer(transactional_id, reply.producer_id, reply.producer_epoch)

    def add(self, producer: Producer, *partitions: PartitionKey) -> ErrorCode:
        decision = self.coordinator.add_partitions(producer, partitions, self.now_ms)
        return self.carry_out(producer.transactional_id, decision)

    def add_group(self, producer: Producer, group: str = GROUP) -> ErrorCode:
        decision = self.coordinator.add_group(producer, group, self.now_ms)
        return self.carry_out(producer.transactional_id, decision)

    def produce(self, producer: Producer, value: str, key: PartitionKey = (T, 0), *, adds: bool = False) -> ErrorCode:
        """One batch; `adds` as from version 12 on."""
        error = self.add(producer, key) if adds else ErrorCode.NONE
        if error is ErrorCode.NONE:
            error = self.coordinator.verify_partition(producer, key)
        if error is ErrorCode.NONE:
            self.log(key).append(producer, value)
        return error

    def stage(
        self, producer: Producer, offset: int, key: PartitionKey = (T, 0), *, group: str = GROUP, adds: bool = False
    ) -> ErrorCode:
        offsets = [OffsetCommitted(group, *key, offset, 0, "", self.now_ms)]
        decision = self.coordinator.stage_offsets(producer, group, offsets, self.now_ms, adds_group=adds)
        return self.carry_out(producer.transactional_id, decision)

    def commit_plainly(self, offset: int, key: PartitionKey = (T, 0), group: str = GROUP) -> None:
        """An OffsetCommit, as the runtime of groups does it."""
        at_ms = max(self.now_ms, self.coordinator.last_staged_ms(group) + 1)
        change = OffsetCommitted(group, *key, offset, 0, "", at_ms)
        self.write(change)
        self.coordinator.replay(change)

    def end(self, producer: Producer, *, commits: bool, raises: bool = False) -> EndReply:
        request = EndRequest(producer, commits, raises)
        new_id = ProducerId(next(self._producer_ids))
        return self.carry_out(producer.transactional_id, self.coordinator.end(request, new_id, self.now_ms))

    # Looking inside

    def log(self, key: PartitionKey = (T, 0)) -> Log:
        return self.logs.setdefault(key, Log())

    def committed_offset(self, key: PartitionKey = (T, 0), group: str = GROUP) -> int | None:
        found = self.offsets.get((group, *key))
        return None if found is None else found.offset

    def transaction(self, transactional_id: str = ID) -> Transaction:
        return self.coordinator._transactions[transactional_id]

    def state(self, transactional_id: str = ID) -> TransactionState:
        return self.transaction(transactional_id).state

    def described(self, transactional_id: str = ID) -> TransactionDescription:
        return self.coordinator.describe(transactional_id)


def after(producer: Producer, reply: EndReply) -> Producer:
    """The producer as it goes on after an end that raised its epoch."""
    assert reply.error is ErrorCode.NONE
    return Producer(producer.transactional_id, reply.producer_id, reply.producer_epoch)
