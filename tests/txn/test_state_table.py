"""Every cell of the table of states and requests: what a request is answered in a state, and where that leads.

The producer is the current one. Transactions that are prepared stay so: their markers cannot be written. Apache Kafka
gives the same answers (its own check of them is in `tests/behaviours`).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest

from chronik.changes import OffsetCommitted
from chronik.errors import ErrorCode
from chronik.terms import ProducerId
from chronik.txn.requests import EndRequest, InitRequest, Producer, WriteMarkers
from chronik.txn.states import LEGAL_MOVES, TransactionState
from tests.txn.world import DAY_MS, GROUP, ID, TIMEOUT_MS, T, World, after

EMPTY = TransactionState.EMPTY
ONGOING = TransactionState.ONGOING
PREPARE_COMMIT = TransactionState.PREPARE_COMMIT
PREPARE_ABORT = TransactionState.PREPARE_ABORT
COMPLETE_COMMIT = TransactionState.COMPLETE_COMMIT
COMPLETE_ABORT = TransactionState.COMPLETE_ABORT
DEAD = TransactionState.DEAD

NONE = ErrorCode.NONE
CONCURRENT = ErrorCode.CONCURRENT_TRANSACTIONS
FENCED = ErrorCode.PRODUCER_FENCED
INVALID = ErrorCode.INVALID_TXN_STATE
NO_MAPPING = ErrorCode.INVALID_PRODUCER_ID_MAPPING
ABORTABLE = ErrorCode.TRANSACTION_ABORTABLE


class _NoMarkers(World):
    """Markers cannot be written, so that transactions stay prepared."""

    def finish(self, markers: WriteMarkers) -> None:
        pass


def world_in(state: TransactionState, *, raises: bool = False) -> tuple[World, Producer]:
    """A world with one id in this state, and its producer, at the fourth epoch. If the transaction has ended and that
    `raises` the epoch, the producer as it then is."""
    world: World = _NoMarkers() if state.is_prepared else World()
    producer = [world.producer() for _ in range(4)][-1]
    if state in (EMPTY, DEAD):
        if state is DEAD:
            world.now_ms += 8 * DAY_MS
            world.coordinator.expire(world.now_ms)  # is being written down
        return world, producer
    world.add(producer, (T, 0))
    world.add_group(producer)
    if state is not ONGOING:
        reply = world.end(producer, commits=state in (PREPARE_COMMIT, COMPLETE_COMMIT), raises=raises)
        producer = after(producer, reply) if raises else producer
    assert world.state() is state
    return world, producer


def _init(world: World, producer: Producer) -> ErrorCode:
    error: ErrorCode = world.init().error
    return error


def _go_on(world: World, producer: Producer) -> ErrorCode:
    error: ErrorCode = world.init(before=producer).error
    return error


def _stage(world: World, producer: Producer) -> ErrorCode:
    return world.stage(producer, 5)


def _stage_adding(world: World, producer: Producer) -> ErrorCode:
    return world.stage(producer, 5, group="another", adds=True)


def _before(producer: Producer) -> Producer:
    """The producer as it would be if its last end had raised its epoch and it did not know."""
    return producer._replace(producer_epoch=producer.producer_epoch - 1)


REQUESTS: dict[str, Callable[[World, Producer], ErrorCode]] = {
    "InitProducerId": _init,
    "InitProducerId goes on": _go_on,
    "AddPartitionsToTxn": lambda world, producer: world.add(producer, (T, 1)),
    "AddOffsetsToTxn": lambda world, producer: world.add_group(producer, "another"),
    "Produce": lambda world, producer: world.produce(producer, "value"),
    "Produce adds": lambda world, producer: world.produce(producer, "value", (T, 1), adds=True),
    "TxnOffsetCommit": _stage,
    "TxnOffsetCommit adds": _stage_adding,
    "EndTxn commits": lambda world, producer: world.end(producer, commits=True).error,
    "EndTxn aborts": lambda world, producer: world.end(producer, commits=False).error,
    "EndTxn 5 commits": lambda world, producer: world.end(producer, commits=True, raises=True).error,
    "EndTxn 5 aborts": lambda world, producer: world.end(producer, commits=False, raises=True).error,
    "EndTxn 5 commits again": lambda world, producer: world.end(_before(producer), commits=True, raises=True).error,
    "EndTxn 5 aborts again": lambda world, producer: world.end(_before(producer), commits=False, raises=True).error,
}

STATES = (EMPTY, ONGOING, PREPARE_COMMIT, PREPARE_ABORT, COMPLETE_COMMIT, COMPLETE_ABORT, DEAD)

BUSY = {PREPARE_COMMIT: (CONCURRENT, PREPARE_COMMIT), PREPARE_ABORT: (CONCURRENT, PREPARE_ABORT)}
WRITING = {DEAD: (CONCURRENT, EMPTY)}
"""While its removal is being written down the id still is what it was."""
IDLE_TO_EMPTY = dict.fromkeys((EMPTY, COMPLETE_COMMIT, COMPLETE_ABORT), (NONE, EMPTY))
TO_ONGOING = dict.fromkeys((EMPTY, ONGOING, COMPLETE_COMMIT, COMPLETE_ABORT), (NONE, ONGOING))
NOT_ADDED = {state: (ABORTABLE, state) for state in (EMPTY, COMPLETE_COMMIT, COMPLETE_ABORT)}

EXPECTED: dict[str, dict[TransactionState, tuple[ErrorCode, TransactionState]]] = {
    "InitProducerId": {**IDLE_TO_EMPTY, ONGOING: (CONCURRENT, COMPLETE_ABORT), **BUSY, **WRITING},
    "InitProducerId goes on": {**IDLE_TO_EMPTY, ONGOING: (CONCURRENT, COMPLETE_ABORT), **BUSY, **WRITING},
    "AddPartitionsToTxn": {**TO_ONGOING, **BUSY, **WRITING},
    "AddOffsetsToTxn": {**TO_ONGOING, **BUSY, **WRITING},
    "Produce": {**NOT_ADDED, ONGOING: (NONE, ONGOING), **BUSY, DEAD: (ABORTABLE, EMPTY)},
    "Produce adds": {**TO_ONGOING, **BUSY, **WRITING},
    "TxnOffsetCommit": {**NOT_ADDED, ONGOING: (NONE, ONGOING), **BUSY, **WRITING},
    "TxnOffsetCommit adds": {**TO_ONGOING, **BUSY, **WRITING},
    "EndTxn commits": {
        EMPTY: (INVALID, EMPTY),
        ONGOING: (NONE, COMPLETE_COMMIT),
        PREPARE_COMMIT: (CONCURRENT, PREPARE_COMMIT),
        PREPARE_ABORT: (INVALID, PREPARE_ABORT),
        COMPLETE_COMMIT: (NONE, COMPLETE_COMMIT),
        COMPLETE_ABORT: (INVALID, COMPLETE_ABORT),
        **WRITING,
    },
    "EndTxn aborts": {
        EMPTY: (INVALID, EMPTY),
        ONGOING: (NONE, COMPLETE_ABORT),
        PREPARE_COMMIT: (INVALID, PREPARE_COMMIT),
        PREPARE_ABORT: (CONCURRENT, PREPARE_ABORT),
        COMPLETE_COMMIT: (INVALID, COMPLETE_COMMIT),
        COMPLETE_ABORT: (NONE, COMPLETE_ABORT),
        **WRITING,
    },
    "EndTxn 5 commits": {
        EMPTY: (INVALID, EMPTY),
        ONGOING: (NONE, COMPLETE_COMMIT),
        PREPARE_COMMIT: (FENCED, PREPARE_COMMIT),
        PREPARE_ABORT: (FENCED, PREPARE_ABORT),
        COMPLETE_COMMIT: (INVALID, COMPLETE_COMMIT),
        COMPLETE_ABORT: (INVALID, COMPLETE_ABORT),
        **WRITING,
    },
    "EndTxn 5 aborts": {
        EMPTY: (NONE, COMPLETE_ABORT),
        ONGOING: (NONE, COMPLETE_ABORT),
        PREPARE_COMMIT: (FENCED, PREPARE_COMMIT),
        PREPARE_ABORT: (FENCED, PREPARE_ABORT),
        COMPLETE_COMMIT: (NONE, COMPLETE_ABORT),
        COMPLETE_ABORT: (NONE, COMPLETE_ABORT),
        **WRITING,
    },
    "EndTxn 5 commits again": {
        EMPTY: (FENCED, EMPTY),
        ONGOING: (FENCED, ONGOING),
        PREPARE_COMMIT: (CONCURRENT, PREPARE_COMMIT),
        PREPARE_ABORT: (INVALID, PREPARE_ABORT),
        COMPLETE_COMMIT: (NONE, COMPLETE_COMMIT),
        COMPLETE_ABORT: (INVALID, COMPLETE_ABORT),
        DEAD: (FENCED, EMPTY),
    },
    "EndTxn 5 aborts again": {
        EMPTY: (FENCED, EMPTY),
        ONGOING: (FENCED, ONGOING),
        PREPARE_COMMIT: (INVALID, PREPARE_COMMIT),
        PREPARE_ABORT: (CONCURRENT, PREPARE_ABORT),
        COMPLETE_COMMIT: (INVALID, COMPLETE_COMMIT),
        COMPLETE_ABORT: (NONE, COMPLETE_ABORT),
        DEAD: (FENCED, EMPTY),
    },
}


def test_the_table_is_complete() -> None:
    assert EXPECTED.keys() == REQUESTS.keys()
    assert all(set(row) == set(STATES) for row in EXPECTED.values())
    # What is never written down is the only state that no request meets.
    assert set(TransactionState) - set(STATES) == {TransactionState.PREPARE_EPOCH_FENCE}


@pytest.mark.parametrize(
    ("name", "state"), [*product(REQUESTS, STATES)], ids=lambda value: getattr(value, "name", value)
)
def test_every_request_in_every_state(name: str, state: TransactionState) -> None:
    world, producer = world_in(state, raises="again" in name)
    error = REQUESTS[name](world, producer)
    assert (error, world.state()) == EXPECTED[name][state]


STALE: dict[str, Callable[[World, Producer], ErrorCode]] = {
    name: request for name, request in REQUESTS.items() if name != "InitProducerId" and "again" not in name
}


@pytest.mark.parametrize(("name", "state"), [*product(STALE, STATES)], ids=lambda value: getattr(value, "name", value))
def test_a_producer_that_was_replaced_is_fenced_in_every_state(name: str, state: TransactionState) -> None:
    world, producer = world_in(state)
    stale = producer._replace(producer_epoch=producer.producer_epoch - 2)
    before = world.transaction().saved
    error = STALE[name](world, stale)
    is_being_written = state is DEAD and name == "InitProducerId goes on"
    assert error is (CONCURRENT if is_being_written else FENCED)
    assert world.transaction().saved == before


@pytest.mark.parametrize("name", [name for name in STALE if name != "InitProducerId goes on"])
def test_another_producer_id_is_no_mapping(name: str) -> None:
    world, producer = world_in(ONGOING)
    assert STALE[name](world, producer._replace(producer_id=ProducerId(7))) is NO_MAPPING
    assert STALE[name](world, producer._replace(transactional_id="unknown")) is NO_MAPPING
    assert STALE[name](world, producer._replace(transactional_id="")) is ErrorCode.INVALID_REQUEST
    assert world.state() is ONGOING


@pytest.mark.parametrize("state", [state for state in STATES if state is not DEAD])
def test_while_something_is_written_down_everybody_waits(state: TransactionState) -> None:
    """A decision that is not replayed yet: whoever comes in between and may speak gets CONCURRENT_TRANSACTIONS."""
    world, producer = world_in(state)
    match state:
        case TransactionState.ONGOING:
            world.coordinator.end(EndRequest(producer, True, False), ProducerId(1), world.now_ms)
        case TransactionState.PREPARE_COMMIT | TransactionState.PREPARE_ABORT:
            world.coordinator.complete(ID, world.now_ms)
        case _:
            world.coordinator.init_producer_id(InitRequest(ID, TIMEOUT_MS), ProducerId(1), world.now_ms)
    for name, request in REQUESTS.items():
        if name != "Produce":
            # Version 5's are, in prepared transactions: only who asks again is not.
            is_fenced = EXPECTED[name][state][0] is FENCED or "again" in name
            assert request(world, producer) is (FENCED if is_fenced else CONCURRENT), name
    assert world.coordinator.resume() == ()
    assert world.coordinator.expire(world.now_ms + 100 * DAY_MS) == []
    assert world.coordinator.tick(world.now_ms + 100 * DAY_MS) == []
    world.coordinator.not_persisted(ID, world.now_ms)
    assert world.state() is state


@pytest.mark.parametrize("state", STATES)
def test_only_open_transactions_time_out(state: TransactionState) -> None:
    world, _ = world_in(state)
    world.pass_time(TIMEOUT_MS - 1)
    assert world.coordinator.tick(world.now_ms) == []
    world.pass_time(1)
    assert world.state() is (COMPLETE_ABORT if state is ONGOING else EMPTY if state is DEAD else state)


@pytest.mark.parametrize("state", [state for state in STATES if state is not DEAD])
def test_only_idle_ids_expire(state: TransactionState) -> None:
    world, _ = world_in(state)
    world.now_ms += 7 * DAY_MS - 1
    assert world.expire() == []
    world.now_ms += 1
    assert world.expire() == ([ID] if state.is_idle else [])
    if state.is_idle:
        assert world.described().error is ErrorCode.TRANSACTIONAL_ID_NOT_FOUND


def test_the_moves_are_those_of_the_protocol() -> None:
    """Who may come before a state, as the protocol's documentation has it."""
    idle = {EMPTY, COMPLETE_COMMIT, COMPLETE_ABORT}
    fence = TransactionState.PREPARE_EPOCH_FENCE
    assert {state: {one for one in TransactionState if state in LEGAL_MOVES[one]} for state in TransactionState} == {
        EMPTY: idle,
        ONGOING: idle | {ONGOING},
        PREPARE_COMMIT: {ONGOING},
        PREPARE_ABORT: idle | {ONGOING, fence},
        COMPLETE_COMMIT: {PREPARE_COMMIT},
        COMPLETE_ABORT: {PREPARE_ABORT},
        fence: {ONGOING},
        DEAD: idle,
    }


def test_a_move_that_is_not_in_the_table_is_a_fault() -> None:
    world, _ = world_in(COMPLETE_COMMIT)
    with pytest.raises(AssertionError, match="moves from COMPLETE_COMMIT to PREPARE_COMMIT"):
        world.transaction().moved(PREPARE_COMMIT, world.now_ms)


def test_staged_offsets_of_a_group_wait_in_every_transaction_that_has_some() -> None:
    world = World()
    for name, partition in (("a", 0), ("b", 1)):
        world.stage(world.producer(name), 7, (T, partition), adds=True)
    assert world.coordinator.unstable_offsets(GROUP) == {(T, 0), (T, 1)}
    assert world.coordinator.unstable_offsets("another") == frozenset()
    assert isinstance(world.disk[-1].offsets[0], OffsetCommitted)  # type: ignore[union-attr]  # the last one staged
