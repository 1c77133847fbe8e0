"""What waits for a WriteBatch, and for the fsync after it: the batches of producers, and the engine's own changes."""

from __future__ import annotations

from asyncio import Future, get_running_loop
from collections.abc import Callable
from typing import Protocol

from chronik.errors import ErrorCode, KafkaError
from chronik.log.access import AppendDone, Appended
from chronik.store.rocks.log_state import LogState
from chronik.terms import Durability, ProducerId


class Pending(Protocol):
    """Something in a WriteBatch that wants to know what became of it."""

    durability: Durability

    def written(self) -> None:
        """The write-ahead log has it."""

    def synced(self) -> None:
        """It was fsynced (only called if `durability` asks for it)."""

    def failed(self, error: BaseException) -> None:
        """It was not written, or (after `written`) not fsynced."""


class Append:
    """A batch on its way: in the WriteBatch, then written and visible, then perhaps fsynced."""

    __slots__ = ("_data", "_done", "_end", "_hold", "_opens", "_result", "_state", "durability")

    def __init__(
        self,
        state: LogState,
        data: bytes,
        end: int,
        opens: ProducerId | None,
        result: Appended,
        durability: Durability,
        done: AppendDone,
        hold: Callable[[LogState, int, int, bytes], None],
    ) -> None:
        self._state = state
        self._data = data
        self._end = end
        self._opens = opens
        self._result = result
        self.durability = durability
        self._done = done
        self._hold = hold

    def written(self) -> None:
        state, result = self._state, self._result
        if not state.dropped:
            self._hold(state, result.base_offset, self._end, self._data)
            if self._opens is not None:
                state.open_transactions.setdefault(self._opens, result.base_offset)
        if self.durability is not Durability.SYNCED:
            self._done(result)

    def synced(self) -> None:
        self._done(self._result)

    def failed(self, error: BaseException) -> None:
        self._done(storage_error(error))


class Repeat:
    """A retry of a batch that is there already: told so once everything before it is as durable as it asks."""

    __slots__ = ("_done", "_result", "durability")

    def __init__(self, result: Appended, durability: Durability, done: AppendDone) -> None:
        self._result = result
        self.durability = durability
        self._done = done

    def written(self) -> None:
        if self.durability is not Durability.SYNCED:
            self._done(self._result)

    def synced(self) -> None:
        self._done(self._result)

    def failed(self, error: BaseException) -> None:
        self._done(storage_error(error))


class Change:
    """A change of the engine's own rows; `done` resolves, or fails with KAFKA_STORAGE_ERROR, when its fate is known."""

    __slots__ = ("done", "durability")

    def __init__(self, durability: Durability) -> None:
        self.durability = durability
        self.done: Future[None] = get_running_loop().create_future()

    def written(self) -> None:
        if self.durability is not Durability.SYNCED:
            self.synced()

    def synced(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def failed(self, error: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(storage_error(error))
            self.done.exception()  # not everybody waits for it


def storage_error(error: BaseException) -> KafkaError:
    """What a client is told when the disk failed: retriable, as the batch may have been written."""
    return KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"the record store failed: {error}")
