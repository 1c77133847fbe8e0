"""Producer ids: unique for ever, because the catalog knows a number that is higher than all of them (KIP-98)."""

from __future__ import annotations

import asyncio

from chronik.changes import ProducerIdsReserved
from chronik.store.sql.catalog import Catalog
from chronik.terms import ProducerId

BLOCK = 1000
"""Ids reserved by one commit; what is left of a block at the end of a run is never used."""


class ProducerIds:
    """Hands out ids from a reserved block."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._next = int(catalog.image.next_producer_id)
        self._end = self._next
        self._lock = asyncio.Lock()

    async def new(self) -> ProducerId:
        """An id that nobody had before. CatalogError when no block can be reserved."""
        async with self._lock:
            if self._next >= self._end:
                end = self._next + BLOCK
                await self._catalog.persist([ProducerIdsReserved(ProducerId(end))])
                self._end = end
            self._next += 1
            return ProducerId(self._next - 1)
