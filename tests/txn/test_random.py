"""Random producers, deaths and delays, against the reference model: what was committed is there, wholly and once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chronik.errors import ErrorCode
from chronik.txn.listing import TransactionDescription
from chronik.txn.requests import EndReply, InitReply, PartitionKey, Producer
from tests.txn.model import Model, ModelId
from tests.txn.world import GROUP, TIMEOUT_MS, Died, NotWritten, T, U, World

Result = TypeVar("Result")

NONE = ErrorCode.NONE
REFUSED = frozenset(
    {ErrorCode.PRODUCER_FENCED, ErrorCode.INVALID_PRODUCER_ID_MAPPING, ErrorCode.INVALID_TXN_STATE}
    | {ErrorCode.TRANSACTION_ABORTABLE}
)

IDS = st.sampled_from(["a", "b"])
KEYS = st.sampled_from([(T, 0), (U, 1)])
ANYBODY = st.integers(0, 1000)
"""Chooses one of the producers that there ever were."""


class Transactions(RuleBasedStateMachine):
    """Every rule is one call of a producer, or something that happens to the coordinator."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.model = Model()
        self.producers: list[Producer] = []
        self.values = 0

    def attempt(self, call: Callable[[], Result]) -> Result | None:
        """None if the process died, and was started again, or the disk refused to write."""
        try:
            return call()
        except Died:
            self.world.restart()
        except NotWritten:
            self.world.finish_what_is_left()
        finally:
            self.world.steps_left = None
            self.world.refuses = False
        return None

    def one_of(self, number: int) -> tuple[Producer, ModelId]:
        producer = self.producers[number % len(self.producers)]
        return producer, self.model.ids[producer.transactional_id]

    # What happens to the coordinator

    @rule(steps=st.integers(0, 8))
    def die_soon(self, steps: int) -> None:
        self.world.steps_left = steps

    @rule()
    def refuse_a_write(self) -> None:
        self.world.refuses = True

    @rule()
    def restart(self) -> None:
        self.world.steps_left = None
        self.world.restart()

    @rule(milliseconds=st.sampled_from([0, 1, 1000, TIMEOUT_MS // 2, TIMEOUT_MS]))
    def pass_time(self, milliseconds: int) -> None:
        until_ms = self.world.now_ms + milliseconds
        if self.attempt(lambda: self.world.pass_time(milliseconds)) is None:
            # Whatever was missed is done at the next deadline.
            self.world.pass_time(max(until_ms - self.world.now_ms, 0) + 1000)
        self.model.time_out(self.world.now_ms)

    # What producers do

    @rule(transactional_id=IDS)
    def begin(self, transactional_id: str) -> None:
        one = self.model.ids[transactional_id]
        before = self.described(transactional_id)
        producer = self.attempt(lambda: self.world.producer(transactional_id))
        if producer is None and self.described(transactional_id) == before:
            return
        if one.deadline_ms is not None:
            self.model.finish(one, commits=False)
            if producer is None:
                # It died after the abort. The one that was stopped may still ask for the token that it was not told.
                one.before, one.owner, one.ended = one.owner, None, None
                if self.described(transactional_id).state == "Empty":
                    one.before = None
                return
        one.timeout_ms, one.owner, one.before, one.ended = TIMEOUT_MS, producer, None, None
        one.outcome = None
        if producer is not None:
            assert producer not in self.producers, "the token was given out before"
            self.producers.append(producer)

    @precondition(lambda self: self.producers)
    @rule(who=ANYBODY)
    def go_on(self, who: int) -> None:
        producer, one = self.one_of(who)
        may = producer == one.owner or (producer == one.before and one.deadline_ms is None)
        before = self.described(producer.transactional_id)
        reply: InitReply | None = self.attempt(lambda: self.world.init(producer.transactional_id, producer))
        if reply is None:
            if self.described(producer.transactional_id) != before:
                assert may
                self.stopped_by_itself(producer, one)
            return
        if not may:
            assert reply.error is ErrorCode.PRODUCER_FENCED
            return
        if one.deadline_ms is not None:
            assert reply.error is ErrorCode.CONCURRENT_TRANSACTIONS
            self.stopped_by_itself(producer, one)
            return
        assert reply.error is NONE
        new = Producer(producer.transactional_id, reply.producer_id, reply.producer_epoch)
        one.owner, one.before, one.ended, one.outcome = new, producer, None, None
        if new not in self.producers:
            self.producers.append(new)

    def stopped_by_itself(self, producer: Producer, one: ModelId) -> None:
        if one.deadline_ms is not None:
            self.model.finish(one, commits=False)
        one.owner, one.before, one.ended = None, producer, None

    @precondition(lambda self: self.producers)
    @rule(who=ANYBODY, key=KEYS, adds=st.booleans())
    def produce(self, who: int, key: PartitionKey, adds: bool) -> None:
        producer, one = self.one_of(who)
        self.values += 1
        value = f"{producer.transactional_id}{self.values}"
        error = self.attempt(lambda: self.world.produce(producer, value, key, adds=adds))
        is_owner = producer == one.owner
        if error is None:
            if is_owner:
                self.look_what_was_added(producer.transactional_id, one)
            return
        assert (error is NONE) == (is_owner and (adds or key in one.partitions))
        assert error is NONE or error in REFUSED
        if error is NONE:
            if adds:
                one.begin(self.world.now_ms)
                one.partitions.add(key)
            one.values.append((key, value))

    @precondition(lambda self: self.producers)
    @rule(who=ANYBODY, key=KEYS)
    def add_partition(self, who: int, key: PartitionKey) -> None:
        producer, one = self.one_of(who)
        error = self.attempt(lambda: self.world.add(producer, key))
        if error is None:
            if producer == one.owner:
                self.look_what_was_added(producer.transactional_id, one)
            return
        assert (error is NONE) == (producer == one.owner)
        if error is NONE:
            one.begin(self.world.now_ms)
            one.partitions.add(key)

    @precondition(lambda self: self.producers)
    @rule(who=ANYBODY, key=KEYS, adds=st.booleans())
    def stage_offset(self, who: int, key: PartitionKey, adds: bool) -> None:
        producer, one = self.one_of(who)
        number = self.model.number()
        error = self.attempt(lambda: self.world.stage(producer, number, key, adds=adds))
        is_owner = producer == one.owner
        if error is None:
            if is_owner:
                self.look_what_was_added(producer.transactional_id, one)
                staged = self.world.coordinator._staged.of_transaction(producer.transactional_id)
                if number in {offset.offset for offset in staged}:
                    one.offsets[key] = (number, number)
            return
        assert (error is NONE) == (is_owner and (adds or one.has_group))
        if error is NONE:
            one.begin(self.world.now_ms)
            one.has_group = True
            one.offsets[key] = (number, number)

    @rule(key=KEYS)
    def commit_plainly(self, key: PartitionKey) -> None:
        number = self.model.number()
        self.world.commit_plainly(number, key)
        self.model.offsets[key] = (number, number)

    @precondition(lambda self: self.producers)
    @rule(who=ANYBODY, commits=st.booleans(), raises=st.booleans())
    def end(self, who: int, commits: bool, raises: bool) -> None:
        producer, one = self.one_of(who)
        before = self.described(producer.transactional_id)
        reply = self.attempt(lambda: self.world.end(producer, commits=commits, raises=raises))
        is_owner, was_open = producer == one.owner, one.deadline_ms is not None
        if reply is None:
            if self.described(producer.transactional_id) != before:
                assert is_owner, "nobody else can end anything"
                self.ended(producer, one, commits, raises, None)
            return
        assert reply.error is NONE or reply.error in REFUSED
        if is_owner and (was_open or (raises and not commits)):
            assert reply.error is NONE
            self.ended(producer, one, commits, raises, reply)
        elif one.ended == (producer, commits, raises):
            assert reply.error is NONE, "asked again, it is told again"
            if raises:
                one.owner = self.token(producer, reply)
        elif reply.error is NONE and raises:
            # A producer that was stopped by the clock is told so, if an abort is what it wants.
            assert (producer, commits) == (one.before, False)
            one.owner, one.before = self.token(producer, reply), producer
        elif reply.error is NONE:
            assert is_owner
            assert commits == one.outcome, "without an epoch to tell it by, it counts as asked again"

    def ended(self, producer: Producer, one: ModelId, commits: bool, raises: bool, reply: EndReply | None) -> None:
        if one.deadline_ms is not None:
            self.model.finish(one, commits=commits)
        one.ended, one.outcome = (producer, commits, raises), commits
        if raises:
            one.before = producer
            one.owner = None if reply is None else self.token(producer, reply)

    def token(self, producer: Producer, reply: EndReply) -> Producer:
        new = Producer(producer.transactional_id, reply.producer_id, reply.producer_epoch)
        if new not in self.producers:
            self.producers.append(new)
        return new

    # What must always hold

    def described(self, transactional_id: str) -> TransactionDescription:
        return self.world.described(transactional_id)

    def look_what_was_added(self, transactional_id: str, one: ModelId) -> None:
        """After a death within a call that adds: it has happened, or it has not."""
        transaction = self.world.transaction(transactional_id)
        if transaction.deadline_ms is not None:
            one.begin(self.world.now_ms)
            assert one.partitions <= transaction.partitions
            one.partitions = set(transaction.partitions)
            one.has_group = GROUP in transaction.groups

    @invariant()
    def what_was_committed_is_there(self) -> None:
        for key, log in self.world.logs.items():
            assert sorted(log.committed) == sorted(self.model.committed[key])
            assert sorted(log.aborted) == sorted(self.model.aborted[key])
            still_open = [value for one in self.model.ids.values() for at, value in one.values if at == key]
            assert sorted(value for values in log.open.values() for value in values) == sorted(still_open)

    @invariant()
    def the_group_stands_where_it_was_committed(self) -> None:
        found = {key[1:]: offset.offset for key, offset in self.world.offsets.items()}
        assert found == {key: offset for key, (_, offset) in self.model.offsets.items()}

    @invariant()
    def the_coordinator_knows_what_is_open(self) -> None:
        staged = {key for one in self.model.ids.values() for key in one.offsets}
        assert self.world.coordinator.unstable_offsets(GROUP) == staged
        deadlines = [one.deadline_ms for one in self.model.ids.values() if one.deadline_ms is not None]
        if self.world.coordinator.next_deadline() is not None or deadlines:
            assert self.world.coordinator.next_deadline() == min(deadlines)
        assert self.world.coordinator.resume() == ()


Transactions.TestCase.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
TestTransactions = Transactions.TestCase
