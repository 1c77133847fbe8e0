"""One broker over one data directory: opened, served from, and closed in order."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from chronik.broker.producer_ids import ProducerIds
from chronik.broker.topics import Topics
from chronik.changes import LeaderEpochBumped
from chronik.log.sessions import FetchSessions
from chronik.settings import BrokerSettings, DurabilityMode
from chronik.store.datadir import DataDirectory, boot_id
from chronik.store.rocks.engine import RocksEngine
from chronik.store.sql.catalog import Catalog
from chronik.terms import Acks, Durability

_log = logging.getLogger(__name__)

_RUN = "run"
"""The catalog's property that tells how the last run ended: "clean", or the boot in which it began."""
_CLEAN = "clean"

_DURABILITY = {
    DurabilityMode.STRICT: {Acks.ALL: Durability.SYNCED, Acks.LEADER: Durability.SYNCED, Acks.NONE: Durability.WRITTEN},
    DurabilityMode.DEFAULT: {
        Acks.ALL: Durability.SYNCED,
        Acks.LEADER: Durability.WRITTEN,
        Acks.NONE: Durability.WRITTEN,
    },
    DurabilityMode.RELAXED: {
        Acks.ALL: Durability.WRITTEN,
        Acks.LEADER: Durability.WRITTEN,
        Acks.NONE: Durability.WRITTEN,
    },
}
"""What an append waits for. acks=0 is not answered, but a later request of its connection must see the records."""


def now_ms() -> int:
    """The wall clock, in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class Broker:
    """Everything that the handlers need. Made by `open`; whoever opens it closes it."""

    def __init__(
        self, directory: DataDirectory, settings: BrokerSettings, catalog: Catalog, store: RocksEngine
    ) -> None:
        self.directory = directory
        self.settings = settings
        self.catalog = catalog
        self.store = store
        self.cluster_id = catalog.image.cluster_id
        self.node_id = settings.node_id
        self.durability = _DURABILITY[settings.durability]
        self.topics = Topics(settings, catalog, store, catalog.image.leader_epoch)
        self.producer_ids = ProducerIds(catalog)
        self.fetch_sessions = FetchSessions(settings.max_incremental_fetch_session_cache_slots)

    @classmethod
    async def open(cls, path: Path, settings: BrokerSettings) -> Broker:
        """Lock and open a data directory, creating it if need be. DataDirectoryError or CatalogError says why not, in
        one sentence."""
        directory = DataDirectory.open(path)
        catalog = None
        try:
            catalog = Catalog.open(directory.catalog, synchronous="FULL")
            store = RocksEngine(directory.records, settings.store)
            await _begin_run(catalog)
            broker = cls(directory, settings, catalog, store)
        except BaseException:
            if catalog is not None:
                catalog.close()
            directory.close()
            raise
        return broker

    async def close(self) -> None:
        """Make everything durable and let go of the directory."""
        await self.store.close()
        self.catalog.set_property(_RUN, _CLEAN)
        self.catalog.close()
        self.directory.close()


async def _begin_run(catalog: Catalog) -> None:
    """Raise the leader epoch if the machine went down under the last run: records that were acknowledged without an
    fsync (acks=1) may be gone, and consumers find out by the epoch (KIP-320)."""
    last = catalog.image.properties.get(_RUN, _CLEAN)
    boot = boot_id()
    if last not in (_CLEAN, boot):
        epoch = catalog.image.leader_epoch + 1
        _log.warning("The machine went down while the last broker ran: the leader epoch is now %d.", epoch)
        await catalog.persist([LeaderEpochBumped(epoch)])
        catalog.image.leader_epoch = epoch
    if last != boot:
        catalog.set_property(_RUN, boot)
