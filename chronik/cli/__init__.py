"""The command line: `chronik run`, and the commands that look at what a broker keeps."""

from __future__ import annotations

import os
import sys
import time

FIRST_LINE_S = time.monotonic()
"""When our first line ran, by the monotonic clock."""


def main() -> None:
    """The console script.

    `chronik run` goes past typer, which would be half of its start: see `run_options`.
    """
    arguments = sys.argv[1:]
    if arguments[:1] == ["run"] and "--help" not in arguments and "_CHRONIK_COMPLETE" not in os.environ:
        from chronik.cli.run import run

        sys.exit(run(arguments[1:]))
    from chronik.cli.commands import run_command

    sys.exit(run_command(arguments))
