"""What the Python programs share: reading their arguments and writing JSON lines. Used by scripts, beside them."""

from __future__ import annotations

import json
import os
import signal
from types import FrameType


def emit(**fields: object) -> None:
    """Write one JSON line, at once."""
    print(json.dumps(fields), flush=True)


def emit_record(
    event: str | None, partition: int | None, offset: int | None, key: bytes | None, value: bytes | None
) -> None:
    """Write a record; `event` is "record" in a group and absent elsewhere."""
    fields = {
        "partition": partition,
        "offset": offset,
        "key": None if key is None else key.decode(),
        "value": None if value is None else value.decode(),
    }
    emit(**({"event": event} if event else {}), **fields)


def client_config() -> dict[str, str]:
    """The extra client properties of CLIENT_CONFIG: one `name=value` a line."""
    lines = os.environ.get("CLIENT_CONFIG", "").splitlines()
    return dict(line.split("=", 1) for line in lines if line)


TRANSACTION_RECORDS = 5
"""That `transform` moves in one transaction, at the most."""


def is_to_be_aborted(transaction: int) -> bool:
    """Whether `transform` aborts this one of its transactions, and moves the records again."""
    return transaction % 3 == 1


class StopFlag:
    """True once SIGTERM came."""

    def __init__(self) -> None:
        self.stopped = False
        signal.signal(signal.SIGTERM, self._stop)

    def __bool__(self) -> bool:
        return self.stopped

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopped = True
