"""Options and arguments that several client-side commands have, and how their texts are read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from chronik.cli.client.completion import complete_groups, complete_topics
from chronik.cli.output import Output
from chronik.cli.run_options import BadOption

OutputOption = Annotated[Output, typer.Option("--output", help="Columns for eyes, or JSON lines for programs.")]
TopicArgument = Annotated[str, typer.Argument(metavar="TOPIC", autocompletion=complete_topics, show_default=False)]
TopicArguments = Annotated[
    list[str], typer.Argument(metavar="TOPIC...", autocompletion=complete_topics, show_default=False)
]
GroupArgument = Annotated[str, typer.Argument(metavar="GROUP", autocompletion=complete_groups, show_default=False)]
GroupArguments = Annotated[
    list[str], typer.Argument(metavar="GROUP...", autocompletion=complete_groups, show_default=False)
]


def configs(pairs: Iterable[str], option: str) -> dict[str, str]:
    """NAME=VALUE texts as a table. BadOption for one that is none."""
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise BadOption(f"{option}: {pair!r} is not NAME=VALUE.")
        found[name.strip()] = value
    return found


def counted(count: int, noun: str) -> str:
    """1 record, 2 records."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
