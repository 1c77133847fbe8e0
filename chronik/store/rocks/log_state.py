"""What the engine holds in memory of one log, and how it is loaded: at first use, from a few rows, reading no
record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rocksdict import Rdict

from chronik.errors import ErrorCode, KafkaError
from chronik.log import aborted as aborted_index
from chronik.log import epochs as leader_epochs
from chronik.log import producers as producer_states
from chronik.log import segments as log_segments
from chronik.log.aborted import AbortedTransaction
from chronik.log.access import LogBounds
from chronik.log.epochs import Epochs
from chronik.log.producers import ProducerState
from chronik.log.segments import Segment
from chronik.store.rocks import keys
from chronik.store.rocks.options import rows_between
from chronik.store.rocks.tail import Tail
from chronik.terms import NO_OFFSET, IsolationLevel, LogId, ProducerId


class Watch:
    """A registered interest in some logs, see `chronik.store.interface.Watch`."""

    __slots__ = ("_states", "wake")

    def __init__(self, states: Sequence[LogState], wake: Callable[[], None]) -> None:
        self._states = states
        self.wake = wake
        for state in states:
            state.watches.add(self)

    def cancel(self) -> None:
        for state in self._states:
            state.watches.discard(self)


class LogState:
    """One log. `end`, `producers` and `segments` are planned: they run ahead of what is visible by what is staged."""

    __slots__ = (
        "aborted",
        "changed_producers",
        "dropped",
        "end",
        "epochs",
        "epochs_changed",
        "log",
        "news_count",
        "open_transactions",
        "producers",
        "segments",
        "size_bytes",
        "start",
        "tail",
        "watches",
        "written_segment_count",
    )

    def __init__(self, log: LogId) -> None:
        self.log = log
        self.start = 0
        self.end = 0
        self.size_bytes = 0
        self.segments: list[Segment] = []
        self.written_segment_count = 0
        """Segments from this index on (and the one before it, if it grew) have rows to be written."""
        self.epochs: Epochs = ()
        self.epochs_changed = False
        self.producers: dict[ProducerId, ProducerState] = {}
        self.changed_producers: set[ProducerId] = set()
        self.open_transactions: dict[ProducerId, int] = {}
        """First offset of each open transaction whose first batch is visible."""
        self.aborted: list[AbortedTransaction] = []
        self.tail = Tail(0)
        self.watches: set[Watch] = set()
        self.news_count = 0
        """Rises with everything that a watcher is woken for."""
        self.dropped = False

    @property
    def last_stable(self) -> int:
        """The first offset of the oldest open transaction, else the high watermark."""
        if not self.open_transactions:
            return self.tail.end
        return max(self.start, min(self.tail.end, min(self.open_transactions.values())))

    def bounds(self) -> LogBounds:
        """The bounds that readers see."""
        return LogBounds(self.start, self.last_stable, self.tail.end)

    def read_bound(self, isolation: IsolationLevel) -> int:
        """The offset that a reader of this isolation level must not reach."""
        return self.tail.end if isolation is IsolationLevel.READ_UNCOMMITTED else self.last_stable

    def check_readable(self, offset: int) -> None:
        """KafkaError OFFSET_OUT_OF_RANGE below the log's start or beyond its end; see also `check_exists`."""
        self.check_exists()
        if not self.start <= offset <= self.tail.end:
            raise KafkaError(
                ErrorCode.OFFSET_OUT_OF_RANGE, f"offset {offset} is not within [{self.start}, {self.tail.end}]"
            )

    def check_exists(self) -> None:
        """KafkaError UNKNOWN_TOPIC_OR_PARTITION for a dropped log."""
        if self.dropped:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "the topic was deleted")

    def wake(self) -> None:
        """There is news: tell every watcher."""
        self.news_count += 1
        for watch in tuple(self.watches):
            if watch in self.watches:  # an earlier one may have cancelled it
                watch.wake()

    def rows(self) -> dict[bytes, bytes]:
        """The state rows that changed since the last call, to be written with the batches that changed them."""
        log, rows = self.log, dict[bytes, bytes]()
        for segment in self.segments[max(self.written_segment_count - 1, 0) :]:
            rows[keys.state_key(log, keys.STATE_SEGMENT, segment.base_offset)] = log_segments.encode(segment)
        self.written_segment_count = len(self.segments)
        if self.epochs_changed:
            rows[keys.state_key(log, keys.STATE_EPOCHS)] = leader_epochs.encode(self.epochs)
            self.epochs_changed = False
        if self.changed_producers:
            for producer_id in self.changed_producers:
                key = keys.state_key(log, keys.STATE_PRODUCER, producer_id)
                rows[key] = producer_states.encode(self.producers[producer_id])
            self.changed_producers.clear()
        return rows


def load(state_family: Rdict, log: LogId) -> LogState:
    """Read a log's state rows; a log without any is empty."""
    state = LogState(log)
    first, last = keys.LOG_PREFIX.pack(log), keys.LOG_PREFIX.pack(log + 1)
    for key, value in rows_between(state_family, first, last):
        _, kind, suffix = keys.STATE_KEY.unpack(key)
        match kind:
            case keys.STATE_START:
                (state.start,) = keys.NUMBER.unpack(value)
            case keys.STATE_SEGMENT:
                state.segments.append(log_segments.decode(suffix, value))
            case keys.STATE_EPOCHS:
                state.epochs = leader_epochs.decode(value)
            case keys.STATE_PRODUCER:
                producer = producer_states.decode(ProducerId(suffix), value)
                state.producers[producer.producer_id] = producer
                if producer.open_first_offset != NO_OFFSET:
                    state.open_transactions[producer.producer_id] = producer.open_first_offset
            case keys.STATE_ABORTED:
                state.aborted.append(aborted_index.decode(value))
            case _:
                pass  # a kind that a later format may add
    if state.segments:
        state.end = state.segments[-1].end_offset
        state.size_bytes = sum(segment.size_bytes for segment in state.segments)
        state.written_segment_count = len(state.segments)
    state.end = max(state.end, state.start)
    state.tail = Tail(state.end)
    return state
