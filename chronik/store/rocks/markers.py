"""Appending transaction markers: the control batch, the producer's state and the aborted index in one write."""

from __future__ import annotations

from collections.abc import Callable

from chronik.batch.control import transaction_marker
from chronik.errors import KafkaError
from chronik.log import aborted as aborted_index
from chronik.log import markers
from chronik.log.aborted import AbortedTransaction
from chronik.log.access import AppendTerms
from chronik.log.markers import Marker, MarkerDone
from chronik.store.rocks import keys
from chronik.store.rocks.log_state import LogState
from chronik.store.rocks.pending import storage_error
from chronik.store.rocks.writer import Writer
from chronik.terms import Durability, ProducerId

Extend = Callable[[LogState, bytes, int, int, AppendTerms], None]
"""Plans the place of a batch (its end, its max timestamp) and puts its keys into the group."""

Hold = Callable[[LogState, int, int, bytes], None]
"""Makes a written batch visible."""


class _WrittenMarker:
    """A marker on its way: once written, readers see the transaction's end."""

    __slots__ = ("_aborted", "_data", "_done", "_hold", "_offset", "_producer_id", "_state", "durability")

    def __init__(
        self,
        state: LogState,
        producer_id: ProducerId,
        aborted: AbortedTransaction | None,
        offset: int,
        data: bytes,
        durability: Durability,
        done: MarkerDone,
        hold: Hold,
    ) -> None:
        self._state = state
        self._producer_id = producer_id
        self._aborted = aborted
        self._offset = offset
        self._data = data
        self.durability = durability
        self._done = done
        self._hold = hold

    def written(self) -> None:
        state = self._state
        if not state.dropped:
            self._hold(state, self._offset, self._offset + 1, self._data)
            # Both at the same moment as the end: a reader that may see the batches must be told what they are.
            state.open_transactions.pop(self._producer_id, None)
            if self._aborted is not None:
                state.aborted.append(self._aborted)
        if self.durability is not Durability.SYNCED:
            self._done(self._offset)

    def synced(self) -> None:
        self._done(self._offset)

    def failed(self, error: BaseException) -> None:
        self._done(storage_error(error))


class _NothingToEnd:
    """Tells so once what came before is as durable as asked: the marker itself may be among it, from before a crash."""

    __slots__ = ("_done", "durability")

    def __init__(self, durability: Durability, done: MarkerDone) -> None:
        self.durability = durability
        self._done = done

    def written(self) -> None:
        if self.durability is not Durability.SYNCED:
            self._done(None)

    def synced(self) -> None:
        self._done(None)

    def failed(self, error: BaseException) -> None:
        self._done(storage_error(error))


class Markers:
    """The marking part of the engine; shares its writer."""

    def __init__(self, writer: Writer, extend: Extend, hold: Hold) -> None:
        self._writer = writer
        self._extend = extend
        self._hold = hold

    def append(
        self,
        state: LogState,
        marker: Marker,
        terms: AppendTerms,
        durability: Durability,
        done: MarkerDone,
        *,
        only_open: bool,
    ) -> None:
        """See `RecordStore.append_marker`."""
        writer = self._writer
        if state.dropped:
            done(None)
            return
        if writer.refusal is not None:
            done(storage_error(writer.refusal))
            return
        producer = state.producers.get(marker.producer_id)
        if only_open and not markers.is_open(producer):
            writer.stage(_NothingToEnd(durability, done), 0)
            return
        try:
            markers.check(producer, marker)
        except KafkaError as error:
            done(error)
            return
        offset = state.end
        entry = markers.aborted(producer, marker, offset, state.producers.values())
        state.producers[marker.producer_id] = markers.ended(producer, marker, terms.now_ms)
        state.changed_producers.add(marker.producer_id)
        if entry is not None:
            row = keys.state_key(state.log, keys.STATE_ABORTED, offset)
            writer.group.rows[row] = aborted_index.encode(entry)
        data = transaction_marker(
            marker.outcome,
            marker.producer_id,
            marker.producer_epoch,
            marker.coordinator_epoch,
            terms.now_ms,
            base_offset=offset,
            leader_epoch=terms.leader_epoch,
        )
        self._extend(state, data, offset + 1, terms.now_ms, terms)
        written = _WrittenMarker(state, marker.producer_id, entry, offset, data, durability, done, self._hold)
        writer.stage(written, len(data))
