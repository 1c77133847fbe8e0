"""The catalog gives back what was written: after closing and opening, in any order, and however often it was redone."""

from __future__ import annotations

import base64
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronik.changes import (
    BrokerConfigsSet,
    Change,
    GroupConfigsSet,
    GroupDeleted,
    LeaderEpochBumped,
    LogsPurged,
    OffsetsDeleted,
    OffsetsStaged,
    PartitionsAdded,
    ProducerIdsReserved,
    TopicConfigsSet,
    TopicCreated,
    TopicDeleted,
    TransactionCleared,
    TransactionDeleted,
)
from chronik.store.sql import image, schema
from chronik.store.sql.catalog import Catalog
from chronik.store.sql.image import CatalogImage
from chronik.store.sql.problems import CatalogError
from chronik.store.sql.session import Session
from chronik.terms import ProducerId
from tests.store.catalog_facts import (
    APPLY,
    Model,
    added,
    group,
    logs,
    member,
    offset,
    topic,
    topic_id,
    transaction,
    write,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.sqlite"


ROOT = Path(__file__).parents[2]

FULL: list[Change] = [
    topic(1, 10, 11, 12, **{"retention.ms": "1000", "cleanup.policy": "compact"}),
    topic(2, 13),
    LeaderEpochBumped(4),
    ProducerIdsReserved(ProducerId(2000)),
    BrokerConfigsSet("", {"log.retention.ms": "5"}),
    BrokerConfigsSet("0", {"log.retention.ms": "6", "message.max.bytes": "7"}),
    GroupConfigsSet("readers", {"consumer.session.timeout.ms": "50000"}),
    GroupConfigsSet("others", {"consumer.session.timeout.ms": "60000"}),
    group("readers", 7, member("m-2", "range", "roundrobin"), member("m-1", "range")),
    group("others", 1),
    offset("readers", 1, 0, 100),
    offset("readers", 1, 2, 2**63 - 1, expire_ms=5),
    offset("readers", 2, 0, -1),
    offset("others", 1, 0, 300),
    offset("only offsets", 1, 1, 400),
    transaction("open", 1),
    added("open", (1, 2), (1, 0), (2, 0), groups=["readers", "unheard of"]),
    OffsetsStaged("open", (offset("readers", 1, 0, 105), offset("unheard of", 2, 0, 1, expire_ms=7))),
    transaction("idle", 0, 5),
]
"""Something of everything, so that a change can be seen to touch its own only."""


def expect(changes: Sequence[Change]) -> CatalogImage:
    model = Model()
    for change in changes:
        model.apply(change)
    return model.image("?")


def found(path: Path) -> CatalogImage:
    """What a new opening reads."""
    catalog = Catalog.open(path, synchronous="OFF")
    catalog.close()
    catalog.image.cluster_id = "?"
    return catalog.image


AFTERWARDS: dict[str, list[Change]] = {
    "nothing": [],
    "a topic": [topic(3, 14, 15, **{"segment.bytes": "1"})],
    "more partitions": [PartitionsAdded(topic_id(1), 3, logs(20, 21))],
    "a topic deleted": [TopicDeleted(topic_id(1))],
    "an unknown topic deleted": [TopicDeleted(topic_id(9))],
    "a topic re-created under its name": [TopicDeleted(topic_id(1)), topic(4, 14, name="topic-1")],
    "dropped logs purged": [TopicDeleted(topic_id(1)), LogsPurged(logs(10, 12))],
    "topic configs replaced": [TopicConfigsSet(topic_id(1), {"retention.ms": "2000"})],
    "topic configs cleared": [TopicConfigsSet(topic_id(1), {})],
    "broker configs replaced": [BrokerConfigsSet("0", {"x": "y"})],
    "broker configs cleared": [BrokerConfigsSet("", {})],
    "group configs cleared": [GroupConfigsSet("readers", {})],
    "leader epoch": [LeaderEpochBumped(5)],
    "an older leader epoch": [LeaderEpochBumped(3)],
    "producer ids": [ProducerIdsReserved(ProducerId(2**62))],
    "a group's next generation": [group("readers", 8, member("m-3", "sticky"))],
    "a group becoming empty": [group("readers", 9)],
    "a group deleted": [GroupDeleted("readers")],
    "a group of offsets only deleted": [GroupDeleted("only offsets")],
    "an offset again": [offset("readers", 1, 0, 101)],
    "an offset of a topic that is gone": [
        TopicDeleted(topic_id(1)),
        offset("readers", 1, 0, 1),
        offset("readers", 2, 0, 9),
    ],
    "a transaction beginning": [transaction("idle", 1, 5), added("idle", (2, 0))],
    "more in a transaction": [added("open", (1, 1), (1, 2), groups=["others", "readers"])],
    "offsets staged again": [OffsetsStaged("open", (offset("readers", 1, 0, 106), offset("others", 1, 0, 301)))],
    "a transaction of a topic that is gone": [
        TopicDeleted(topic_id(1)),
        added("open", (1, 1), (2, 1)),
        OffsetsStaged("open", (offset("readers", 1, 1, 1), offset("readers", 2, 1, 2))),
    ],
    "a transaction that has ended": [
        transaction("open", 4, 1),
        TransactionCleared("open"),
        offset("readers", 1, 0, 105),
    ],
    "a transactional id deleted": [TransactionDeleted("open")],
    "an unknown transactional id deleted": [TransactionDeleted("unheard of"), TransactionCleared("unheard of")],
    "a group with staged offsets deleted": [GroupDeleted("unheard of")],
    "offsets deleted": [OffsetsDeleted("readers", ((topic_id(1), 0), (topic_id(2), 0), (topic_id(2), 7)))],
}


@pytest.mark.parametrize("case", AFTERWARDS)
@pytest.mark.parametrize("times", [1, 2])
def test_what_was_written_is_there_after_opening_again(path: Path, case: str, times: int) -> None:
    """Also when each unit is written twice, as a redo does."""
    catalog = Catalog.open(path, synchronous="OFF")
    for unit in [FULL] * times + [AFTERWARDS[case]] * times:
        write(catalog, unit)
    catalog.close()
    assert found(path) == expect([*FULL, *AFTERWARDS[case]])


def test_every_kind_of_fact_is_tested() -> None:
    kinds = set(get_args(Change))
    assert {type(change) for change in [*FULL, *(change for case in AFTERWARDS.values() for change in case)]} == kinds
    assert set(APPLY) == kinds


@pytest.mark.parametrize("text", ["", "a\0b", "naïve ☃ 🎈", "'; DROP TABLE topics; --", "x" * 70_000])
def test_any_text_can_be_stored(path: Path, text: str) -> None:
    changes: list[Change] = [
        topic(1, 1, name=f"t{text}", config=text),
        group(text, 1, member(text, text)),
        offset(text, 1, 0, 1),
        transaction(text, 1),
        added(text, groups=[text]),
        OffsetsStaged(text, (offset(text, 1, 0, 2),)),
    ]
    catalog = Catalog.open(path, synchronous="OFF")
    write(catalog, changes)
    catalog.close()
    assert found(path) == expect(changes)


def test_a_new_catalog_is_empty_and_has_its_own_cluster_id(path: Path) -> None:
    catalog = Catalog.open(path)
    catalog.close()
    cluster_id = catalog.image.cluster_id
    assert catalog.image == Model().image(cluster_id)
    assert len(cluster_id) == 22
    assert len(base64.urlsafe_b64decode(cluster_id + "==")) == 16
    again = Catalog.open(path)
    again.close()
    assert again.image.cluster_id == cluster_id
    other = Catalog.open(path.with_name("other.sqlite"))
    other.close()
    assert other.image.cluster_id != cluster_id


def test_a_cluster_id_never_looks_like_an_option() -> None:
    # One in 64 random ones would.
    assert not any(schema.new_cluster_id().startswith("-") for _ in range(2000))


def test_log_ids_are_not_used_again_after_a_deletion_and_purge(path: Path) -> None:
    catalog = Catalog.open(path, synchronous="OFF")
    write(catalog, [topic(1, 500), TopicDeleted(topic_id(1)), LogsPurged(logs(500))])
    write(catalog, [topic(2, 7)])
    catalog.close()
    assert found(path).next_log_id == 501


def test_properties_are_kept_and_replaced(path: Path) -> None:
    catalog = Catalog.open(path)
    catalog.set_property("boot", "one")
    catalog.set_property("clean", "no")
    write(catalog, [topic(1, 1)])
    catalog.set_property("clean", "yes")
    catalog.close()
    assert found(path).properties == {"boot": "one", "clean": "yes"}


def test_the_cluster_id_is_no_property(path: Path) -> None:
    catalog = Catalog.open(path)
    with pytest.raises(ValueError, match="never changes"):
        catalog.set_property("cluster_id", "another")
    catalog.close()
    with pytest.raises(CatalogError, match="could not be written"):
        catalog.set_property("clean", "yes")


def test_a_missing_partition_is_noticed(path: Path) -> None:
    catalog = Catalog.open(path, synchronous="OFF")
    write(catalog, [topic(1, 1, 2, 3)])
    catalog.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM partitions WHERE partition = 1")
    with pytest.raises(CatalogError, match="lacks partition 1 of the topic 0101"):
        Catalog.open(path)


START = """
import sys
from pathlib import Path
from chronik.store.sql.catalog import Catalog
for _ in "new", "existing":
    catalog = Catalog.open(Path(sys.argv[1]))
    catalog.set_property("clean", "no")
    catalog.close()
print(sorted({name.partition(".")[0] for name in sys.modules} & {"sqlalchemy", "alembic", "mako"}))
"""


def test_a_start_does_not_wait_for_sqlalchemy(path: Path) -> None:
    command = [sys.executable, "-c", START, str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout == "[]\n"


GROUPS = st.sampled_from(["a", "b"])
NUMBERS = st.integers(1, 3)
MEMBERS = st.lists(st.builds(member, st.sampled_from(["m1", "m2", "m3"]), st.sampled_from(["range", "rr"])), max_size=3)
CONFIGS = st.dictionaries(st.sampled_from(["p", "q"]), st.sampled_from(["1", "2"]))

STEPS: st.SearchStrategy[Callable[[Model], Change | None]] = st.one_of(
    st.builds(lambda number: lambda model: create(model, number), NUMBERS),
    st.builds(lambda number: lambda model: grow(model, number), NUMBERS),
    st.builds(lambda number: lambda _: TopicDeleted(topic_id(number)), NUMBERS),
    st.builds(lambda: lambda model: LogsPurged(tuple(sorted(model.dropped_logs)[:2]))),
    st.builds(
        lambda number, configs: (
            lambda model: TopicConfigsSet(topic_id(number), configs) if topic_id(number) in model.topics else None
        ),
        NUMBERS,
        CONFIGS,
    ),
    st.builds(lambda name, configs: lambda _: GroupConfigsSet(name, configs), GROUPS, CONFIGS),
    st.builds(
        lambda name, generation, members: (
            lambda _: group(name, generation, *{member.member_id: member for member in members}.values())
        ),
        GROUPS,
        st.integers(0, 9),
        MEMBERS,
    ),
    st.builds(lambda name: lambda _: GroupDeleted(name), GROUPS),
    st.builds(
        lambda name, number, partition, at: lambda _: offset(name, number, partition, at),
        GROUPS,
        NUMBERS,
        st.integers(0, 2),
        st.integers(0, 99),
    ),
    st.builds(lambda name, state: lambda _: transaction(name, state), GROUPS, st.integers(0, 5)),
    st.builds(lambda name: lambda _: TransactionCleared(name), GROUPS),
    st.builds(lambda name: lambda _: TransactionDeleted(name), GROUPS),
    st.builds(
        lambda name, number, partition, group_id: (
            lambda model: added(name, (number, partition), groups=[group_id]) if name in model.transactions else None
        ),
        GROUPS,
        NUMBERS,
        st.integers(0, 2),
        GROUPS,
    ),
    st.builds(
        lambda name, staged: lambda model: OffsetsStaged(name, (staged,)) if name in model.transactions else None,
        GROUPS,
        st.builds(offset, GROUPS, NUMBERS, st.integers(0, 2), st.integers(0, 99)),
    ),
    st.builds(
        lambda name, number, partition: lambda _: OffsetsDeleted(name, ((topic_id(number), partition),)),
        GROUPS,
        NUMBERS,
        st.integers(0, 2),
    ),
)
"""What may happen next, given what there is."""


def create(model: Model, number: int) -> TopicCreated | None:
    """A topic as the broker creates it: with logs that were never used."""
    first = model.counters.get("next_log_id", 1)
    return None if topic_id(number) in model.topics else topic(number, first, first + 1)


def grow(model: Model, number: int) -> PartitionsAdded | None:
    there = model.topics.get(topic_id(number))
    first = model.counters.get("next_log_id", 1)
    return PartitionsAdded(there.topic_id, len(there.logs), logs(first)) if there else None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(STEPS, st.integers(1, 2)), max_size=30), st.integers(1, 5))
def test_any_sequence_means_the_same_to_the_catalog_and_to_the_model(
    steps: list[tuple[Callable[[Model], Change | None], int]], unit_size: int
) -> None:
    """However the changes are cut into units, and if any are written twice in a row."""
    model = Model()
    changes: list[Change] = []
    for step, times in steps:
        if (change := step(model)) is not None:
            model.apply(change)
            changes += [change] * times
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as raw:
        raw.execute("PRAGMA foreign_keys = ON")
        schema.create(raw)
        session = Session(raw)
        for start in range(0, len(changes), unit_size):
            session.write(changes[start : start + unit_size])
        session.close()
        read = image.load(raw)
    assert read == model.image(read.cluster_id)
