"""The command line: `chronik run`, and the commands that look at what a broker keeps."""

from __future__ import annotations

import sys


def main() -> None:
    """The console script."""
    from chronik.cli.commands import app

    app(prog_name="chronik", standalone_mode=True)
    sys.exit(0)
