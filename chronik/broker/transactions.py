"""The transaction coordinator at run time: decide -> persist -> replay -> markers -> complete -> answer.

A transaction crosses two stores, so the order is fixed. Once PrepareCommit or PrepareAbort is in the catalog, the
outcome is decided; a marker is written into every partition of the transaction; one transaction of the catalog has the
completion and the offsets that it makes valid. Whatever a crash leaves undone is done at the next start, before anybody
is served: then only where the producer has a transaction open, so that no marker is written twice. A call is answered
when all of it is done, so that clients do not meet CONCURRENT_TRANSACTIONS.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Iterable
from enum import Enum
from typing import Any, TypeVar

from chronik.batch.control import ControlType
from chronik.broker.clock import SteadyClock, now_ms
from chronik.broker.groups import Groups
from chronik.broker.producer_ids import ProducerIds
from chronik.broker.topics import Topics
from chronik.broker.turns import Turns
from chronik.changes import Change
from chronik.decision import Decision, Parked
from chronik.errors import ErrorCode, KafkaError
from chronik.group.offsets import CommitReply, CommitRequest, PartitionResult
from chronik.log.access import AppendTerms
from chronik.log.markers import Marker
from chronik.settings import BrokerSettings
from chronik.store.interface import RecordStore
from chronik.store.sql.catalog import Catalog
from chronik.store.sql.problems import CatalogError
from chronik.terms import NO_PRODUCER_ID, Durability, ProducerId, TopicId
from chronik.txn.coordinator import RETRY_MS, TransactionCoordinator, TransactionDecision
from chronik.txn.listing import ListedTransaction, TransactionDescription, TransactionFilter
from chronik.txn.requests import EndReply, EndRequest, InitReply, InitRequest, PartitionKey, Producer, WriteMarkers

Reply = TypeVar("Reply")

_ATTEMPTS = 3
"""How often a call is tried that meets a transaction which is just being ended by somebody else."""

_log = logging.getLogger(__name__)


class Step(Enum):
    """The places on the way of EndTxn where a test can have the process die."""

    DECIDED = "decided"
    """Nothing is written yet."""
    PREPARED = "prepared"
    """The outcome is in the catalog."""
    MARKING = "marking"
    """All markers are staged in the record store."""
    MARKED_ONE = "marked-one"
    """One of the markers is durable; happens for each."""
    MARKED = "marked"
    """All markers are durable."""
    COMPLETED = "completed"
    """The completion is in the catalog; nobody was answered."""


def _go_on(step: Step) -> None:
    pass


class Transactions:
    """Every transaction of this broker. Calls may wait: for their turn, for the stores, for an earlier transaction of
    the same id to be ended.

    KafkaError COORDINATOR_NOT_AVAILABLE from a call: what it decided could not be written down or carried out.
    """

    at: Callable[[Step], None] = staticmethod(_go_on)
    """Called at each step; for tests, which put something there that ends the process."""

    def __init__(
        self,
        settings: BrokerSettings,
        catalog: Catalog,
        store: RecordStore,
        topics: Topics,
        groups: Groups,
        producer_ids: ProducerIds,
        coordinator_epoch: int,
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._topics = topics
        self._groups = groups
        self._producer_ids = producer_ids
        self._coordinator_epoch = coordinator_epoch
        self._clock = SteadyClock()
        self._coordinator = TransactionCoordinator(settings, groups.committed, self._topic_exists)
        self._turns = Turns()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms = 0
        self._retry: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stuck: set[str] = set()
        """Whose completion failed, and was told of in the log."""

    async def start(self, changes: Iterable[Change]) -> None:
        """Take in what the catalog holds, and carry out what is decided. KafkaError if that cannot be done."""
        for change in changes:
            self._coordinator.replay(change)
        self._coordinator.start()
        for left in self._coordinator.resume():
            _log.info("The transaction of %r is completed.", left.transactional_id)
            await self._finish(left, again=True)
        self._set_timer()

    async def stop(self) -> None:
        """Begin nothing more by itself, and finish what was begun."""
        for timer in (self._timer, self._retry):
            if timer is not None:
                timer.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def use(self, settings: BrokerSettings) -> None:
        """Take on settings in which dynamic broker configs have changed."""
        self._coordinator.settings = settings

    # Producers

    async def new_producer_id(self) -> ProducerId:
        """An id that nobody had before."""
        try:
            return await self._producer_ids.new()
        except CatalogError as error:
            raise KafkaError(ErrorCode.COORDINATOR_NOT_AVAILABLE, str(error)) from error

    async def init_producer_id(self, request: InitRequest) -> InitReply:
        """InitProducerId with a transactional id: ends a transaction that is open, then gives the id out."""
        reply = InitReply(ErrorCode.CONCURRENT_TRANSACTIONS)
        for _ in range(_ATTEMPTS):
            if reply.error is ErrorCode.CONCURRENT_TRANSACTIONS:
                reply = await self._call(
                    request.transactional_id,
                    lambda new_id, now: self._coordinator.init_producer_id(request, new_id, now),
                )
        return reply

    async def add_partitions(self, producer: Producer, partitions: Collection[PartitionKey]) -> ErrorCode:
        """AddPartitionsToTxn; the partitions exist."""
        return await self._call(
            producer.transactional_id, lambda _, now: self._coordinator.add_partitions(producer, partitions, now)
        )

    async def add_group(self, producer: Producer, group_id: str) -> ErrorCode:
        """AddOffsetsToTxn."""
        return await self._call(
            producer.transactional_id, lambda _, now: self._coordinator.add_group(producer, group_id, now)
        )

    def verify_partition(self, producer: Producer, partition: PartitionKey) -> ErrorCode:
        """Whether a transactional batch may be appended now."""
        return self._coordinator.verify_partition(producer, partition)

    async def end(self, request: EndRequest) -> EndReply:
        """EndTxn: the transaction is completed on return."""
        return await self._call(
            request.producer.transactional_id, lambda new_id, now: self._coordinator.end(request, new_id, now)
        )

    # Offsets

    async def commit_offsets(self, producer: Producer, request: CommitRequest, *, adds_group: bool) -> CommitReply:
        """TxnOffsetCommit: the offsets are durable on return, and valid once the transaction is committed. Errors of
        the transaction are those of each partition."""

        async def commit() -> CommitReply:
            error = self._coordinator.check_offsets(producer, request.group_id, adds_group=adds_group)
            if error is not ErrorCode.NONE:
                return _failed(request, error)
            checked = self._groups.check_transactional_commit(request)
            if checked.offsets:
                now = self._clock.now_ms()
                staged = self._coordinator.stage_offsets(
                    producer, request.group_id, checked.offsets, now, adds_group=adds_group
                )
                error = await self._carry_out(producer.transactional_id, staged)
            return checked.reply if error is ErrorCode.NONE else _failed(request, error)

        return await self._in_turn(producer.transactional_id, commit)

    def unstable_offsets(self, group_id: str) -> Collection[PartitionKey]:
        """The partitions of a group whose offsets wait for the end of a transaction."""
        return self._coordinator.unstable_offsets(group_id)

    def last_staged_ms(self, group_id: str) -> int:
        """See `TransactionCoordinator.last_staged_ms`."""
        return self._coordinator.last_staged_ms(group_id)

    # What there is

    def describe(self, transactional_id: str) -> TransactionDescription:
        """DescribeTransactions for one id."""
        return self._coordinator.describe(transactional_id)

    def list_transactions(self, wanted: TransactionFilter) -> tuple[ListedTransaction, ...]:
        """ListTransactions."""
        return self._coordinator.list_transactions(wanted, self._clock.now_ms())

    def replay(self, change: Change) -> None:
        """Something that transactions refer to is gone: a group, a topic."""
        self._coordinator.replay(change)

    def topic_deleted(self, topic_id: TopicId) -> None:
        """A topic is gone, and with it its part in transactions."""
        self._coordinator.topic_deleted(topic_id)

    async def expire(self) -> None:
        """Let go of transactional ids that nobody used for a long time."""
        expired = [self._spawn(self._settle_own(own)) for own in self._coordinator.expire(self._clock.now_ms())]
        await asyncio.gather(*expired, return_exceptions=True)

    # How a decision becomes true

    async def _call(self, transactional_id: str, decide: Callable[[ProducerId, int], Decision[Reply]]) -> Reply:
        async def call() -> Reply:
            new_id = NO_PRODUCER_ID
            if transactional_id and self._coordinator.needs_producer_id(transactional_id):
                new_id = await self.new_producer_id()
            return await self._carry_out(transactional_id, decide(new_id, self._clock.now_ms()))

        return await self._in_turn(transactional_id, call)

    async def _in_turn(self, transactional_id: str, work: Callable[[], Coroutine[Any, Any, Reply]]) -> Reply:
        """One call at a time for each id. It goes on when its caller is cancelled: what is decided must become true, or
        be taken back."""
        return await asyncio.shield(self._spawn(self._with_turn(transactional_id, work)))

    async def _with_turn(self, transactional_id: str, work: Callable[[], Coroutine[Any, Any, Reply]]) -> Reply:
        async with self._turns.of(transactional_id):
            # Whoever has the turn does what an earlier holder could not.
            if (left := self._coordinator.resume_one(transactional_id)) is not None:
                await self._finish(left, again=True)
            return await work()

    async def _carry_out(self, transactional_id: str, decision: Decision[Reply]) -> Reply:
        if decision.effects:
            self.at(Step.DECIDED)
        if decision.changes:
            await self._persist(transactional_id, decision.changes)
            if decision.effects:
                self.at(Step.PREPARED)
            self._replay(decision.changes)
        for effect in decision.effects:
            assert isinstance(effect, WriteMarkers)
            await self._finish(effect, again=False)
        assert not isinstance(decision.reply, Parked)
        return decision.reply

    async def _persist(self, transactional_id: str, changes: Collection[Change]) -> None:
        try:
            await self._catalog.persist(tuple(changes))
        except CatalogError as error:
            _log.error("The transaction of %r could not be written down: %s", transactional_id, error)
            self._coordinator.not_persisted(transactional_id, self._clock.now_ms())
            self._set_timer()
            raise KafkaError(ErrorCode.COORDINATOR_NOT_AVAILABLE, str(error)) from error

    def _replay(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self._coordinator.replay(change)
            self._groups.replay(change)
        self._set_timer()

    async def _finish(self, markers: WriteMarkers, *, again: bool) -> None:
        """From the decided outcome to the completion. What fails is tried again a little later."""
        try:
            await self._write_markers(markers, again=again)
            self.at(Step.MARKED)
            completion = self._coordinator.complete(markers.transactional_id, self._clock.now_ms())
            await self._persist(markers.transactional_id, completion.changes)
        except KafkaError as error:
            level = logging.DEBUG if markers.transactional_id in self._stuck else logging.ERROR
            _log.log(level, "The transaction of %r cannot be completed now: %s", markers.transactional_id, error)
            self._stuck.add(markers.transactional_id)
            self._retry_later()
            raise KafkaError(ErrorCode.COORDINATOR_NOT_AVAILABLE, str(error)) from error
        self.at(Step.COMPLETED)
        self._stuck.discard(markers.transactional_id)
        self._replay(completion.changes)

    async def _write_markers(self, markers: WriteMarkers, *, again: bool) -> None:
        """A durable marker in the log of every partition that still exists. KafkaError KAFKA_STORAGE_ERROR.

        `again`: an earlier attempt may have written some. Where the producer wrote nothing, a log cannot tell whether
        it did; such a partition then goes without one, which nobody misses."""
        outcome = ControlType.COMMIT if markers.commits else ControlType.ABORT
        marker = Marker(markers.producer_id, markers.producer_epoch, outcome, self._coordinator_epoch)
        written = [self._write_marker(key, marker, only_open=again) for key in markers.partitions]
        self.at(Step.MARKING)
        for one in await asyncio.gather(*(future for future in written if future is not None)):
            if not isinstance(one, KafkaError):
                continue
            if one.code is ErrorCode.KAFKA_STORAGE_ERROR:
                raise one
            # Only markers that were not the coordinator's (WriteTxnMarkers) can have epochs that it does not know.
            _log.warning("A marker of %r is not needed any more: %s", markers.transactional_id, one)

    async def write_marker(self, key: PartitionKey, marker: Marker) -> ErrorCode:
        """WriteTxnMarkers for one partition: durable on return, whatever the coordinator knows of the producer."""
        written = self._write_marker(key, marker, only_open=False)
        outcome = None if written is None else await written
        return outcome.code if isinstance(outcome, KafkaError) else ErrorCode.NONE

    def _write_marker(
        self, key: PartitionKey, marker: Marker, *, only_open: bool
    ) -> asyncio.Future[int | KafkaError | None] | None:
        """None if the partition is gone."""
        topic_id, partition = key
        topic = self._topics.by_id(topic_id)
        log = None if topic is None else topic.log_of(partition)
        if topic is None or log is None:
            return None
        written: asyncio.Future[int | KafkaError | None] = asyncio.get_running_loop().create_future()

        def done(result: int | KafkaError | None) -> None:
            self.at(Step.MARKED_ONE)
            if not written.done():
                written.set_result(result)

        terms = AppendTerms(topic.leader_epoch, now_ms(), topic.config.segment_bytes, topic.config.segment_ms)
        self._store.append_marker(log, marker, terms, Durability.SYNCED, done, only_open=only_open)
        return written

    def _topic_exists(self, topic_id: TopicId) -> bool:
        return self._topics.by_id(topic_id) is not None

    # By itself

    def _set_timer(self) -> None:
        deadline = self._coordinator.next_deadline()
        if deadline is None or (self._timer is not None and self._timer_ms <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_ms = deadline
        delay_s = max(deadline - self._clock.now_ms(), 0) / 1000
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        for own in self._coordinator.tick(self._clock.now_ms()):
            _log.info("The transaction of %r was open for too long: it is aborted.", own.transactional_id)
            self._spawn(self._settle_own(own))
        self._set_timer()

    async def _settle_own(self, own: TransactionDecision) -> None:
        """Carry out what no call has asked for: a transaction that timed out, an id that expired."""
        async with self._turns.of(own.transactional_id):
            await self._carry_out(own.transactional_id, own.decision)

    def _retry_later(self) -> None:
        if self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(RETRY_MS / 1000, self._retry_now)

    def _retry_now(self) -> None:
        self._retry = None
        for left in self._coordinator.resume():
            self._spawn(self._with_turn(left.transactional_id, _nothing_more))

    def _spawn(self, work: Coroutine[Any, Any, Reply]) -> asyncio.Task[Reply]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # A KafkaError was told and logged where it happened, whether or not somebody still waits for it.
            error = task.exception()
            if error is not None and not isinstance(error, KafkaError):
                _log.error("A transaction could not be carried out.", exc_info=error)


async def _nothing_more() -> None:
    pass


def _failed(request: CommitRequest, error: ErrorCode) -> CommitReply:
    """Every partition has the error."""
    return CommitReply(error, tuple(PartitionResult(one.topic_id, one.partition, error) for one in request.offsets))
