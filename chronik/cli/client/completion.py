"""Shell completion of topics and groups: asked of the broker, and given up soon, for somebody waits at a prompt."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

TIMEOUT_S = 1.5


def complete_topics(ctx: Any, incomplete: str) -> list[str]:
    """Topics of the broker that the command line names so far."""
    return _asked(ctx, incomplete, lambda client: client.list_topics())


def complete_groups(ctx: Any, incomplete: str) -> list[str]:
    """Groups of that broker."""
    return _asked(ctx, incomplete, lambda client: [group["group_id"] for group in client.list_groups()])


def _asked(ctx: Any, incomplete: str, names: Callable[[Any], list[str]]) -> list[str]:
    from chronik.cli.client.connection import DEFAULT_BOOTSTRAP, admin, connection

    given = ctx.params
    try:
        to = connection(
            given.get("bootstrap") or os.environ.get("CHRONIK_BOOTSTRAP") or DEFAULT_BOOTSTRAP,
            TIMEOUT_S,
            pairs=given.get("client_setting") or (),
            file=given.get("client_config"),
        )
        with admin(to) as client:
            return sorted(name for name in names(client) if name.startswith(incomplete))
    except Exception:  # whatever it is: a traceback at a prompt helps nobody, and there is nothing to complete
        return []
