"""The frame of every client-side command: the options that say how a broker is reached, and one place for errors."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from chronik.cli.client.connection import DEFAULT_BOOTSTRAP, connection
from chronik.cli.client.problems import exit_code

_PANEL = "Connection"

_OPTIONS: dict[str, tuple[Any, Any]] = {
    "bootstrap": (
        Annotated[
            str,
            typer.Option(
                *("--bootstrap", "-b"),
                envvar="CHRONIK_BOOTSTRAP",
                metavar="HOST:PORT,...",
                help="Where a broker listens.",
                rich_help_panel=_PANEL,
            ),
        ],
        DEFAULT_BOOTSTRAP,
    ),
    "timeout": (
        Annotated[
            float,
            typer.Option(min=0.001, metavar="SECONDS", help="How long to wait for an answer.", rich_help_panel=_PANEL),
        ],
        10.0,
    ),
    "client_setting": (
        Annotated[
            list[str] | None,
            typer.Option(
                *("--client-setting", "-X"),
                metavar="NAME=VALUE",
                help="A setting of the connection by its name in Kafka, as security.protocol=SASL_SSL. Repeatable.",
                rich_help_panel=_PANEL,
            ),
        ],
        None,
    ),
    "client_config": (
        Annotated[
            Path | None,
            typer.Option(
                *("--client-config", "-F"),
                envvar="CHRONIK_CLIENT_CONFIG",
                metavar="FILE",
                help="A file of such settings, a line each.",
                rich_help_panel=_PANEL,
            ),
        ],
        None,
    ),
    "verbose": (
        Annotated[
            bool,
            typer.Option("--verbose", help="Show what the client library logs, on stderr.", rich_help_panel=_PANEL),
        ],
        False,
    ),
}


def client_command(function: Callable[..., int | None]) -> Callable[..., None]:
    """A command for typer of a function whose first parameter is the Connection; the others are its own options.

    What the function returns is the exit code, None is 0. Whatever it raises becomes one sentence and a code.
    """
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]

    @wraps(function)
    def command(**values: Any) -> None:
        verbose = values.pop("verbose")
        to = connection(
            values.pop("bootstrap"),
            values.pop("timeout"),
            pairs=values.pop("client_setting") or (),
            file=values.pop("client_config"),
            verbose=verbose,
        )
        raise typer.Exit(exit_code(lambda: function(to, **values), verbose=verbose))

    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in _OPTIONS.items()
    ]
    keywords = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    vars(command)["__signature__"] = inspect.Signature([*keywords, *options])
    command.__annotations__ = {}
    del vars(command)["__wrapped__"]
    return command
