"""The transaction coordinator as the runtime uses it.

Each call is decided at once. The runtime then persists the decision's changes, replays them here one by one, carries
out the effects, and sends the reply; a decision without changes is answered right away. What the runtime must keep to:

- **One at a time.** From a decision with changes until their replay (or `not_persisted`) every other call that could
  change the same transactional id is CONCURRENT_TRANSACTIONS, so the runtime better waits.
- **Effects.** `WriteMarkers` is carried out after the replay of the decision that has it: a marker, durable, in each of
  the logs. Then `complete`, whose changes come in one transaction of the catalog. Only after that the reply is sent.
- **Failure.** When changes cannot be written, `not_persisted`, and the reply is COORDINATOR_NOT_AVAILABLE. When markers
  cannot be written, or `complete` not persisted, the transaction stays prepared: `resume` says what is left to do.
- **Time.** `tick` when `next_deadline` has come; `now_ms` never goes back.
- **Start.** Replay what is stored, then `start`, then carry out what `resume` says, then serve.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

from chronik.changes import (
    Change,
    GroupDeleted,
    OffsetCommitted,
    OffsetsStaged,
    TopicDeleted,
    TransactionCleared,
    TransactionDeleted,
    TransactionPartitionsAdded,
    TransactionSaved,
)
from chronik.decision import Decision
from chronik.errors import ErrorCode
from chronik.settings import BrokerSettings
from chronik.terms import ProducerId, TopicId
from chronik.txn import listing
from chronik.txn.deadlines import Deadlines
from chronik.txn.ending import completed, fenced, markers_of, prepared
from chronik.txn.initialising import initialised
from chronik.txn.listing import ListedTransaction, TransactionDescription, TransactionFilter
from chronik.txn.requests import (
    EndReply,
    EndRequest,
    InitReply,
    InitRequest,
    PartitionKey,
    Producer,
    WriteMarkers,
)
from chronik.txn.staging import StagedOffsets
from chronik.txn.states import TransactionState
from chronik.txn.transaction import Transaction, additions

Reply = TypeVar("Reply")

StoredOffset = Callable[[str, PartitionKey], OffsetCommitted | None]
"""What a group has committed in a partition."""

TopicExists = Callable[[TopicId], bool]

RETRY_MS = 1_000
"""After which an abort that could not be written is tried again."""

_NOT_THE_PRODUCER = frozenset({ErrorCode.INVALID_PRODUCER_ID_MAPPING, ErrorCode.PRODUCER_FENCED})


class TransactionDecision(NamedTuple):
    """A decision that nobody's call has caused."""

    transactional_id: str
    decision: Decision[None]


class TransactionCoordinator:
    """All transactional ids of one coordinator. `settings` may be replaced at any time and counts for what follows."""

    def __init__(self, settings: BrokerSettings, stored_offset: StoredOffset, topic_exists: TopicExists) -> None:
        self.settings = settings
        self._stored_offset = stored_offset
        self._topic_exists = topic_exists
        self._transactions: dict[str, Transaction] = {}
        self._deadlines = Deadlines(self._deadline_of)
        self._staged = StagedOffsets()
        self._postponed: set[str] = set()
        """Whose deadline came while something was being written down."""
        self._is_started = False

    # Producers

    def needs_producer_id(self, transactional_id: str) -> bool:
        """Whether `init_producer_id` and `end` may use up the new producer id that they are given."""
        transaction = self._transactions.get(transactional_id)
        return transaction is None or transaction.saved is None or transaction.is_exhausted

    def init_producer_id(self, request: InitRequest, new_producer_id: ProducerId, now_ms: int) -> Decision[InitReply]:
        """InitProducerId with a transactional id. While a transaction is open it is aborted, the reply is
        CONCURRENT_TRANSACTIONS, and the same call after the completion succeeds.

        `new_producer_id` must never have been used; it may be any number unless `needs_producer_id`.
        """
        if not request.transactional_id:
            return Decision(InitReply(ErrorCode.INVALID_REQUEST))
        if not 0 < request.timeout_ms <= self.settings.transaction_max_timeout_ms:
            return Decision(InitReply(ErrorCode.INVALID_TRANSACTION_TIMEOUT))
        transaction = self._transactions.get(request.transactional_id)
        if transaction is None:
            transaction = self._transactions[request.transactional_id] = Transaction(request.transactional_id)
        if transaction.pending is not None:
            return Decision(InitReply(ErrorCode.CONCURRENT_TRANSACTIONS))
        outcome = initialised(transaction, request, new_producer_id, now_ms)
        if isinstance(outcome, ErrorCode):
            return Decision(InitReply(outcome))
        if outcome.state == TransactionState.EMPTY:
            return self._decide(
                transaction,
                InitReply(ErrorCode.NONE, outcome.producer_id, outcome.producer_epoch),
                outcome,
            )
        return self._decide_end(transaction, InitReply(ErrorCode.CONCURRENT_TRANSACTIONS), outcome)

    # What belongs to a transaction

    def add_partitions(
        self, producer: Producer, partitions: Collection[PartitionKey], now_ms: int
    ) -> Decision[ErrorCode]:
        """AddPartitionsToTxn, or what Produce does by itself from version 12 on. The partitions must exist."""
        return self._add(producer, partitions, (), now_ms)

    def add_group(self, producer: Producer, group_id: str, now_ms: int) -> Decision[ErrorCode]:
        """AddOffsetsToTxn."""
        return self._add(producer, (), (group_id,), now_ms)

    def _add(
        self, producer: Producer, partitions: Collection[PartitionKey], groups: Collection[str], now_ms: int
    ) -> Decision[ErrorCode]:
        error = self._check_free(producer)
        if error is not ErrorCode.NONE:
            return Decision(error)
        transaction = self._transactions[producer.transactional_id]
        changes = additions(transaction, partitions, groups, now_ms)
        return self._decide(transaction, ErrorCode.NONE, *changes) if changes else Decision(ErrorCode.NONE)

    def verify_partition(self, producer: Producer, partition: PartitionKey) -> ErrorCode:
        """Whether a transactional batch may be appended to the partition: TRANSACTION_ABORTABLE if the partition was
        not added to the transaction, and what other calls say of a wrong producer."""
        error, transaction = self._check(producer)
        if error is not ErrorCode.NONE or transaction is None or partition in transaction.partitions:
            return error
        return ErrorCode.TRANSACTION_ABORTABLE

    def verify_group(self, producer: Producer, group_id: str) -> ErrorCode:
        """The same for offsets of a group."""
        error, transaction = self._check(producer)
        if error is not ErrorCode.NONE or transaction is None or group_id in transaction.groups:
            return error
        return ErrorCode.TRANSACTION_ABORTABLE

    def check_offsets(self, producer: Producer, group_id: str, *, adds_group: bool) -> ErrorCode:
        """Whether TxnOffsetCommit may go on, which is known before the group is asked. `adds_group`: from version 5 on
        the call adds the group to the transaction; before, AddOffsetsToTxn must have."""
        error = self._check_free(producer)
        if error is ErrorCode.NONE and not adds_group:
            return self.verify_group(producer, group_id)
        return error

    def stage_offsets(
        self, producer: Producer, group_id: str, offsets: Sequence[OffsetCommitted], now_ms: int, *, adds_group: bool
    ) -> Decision[ErrorCode]:
        """TxnOffsetCommit, after the group has agreed: the offsets wait for the end of the transaction.

        Whether a staged offset or a plain commit of the same partition is the later one is told by their times, so a
        staged one never says an earlier time than what is stored.
        """
        error = self.check_offsets(producer, group_id, adds_group=adds_group)
        if error is not ErrorCode.NONE:
            return Decision(error)
        transaction = self._transactions[producer.transactional_id]
        changes = additions(transaction, (), (group_id,), now_ms)
        if offsets:
            staged = tuple(self._not_before_stored(offset) for offset in offsets)
            changes.append(OffsetsStaged(producer.transactional_id, staged))
        return self._decide(transaction, ErrorCode.NONE, *changes) if changes else Decision(ErrorCode.NONE)

    def _not_before_stored(self, offset: OffsetCommitted) -> OffsetCommitted:
        stored = self._stored_offset(offset.group_id, (offset.topic_id, offset.partition))
        if stored is None or stored.commit_ms <= offset.commit_ms:
            return offset
        return replace(offset, commit_ms=stored.commit_ms)

    def unstable_offsets(self, group_id: str) -> frozenset[PartitionKey]:
        """The partitions of the group whose offsets wait for the end of a transaction."""
        return self._staged.unstable(group_id)

    def last_staged_ms(self, group_id: str) -> int:
        """When the newest of the group's waiting offsets was staged; -1 if there is none. A plain commit that comes
        after it must say a later time."""
        return max((offset.commit_ms for offset in self._staged.of_group(group_id)), default=-1)

    # The end

    def end(self, request: EndRequest, new_producer_id: ProducerId, now_ms: int) -> Decision[EndReply]:
        """EndTxn. The reply holds once the transaction is completed. For `new_producer_id` see `init_producer_id`."""
        if not request.producer.transactional_id:
            return Decision(EndReply(ErrorCode.INVALID_REQUEST))
        transaction = self._transactions.get(request.producer.transactional_id)
        if transaction is None:
            return Decision(EndReply(ErrorCode.INVALID_PRODUCER_ID_MAPPING))
        outcome = prepared(transaction, request, new_producer_id, now_ms)
        is_refused = isinstance(outcome, EndReply) and outcome.error in _NOT_THE_PRODUCER
        if transaction.pending is not None and not is_refused:
            return Decision(EndReply(ErrorCode.CONCURRENT_TRANSACTIONS))
        if isinstance(outcome, EndReply):
            return Decision(outcome)
        if not request.raises_epoch:
            return self._decide_end(transaction, EndReply(ErrorCode.NONE), outcome)
        goes_on = (outcome.producer_id, outcome.producer_epoch)
        if outcome.next_producer_id >= 0:
            goes_on = (outcome.next_producer_id, 0)
        return self._decide_end(transaction, EndReply(ErrorCode.NONE, *goes_on), outcome)

    def complete(self, transactional_id: str, now_ms: int) -> Decision[None]:
        """The markers of a prepared transaction are durable: it ends, and if it is a commit its offsets are valid."""
        transaction = self._transactions[transactional_id]
        assert transaction.pending is None
        ended = completed(transaction, now_ms)
        valid: Iterable[OffsetCommitted] = ()
        if transaction.state is TransactionState.PREPARE_COMMIT:
            valid = filter(self._is_still_valid, self._staged.of_transaction(transactional_id))
        return self._decide(transaction, None, ended, TransactionCleared(transactional_id), *valid)

    def _is_still_valid(self, staged: OffsetCommitted) -> bool:
        """A plain commit that came after the staged one stays."""
        stored = self._stored_offset(staged.group_id, (staged.topic_id, staged.partition))
        return stored is None or stored.commit_ms <= staged.commit_ms

    def resume(self) -> tuple[WriteMarkers, ...]:
        """What is left to be done of all transactions whose outcome is decided."""
        left = (self.resume_one(transactional_id) for transactional_id in self._transactions)
        return tuple(one for one in left if one is not None)

    def resume_one(self, transactional_id: str) -> WriteMarkers | None:
        """The same for one id; None if nothing is left to be done, or it is being written that it is done."""
        transaction = self._transactions.get(transactional_id)
        if transaction is None or transaction.saved is None or transaction.pending is not None:
            return None
        return markers_of(transaction, transaction.saved) if transaction.state.is_prepared else None

    # Time

    def next_deadline(self) -> int | None:
        """When `tick` must be called next; None while no transaction is open. May come nearer with every replay."""
        return self._deadlines.next()

    def tick(self, now_ms: int) -> list[TransactionDecision]:
        """Take the transactions that were open for too long away from their producers, to be aborted. What is being
        written of one is waited for."""
        decisions = []
        while (transactional_id := self._deadlines.pop_due(now_ms)) is not None:
            transaction = self._transactions[transactional_id]
            if transaction.pending is not None:
                self._postponed.add(transactional_id)
                continue
            decision = self._decide_end(transaction, None, fenced(transaction, now_ms))
            decisions.append(TransactionDecision(transactional_id, decision))
        return decisions

    def expire(self, now_ms: int) -> list[TransactionDecision]:
        """Let go of ids that nobody used for longer than the settings say. To be called every
        `transaction_remove_expired_transaction_cleanup_interval_ms`."""
        oldest_ms = now_ms - self.settings.transactional_id_expiration_ms
        decisions = []
        for transaction in self._transactions.values():
            saved = transaction.saved
            if saved is None or transaction.pending is not None or not transaction.state.is_idle:
                continue
            if saved.update_ms <= oldest_ms:
                decision = self._decide(transaction, None, TransactionDeleted(transaction.transactional_id))
                decisions.append(TransactionDecision(transaction.transactional_id, decision))
        return decisions

    def _deadline_of(self, transactional_id: str) -> int | None:
        transaction = self._transactions.get(transactional_id)
        return None if transaction is None else transaction.deadline_ms

    # What there is

    def describe(self, transactional_id: str) -> TransactionDescription:
        """DescribeTransactions, one id."""
        return listing.describe(transactional_id, self._transactions.get(transactional_id))

    def list_transactions(self, wanted: TransactionFilter, now_ms: int) -> tuple[ListedTransaction, ...]:
        """ListTransactions."""
        return listing.list_transactions(self._transactions.values(), wanted, now_ms)

    # What is written down

    def start(self) -> None:
        """Everything stored is replayed."""
        assert not self._is_started
        self._is_started = True

    def replay(self, change: Change) -> None:
        """A change is durable: it is true from now on. Changes of other rooms do not matter here, but for the removal
        of what transactions refer to."""
        match change:
            case TransactionSaved():
                self._save(change)
            case TransactionPartitionsAdded():
                transaction = self._settled(change.transactional_id)
                transaction.partitions.update(key for key in change.partitions if self._is_known(key[0]))
                transaction.groups.update(change.groups)
            case OffsetsStaged():
                self._settled(change.transactional_id)
                for offset in change.offsets:
                    if self._is_known(offset.topic_id):
                        self._staged.put(change.transactional_id, offset)
            case TransactionCleared():
                self._clear(self._settled(change.transactional_id))
            case TransactionDeleted():
                self._clear(self._settled(change.transactional_id))
                del self._transactions[change.transactional_id]
            case GroupDeleted():
                self._staged.drop_group(change.group_id)
            case TopicDeleted():
                self.topic_deleted(change.topic_id)
            case _:
                pass

    def not_persisted(self, transactional_id: str, now_ms: int) -> None:
        """The changes of a decision could not be written: all is as before, and may be tried again. If its time is over
        it comes up a little later."""
        transaction = self._settled(transactional_id)
        if transaction.saved is None:
            del self._transactions[transactional_id]
        elif transaction.deadline_ms is not None:
            self._deadlines.add(transactional_id, max(transaction.deadline_ms, now_ms + RETRY_MS))

    def topic_deleted(self, topic_id: TopicId) -> None:
        """A topic is gone: its partitions need no markers, and its offsets are no more. The catalog removes them
        together with the topic."""
        for transaction in self._transactions.values():
            transaction.partitions = {key for key in transaction.partitions if key[0] != topic_id}
        self._staged.drop_topic(topic_id)

    def _save(self, change: TransactionSaved) -> None:
        if change.transactional_id not in self._transactions:
            self._transactions[change.transactional_id] = Transaction(change.transactional_id)
        transaction = self._settled(change.transactional_id)
        transaction.saved = change
        if (deadline_ms := transaction.deadline_ms) is not None:
            self._deadlines.add(change.transactional_id, deadline_ms)

    def _settled(self, transactional_id: str) -> Transaction:
        """The transaction, of which nothing is being written any more."""
        transaction = self._transactions[transactional_id]
        transaction.pending = None
        if transactional_id in self._postponed:
            self._postponed.discard(transactional_id)
            if (deadline_ms := transaction.deadline_ms) is not None:
                self._deadlines.add(transactional_id, deadline_ms)
        return transaction

    def _clear(self, transaction: Transaction) -> None:
        transaction.partitions.clear()
        transaction.groups.clear()
        self._staged.clear(transaction.transactional_id)

    def _is_known(self, topic_id: TopicId) -> bool:
        """At the start the topics may not be known yet, and the catalog refers to none that is gone."""
        return not self._is_started or self._topic_exists(topic_id)

    # Within

    def _check(self, producer: Producer) -> tuple[ErrorCode, Transaction | None]:
        """What every call says of a producer that may not speak, else the transaction."""
        if not producer.transactional_id:
            return ErrorCode.INVALID_REQUEST, None
        transaction = self._transactions.get(producer.transactional_id)
        if transaction is None:
            return ErrorCode.INVALID_PRODUCER_ID_MAPPING, None
        return transaction.check_open(producer), transaction

    def _check_free(self, producer: Producer) -> ErrorCode:
        """The same for a call that may change the transaction: nothing must be being written of it."""
        error, transaction = self._check(producer)
        if error is ErrorCode.NONE and transaction is not None and transaction.pending is not None:
            return ErrorCode.CONCURRENT_TRANSACTIONS
        return error

    def _decide(self, transaction: Transaction, reply: Reply, *changes: Change) -> Decision[Reply]:
        transaction.pending = _state_after(transaction, changes)
        return Decision(reply, changes)

    def _decide_end(self, transaction: Transaction, reply: Reply, outcome: TransactionSaved) -> Decision[Reply]:
        """The outcome is to be written down, and markers after it."""
        transaction.pending = TransactionState(outcome.state)
        return Decision(reply, (outcome,), effects=(markers_of(transaction, outcome),))


def _state_after(transaction: Transaction, changes: Iterable[Change]) -> TransactionState:
    for change in changes:
        if isinstance(change, TransactionSaved):
            return TransactionState(change.state)
        if isinstance(change, TransactionDeleted):
            return TransactionState.DEAD
    return transaction.state
