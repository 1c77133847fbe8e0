"""One event on its way through the rules: when it happens, and what it has decided so far."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from chronik.changes import Change
from chronik.decision import Decision, Parked, Release, Ticket
from chronik.group.timers import Timers
from chronik.settings import BrokerSettings

Reply = TypeVar("Reply")


@dataclass(slots=True)
class Step:
    """What the rules need beside the group itself, and where they put what follows."""

    now_ms: int
    settings: BrokerSettings
    timers: Timers
    tickets: Iterator[int]
    changes: list[Change] = field(default_factory=list)
    releases: dict[Ticket, object] = field(default_factory=dict)

    def new_ticket(self) -> Ticket:
        return Ticket(next(self.tickets))

    def release(self, ticket: Ticket, reply: object) -> None:
        """Answer a parked call."""
        assert ticket not in self.releases, f"ticket {ticket} is released twice"
        self.releases[ticket] = reply

    def answer_to(self, ticket: Ticket, expected: type[Reply]) -> Reply | Parked:
        """What the call that was parked under this ticket in this very step gets: its reply, if it came already."""
        if ticket not in self.releases:
            return Parked(ticket)
        reply = self.releases.pop(ticket)
        assert isinstance(reply, expected)
        return reply

    def decision(self, reply: Reply | Parked) -> Decision[Reply]:
        releases = tuple(Release(ticket, answer) for ticket, answer in self.releases.items())
        return Decision(reply, tuple(self.changes), releases)
