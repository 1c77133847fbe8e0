"""What a pure coordinator answers to a call: facts to write down, and who is answered with what.

The runtime persists `changes`, replays them, and only then sends `reply` and `releases`. A call whose answer must wait
(JoinGroup, SyncGroup) is `Parked` under a ticket; a later decision releases it.
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


@dataclass(frozen=True, slots=True)
class Decision(Generic[Reply]):
    """The outcome of one call. With no changes nothing has to be written and the answers can leave at once."""

    reply: Reply | Parked
    changes: tuple[Change, ...] = ()
    releases: tuple[Release, ...] = ()
