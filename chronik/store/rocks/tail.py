"""The newest batches of a log, in memory, as the very bytes objects that were written."""

from __future__ import annotations

from array import array
from bisect import bisect_right


class Tail:
    """A run of consecutive batches up to the log's visible end; the oldest leave first.

    Parallel lists with a moving head: appending, dropping the oldest and finding an offset are all cheap. None of it is
    anything that the garbage collector has to follow: with an object for each batch, it once stood still for 50 ms.
    """

    __slots__ = ("_bases", "_data", "_head", "end")

    def __init__(self, end: int) -> None:
        self.end = end
        """The offset after the newest batch."""
        self._bases = array("q")
        self._data: list[bytes] = []
        self._head = 0

    @property
    def first(self) -> int:
        """The lowest offset that can be read here; `end` when nothing is held."""
        return self._bases[self._head] if self._head < len(self._bases) else self.end

    def append(self, base_offset: int, end_offset: int, data: bytes) -> None:
        """Hold one more batch, which must begin where the last one ended."""
        self._bases.append(base_offset)
        self._data.append(data)
        self.end = end_offset

    def drop_oldest(self) -> int:
        """Let the oldest batch go; there must be one. Returns its size."""
        head = self._head
        size = len(self._data[head])
        self._data[head] = b""
        head += 1
        if head == len(self._bases) or (head >= 32 and head * 2 >= len(self._bases)):
            del self._bases[:head], self._data[:head]
            head = 0
        self._head = head
        return size

    def read(self, offset: int, bound: int, max_bytes: int, at_least_one: bool) -> tuple[list[bytes], int]:
        """Whole batches from the one that contains `offset`, all below `bound`: (batches, bytes).

        `offset` must not be below `first`.
        """
        bases, data = self._bases, self._data
        at = bisect_right(bases, offset, self._head) - 1
        found: list[bytes] = []
        size = 0
        for index in range(max(at, self._head), len(bases)):
            if bases[index] >= bound:
                break
            batch = data[index]
            if size + len(batch) > max_bytes and not (at_least_one and not found):
                break
            found.append(batch)
            size += len(batch)
        return found, size

    def available(self, offset: int, bound: int, limit: int) -> int:
        """How many bytes `read` could return, counted up to `limit`."""
        bases, data = self._bases, self._data
        at = bisect_right(bases, offset, self._head) - 1
        size = 0
        for index in range(max(at, self._head), len(bases)):
            if bases[index] >= bound or size >= limit:
                break
            size += len(data[index])
        return size
