"""All client-side commands, put below the application."""

from __future__ import annotations

import typer

from chronik.cli.client.consume import consume
from chronik.cli.client.group_reset import group_app
from chronik.cli.client.perf import app as perf_app
from chronik.cli.client.produce import produce
from chronik.cli.client.status import api_versions, status, wait
from chronik.cli.client.topic_change import topic_app
from chronik.cli.client.txn import app as txn_app


def add_client_commands(app: typer.Typer) -> None:
    """Make them commands of `chronik`."""
    app.add_typer(topic_app, name="topic")
    app.command()(produce)
    app.command()(consume)
    app.add_typer(group_app, name="group")
    app.add_typer(txn_app, name="txn")
    app.add_typer(perf_app, name="perf")
    app.command()(status)
    app.command()(wait)
    app.command("api-versions")(api_versions)
