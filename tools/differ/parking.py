"""Playing what nobody planned: requests that may or may not be answered at once, because others must join first."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tools.differ.runner import REPLY_TIMEOUT_S, SILENT, Outcome, Play
from tools.differ.script import Step

PARKED = Outcome("parked", "parked")

WAITS_IN = {"JoinGroup": "PreparingRebalance", "SyncGroup": "CompletingRebalance"}
"""The state of the group in which such a request can be waiting."""

LOOKS, PATIENT_LOOKS = 3, 60
"""How often in a row the group must be seen waiting: requests of several connections can overtake each other, and a
group whose new state is being written down looks as before. Patience takes a fifth of a second for each request that
waits, after each step."""


@dataclass
class ParkingPlay(Play):
    """A play in which JoinGroup and SyncGroup are answered in their turn: as long as the group is in the state in which
    they wait, they count as parked, and are asked for again after each step."""

    looks: int = LOOKS
    parked: dict[str, Step] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    """The group that a connection's member is in."""

    def run(self) -> list[Outcome]:
        """Every step's outcome; together with a step's reply stand those that it brought to others."""
        try:
            return [self._with_released(step) for step in self.scenario.steps]
        finally:
            self._end()

    def _with_released(self, step: Step) -> Outcome:
        if step.on in self.parked:
            return PARKED  # its connection is waiting; nobody would read what it sends
        outcome = self._asked(step) if step.api in WAITS_IN else self._outcome(step)
        released = {on: found.compared for on in sorted(self.parked) if (found := self._released(on)) is not None}
        return Outcome(outcome.raw, {"reply": outcome.compared, "released": released}) if released else outcome

    def _asked(self, step: Step) -> Outcome:
        sent = Step(step.api, step.version, step.request, step.on, is_answered=False)
        self._attempt(sent)
        self.parked[step.on] = Step(step.api, step.version, None, step.on, bind=step.bind)
        group_id = str((step.request or {})["group_id"])
        self.groups[step.on] = group_id
        return self._released(step.on) or PARKED

    def _released(self, on: str) -> Outcome | None:
        """The reply to what is parked on a connection; None while its group lets it wait."""
        step = self.parked[on]
        deadline = time.monotonic() + REPLY_TIMEOUT_S
        seen = 0
        while not self._is_readable(on):
            seen = seen + 1 if self._state(self.groups[on]) == WAITS_IN[step.api] else 0
            if seen == self.looks:
                return None
            if time.monotonic() > deadline:
                del self.parked[on]
                return SILENT
            time.sleep(0.002)
        del self.parked[on]
        return self._outcome(step)

    def _is_readable(self, on: str) -> bool:
        return on not in self.connections or self.connections[on].is_readable()

    def _state(self, group_id: str) -> str:
        request = {"groups": [group_id.replace("~", self.prefix)]}
        state: str = self.broker.ask("DescribeGroups", 4, request)["groups"][0]["group_state"]
        return state
