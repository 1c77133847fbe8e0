"""What the pages of docs/ say of the code is what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chronik.configs.static import setting_names, setting_texts
from chronik.settings import BrokerSettings
from tools import command_reference

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
CODE = re.compile(r"`([^`]+)`")


def rows(page: str) -> list[list[str]]:
    """The cells of all tables of a page."""
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


def test_the_command_reference_is_current() -> None:
    text = command_reference.FILE.read_text(encoding="utf-8")
    assert text == command_reference.page(), "run: python -m tools.command_reference"


def test_settings_exist_and_have_the_defaults_that_the_page_says() -> None:
    known, defaults = set(setting_names()), setting_texts(BrokerSettings())
    own_words = {"listeners", "advertised.listeners", "log.dirs", "node.id", "broker.rack"}
    seen = set()
    for first, default, _ in rows("settings.md"):
        names = CODE.findall(first)
        for name in names:
            whole = names[0].rpartition(".")[0] + name if name.startswith(".") else name
            assert whole in known | own_words | {"compression.lz4.level", "compression.zstd.level"}, name
        if len(names) == 1 and names[0] not in own_words:
            assert default.strip("*") == defaults[names[0]], names[0]
        seen.update(names)
    ours = {name for name in known if name.startswith("store.")} | {"max.unsent.bytes", "max.output.bytes"}
    assert ours <= seen


LOG_LINES = [row[1].strip("`") for row in rows("operations.md") if row[0] in ("info", "warning", "error")]


@pytest.mark.parametrize("line", LOG_LINES)
def test_a_log_line_is_one_that_is_written(line: str) -> None:
    beginning = re.split(r"\b(?:N|ID|HOST|API)\b|'", line)[0].strip()
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "chronik").rglob("*.py")]
    assert any(f'"{beginning}' in source for source in sources)
