"""One at a time, by name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Lets one holder in for each name; the others wait. Costs nothing for a name that nobody holds."""

    def __init__(self) -> None:
        self._held: dict[str, asyncio.Event] = {}

    @asynccontextmanager
    async def of(self, name: str) -> AsyncIterator[None]:
        """Wait for the turn, and hold it within the block. What the block does before its first await happens at once
        with getting the turn."""
        while (held := self._held.get(name)) is not None:
            await held.wait()
        self._held[name] = ended = asyncio.Event()
        try:
            yield
        finally:
            del self._held[name]
            ended.set()
