"""All commands as one typer application, for everything but the start of `chronik run`. What a command needs is
imported when it runs.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from chronik import __version__
from chronik.cli.backup import backup, reset, restore, verify
from chronik.cli.client.app import add_client_commands
from chronik.cli.client.arguments import OutputOption
from chronik.cli.completion_script import completion_command
from chronik.cli.dump import dump
from chronik.cli.output import Output
from chronik.cli.run_options import OPTIONS, BadOption, Option

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False)

_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""typer's exception for a bad command line, whose module differs between typer's versions."""


def run_command(arguments: Sequence[str]) -> int:
    """Run a command; its exit code: 0, 1 for what went wrong, 2 for a bad command line."""
    try:
        code = app(list(arguments), prog_name="chronik", standalone_mode=False)
    except typer.Abort:  # Ctrl-C
        return 130
    except BadOption as error:
        print(f"chronik: {error}", file=sys.stderr)
        return 2
    except _UsageError as error:
        message = error.format_message()  # type: ignore[attr-defined]  # see _UsageError
        if message:  # else the help was shown
            print(f"chronik: {message}", file=sys.stderr)
        return 2
    return code if isinstance(code, int) else 0


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"chronik {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A broker that speaks the Kafka wire protocol, with its records in RocksDB and everything else in SQLite."""


def run(**values: Any) -> None:
    """Only for the rare command line that `chronik.cli.main` does not take past typer."""
    from chronik.cli.run import run as start

    raise typer.Exit(start(sys.argv[2:]))


def config(**values: Any) -> None:
    """Its options are those of `run`, and two more."""
    from chronik.cli.config import config as show_config

    show_config(values.pop("output"), values.pop("all"), values)


def _parameter(option: Option) -> inspect.Parameter:
    """What typer needs to know to show and complete an option of `run`; its values are read by `run_options`."""
    declared = typer.Option(
        f"--{option.name}/--no-{option.name}" if option.is_flag else f"--{option.name}",
        help=option.help,
        metavar=option.metavar or None,
        show_default=option.default or False,
    )
    words = option.metavar.split("|")
    if len(words) > 1:
        declared.autocompletion = lambda incomplete: [word for word in words if word.startswith(incomplete)]
    kind: Any = bool | None if option.is_flag else list[str] | None if option.repeatable else str | None
    name = option.name.replace("-", "_")
    annotation = Annotated[kind, declared]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


app.command()(dump)
add_client_commands(app)
app.command()(backup)
app.command()(restore)
app.command()(verify)
app.command()(reset)
_RUN_PARAMETERS = [_parameter(option) for option in OPTIONS]
vars(run)["__signature__"] = inspect.Signature(_RUN_PARAMETERS)
app.command(
    help="Start a broker in the foreground.\n\n"
    "An option can also be given in the environment (CHRONIK_DATA_DIR for --data-dir), or in the file of --config, "
    "under its own name or Kafka's. The command line comes before the environment, that before the file, and that "
    "before the default. What is repeatable is taken whole from one of them; in the environment, commas stand between "
    "the values."
)(run)
_ALL = Annotated[bool, typer.Option("--all", help="Every setting that a file could have, by its Kafka name.")]
vars(config)["__signature__"] = inspect.Signature(
    [
        *_RUN_PARAMETERS,
        inspect.Parameter("all", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_ALL),
        inspect.Parameter("output", inspect.Parameter.KEYWORD_ONLY, default=Output.TABLE, annotation=OutputOption),
    ]
)
app.command(
    help="Show the settings that chronik run would start with, and where each comes from: an option, the environment, "
    "the file, or the default. Takes the options of run."
)(config)
app.command("completion")(completion_command(lambda: app(prog_name="chronik", standalone_mode=False)))
