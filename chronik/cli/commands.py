"""All commands, as one typer application; what a command needs is imported when it runs."""

from __future__ import annotations

from chronik.cli.run import app

__all__ = ["app"]
