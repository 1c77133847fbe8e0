"""The contract of a record store: a read-committed reader gets the committed records, all of them and no others,
wherever it begins and whatever else is done to the log."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chronik.batch.control import ControlType, read_control
from chronik.batch.header import parse_header
from chronik.log.access import AppendTerms, LogRead, LogSlice
from chronik.log.markers import Marker
from chronik.terms import Durability, IsolationLevel, ProducerId
from tests.log.batches import NOW_MS, sized
from tests.store.records import ENGINES, A, Records, copy_as_crashed, end_of

PRODUCERS = st.integers(1, 3)
COUNTS = st.integers(1, 3)
ANYWHERE = st.floats(0, 1)
"""A place between the log's start and its end."""


@dataclass
class Model:
    """Each offset with what became of it: True committed, False aborted or a marker, a producer while it is open."""

    offsets: list[bool | str] = field(default_factory=list)
    start: int = 0
    sequences: dict[int, int] = field(default_factory=dict)

    def end(self, producer: int, *, commits: bool) -> None:
        self.offsets = [commits if state == str(producer) else state for state in self.offsets]

    @property
    def open(self) -> set[int]:
        return {int(state) for state in self.offsets if isinstance(state, str)}

    @property
    def last_stable(self) -> int:
        places = [offset for offset, state in enumerate(self.offsets) if isinstance(state, str)]
        return max(self.start, min(places, default=len(self.offsets)))


class Reader:
    """Sorts batches as consumers do: an aborted producer's batches are left out until its ABORT marker."""

    def __init__(self) -> None:
        self.records: list[int] = []

    def take(self, found: LogSlice, at: int) -> None:
        assert found.aborted is not None
        told = sorted((entry.first_offset, int(entry.producer_id)) for entry in found.aborted)
        aborted: set[int] = set()
        for batch in found.buffers:
            header = parse_header(batch)
            while told and told[0][0] <= header.last_offset:
                aborted.add(told.pop(0)[1])
            if header.is_control:
                if read_control(batch).type is ControlType.ABORT:
                    aborted.discard(header.producer_id)
            elif not (header.is_transactional and header.producer_id in aborted):
                self.records += [o for o in range(header.base_offset, header.last_offset + 1) if o >= at]


class ReadCommitted(RuleBasedStateMachine):
    """One log, three producers that may have transactions open, and whatever deletes, closes or crashes."""

    @initialize(engine=st.sampled_from(sorted(ENGINES)))
    def open(self, engine: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="chronik-transactions-"))
        self.runner = asyncio.Runner()
        self.records = Records(ENGINES[engine], self.folder / "0")
        self.model = Model()
        self.runner.run(self.reopened())

    async def reopened(self) -> None:
        await self.records.reopen()

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.run(self.records.close())
            self.runner.close()
            shutil.rmtree(self.folder)

    @rule(producer=PRODUCERS, count=COUNTS, size=st.sampled_from([100, 900, 5000]), transactional=st.booleans())
    def append(self, producer: int, count: int, size: int, transactional: bool) -> None:
        transactional = transactional or producer in self.model.open
        sequence = self.model.sequences.get(producer, 0)
        batch = sized(size, count, producer=(producer, 0, sequence), is_transactional=transactional)
        appended = self.runner.run(self.records.append(A, batch))
        assert appended.base_offset == len(self.model.offsets)
        self.model.sequences[producer] = sequence + count
        self.model.offsets += [str(producer) if transactional else True] * count

    @rule(
        producer=PRODUCERS, commits=st.booleans(), durability=st.sampled_from([Durability.STAGED, Durability.WRITTEN])
    )
    def end(self, producer: int, commits: bool, durability: Durability) -> None:
        was_open = producer in self.model.open
        offset = self.runner.run(self.marked(producer, commits, durability))
        assert offset == (len(self.model.offsets) if was_open else None)
        if was_open:
            self.model.end(producer, commits=commits)
            self.model.offsets.append(False)

    async def marked(self, producer: int, commits: bool, durability: Durability) -> object:
        outcome: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        terms = AppendTerms(0, self.records.now_ms, self.records.segment_bytes, self.records.segment_ms)
        marker = Marker(ProducerId(producer), 0, ControlType.COMMIT if commits else ControlType.ABORT, 0)
        self.records.store.append_marker(A, marker, terms, durability, outcome.set_result, only_open=True)
        return await outcome

    @precondition(lambda self: self.model.offsets)
    @rule(where=ANYWHERE)
    def delete_records(self, where: float) -> None:
        wanted = int(len(self.model.offsets) * where)
        self.model.start = self.runner.run(self.records.store.delete_records(A, wanted))

    @rule()
    def retain(self) -> None:
        self.records.now_ms = NOW_MS + 1000
        start = self.runner.run(self.records.store.retain(A, -1, 6000, self.records.now_ms))
        assert start >= self.model.start
        self.model.start = start

    @rule()
    def reopen(self) -> None:
        self.runner.run(self.reopened())

    @rule()
    def crash(self) -> None:
        before = self.records
        copy = self.folder / str(int(before.path.name) + 1)
        copy_as_crashed(before.path, copy)
        self.runner.run(before.close())
        self.records = Records(before.engine, copy, before.settings, before.now_ms)
        self.runner.run(self.reopened())

    @invariant()
    def the_bounds_are_right(self) -> None:
        if hasattr(self, "model"):
            bounds = self.records.bounds(A)
            assert bounds == (self.model.start, self.model.last_stable, len(self.model.offsets))

    @rule(where=ANYWHERE, max_bytes=st.sampled_from([1, 2000, 2**31 - 1]))
    def read_committed(self, where: float, max_bytes: int) -> None:
        start, stable = self.model.start, self.model.last_stable
        begin = start + int((stable - start) * where)
        found = self.runner.run(self.read(begin, max_bytes))
        assert found == [offset for offset in range(begin, stable) if self.model.offsets[offset] is True]

    async def read(self, begin: int, max_bytes: int) -> list[int]:
        reader, at = Reader(), begin
        while at < self.records.bounds(A).last_stable:
            (found,) = await self.records.fetch([LogRead(A, at, max_bytes)], max_bytes, IsolationLevel.READ_COMMITTED)
            assert isinstance(found, LogSlice)
            reader.take(found, at)
            at = end_of(found.buffers[-1])
        return reader.records


ReadCommitted.TestCase.settings = settings(max_examples=20, stateful_step_count=40, deadline=None)
TestReadCommitted = ReadCommitted.TestCase
