"""Configs that change while the broker runs: its own (KIP-226), and those of groups. Durable first, in effect after."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

from chronik.changes import BrokerConfigsSet, Change, GroupConfigsSet
from chronik.configs.layers import BrokerConfigs, broker_configs, effective_settings
from chronik.errors import ErrorCode, KafkaError
from chronik.settings import BrokerSettings
from chronik.store.sql.catalog import Catalog
from chronik.store.sql.problems import CatalogError

Alter = Callable[[Mapping[str, str]], Mapping[str, str]]
"""Makes new overrides of the present ones, or raises KafkaError and changes nothing."""


class DynamicConfigs:
    """The layers of the broker's configs, and the overrides of every group that has some.

    Alterations run one at a time, each on what the one before it left. Their KafkaErrors are those of `alter`, and
    KAFKA_STORAGE_ERROR when the catalog cannot be written.
    """

    def __init__(self, settings: BrokerSettings, catalog: Catalog, static: Mapping[str, str]) -> None:
        self._started_with = settings
        self._static = static
        self._catalog = catalog
        self._lock = asyncio.Lock()
        self._groups = {group_id: dict(configs) for group_id, configs in catalog.image.group_configs.items()}
        self.broker: BrokerConfigs = broker_configs(settings, catalog.image.broker_configs, static)
        """Replaced, not changed, by an alteration."""

    @property
    def settings(self) -> BrokerSettings:
        """The settings that the process was started with, and over them what is dynamic."""
        return effective_settings(self._started_with, self.broker)

    @property
    def group_ids(self) -> list[str]:
        """The groups that override something, whether they have members or not."""
        return sorted(self._groups)

    def group(self, group_id: str) -> Mapping[str, str]:
        """What a group overrides."""
        return self._groups.get(group_id, {})

    def listens_on(self, listeners: tuple[tuple[str, int], ...]) -> None:
        """Describe these listeners from now on."""
        if listeners != self._started_with.listeners:
            self._started_with = replace(self._started_with, listeners=listeners)
            told = broker_configs(self._started_with, {}, self._static)
            self.broker = replace(self.broker, static=told.static)

    async def alter_broker(self, scope: str, alter: Alter) -> None:
        """Replace the overrides of a scope: CLUSTER, or this node's id as text."""
        async with self._lock:
            overrides = dict(alter(self.broker.overrides(scope)))
            await self._commit(BrokerConfigsSet(scope, overrides))
            self.broker = self.broker.with_overrides(scope, overrides)

    async def alter_group(self, group_id: str, alter: Alter) -> None:
        """Replace the overrides of a group."""
        async with self._lock:
            overrides = dict(alter(self.group(group_id)))
            await self._commit(GroupConfigsSet(group_id, overrides))
            if overrides:
                self._groups[group_id] = overrides
            else:
                self._groups.pop(group_id, None)

    async def _commit(self, change: Change) -> None:
        try:
            await self._catalog.persist([change])
        except CatalogError as error:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, str(error)) from error
