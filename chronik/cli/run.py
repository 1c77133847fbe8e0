"""`chronik run`: start a broker in the foreground."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from chronik.settings import BrokerSettings, DurabilityMode

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False)


@app.callback()
def root() -> None:
    """A broker that speaks the Kafka wire protocol, with its records in RocksDB and everything else in SQLite."""


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise typer.BadParameter(f"{text!r} is not HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


@app.command()
def run(
    data_dir: Annotated[Path, typer.Option(help="Where everything is kept; created if need be.")],
    listen: Annotated[list[str] | None, typer.Option(help="HOST:PORT; port 0 picks a free one.")] = None,
    advertise: Annotated[str | None, typer.Option(help="HOST:PORT that clients are told.")] = None,
    ready_file: Annotated[Path | None, typer.Option(help="Written once requests can be served.")] = None,
    durability: Annotated[DurabilityMode, typer.Option(help="What acks wait for.")] = DurabilityMode.DEFAULT,
) -> None:
    """Start a broker in the foreground."""
    began = time.monotonic()
    from chronik.broker.broker import Broker
    from chronik.server.lifecycle import run as serve
    from chronik.server.listener import Server

    settings = BrokerSettings(
        listeners=tuple(map(_address, listen or ["127.0.0.1:9092"])),
        advertised=None if advertise is None else _address(advertise),
        durability=durability,
    )

    async def ready(broker: Broker, server: Server) -> None:
        addresses = ",".join(f"{host}:{port}" for host, port in server.addresses)
        if ready_file is not None:
            ready_file.write_text(addresses + "\n", encoding="ascii")
        took_ms = (time.monotonic() - began) * 1000
        print(f"chronik listens on {addresses}, data in {data_dir}, ready in {took_ms:.0f} ms", flush=True)
        broker.catalog.warm()

    try:
        serve(data_dir, settings, ready)
    except OSError as error:
        print(f"chronik: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
