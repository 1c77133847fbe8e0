"""One broker over one data directory: opened, served from, and closed in order."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from chronik.broker.broker_configs import Alter, DynamicConfigs
from chronik.broker.groups import Groups, SubscribedTopics
from chronik.broker.housekeeping import Housekeeping
from chronik.broker.producer_ids import ProducerIds
from chronik.broker.topics import Topics
from chronik.broker.transactions import Transactions
from chronik.changes import LeaderEpochBumped
from chronik.log.sessions import FetchSessions
from chronik.settings import BrokerSettings, DurabilityMode
from chronik.store.datadir import DataDirectory, boot_id
from chronik.store.rocks.engine import RocksEngine
from chronik.store.sql.catalog import Catalog
from chronik.store.sql.schema import Synchronous
from chronik.terms import Acks, Durability, TopicId

_log = logging.getLogger(__name__)

_RUN = "run"
"""The catalog's property that tells how the last run ended: "clean", or the boot in which it began."""
_CLEAN = "clean"
_COPIED = "copied"
COPIED = {_RUN: _COPIED}
"""What the catalog of a backup says instead."""

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


class Broker:
    """Everything that the handlers need. Made by `open`; whoever opens it closes it."""

    def __init__(
        self,
        directory: DataDirectory,
        settings: BrokerSettings,
        catalog: Catalog,
        store: RocksEngine,
        subscribed_topics: SubscribedTopics,
    ) -> None:
        self.directory = directory
        self._started_with = settings
        self._subscribed_topics = subscribed_topics
        self.configs = DynamicConfigs(settings, catalog, {"log.dirs": str(directory.path.absolute())})
        self.settings = settings = self.configs.settings
        """Replaced, not changed, when dynamic configs are altered."""
        self.catalog = catalog
        self.store = store
        self.cluster_id = catalog.image.cluster_id
        self.node_id = settings.node_id
        self.durability = _DURABILITY[settings.durability]
        self.topics = Topics(settings, catalog, store, catalog.image.leader_epoch)
        self.producer_ids = ProducerIds(catalog)
        self.groups = Groups(settings, catalog, self.topics.name_of, subscribed_topics)
        self.transactions = Transactions(
            settings, catalog, store, self.topics, self.groups, self.producer_ids, catalog.image.leader_epoch
        )
        self.unsent_bytes = 0
        """Answers that wait for clients which do not take them."""
        self.fetch_sessions = FetchSessions(settings.max_incremental_fetch_session_cache_slots)
        self._housekeeping = Housekeeping(self)

    @classmethod
    async def open(
        cls,
        path: Path,
        settings: BrokerSettings,
        subscribed_topics: SubscribedTopics,
        *,
        synchronous: Synchronous = "FULL",
    ) -> Broker:
        """Lock and open a data directory, creating it if need be. DataDirectoryError or CatalogError says why not, in
        one sentence. `subscribed_topics` reads consumers' metadata for the group coordinator, `synchronous` is the
        catalog's."""
        directory = DataDirectory.open(path)
        catalog = store = None
        try:
            catalog = Catalog.open(directory.catalog, synchronous=synchronous)
            store = RocksEngine(directory.records, settings.store)
            await _begin_run(catalog)
            broker = cls(directory, settings, catalog, store, subscribed_topics)
            await broker._start()
        except BaseException:
            if store is not None:
                await store.close()
            if catalog is not None:
                catalog.close()
            directory.close()
            raise
        return broker

    async def _start(self) -> None:
        image = self.catalog.image
        self.topics.on_deleted = self._topic_deleted
        self.groups.transactions = self.transactions
        self.groups.start(image.group_changes)
        image.group_changes.clear()
        await self.transactions.start(image.transaction_changes)
        image.transaction_changes.clear()
        await self.topics.purge(image.dropped_logs)
        self._housekeeping.start()

    def _topic_deleted(self, topic_id: TopicId) -> None:
        self.groups.topic_deleted(topic_id)
        self.transactions.topic_deleted(topic_id)

    def listens_on(self, listeners: tuple[tuple[str, int], ...]) -> None:
        """Where it really listens: the ports that the system picked where the settings say 0."""
        self.configs.listens_on(listeners)
        self.settings = self.configs.settings

    async def alter_configs(self, scope: str, alter: Alter) -> None:
        """Alter the dynamic broker configs of a scope, and let everybody follow them. Errors as of `DynamicConfigs`."""
        await self.configs.alter_broker(scope, alter)
        self.settings = self.configs.settings
        await self.topics.use(self.settings)
        self.transactions.use(self.settings)

    def disk_bytes(self) -> tuple[int, int]:
        """Of the file system that holds the data directory: all bytes, and those that may still be used. OSError."""
        usage = shutil.disk_usage(self.directory.path)
        return usage.total, usage.free

    async def close(self) -> None:
        """Make everything durable and let go of the directory."""
        await self._end_tasks()
        await self.store.close()
        self.catalog.set_property(_RUN, _CLEAN)
        self.catalog.close()
        self.directory.close()

    async def _end_tasks(self) -> None:
        await self._housekeeping.stop()
        await self.groups.stop()
        await self.transactions.stop()

    # For tests of programs that use a broker

    async def emptied(self) -> Broker:
        """Forget all topics, records, groups, offsets, transactions and dynamic configs. A new broker over the same
        directory serves from now on, and this one is used up. KafkaError or CatalogError when that fails.

        No request may be under way but those that only read, or wait for the store: they find no topics any more.
        Producer ids, logs and the leader epoch are not counted anew: a client of before is never taken for one of
        after.
        """
        await self._end_tasks()
        await self.catalog.clear()
        self.topics.forget()
        broker = Broker(self.directory, self._started_with, self.catalog, self.store, self._subscribed_topics)
        await broker._start()
        return broker

    async def crash(self) -> None:
        """Let go of the directory, and leave it as SIGKILL would have left it when this was called: what was given to
        the system by then is in it, what only was in memory is not, nothing is flushed, and the run did not end well.

        That moment lies between two turns of the event loop and outside of a commit: a write that is cut in its middle
        does not happen, nor does what a power cut loses. Whoever calls has closed the connections before.
        """
        from chronik.store.backup import copy_directory

        image = self.directory.path / "killed"
        shutil.rmtree(image, ignore_errors=True)  # of a process that ended in the middle of this
        copy_directory(self.directory.path, image, lasting=False)
        await self._end_tasks()
        await self.store.close()
        self.catalog.close()
        self.directory.replace(image)
        self.directory.close()


async def _begin_run(catalog: Catalog) -> None:
    """Raise the leader epoch if the machine went down under the last run, or if the directory is a backup: records that
    were acknowledged may be gone, and consumers find out by the epoch (KIP-320)."""
    last = catalog.image.properties.get(_RUN, _CLEAN)
    boot = boot_id()
    if last not in (_CLEAN, boot):
        epoch = catalog.image.leader_epoch + 1
        if last == _COPIED:
            _log.info("The data directory comes from a backup: the leader epoch is now %d.", epoch)
        else:
            _log.warning("The machine went down while the last broker ran: the leader epoch is now %d.", epoch)
        await catalog.persist([LeaderEpochBumped(epoch)])
        catalog.image.leader_epoch = epoch
    if last != boot:
        catalog.set_property(_RUN, boot)
