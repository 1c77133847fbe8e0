"""Times as people write them on a command line."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def moment_ms(text: str) -> int:
    """A moment in milliseconds, from a duration until now ("10m"), an ISO time (UTC where it says nothing else), or
    milliseconds. ValueError if it is none of them."""
    if _DURATION.fullmatch(text):
        return int(time.time() * 1000 - duration_ms(text))
    if text.isascii() and text.isdecimal():
        return int(text)
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is neither a time, nor milliseconds, nor a duration like 10m") from None
    return int((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp() * 1000)


def duration_ms(text: str) -> float:
    """Milliseconds of a duration like 10m or 1.5s. ValueError if it is none."""
    found = _DURATION.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no duration like 10m")
    return float(found[1]) * _UNITS_MS[found[2]]
