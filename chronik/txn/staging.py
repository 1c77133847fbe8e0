"""Offsets that wait for the end of their transactions, by transaction and by group."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from chronik.changes import OffsetCommitted
from chronik.terms import TopicId
from chronik.txn.requests import OffsetKey, PartitionKey


class StagedOffsets:
    """Of all transactions. The last one staged for a partition of a group counts."""

    def __init__(self) -> None:
        self._by_transaction: dict[str, dict[OffsetKey, OffsetCommitted]] = {}
        self._by_group: dict[str, set[str]] = {}
        """The transactional ids that have staged offsets of a group."""

    def put(self, transactional_id: str, offset: OffsetCommitted) -> None:
        """Have the offset wait for the end of this transaction."""
        key = (offset.group_id, offset.topic_id, offset.partition)
        self._by_transaction.setdefault(transactional_id, {})[key] = offset
        self._by_group.setdefault(offset.group_id, set()).add(transactional_id)

    def of_transaction(self, transactional_id: str) -> Collection[OffsetCommitted]:
        """What waits for the end of this transaction."""
        return self._by_transaction.get(transactional_id, {}).values()

    def of_group(self, group_id: str) -> Iterator[OffsetCommitted]:
        """The offsets of this group that wait, whatever for; several of a partition if several transactions have it."""
        for transactional_id in self._by_group.get(group_id, ()):
            for offset in self._by_transaction[transactional_id].values():
                if offset.group_id == group_id:
                    yield offset

    def unstable(self, group_id: str) -> frozenset[PartitionKey]:
        """The partitions of the group whose offsets wait."""
        return frozenset((offset.topic_id, offset.partition) for offset in self.of_group(group_id))

    def clear(self, transactional_id: str) -> None:
        """Nothing waits for this transaction any more."""
        self._remove(transactional_id, list(self._by_transaction.get(transactional_id, ())))

    def drop_group(self, group_id: str) -> None:
        """The group is gone."""
        for transactional_id in tuple(self._by_group.get(group_id, ())):
            staged = self._by_transaction[transactional_id]
            self._remove(transactional_id, [key for key in staged if key[0] == group_id])

    def drop_topic(self, topic_id: TopicId) -> None:
        """The topic is gone."""
        for transactional_id, staged in tuple(self._by_transaction.items()):
            self._remove(transactional_id, [key for key in staged if key[1] == topic_id])

    def _remove(self, transactional_id: str, keys: Sequence[OffsetKey]) -> None:
        if not keys:
            return
        staged = self._by_transaction[transactional_id]
        for key in keys:
            del staged[key]
        left = {group_id for group_id, _, _ in staged}
        for group_id in {group_id for group_id, _, _ in keys} - left:
            owners = self._by_group[group_id]
            owners.discard(transactional_id)
            if not owners:
                del self._by_group[group_id]
        if not staged:
            del self._by_transaction[transactional_id]
