"""What transactions promise, in a few dictionaries, without states, epochs or a disk: the reference for random tests.

A producer is whoever holds the token that the last InitProducerId, or the last end that raised the epoch, gave out.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from chronik.txn.requests import PartitionKey, Producer


@dataclass(slots=True)
class ModelId:
    """One transactional id."""

    owner: Producer | None = None
    """Who may speak. None while nobody knows the token, because its process died before it was told."""
    before: Producer | None = None
    """Who may ask again for a token that it was not told."""
    deadline_ms: int | None = None
    """Of the open transaction; None when none is open."""
    timeout_ms: int = 0
    partitions: set[PartitionKey] = field(default_factory=set)
    has_group: bool = False
    values: list[tuple[PartitionKey, str]] = field(default_factory=list)
    offsets: dict[PartitionKey, tuple[int, int]] = field(default_factory=dict)
    """Partition -> (the number of the commit, offset)."""
    ended: tuple[Producer, bool, bool] | None = None
    """The last end by a producer: who, whether it was a commit, whether it raised the epoch."""
    outcome: bool | None = None
    """Whether the last transaction was committed; None if none has ended since the producer began."""

    def begin(self, now_ms: int) -> None:
        if self.deadline_ms is None:
            self.deadline_ms = now_ms + self.timeout_ms
            self.before = self.ended = self.outcome = None


@dataclass(slots=True)
class Model:
    """All ids, what was committed, and where the one group stands."""

    ids: defaultdict[str, ModelId] = field(default_factory=lambda: defaultdict(ModelId))
    committed: defaultdict[PartitionKey, list[str]] = field(default_factory=lambda: defaultdict(list))
    aborted: defaultdict[PartitionKey, list[str]] = field(default_factory=lambda: defaultdict(list))
    offsets: dict[PartitionKey, tuple[int, int]] = field(default_factory=dict)
    commit_count: int = 0

    def number(self) -> int:
        """Commits of offsets are numbered in the order in which they come, staged ones too."""
        self.commit_count += 1
        return self.commit_count

    def finish(self, one: ModelId, *, commits: bool) -> None:
        """The open transaction ends."""
        values = sorted(one.values, key=lambda found: found[0])
        for key, value in values:
            (self.committed if commits else self.aborted)[key].append(value)
        if commits:
            for key, staged in one.offsets.items():
                self.offsets[key] = max(staged, self.offsets.get(key, (0, 0)))
        one.deadline_ms, one.outcome = None, commits
        one.has_group = False
        one.partitions.clear()
        one.values.clear()
        one.offsets.clear()

    def time_out(self, now_ms: int) -> None:
        """Transactions that were open for too long are aborted, and their producers stopped, in the order of time."""
        over = [one for one in self.ids.values() if one.deadline_ms is not None and one.deadline_ms <= now_ms]
        for one in sorted(over, key=lambda found: found.deadline_ms or 0):
            self.finish(one, commits=False)
            one.before, one.owner, one.ended = one.owner, None, None
