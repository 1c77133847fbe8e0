"""What a pure coordinator answers to a call: facts to write down, and who is answered with what.

The runtime persists `changes`, replays them, carries out `effects`, and only then sends `reply` and `releases`. A call
whose answer must wait (JoinGroup, SyncGroup) is `Parked` under a ticket; a later decision releases it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, NewType, TypeVar

from chronik.changes import Change

Reply = TypeVar("Reply")

Ticket = NewType("Ticket", int)
"""Names one parked call; never used twice in a process."""


@dataclass(frozen=True, slots=True)
class Parked:
    """The answer comes later, as a release with this ticket."""

    ticket: Ticket


@dataclass(frozen=True, slots=True)
class Release:
    """The answer to a call that was parked earlier."""

    ticket: Ticket
    reply: object


class Effect:
    """Something that must be done outside of the catalog once the changes are durable. Subclasses are values."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Decision(Generic[Reply]):
    """The outcome of one call. With no changes nothing has to be written and the answers can leave at once."""

    reply: Reply | Parked
    changes: tuple[Change, ...] = ()
    releases: tuple[Release, ...] = ()
    effects: tuple[Effect, ...] = ()
