"""The table of served APIs in docs/ is the one that the handlers make."""

from __future__ import annotations

from tools.compatibility import FILE, table


def test_the_compatibility_table_is_current() -> None:
    assert FILE.read_text(encoding="utf-8") == table(), "run: python -m tools.compatibility"
