"""Write docs/commands.md, the reference of the command line, from the commands' own help.

python -m tools.command_reference [--check]

typer can write one too; this one says only once what many commands share, shows screens, and does not change with the
version of typer.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from inspect import cleandoc
from pathlib import Path
from typing import Any, NamedTuple

from typer import Typer
from typer.models import ArgumentInfo
from typer.utils import get_params_from_function

from chronik.cli.commands import app

FILE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
WIDTH = 118

HEAD = """\
# Commands

Made from the commands' own help by `python -m tools.command_reference`; `chronik COMMAND --help` shows the same.

Client-side commands work with any Kafka-compatible broker. The others are about a data directory, or a broker of
our own: `run`, `config`, `dump`, `backup`, `restore`, `verify`, `reset`.

On a terminal there are columns, folded to its width, and bars for what takes time; in a pipe nothing is folded and
there are no bars. `--output json` writes one JSON object a line, with bytes that are no UTF-8 as `{"base64": "..."}`.
What goes wrong is one sentence on stderr:

| exit code | |
|---|---|
| 0 | done |
| 1 | it could not be done, or something is wrong |
| 2 | the command line makes no sense |
| 3 | no broker answers |
| 130 | Ctrl-C |

`source <(chronik completion bash)` completes commands, options, topics and groups; `chronik completion` has zsh and
fish too.

## Options of all client-side commands

"""

EXAMPLES = {
    "chronik topic describe": ("topic describe orders", "topic-describe"),
    "chronik topic list": ("topic list", "topic-list"),
    "chronik group describe": ("group describe packers billing", "group-describe"),
}
"""Command -> what was typed for a screen, and the screen's name in tests/cli/screens."""

SHARED = ("bootstrap", "timeout", "client_setting", "client_config", "verbose")
"""The options of all client-side commands."""

FORMS = """\
The format string of `--format` is kcat's: `%t` topic, `%p` partition, `%o` offset, `%T` timestamp in milliseconds,
`%k` key, `%s` value, `%K` and `%S` their sizes (-1: null), `%R` the value's size as four bytes, `%h` headers, `%%` a
percent sign; `\\n`, `\\t` and `\\xNN` as in C.
"""


class Command(NamedTuple):
    """A command that does something."""

    name: str
    help: str
    parameters: Mapping[str, Any]
    """By the function's own names, as typer sees them."""


def commands() -> list[Command]:
    """All commands, by their whole names."""
    return sorted(_commands_of(app, "chronik"))


def _commands_of(group: Typer, prefix: str) -> Iterator[Command]:
    for found in group.registered_commands:
        callback = found.callback
        assert callback is not None
        name = found.name or callback.__name__.replace("_", "-")
        yield Command(f"{prefix} {name}", _help_of(found.help, callback), get_params_from_function(callback))
    for below in group.registered_groups:
        assert below.typer_instance is not None
        yield from _commands_of(below.typer_instance, f"{prefix} {below.name}")


def _help_of(text: str | None, callback: Callable[..., Any]) -> str:
    return cleandoc(text or callback.__doc__ or "")


def page() -> str:
    """The whole page."""
    found = {command.name: command for command in commands()}
    shared = [_option(name, found["chronik status"].parameters[name]) for name in SHARED]
    parts = [HEAD, *shared, "\n## Format strings\n\n", FORMS]
    for command in found.values():
        parts += _section(command, found["chronik run"].parameters)
    return re.sub(r"\n{3,}", "\n\n", "".join(parts)).rstrip() + "\n"


def _section(command: Command, of_run: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n## {command.name}\n\n"
    for paragraph in command.help.split("\n\n"):
        yield _wrapped(" ".join(paragraph.split())) + "\n\n"
    arguments = {name: found for name, found in command.parameters.items() if isinstance(found.default, ArgumentInfo)}
    usage = [command.name, *(found.default.metavar or _choices(found) for found in arguments.values()), "[OPTIONS]"]
    yield f"```\n{' '.join(usage)}\n```\n\n"
    left = {name: found for name, found in command.parameters.items() if name not in arguments}
    if command.name == "chronik config":
        left = {name: found for name, found in left.items() if name not in of_run}
        yield "- the options of [chronik run](#chronik-run)\n"
    for name, found in left.items():
        if name not in SHARED:
            yield _option(name, found)
    if "bootstrap" in left:
        yield "- the [options of all client-side commands](#options-of-all-client-side-commands)\n"
    if command.name in EXAMPLES:
        typed, screen = EXAMPLES[command.name]
        yield f'\n```text\n$ chronik {typed}\n--8<-- "tests/cli/screens/{screen}.txt"\n```\n'


def _option(name: str, parameter: Any) -> str:
    """An item of a list: names, what it takes, what it means, its default."""
    option = parameter.default
    names = list(option.param_decls or ()) or [f"--{name.replace('_', '-')}"]
    shown = ", ".join(f"`{one}`" for text in names for one in text.split("/"))
    takes = option.metavar or _choices(parameter)
    more = [f"in the environment: `{option.envvar}`"] if option.envvar else []
    default = option.show_default if isinstance(option.show_default, str) else _default(option.default)
    if default:
        more.append(f"default: `{default}`")
    tail = f" ({'; '.join(more)})" if more else ""
    text = f"- {shown}{f' `{takes}`' if takes else ''}: {option.help}{tail}"
    return _wrapped(text, indent="  ") + "\n"


def _default(value: Any) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    return "" if value in (None, False, ...) else str(value)


def _choices(parameter: Any) -> str:
    """What one may say where there is a choice, else what kind of thing."""
    kind = parameter.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "|".join(str(choice.value) for choice in kind)
    if "Path" in str(kind):
        return "PATH"
    return "" if "bool" in str(kind) else "N" if "int" in str(kind) or "float" in str(kind) else "TEXT"


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def main() -> None:
    if "--check" not in sys.argv[1:]:
        FILE.write_text(page(), encoding="utf-8")
    elif FILE.read_text(encoding="utf-8") != page():
        sys.exit(f"{FILE.name} is not what the commands say: python -m tools.command_reference")


if __name__ == "__main__":
    main()
