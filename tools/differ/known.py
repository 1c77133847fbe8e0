"""What differs for a reason. Each stands in docs/differences.md under its title; one that never happens is an error."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from tools.differ.script import Scenario

ANYTHING = object()


@dataclass(frozen=True, slots=True)
class Known:
    """A difference that is meant: in the field at `path` of an API's replies, or in what is below it. Lists are passed
    through as in `masks`; a long list of named things can have a name (`results.configs[log.dirs].value`)."""

    title: str
    api: str
    path: str
    scenario: str = ""
    """Only in the scenario of this name."""
    kafka: Any = ANYTHING
    chronik: Any = ANYTHING
    """Only with these values."""
    since: int = 0
    until: int = 1000
    """Only in these versions of the API."""


KNOWN: tuple[Known, ...] = ()


def known(scenario: Scenario, api: str, version: int, path: str, kafka: Any, chronik: Any) -> Known | None:
    """The declared reason of a difference, if it has one."""
    plain = ".".join(part for part in path.split(".") if not part.isdigit())
    unnamed = re.sub(r"\[[^\]]*\]", "", plain)
    for one in KNOWN:
        if (
            one.api == api
            and any(where == one.path or where.startswith(one.path + ".") for where in (plain, unnamed))
            and one.scenario in ("", scenario.name)
            and one.kafka in (ANYTHING, kafka)
            and one.chronik in (ANYTHING, chronik)
            and one.since <= version <= one.until
        ):
            return one
    return None
