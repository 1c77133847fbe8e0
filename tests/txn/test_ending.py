"""How transactions end: by their producer, by the clock, by a restart; and what becomes of their offsets."""

from __future__ import annotations

import pytest

from chronik.changes import GroupDeleted, TopicDeleted
from chronik.errors import ErrorCode
from chronik.settings import BrokerSettings
from chronik.txn.coordinator import RETRY_MS
from chronik.txn.listing import TransactionFilter
from chronik.txn.states import TransactionState
from tests.txn.world import GROUP, ID, START_MS, TIMEOUT_MS, Died, NotWritten, T, U, World


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("commits", [True, False])
def test_every_partition_gets_the_outcome(world: World, commits: bool) -> None:
    producer = world.producer()
    for key in ((T, 0), (T, 1), (U, 0)):
        world.produce(producer, "value", key, adds=True)
    world.end(producer, commits=commits)
    for key in ((T, 0), (T, 1), (U, 0)):
        assert (world.log(key).committed, world.log(key).aborted) == ((["value"], []) if commits else ([], ["value"]))
    assert world.transaction().partitions == set()


def test_a_time_out_aborts_and_fences(world: World) -> None:
    producer, longer = world.producer(), world.producer("longer", timeout_ms=2 * TIMEOUT_MS)
    world.now_ms += 1000
    world.produce(producer, "a", adds=True)
    world.produce(longer, "b", adds=True)
    world.now_ms += TIMEOUT_MS - 1
    assert world.coordinator.next_deadline() == START_MS + 1000 + TIMEOUT_MS
    # What is added later does not make it longer.
    world.produce(producer, "c", (T, 1), adds=True)
    world.pass_time(1)
    assert world.log().aborted == ["a"]
    assert world.produce(producer, "late") is ErrorCode.PRODUCER_FENCED
    assert world.end(producer, commits=True).error is ErrorCode.PRODUCER_FENCED
    # A producer of version 5 is told that it was aborted, if that is what it wants, and goes on.
    assert world.end(producer, commits=True, raises=True).error is ErrorCode.INVALID_TXN_STATE
    assert world.end(producer, commits=False, raises=True).producer_epoch == 1
    assert world.init(before=producer).producer_epoch == 1
    assert world.state("longer") is TransactionState.ONGOING
    assert world.coordinator.next_deadline() == START_MS + 1000 + 2 * TIMEOUT_MS
    world.pass_time(TIMEOUT_MS)
    assert world.state("longer") is TransactionState.COMPLETE_ABORT
    assert world.coordinator.next_deadline() is None


def test_a_refused_write_does_not_touch_another_transaction_that_times_out_with_it(world: World) -> None:
    first, second = world.producer("first"), world.producer("second")
    world.produce(first, "a", adds=True)
    world.produce(second, "b", adds=True)
    world.refuses = True
    with pytest.raises(NotWritten):
        world.pass_time(TIMEOUT_MS)
    assert sorted(world.log().aborted) == ["b"]
    world.pass_time(RETRY_MS)
    assert sorted(world.log().aborted) == ["a", "b"]


def test_a_time_out_waits_for_what_is_being_written(world: World) -> None:
    producer = world.producer()
    world.add(producer, (T, 0))
    world.now_ms += TIMEOUT_MS
    decision = world.coordinator.add_partitions(producer, [(T, 1)], world.now_ms)
    assert world.coordinator.tick(world.now_ms) == []
    assert world.coordinator.next_deadline() is None
    world.carry_out(ID, decision)
    assert world.coordinator.next_deadline() == world.now_ms
    world.tick()
    assert world.state() is TransactionState.COMPLETE_ABORT


def test_a_time_out_that_could_not_be_written_is_tried_again(world: World) -> None:
    world.add(world.producer(), (T, 0))
    world.now_ms += TIMEOUT_MS
    world.refuses = True
    with pytest.raises(NotWritten):
        world.tick()
    assert world.coordinator.next_deadline() == world.now_ms + RETRY_MS
    world.pass_time(RETRY_MS)
    assert world.state() is TransactionState.COMPLETE_ABORT


def test_a_replaced_producer_is_not_taken_for_the_current_one_that_asks_again(world: World) -> None:
    """It has the epoch before the current one, as who repeats an end of version 5 has. Kafka gives it the token of the
    producer that replaced it."""
    old, new = world.producer(), world.producer()
    world.produce(new, "a", adds=True)
    world.end(new, commits=True)
    assert world.end(old, commits=True, raises=True).error is ErrorCode.PRODUCER_FENCED


def test_an_open_transaction_survives_a_restart_with_its_deadline(world: World) -> None:
    producer = world.producer()
    world.produce(producer, "a", adds=True)
    world.stage(producer, 5, adds=True)
    world.now_ms += TIMEOUT_MS // 2
    world.restart()
    assert world.produce(producer, "b") is ErrorCode.NONE
    assert world.coordinator.next_deadline() == START_MS + TIMEOUT_MS
    assert world.coordinator.unstable_offsets(GROUP) == {(T, 0)}
    world.end(producer, commits=True)
    assert (world.log().committed, world.committed_offset()) == (["a", "b"], 5)


def test_a_death_at_any_step_ends_in_one_outcome() -> None:
    """Nothing decided: the transaction is open still. Decided: it is committed everywhere, with its offsets."""
    outcomes = []
    for steps in range(20):
        world = World()
        producer = world.producer()
        world.produce(producer, "a", adds=True)
        world.produce(producer, "b", (U, 3), adds=True)
        world.stage(producer, 5, adds=True)
        world.steps_left = steps
        try:
            world.end(producer, commits=True)
        except Died:
            world.restart()
        done = (world.log().committed, world.log((U, 3)).committed, world.committed_offset())
        state = world.state()
        assert (state, done) in [
            (TransactionState.ONGOING, ([], [], None)),
            (TransactionState.COMPLETE_COMMIT, (["a"], ["b"], 5)),
        ]
        outcomes.append(state)
        assert world.end(producer, commits=True).error is ErrorCode.NONE, "the producer asks again"
    assert outcomes == [TransactionState.ONGOING] + [TransactionState.COMPLETE_COMMIT] * 19


def test_what_a_failed_completion_left_is_done_later(world: World) -> None:
    producer = world.producer()
    world.stage(producer, 5, adds=True)
    world.steps_left = 2  # after the replay of what was prepared
    with pytest.raises(Died):
        world.end(producer, commits=True)
    assert world.state() is TransactionState.PREPARE_COMMIT
    (left,) = world.coordinator.resume()
    assert world.coordinator.resume_one(ID) == left
    assert world.coordinator.resume_one("unknown") is None
    world.refuses = True
    with pytest.raises(NotWritten):
        world.finish(left)
    world.finish_what_is_left()
    assert world.coordinator.resume() == ()
    assert world.committed_offset() == 5


def test_the_last_staged_offset_counts(world: World) -> None:
    producer = world.producer()
    world.add_group(producer)
    for offset in (5, 3, 9):
        assert world.stage(producer, offset) is ErrorCode.NONE
    assert world.committed_offset() is None
    world.end(producer, commits=True)
    assert world.committed_offset() == 9
    assert world.coordinator.unstable_offsets(GROUP) == frozenset()


def test_an_abort_drops_staged_offsets(world: World) -> None:
    world.commit_plainly(1)
    producer = world.producer()
    world.stage(producer, 5, adds=True)
    world.end(producer, commits=False)
    assert world.committed_offset() == 1
    assert world.coordinator.unstable_offsets(GROUP) == frozenset()
    # Nor do they come back with the next transaction.
    world.add(producer, (T, 0))
    world.end(producer, commits=True)
    assert world.committed_offset() == 1


def test_of_a_staged_and_a_plain_commit_the_later_one_counts(world: World) -> None:
    """Also within one millisecond, and when the clock was set back in between."""
    producer = world.producer()
    world.add_group(producer)
    world.stage(producer, 5)
    world.commit_plainly(100)
    world.end(producer, commits=True)
    assert world.committed_offset() == 100
    world.add_group(producer)
    world.now_ms -= 5000
    world.stage(producer, 6)
    world.end(producer, commits=True)
    assert world.committed_offset() == 6
    world.add_group(producer)
    world.stage(producer, 7)
    world.commit_plainly(100)
    world.stage(producer, 8)
    world.restart()
    world.end(producer, commits=True)
    assert world.committed_offset() == 8


def test_a_group_must_have_been_added(world: World) -> None:
    producer = world.producer()
    world.add_group(producer, "another")
    assert world.stage(producer, 5) is ErrorCode.TRANSACTION_ABORTABLE
    assert world.coordinator.check_offsets(producer, GROUP, adds_group=False) is ErrorCode.TRANSACTION_ABORTABLE
    assert world.coordinator.check_offsets(producer, GROUP, adds_group=True) is ErrorCode.NONE
    assert world.coordinator.check_offsets(producer, "another", adds_group=False) is ErrorCode.NONE


def test_a_deleted_topic_leaves_its_transactions(world: World) -> None:
    producer = world.producer()
    for topic in (T, U):
        world.produce(producer, "value", (topic, 0), adds=True)
        world.stage(producer, 5, (topic, 0), adds=True)
    world.topics.discard(T)
    world.write(TopicDeleted(T))
    world.coordinator.replay(TopicDeleted(T))
    # What was decided before and comes only now.
    world.stage(producer, 6, (T, 1))
    world.end(producer, commits=True)
    assert world.log((U, 0)).committed == ["value"]
    assert world.log((T, 0)).committed == []
    assert {key[1] for key in world.offsets} == {U}


def test_a_deleted_group_leaves_its_transactions(world: World) -> None:
    """As in Kafka: what was staged before the deletion does not come back with the commit."""
    first, second = world.producer(), world.producer("second")
    world.stage(first, 5, adds=True)
    world.stage(first, 6, group="another", adds=True)
    world.stage(second, 7, (T, 1), adds=True)
    world.write(GroupDeleted(GROUP))
    world.coordinator.replay(GroupDeleted(GROUP))
    assert world.coordinator.unstable_offsets(GROUP) == frozenset()
    assert world.coordinator.unstable_offsets("another") == {(T, 0)}
    for producer in (first, second):
        world.end(producer, commits=True)
    assert {key[0] for key in world.offsets} == {"another"}


def test_partitions_that_are_added_again_are_not_written_again(world: World) -> None:
    producer = world.producer()
    world.add(producer, (T, 0), (T, 1), (T, 0))
    world.add_group(producer)
    written = len(world.disk)
    world.add(producer, (T, 1), (T, 0))
    world.add_group(producer)
    world.stage(producer, 5)
    assert len(world.disk) == written + 1


def test_a_transaction_can_begin_without_a_partition(world: World) -> None:
    producer = world.producer()
    assert world.add(producer) is ErrorCode.NONE
    assert world.state() is TransactionState.ONGOING
    assert world.end(producer, commits=True).error is ErrorCode.NONE


def test_listing_and_describing(world: World) -> None:
    producer = world.producer("open")
    world.add(producer, (U, 1), (T, 2), (T, 0))
    world.producer("idle")
    done = world.producer("done")
    world.add(done, (T, 0))
    world.now_ms += 1000
    world.end(done, commits=False)

    def names(**wanted: object) -> list[str]:
        found = world.coordinator.list_transactions(TransactionFilter(**wanted), world.now_ms)  # type: ignore[arg-type]  # as the tests below give it
        return [one.transactional_id for one in found]

    assert names() == ["open", "idle", "done"]
    assert names(states=("Ongoing", "CompleteAbort")) == ["open", "done"]
    assert names(states=("ongoing",)) == []
    assert names(producer_ids=(producer.producer_id, 77)) == ["open"]
    assert names(states=("Empty",), producer_ids=(producer.producer_id,)) == []
    assert names(duration_ms=999) == ["open", "idle", "done"]
    assert names(duration_ms=1000) == ["idle"]
    assert names(matches=lambda name: name < "i") == ["done"]
    assert TransactionFilter(states=("Ongoing", "Open", "Dead")).unknown_states == ("Open",)

    described = world.described("open")
    assert (described.error, described.state, described.partitions) == (
        ErrorCode.NONE,
        "Ongoing",
        ((T, 0), (T, 2), (U, 1)),
    )
    assert (described.start_ms, described.timeout_ms) == (START_MS, TIMEOUT_MS)
    assert world.described("idle").start_ms == -1
    assert (world.described("done").state, world.described("done").partitions) == ("CompleteAbort", ())
    assert world.described("").error is ErrorCode.INVALID_REQUEST
    assert world.described("unknown").error is ErrorCode.TRANSACTIONAL_ID_NOT_FOUND


def test_settings_count_from_the_next_call_on() -> None:
    world = World(BrokerSettings(transaction_max_timeout_ms=1000, transactional_id_expiration_ms=10))
    assert world.init().error is ErrorCode.INVALID_TRANSACTION_TIMEOUT
    world.coordinator.settings = BrokerSettings()
    assert world.init().error is ErrorCode.NONE
