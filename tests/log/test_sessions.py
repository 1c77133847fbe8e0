"""Fetch sessions: every row of KIP-227's table, what an incremental reply names, and that they stay bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronik.errors import ErrorCode, KafkaError
from chronik.log import sessions
from chronik.log.sessions import EVICTION_MS, FetchedPartition, FetchSession, FetchSessions, SessionFetch, Told
from chronik.settings import INT_MAX
from tests.log.batches import NOW_MS

QUIET = Told(ErrorCode.NONE, 10, 0, has_records=False, has_divergence=False)
NEWS = Told(ErrorCode.NONE, 11, 0, has_records=True, has_divergence=False)


def asked(topic: str | bytes, partition: int = 0, offset: int = 0) -> FetchedPartition:
    return FetchedPartition(topic, partition, offset, 1000, -1, -1)


class Cache:
    """Fetch sessions with a clock and numbered ids (101, 102 …)."""

    def __init__(self, slots: int = 3) -> None:
        self.sessions = FetchSessions(slots)
        self.now_ms = NOW_MS
        numbers = count(101)
        self.new_id: Callable[[], int] = lambda: next(numbers)

    def fetch(
        self,
        session_id: int,
        epoch: int,
        partitions: Iterable[FetchedPartition] = (),
        forgotten: Iterable[tuple[str | bytes, int]] = (),
        *,
        uses_topic_ids: bool = False,
    ) -> SessionFetch:
        return self.sessions.begin(
            session_id, epoch, uses_topic_ids, partitions, forgotten, self.now_ms, lambda: self.new_id()
        )

    def create(self, *topics: str) -> FetchSession:
        session = self.fetch(0, 0, [asked(topic) for topic in topics]).session
        assert session is not None
        return session

    def refusal(self, session_id: int, epoch: int, *, uses_topic_ids: bool = False) -> ErrorCode:
        with pytest.raises(KafkaError) as refused:
            self.fetch(session_id, epoch, uses_topic_ids=uses_topic_ids)
        return refused.value.code

    @property
    def ids(self) -> list[int]:
        return sorted(session.session_id for session in self.sessions.sessions())


def names(fetch: SessionFetch) -> list[str | bytes]:
    return [partition.topic for partition in fetch.partitions]


def reply(fetch: SessionFetch, told: Told = QUIET, **others: Told) -> list[str | bytes]:
    """The topics that a reply names, if it tells `told` of each but for some `others`."""
    return [
        partition.topic
        for partition in fetch.partitions
        if fetch.includes(partition, others.get(str(partition.topic), told))
    ]


# The table of session ids and epochs


def test_a_fetch_without_a_session_is_answered_in_full() -> None:
    cache = Cache()
    fetch = cache.fetch(0, -1, [asked("a"), asked("b")])
    assert (fetch.session, fetch.session_id, fetch.incremental) == (None, 0, False)
    assert reply(fetch) == ["a", "b"]
    assert len(cache.sessions) == 0


def test_a_full_fetch_of_epoch_0_creates_a_session() -> None:
    cache = Cache()
    fetch = cache.fetch(0, 0, [asked("a"), asked("b")])
    assert (fetch.session_id, fetch.incremental) == (101, False)
    assert reply(fetch) == ["a", "b"]
    assert cache.ids == [101]


def test_epoch_0_with_a_session_closes_it_and_creates_another() -> None:
    cache = Cache()
    cache.create("a")
    fetch = cache.fetch(101, 0, [asked("b")])
    assert (fetch.session_id, names(fetch), cache.ids) == (102, ["b"], [102])


def test_the_final_epoch_closes_the_session() -> None:
    cache = Cache()
    cache.create("a")
    fetch = cache.fetch(101, -1, [asked("b")])
    assert (fetch.session_id, reply(fetch), cache.ids) == (0, ["b"], [])


@pytest.mark.parametrize("epoch", [-1, 0])
def test_closing_a_session_that_is_not_there_is_no_error(epoch: int) -> None:
    assert names(Cache().fetch(55, epoch, [asked("b")])) == ["b"]


def test_an_incremental_fetch_reads_everything_that_the_session_holds() -> None:
    cache = Cache()
    cache.create("a", "b")
    fetch = cache.fetch(101, 1)
    assert (fetch.session_id, names(fetch), fetch.incremental) == (101, ["a", "b"], True)


def test_each_success_raises_the_epoch() -> None:
    cache = Cache()
    session = cache.create("a")
    for epoch in (1, 2, 3):
        cache.fetch(101, epoch)
    assert cache.refusal(101, 3) is ErrorCode.INVALID_FETCH_SESSION_EPOCH
    assert cache.refusal(101, 5) is ErrorCode.INVALID_FETCH_SESSION_EPOCH
    assert names(cache.fetch(101, 4)) == ["a"]
    session.epoch = INT_MAX
    cache.fetch(101, INT_MAX)
    assert names(cache.fetch(101, 1)) == ["a"]


def test_an_unknown_session_is_not_found() -> None:
    cache = Cache()
    assert cache.refusal(7, 1) is ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert cache.refusal(0, 1) is ErrorCode.FETCH_SESSION_ID_NOT_FOUND


def test_a_session_uses_names_or_ids() -> None:
    cache = Cache()
    cache.create("a")
    assert cache.refusal(101, 1, uses_topic_ids=True) is ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR
    fetch = cache.fetch(0, 0, [asked(bytes(16))], uses_topic_ids=True)
    assert cache.refusal(fetch.session_id, 1) is ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR


# What is remembered


def test_partitions_are_added_changed_and_forgotten() -> None:
    cache = Cache()
    cache.create("a", "b")
    fetch = cache.fetch(101, 1, [asked("b", offset=7), asked("c")], [("a", 0), ("x", 9)])
    assert [(partition.topic, partition.fetch_offset) for partition in fetch.partitions] == [("b", 7), ("c", 0)]
    assert names(cache.fetch(101, 2)) == ["b", "c"]


def test_a_change_reaches_every_field() -> None:
    cache = Cache()
    cache.create("a")
    changed = FetchedPartition("a", 0, 5, 6, 7, 8)
    assert cache.fetch(101, 1, [changed]).partitions == (changed,)


def test_a_partition_that_is_added_and_forgotten_at_once_is_forgotten() -> None:
    cache = Cache()
    cache.create("a")
    assert names(cache.fetch(101, 1, [asked("b")], [("b", 0)])) == ["a"]


def test_a_session_whose_partitions_are_all_forgotten_closes() -> None:
    cache = Cache()
    cache.create("a", "b")
    fetch = cache.fetch(101, 1, (), [("a", 0), ("b", 0)])
    assert (fetch.session_id, fetch.partitions, cache.ids) == (0, (), [])
    assert cache.refusal(101, 2) is ErrorCode.FETCH_SESSION_ID_NOT_FOUND


# What a reply names


def test_an_incremental_reply_names_only_news() -> None:
    cache = Cache()
    reply(cache.fetch(0, 0, [asked("a"), asked("b"), asked("c")]))
    assert reply(cache.fetch(101, 1)) == []
    assert reply(cache.fetch(101, 2), b=NEWS) == ["b"]
    assert reply(cache.fetch(101, 3), b=NEWS._replace(has_records=False)) == []


@pytest.mark.parametrize(
    "news",
    [
        QUIET._replace(has_records=True),
        QUIET._replace(high_watermark=12),
        QUIET._replace(log_start=3),
        QUIET._replace(has_divergence=True),
        QUIET._replace(error=ErrorCode.NOT_LEADER_OR_FOLLOWER),
    ],
)
def test_all_kinds_of_news_are_named(news: Told) -> None:
    cache = Cache()
    reply(cache.fetch(0, 0, [asked("a"), asked("b")]))
    assert reply(cache.fetch(101, 1), a=news) == ["a"]


def test_a_partition_that_failed_is_named_again_when_it_is_well() -> None:
    cache = Cache()
    reply(cache.fetch(0, 0, [asked("a")]))
    failed = Told(ErrorCode.OFFSET_OUT_OF_RANGE, -1, -1, has_records=False, has_divergence=False)
    assert reply(cache.fetch(101, 1), failed) == ["a"]
    assert reply(cache.fetch(101, 2), failed) == ["a"]
    assert reply(cache.fetch(101, 3), QUIET) == ["a"]
    assert reply(cache.fetch(101, 4), QUIET) == []


def test_a_partition_that_was_added_is_named() -> None:
    cache = Cache()
    reply(cache.fetch(0, 0, [asked("a")]))
    assert reply(cache.fetch(101, 1, [asked("b")])) == ["b"]


def test_partitions_with_records_go_to_the_end_of_the_order() -> None:
    cache = Cache()
    reply(cache.fetch(0, 0, [asked("a"), asked("b"), asked("c")]))
    reply(cache.fetch(101, 1), a=NEWS)
    assert names(cache.fetch(101, 2)) == ["b", "c", "a"]


# Bounds


def test_without_a_free_slot_there_is_no_session() -> None:
    cache = Cache(slots=2)
    cache.create("a")
    cache.create("b")
    fetch = cache.fetch(0, 0, [asked("c")])
    assert (fetch.session_id, reply(fetch), cache.ids) == (0, ["c"], [101, 102])


def test_there_may_be_no_slots_at_all() -> None:
    assert Cache(slots=0).fetch(0, 0, [asked("c")]).session is None


def test_the_session_that_rested_longest_gives_way_once_it_is_abandoned() -> None:
    cache = Cache(slots=2)
    cache.create("a")
    cache.create("b")
    cache.now_ms += EVICTION_MS
    cache.fetch(101, 1)
    assert cache.fetch(0, 0, [asked("c")]).session is None
    cache.now_ms += 1
    assert cache.fetch(0, 0, [asked("c")]).session_id == 103
    assert cache.ids == [101, 103]


def test_a_smaller_session_gives_way_to_a_larger_one_after_a_while() -> None:
    cache = Cache(slots=2)
    cache.create("a", "b", "c")
    cache.create("a", "b")
    two = [asked("x"), asked("y")]
    three = [*two, asked("z")]
    assert cache.fetch(0, 0, three).session is None
    for session_id in (101, 102):
        cache.now_ms += EVICTION_MS // 2 + 1
        cache.fetch(session_id, 1)
    assert cache.fetch(0, 0, two).session is None
    assert cache.fetch(0, 0, three).session_id == 103
    assert cache.ids == [101, 103]
    assert cache.fetch(0, 0, [*three, asked("u")]).session_id == 104  # the first one is old, too


def test_an_id_that_is_taken_is_not_given_twice() -> None:
    cache = Cache()
    cache.create("a")
    drawn = iter([101, 0, 101, 7])
    cache.new_id = lambda: next(drawn)
    assert cache.create("b").session_id == 7


def test_partitions_are_bounded_over_all_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAX_CACHED_PARTITIONS", 5)
    cache = Cache(slots=10)
    cache.create("a", "b", "c")
    assert cache.fetch(0, 0, [asked(name) for name in "xyz"]).session is None
    cache.create("d", "e")
    assert cache.fetch(0, 0, [asked("x")]).session is None
    cache.fetch(102, 1, (), [("d", 0)])
    cache.create("f")


def test_a_session_cannot_grow_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is closed, so that the client begins anew with a full fetch."""
    monkeypatch.setattr(sessions, "MAX_CACHED_PARTITIONS", 5)
    cache = Cache()
    cache.create("a", "b", "c")
    cache.fetch(101, 1, [asked("a"), asked("d"), asked("e")])
    with pytest.raises(KafkaError) as refused:
        cache.fetch(101, 2, [asked("f")])
    assert refused.value.code is ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert cache.ids == []
    cache.create("a", "b", "c", "d", "e")


def test_abandoned_partitions_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAX_CACHED_PARTITIONS", 5)
    cache = Cache(slots=10)
    cache.create("a", "b", "c")
    cache.now_ms += EVICTION_MS + 1
    cache.create("x", "y", "z")
    assert cache.ids == [102]


def test_endless_topic_names_cannot_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAX_CACHED_PARTITIONS", 100)
    assert Cache().fetch(0, 0, [asked("x" * 30_000)]).session is None


@given(st.data())
def test_the_count_of_partitions_is_right_whatever_happens(data: st.DataObject) -> None:
    """A wrong count would in the end refuse every session, or none."""
    cache = Cache(slots=3)
    topics = st.lists(st.sampled_from(["a", "b", "c", "x" * 600]), max_size=4)
    for _ in range(data.draw(st.integers(1, 15))):
        cache.now_ms += data.draw(st.sampled_from([0, 1000, EVICTION_MS + 1]))
        held = list(cache.sessions.sessions())
        session_id, epoch = 0, data.draw(st.sampled_from([0, -1]))
        if data.draw(st.booleans()) and held:
            chosen = data.draw(st.sampled_from(held))
            session_id, epoch = chosen.session_id, data.draw(st.sampled_from([0, -1, chosen.epoch, chosen.epoch]))
        fetch = cache.fetch(
            session_id, epoch, map(asked, data.draw(topics)), [(topic, 0) for topic in data.draw(topics)]
        )
        reply(fetch, data.draw(st.sampled_from([QUIET, NEWS])))
        held = list(cache.sessions.sessions())
        for session in held:
            lengths = [len(topic) for topic, _ in session.partitions]
            assert session.weight == sum(1 + length // 256 for length in lengths)
        assert cache.sessions._weight == sum(session.weight for session in held)
        assert len(held) <= 3
