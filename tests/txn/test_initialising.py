"""Who is given a transactional id, and how often: InitProducerId with and without a producer id (KIP-360)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chronik.errors import ErrorCode
from chronik.terms import ProducerId
from chronik.txn.requests import Producer
from chronik.txn.states import TransactionState
from chronik.txn.transaction import LAST_EPOCH
from tests.txn.world import DAY_MS, ID, TIMEOUT_MS, NotWritten, T, World, after


@pytest.fixture
def world() -> World:
    return World()


def at_epoch(world: World, epoch: int) -> Producer:
    """The current producer of the id, which has reached this epoch."""
    producer = world.producer()
    saved = world.transaction().saved
    assert saved is not None
    world.persist(ID, (replace(saved, producer_epoch=epoch, last_producer_epoch=epoch - 1),))
    return producer._replace(producer_epoch=epoch)


def test_each_producer_has_the_next_epoch_of_one_producer_id(world: World) -> None:
    first, second, other = world.producer(), world.producer(), world.producer("other")
    assert (first.producer_epoch, second.producer_epoch) == (0, 1)
    assert first.producer_id == second.producer_id != other.producer_id


@pytest.mark.parametrize(
    ("timeout_ms", "error"),
    [
        (0, ErrorCode.INVALID_TRANSACTION_TIMEOUT),
        (-1, ErrorCode.INVALID_TRANSACTION_TIMEOUT),
        (900_001, ErrorCode.INVALID_TRANSACTION_TIMEOUT),
        (900_000, ErrorCode.NONE),
        (1, ErrorCode.NONE),
    ],
)
def test_a_timeout_has_bounds(world: World, timeout_ms: int, error: ErrorCode) -> None:
    assert world.init(timeout_ms=timeout_ms).error is error
    assert world.described().error is (error and ErrorCode.TRANSACTIONAL_ID_NOT_FOUND)


def test_an_empty_id_is_refused(world: World) -> None:
    assert world.init("").error is ErrorCode.INVALID_REQUEST


def test_a_producer_goes_on_after_an_error(world: World) -> None:
    producer = world.producer()
    reply = world.init(before=producer)
    assert (reply.producer_id, reply.producer_epoch) == (producer.producer_id, 1)


def test_a_lost_answer_is_given_again_without_a_new_epoch(world: World) -> None:
    producer = world.producer()
    assert world.init(before=producer).producer_epoch == 1
    assert world.init(before=producer).producer_epoch == 1
    assert world.init(before=producer._replace(producer_epoch=1)).producer_epoch == 2
    assert world.init(before=producer).error is ErrorCode.PRODUCER_FENCED


def test_an_answer_cannot_have_been_lost_once_a_transaction_was_begun_with_it(world: World) -> None:
    producer = world.producer()
    world.init(before=producer)
    world.add(producer._replace(producer_epoch=1), (T, 0))
    assert world.init(before=producer).error is ErrorCode.PRODUCER_FENCED
    assert world.state() is TransactionState.ONGOING


def test_nobody_goes_on_once_another_one_has_begun(world: World) -> None:
    first = world.producer()
    second = world.producer()
    assert world.init(before=first).error is ErrorCode.PRODUCER_FENCED
    assert world.init(before=second).producer_epoch == 2


def test_an_id_that_is_unknown_takes_whoever_goes_on(world: World) -> None:
    """As after the expiry of an id: the producer gets a new producer id."""
    reply = world.init(before=Producer(ID, ProducerId(7), 7))
    assert (reply.error, reply.producer_epoch) == (ErrorCode.NONE, 0)
    assert reply.producer_id != 7


def test_a_replaced_producer_cannot_abort_the_transaction_of_the_one_that_replaced_it(world: World) -> None:
    """Kafka lets it: there it is told that it is fenced only after the abort."""
    first, second = world.producer(), world.producer()
    world.add(second, (T, 0))
    assert world.init(before=first).error is ErrorCode.PRODUCER_FENCED
    assert world.produce(second, "value") is ErrorCode.NONE
    # Its own it can, which is how an administrator's tool and a producer in doubt begin anew.
    assert world.init(before=second).error is ErrorCode.CONCURRENT_TRANSACTIONS
    assert world.log().aborted == ["value"]
    reply = world.init(before=second)
    assert (reply.error, reply.producer_epoch) == (ErrorCode.NONE, second.producer_epoch + 1)


def test_taking_an_open_transaction_over_raises_the_epoch_twice(world: World) -> None:
    """Once to stop the producer, once for the one that takes over; nobody is given the epoch in between."""
    first = world.producer()
    world.add(first, (T, 0))
    world.produce(first, "value")
    second = world.producer()
    assert second.producer_epoch == 2
    assert world.log().epochs[first.producer_id] == 1
    assert world.log().aborted == ["value"]
    assert world.produce(first, "late") is ErrorCode.PRODUCER_FENCED
    assert world.end(first, commits=True).error is ErrorCode.PRODUCER_FENCED


def test_exhausted_epochs_bring_a_new_producer_id(world: World) -> None:
    old = at_epoch(world, LAST_EPOCH)
    new = world.producer()
    assert new.producer_id != old.producer_id
    assert new.producer_epoch == 0
    assert world.init(before=old).error is ErrorCode.PRODUCER_FENCED


def test_a_producer_at_the_last_epoch_goes_on_with_a_new_producer_id_even_if_it_asks_twice(world: World) -> None:
    old = at_epoch(world, LAST_EPOCH)
    first, again = world.init(before=old), world.init(before=old)
    assert first == again
    assert first.producer_id != old.producer_id
    assert first.producer_epoch == 0
    assert world.init(before=old._replace(producer_epoch=LAST_EPOCH - 1)).error is ErrorCode.PRODUCER_FENCED


def test_a_producer_at_the_last_epoch_can_be_stopped(world: World) -> None:
    old = at_epoch(world, LAST_EPOCH)
    world.add(old, (T, 0))
    world.produce(old, "value")
    new = world.producer()
    assert world.log().epochs[old.producer_id] == LAST_EPOCH + 1
    assert (new.producer_id != old.producer_id, new.producer_epoch) == (True, 0)


def test_a_transaction_that_timed_out_at_the_last_epoch_leaves_nobody_with_the_epoch_above(world: World) -> None:
    old = at_epoch(world, LAST_EPOCH)
    world.add(old, (T, 0))
    world.pass_time(TIMEOUT_MS)
    assert world.described().producer_epoch == LAST_EPOCH + 1
    reply = world.init(before=old)
    assert (reply.producer_id != old.producer_id, reply.producer_epoch) == (True, 0)


def test_each_end_of_version_5_raises_the_epoch_up_to_a_new_producer_id(world: World) -> None:
    producer = at_epoch(world, LAST_EPOCH - 1)
    seen = []
    for _ in range(3):
        world.add(producer, (T, 0))
        reply = world.end(producer, commits=True, raises=True)
        assert world.end(producer, commits=True, raises=True) == reply, "asked again"
        assert world.end(producer, commits=False, raises=True).error is ErrorCode.INVALID_TXN_STATE
        producer = after(producer, reply)
        seen.append(producer.producer_epoch)
    assert seen == [LAST_EPOCH, 0, 1]


def test_a_repeated_end_is_not_known_any_more_once_the_producer_went_on(world: World) -> None:
    old = at_epoch(world, LAST_EPOCH)
    world.add(old, (T, 0))
    new = after(old, world.end(old, commits=True, raises=True))
    world.add(new, (T, 0))
    assert world.end(old, commits=True, raises=True).error is not ErrorCode.NONE
    assert world.state() is TransactionState.ONGOING


def test_versions_of_a_producer_may_be_mixed(world: World) -> None:
    """A transaction that was filled one way may be ended the other way."""
    producer = world.producer()
    world.produce(producer, "a", adds=True)
    assert world.end(producer, commits=True).error is ErrorCode.NONE
    world.add(producer, (T, 0))
    world.produce(producer, "b")
    reply = world.end(producer, commits=True, raises=True)
    assert reply.producer_epoch == 1
    assert world.log().committed == ["a", "b"]


def test_what_could_not_be_written_did_not_happen(world: World) -> None:
    world.refuses = True
    with pytest.raises(NotWritten):
        world.init()
    assert world.described().error is ErrorCode.TRANSACTIONAL_ID_NOT_FOUND
    producer = world.producer()
    world.add(producer, (T, 0))
    for attempt in (world.init, lambda: world.end(producer, commits=True), lambda: world.add(producer, (T, 1))):
        world.refuses = True
        with pytest.raises(NotWritten):
            attempt()
        assert world.state() is TransactionState.ONGOING
        assert world.transaction().partitions == {(T, 0)}
    assert world.end(producer, commits=True).error is ErrorCode.NONE


def test_expired_ids_are_forgotten(world: World) -> None:
    producer = world.producer()
    world.producer("other")
    world.now_ms += 6 * DAY_MS
    world.producer("other")
    world.now_ms += 2 * DAY_MS
    assert world.expire() == [ID]
    assert world.add(producer, (T, 0)) is ErrorCode.INVALID_PRODUCER_ID_MAPPING
    assert world.producer().producer_id != producer.producer_id


def test_an_expiry_that_could_not_be_written_is_tried_again(world: World) -> None:
    producer = world.producer()
    world.now_ms += 8 * DAY_MS
    world.refuses = True
    with pytest.raises(NotWritten):
        world.expire()
    assert world.add(producer, (T, 0)) is ErrorCode.NONE
    world.end(producer, commits=True)
    world.now_ms += 8 * DAY_MS
    assert world.expire() == [ID]
