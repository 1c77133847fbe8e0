"""The group coordinator at run time: decide -> persist -> replay -> answer, timers, and who waits for what."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from chronik.broker.clock import SteadyClock
from chronik.changes import Change, GroupDeleted, GroupSaved, OffsetCommitted
from chronik.decision import Decision, Parked, Release, Ticket
from chronik.errors import ErrorCode, KafkaError
from chronik.group.classic.replies import HeartbeatReply, JoinReply, LeaveReply, SyncReply
from chronik.group.classic.requests import JoinRequest, LeavingMember, SyncRequest
from chronik.group.coordinator import GroupCoordinator, GroupDecision
from chronik.group.listing import GroupDescription, ListedGroup
from chronik.group.offsets import CommitReply, CommitRequest, DeleteOffsetsReply, FetchReply, OffsetKey
from chronik.settings import BrokerSettings
from chronik.store.sql.catalog import Catalog
from chronik.store.sql.problems import CatalogError
from chronik.terms import TopicId

Reply = TypeVar("Reply")

SubscribedTopics = Callable[[bytes], "frozenset[str] | None"]
"""Reads the topics of a consumer's subscription; None if it is something else."""

_log = logging.getLogger(__name__)


class CheckedCommit(NamedTuple):
    """What a group says to a TxnOffsetCommit: the answer, and the offsets that the transaction is to keep."""

    reply: CommitReply
    offsets: tuple[OffsetCommitted, ...]


class OpenTransactions(Protocol):
    """What groups have to know of transactions, and transactions of groups; see `chronik.broker.transactions`."""

    def unstable_offsets(self, group_id: str) -> Collection[OffsetKey]: ...

    def last_staged_ms(self, group_id: str) -> int: ...

    def replay(self, change: Change) -> None: ...


class Groups:
    """Every group of this broker. Calls may wait: for their turn, for a commit of the catalog, for other members.

    KafkaError COORDINATOR_NOT_AVAILABLE from a call: what it decided could not be written down, and is not true.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        catalog: Catalog,
        topic_name: Callable[[TopicId], str | None],
        subscribed_topics: SubscribedTopics,
    ) -> None:
        self._catalog = catalog
        self._clock = SteadyClock()
        self._coordinator = GroupCoordinator(
            settings, subscribed_topics, topic_name, unstable_offsets=self._unstable_offsets
        )
        self.transactions: OpenTransactions | None = None
        """Set before anybody is served."""
        self._saving: dict[str, asyncio.Future[None]] = {}
        self._parked: dict[Ticket, asyncio.Future[Any]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, changes: Iterable[Change]) -> None:
        """Take in what the catalog holds; from now on members may speak."""
        for change in changes:
            self._coordinator.replay(change)
        self._coordinator.start(self._clock.now_ms())
        self._set_timer()

    async def stop(self) -> None:
        """Fire no more timers, and finish what they began."""
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Members

    async def join(self, request: JoinRequest) -> JoinReply:
        """JoinGroup: waits until the rebalance is complete."""
        suffix = str(uuid.uuid4())
        return await self._call(request.group_id, lambda now: self._coordinator.join(request, suffix, now))

    async def sync(self, request: SyncRequest) -> SyncReply:
        """SyncGroup: a follower waits for the leader's."""
        return await self._call(request.group_id, lambda now: self._coordinator.sync(request, now))

    async def heartbeat(
        self, group_id: str, member_id: str, group_instance_id: str | None, generation: int
    ) -> HeartbeatReply:
        """Heartbeat."""
        return await self._call(
            group_id,
            lambda now: self._coordinator.heartbeat(group_id, member_id, group_instance_id, generation, now),
        )

    async def leave(self, group_id: str, members: Sequence[LeavingMember]) -> LeaveReply:
        """LeaveGroup."""
        return await self._call(group_id, lambda now: self._coordinator.leave(group_id, members, now))

    # Offsets

    async def commit_offsets(self, request: CommitRequest) -> CommitReply:
        """OffsetCommit: durable on return."""

        def decide(now: int) -> Decision[CommitReply]:
            # Later than what waits in transactions, also by its time: when those end, the later one counts.
            last_ms = -1 if self.transactions is None else self.transactions.last_staged_ms(request.group_id)
            return self._coordinator.commit_offsets(request, max(now, last_ms + 1))

        return await self._call(request.group_id, decide)

    def check_transactional_commit(self, request: CommitRequest) -> CheckedCommit:
        """TxnOffsetCommit, as far as the group is concerned: nothing is written, the offsets are for a transaction to
        keep."""
        assert request.is_transactional
        decision = self._coordinator.commit_offsets(request, self._clock.now_ms())
        assert not isinstance(decision.reply, Parked)
        offsets = tuple(change for change in decision.changes if isinstance(change, OffsetCommitted))
        return CheckedCommit(decision.reply, offsets)

    def committed(self, group_id: str, key: OffsetKey) -> OffsetCommitted | None:
        """What a group has committed in a partition."""
        return self._coordinator.committed(group_id, key)

    def replay(self, change: Change) -> None:
        """A transaction has made this offset valid, durably."""
        if isinstance(change, OffsetCommitted):
            self._coordinator.replay(change)

    def _unstable_offsets(self, group_id: str) -> Collection[OffsetKey]:
        return () if self.transactions is None else self.transactions.unstable_offsets(group_id)

    def fetch_offsets(
        self, group_id: str, partitions: Sequence[OffsetKey] | None, *, require_stable: bool
    ) -> FetchReply:
        """OffsetFetch for one group."""
        return self._coordinator.fetch_offsets(group_id, partitions, require_stable=require_stable)

    async def delete_offsets(self, group_id: str, partitions: Sequence[OffsetKey]) -> DeleteOffsetsReply:
        """OffsetDelete: durable on return."""
        return await self._call(group_id, lambda now: self._coordinator.delete_offsets(group_id, partitions))

    def topic_deleted(self, topic_id: TopicId) -> None:
        """A topic is gone, and with it all offsets of it."""
        self._coordinator.topic_deleted(topic_id)

    async def expire_offsets(self) -> None:
        """Let go of offsets and groups that nobody used for longer than the retention."""
        settled = [self._settle_own(own) for own in self._coordinator.expire_offsets(self._clock.now_ms())]
        await asyncio.gather(*(task for task in settled if task is not None), return_exceptions=True)

    # Groups

    async def delete_group(self, group_id: str) -> ErrorCode:
        """DeleteGroups for one group."""
        return await self._call(group_id, lambda now: self._coordinator.delete_group(group_id, now))

    def describe(self, group_id: str) -> GroupDescription:
        """DescribeGroups for one group."""
        return self._coordinator.describe(group_id)

    def list_groups(self, states: Collection[str] = (), types: Collection[str] = ()) -> tuple[ListedGroup, ...]:
        """ListGroups."""
        return self._coordinator.list_groups(states, types)

    # How a decision becomes true

    async def _call(self, group_id: str, decide: Callable[[int], Decision[Reply]]) -> Reply:
        while (saving := self._saving.get(group_id)) is not None:
            await asyncio.shield(saving)
        decision = decide(self._clock.now_ms())
        reply = decision.reply
        waiting = self._park(reply.ticket) if isinstance(reply, Parked) else None
        if decision.changes:
            # Goes on when the caller is cancelled: what is decided must be written and become true, or be taken back.
            await asyncio.shield(self._carry_out(group_id, decision))
        else:
            self._release(decision.releases)
            self._set_timer()
        if waiting is None:
            assert not isinstance(reply, Parked)
            return reply
        parked: Reply = await waiting
        return parked

    def _park(self, ticket: Ticket) -> asyncio.Future[Any]:
        future = self._parked[ticket] = asyncio.get_running_loop().create_future()
        return future

    def _carry_out(self, group_id: str, decision: Decision[Any]) -> asyncio.Task[None]:
        """Begin to make a decision with changes durable and true. From now on the group is taken if it changes itself.

        The task fails with KafkaError COORDINATOR_NOT_AVAILABLE if that cannot be done: then whoever waits for the
        outcome has been told the same.
        """
        exclusive = any(isinstance(change, GroupSaved | GroupDeleted) for change in decision.changes)
        if exclusive:
            self._saving[group_id] = asyncio.get_running_loop().create_future()
        task = asyncio.get_running_loop().create_task(self._persist(group_id, decision, exclusive))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _persist(self, group_id: str, decision: Decision[Any], exclusive: bool) -> None:
        try:
            await self._catalog.persist(decision.changes)
        except CatalogError as error:
            _log.error("Group %s could not be written down: %s", group_id, error)
            unavailable = KafkaError(ErrorCode.COORDINATOR_NOT_AVAILABLE, str(error))
            for release in decision.releases:
                self._fail(release.ticket, unavailable)
            if exclusive:
                self._release(self._coordinator.not_persisted(group_id, self._clock.now_ms()).releases)
            raise unavailable from error
        else:
            now_ms = self._clock.now_ms()
            for change in decision.changes:
                self._coordinator.replay(change, now_ms)
                if self.transactions is not None:
                    self.transactions.replay(change)
            self._release(decision.releases)
        finally:
            if exclusive:
                self._saving.pop(group_id).set_result(None)
            self._set_timer()

    def _release(self, releases: Iterable[Release]) -> None:
        for release in releases:
            waiting = self._parked.pop(release.ticket, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(release.reply)

    def _fail(self, ticket: Ticket, error: KafkaError) -> None:
        waiting = self._parked.pop(ticket, None)
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)

    # Timers

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
            self._settle_own(own)
        self._set_timer()

    def _settle_own(self, own: GroupDecision) -> asyncio.Task[None] | None:
        """Carry out what no call has asked for: an expired session, a rebalance that has waited long enough."""
        if not own.decision.changes:
            self._release(own.decision.releases)
            return None
        task = self._carry_out(own.group_id, own.decision)
        task.add_done_callback(_failure_was_told)
        return task


def _failure_was_told(task: asyncio.Task[None]) -> None:
    """Take note of a failure that was told and logged where it happened."""
    if not task.cancelled():
        task.exception()
