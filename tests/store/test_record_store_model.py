"""The contract of a record store: whatever is done in whatever order, it holds what a list of batches would hold."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chronik.errors import ErrorCode, KafkaError
from chronik.log.access import Appended, LogRead, LogSlice
from chronik.log.validate import CheckedBatch
from chronik.terms import Durability, LogId
from tests.log.batches import NOW_MS, sized
from tests.store.records import ENGINES, Records, copy_as_crashed, end_of

LOGS = st.integers(1, 3).map(LogId)
SIZES = st.sampled_from([70, 100, 300, 1000, 3000, 9000])
COUNTS = st.sampled_from([1, 1, 2, 5])


@dataclass
class Stored:
    """A batch that was appended: its offsets, its size, its producer's sequence."""

    base: int
    end: int
    size: int
    producer: int
    sequence: int


@dataclass
class LogModel:
    """A log as a list."""

    start: int = 0
    end: int = 0
    batches: list[Stored] = field(default_factory=list)
    sequences: dict[int, int] = field(default_factory=dict)
    """The next sequence of each producer."""

    def readable(self) -> list[Stored]:
        return [batch for batch in self.batches if batch.end > self.start]


class StoreMachine(RuleBasedStateMachine):
    """A store, and a model of each of its logs. Dropped logs are not used again, as no number ever is."""

    @initialize(engine=st.sampled_from(sorted(ENGINES)))
    def open(self, engine: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="chronik-model-"))
        self.runner = asyncio.Runner()
        self.records = Records(ENGINES[engine], self.folder / "0")
        self.generation = 0
        self.models: dict[LogId, LogModel] = {}
        self.dropped: set[LogId] = set()
        self.runner.run(self._open())

    async def _open(self) -> None:
        self.records.open()

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.run(self.records.close())
            self.runner.close()
            shutil.rmtree(self.folder)

    def model(self, log: LogId) -> LogModel:
        return self.models.setdefault(log, LogModel())

    # Appending

    def planned(self, log: LogId, size: int, count: int, producer: int) -> tuple[CheckedBatch, Appended]:
        """The next batch of the log, and what is to be told of it; the model has it already."""
        model = self.model(log)
        sequence = -1
        if producer >= 0:
            sequence = model.sequences.get(producer, 0)
            model.sequences[producer] = sequence + count
        batch = sized(size, count, producer=(producer, 0 if producer >= 0 else -1, sequence))
        stored = Stored(model.end, model.end + count, len(batch.data), producer, sequence)
        model.batches.append(stored)
        model.end = stored.end
        return batch, Appended(stored.base, -1, model.start)

    @rule(
        entries=st.lists(st.tuples(LOGS, SIZES, COUNTS, st.integers(-1, 2)), min_size=1, max_size=25),
        durability=st.sampled_from(Durability),
    )
    def append(self, entries: Sequence[tuple[LogId, int, int, int]], durability: Durability) -> None:
        async def run() -> None:
            outcomes = []
            for log, size, count, producer in entries:
                if log in self.dropped:
                    assert await self.records.refusal(log, sized()) is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
                    continue
                batch, expected = self.planned(log, size, count, producer)
                outcomes.append((self.records.submit(log, batch, durability), expected))
            for outcome, expected in outcomes:
                assert await outcome == expected

        self.runner.run(run())

    @rule(log=LOGS, producer=st.integers(0, 2), back=st.integers(1, 5))
    def append_again(self, log: LogId, producer: int, back: int) -> None:
        model = self.model(log)
        own = [batch for batch in model.batches if batch.producer == producer][-5:]
        if log in self.dropped or len(own) < back:
            return
        batch = own[-back]
        again = sized(count=batch.end - batch.base, producer=(producer, 0, batch.sequence))
        assert self.runner.run(self.records.append(log, again)) == Appended(batch.base, -1, model.start)

    @rule(log=LOGS, producer=st.integers(0, 2), gap=st.integers(1, 3))
    def append_with_a_gap(self, log: LogId, producer: int, gap: int) -> None:
        expected = self.model(log).sequences.get(producer)
        if log in self.dropped or expected is None:
            return
        batch = sized(producer=(producer, 0, expected + gap))
        assert self.runner.run(self.records.refusal(log, batch)) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER

    # Deleting

    @rule(log=LOGS, share=st.floats(0, 1))
    def delete_records(self, log: LogId, share: float) -> None:
        if log in self.dropped:
            return
        model = self.model(log)
        offset = int(model.end * share)
        model.start = max(model.start, offset)
        assert self.runner.run(self.records.store.delete_records(log, offset)) == model.start

    @rule(log=LOGS, retention_bytes=st.sampled_from([0, 1000, 10_000, 50_000]))
    def retain(self, log: LogId, retention_bytes: int) -> None:
        if log in self.dropped:
            return
        model = self.model(log)
        start = self.runner.run(self.records.store.retain(log, -1, retention_bytes, NOW_MS))
        assert model.start <= start <= model.end
        if start > model.start:
            model.start = start
            assert sum(batch.size for batch in model.readable()) >= retention_bytes

    @rule(log=LOGS)
    def drop(self, log: LogId) -> None:
        if len(self.dropped) < 2:
            self.dropped.add(log)
            self.models.pop(log, None)
            self.runner.run(self.records.store.drop([log]))

    @rule()
    def reclaim(self) -> None:
        self.runner.run(self.records.store.reclaim())

    # Ending and beginning

    @rule()
    def reopen(self) -> None:
        self.runner.run(self.records.reopen())
        # What was dropped is forgotten even as such.
        self.dropped_for_good()

    @rule()
    def crash(self) -> None:
        """Go on with what another process would have found, had this one been killed."""
        self.generation += 1
        path = self.folder / str(self.generation)
        copy_as_crashed(self.records.path, path)
        self.runner.run(self.records.close())
        shutil.rmtree(self.records.path)
        self.records.path = path
        self.runner.run(self._open())
        self.dropped_for_good()

    def dropped_for_good(self) -> None:
        for log in self.dropped:
            assert self.records.bounds(log) == (0, 0, 0)
            self.runner.run(self.records.store.drop([log]))

    # Reading

    @rule(log=LOGS, share=st.floats(0, 1), max_bytes=st.sampled_from([0, 200, 2000, 2**31 - 1]))
    def fetch(self, log: LogId, share: float, max_bytes: int) -> None:
        if log in self.dropped:
            return
        model = self.model(log)
        offset = round(model.end * share)
        (found,) = self.runner.run(self.records.fetch([LogRead(log, offset, max_bytes)]))
        if offset < model.start:
            assert isinstance(found, KafkaError)
            assert found.code is ErrorCode.OFFSET_OUT_OF_RANGE
            return
        assert isinstance(found, LogSlice)
        expected, left = list[tuple[int, int]](), max_bytes
        for batch in model.batches:
            if batch.end > offset:
                left -= batch.size
                if left < 0 and expected:
                    break
                expected.append((batch.end, batch.size))
        assert [(end_of(buffer), len(buffer)) for buffer in found.buffers] == expected

    @invariant()
    def is_what_the_model_says(self) -> None:
        for log, model in getattr(self, "models", {}).items():
            assert self.records.bounds(log) == (model.start, model.end, model.end)
            ends = [end_of(buffer) for buffer in self.runner.run(self.records.read_all(log))]
            assert ends == [batch.end for batch in model.readable()]
            last = {int(state.producer_id): state.last_sequence + 1 for state in self.records.store.producers(log)}
            assert last == model.sequences


StoreMachine.TestCase.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)
test_a_store_holds_what_a_list_would_hold = StoreMachine.TestCase
