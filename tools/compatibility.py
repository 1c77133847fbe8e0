"""Write docs/compatibility.md, the table of the APIs that are served, from the handlers.

python -m tools.compatibility [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

from chronik.api import HANDLERS
from chronik.wire.apis import APIS

FILE = Path(__file__).resolve().parent.parent / "docs" / "compatibility.md"

HEAD = """\
# What is served

Every API that the broker advertises, made from its handlers by `python -m tools.compatibility`. Each version in a range
is implemented; what a version means to us stands at the top of the handler's file in `chronik/api`.

| key | API | versions |
|---|---|---|
"""


def table() -> str:
    """The whole page."""
    rows = []
    for handler in sorted(HANDLERS, key=lambda handler: handler.API):
        first, last = handler.VERSIONS
        versions = str(first) if first == last else f"{first} to {last}"
        rows.append(f"| {int(handler.API)} | {APIS[handler.API].name} | {versions} |\n")
    return HEAD + "".join(rows)


def main() -> None:
    if "--check" not in sys.argv[1:]:
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_text(table(), encoding="utf-8")
    elif not FILE.exists() or FILE.read_text(encoding="utf-8") != table():
        sys.exit(f"{FILE.name} is not what the handlers say: python -m tools.compatibility")


if __name__ == "__main__":
    main()
