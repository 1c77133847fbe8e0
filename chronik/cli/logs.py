"""Log lines on stderr. The rooms log with the standard library; how a line looks is decided here.

    2026-01-01T12:00:00.123Z [warning  ] text key=value
    {"event": "text", "level": "warning", "key": "value", "timestamp": "2026-01-01T12:00:00.123Z"}

structlog makes the lines. It is imported when the first one is written: that takes 60 ms, and most brokers start and
stop without one.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from structlog.typing import EventDict


def set_up_logging(level: str, form: str) -> None:
    """Have everything at or above `level` written to stderr, in the form "console" or "json"."""
    root = logging.getLogger()
    root.handlers[:] = [_LineHandler(form)]
    root.setLevel(level.upper())


class _LineHandler(logging.StreamHandler[Any]):
    """Makes its formatter when it needs it."""

    def __init__(self, form: str) -> None:
        super().__init__(sys.stderr)
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        if self.formatter is None:
            self.formatter = _formatter(self._form, colours=_shows_colours())
        return super().format(record)


def _shows_colours() -> bool:
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")


def _formatter(form: str, *, colours: bool) -> logging.Formatter:
    import structlog

    last: list[Any]
    if form == "json":
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        # Its own way with exceptions shows all local variables, and with them passwords.
        plain = structlog.dev.plain_traceback
        last = [structlog.dev.ConsoleRenderer(0, colors=colours, exception_formatter=plain)]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.ExtraAdder(), _add_time],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )


def _add_time(logger: Any, name: str, event: EventDict) -> EventDict:
    created: float = event["_record"].created
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(created))
    event["timestamp"] = f"{seconds}.{int(created % 1 * 1000):03}Z"
    return event
