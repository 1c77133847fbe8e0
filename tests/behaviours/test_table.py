"""BEHAVIOURS.md tells the truth: every behaviour has tests that exist, and every test here has a behaviour."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
FOLDER = TESTS / "behaviours"
ROW = re.compile(r"\| (?P<number>\d+) \| (?P<text>[^|]+) \| (?P<tests>[^|]+) \|")

EXPECTED = frozenset({*range(1, 93), *range(96, 101), 115, *range(118, 121), *range(130, 141)})
"""The numbers that have to be there. Gaps are behaviours of parts that are not built yet."""


def rows() -> list[re.Match[str]]:
    lines = [line for line in (FOLDER / "BEHAVIOURS.md").read_text().splitlines() if line.startswith("| ")]
    matches = [ROW.fullmatch(line) for line in lines[1:]]
    found = [match for match in matches if match is not None]
    assert len(found) == len(matches), [line for line in lines[1:] if not ROW.fullmatch(line)]
    return found


def named_by(row: re.Match[str]) -> list[tuple[Path, str]]:
    """The file and the function of each test that a row names."""
    found = []
    for test in row["tests"].split(", "):
        file, _, function = test.partition("::")
        found.append(((TESTS if "/" in file else FOLDER) / file, function))
    return found


@cache
def functions_in(file: Path) -> frozenset[str]:
    """The test functions of a file, found without importing it."""
    if not file.is_file():
        return frozenset()
    return frozenset(
        node.name
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


def test_no_behaviour_is_missing() -> None:
    numbers = [int(row["number"]) for row in rows()]
    assert numbers == sorted(set(numbers))
    assert set(numbers) >= EXPECTED


def test_every_test_of_the_table_exists() -> None:
    missing = [
        f"{row['number']}: {file.relative_to(TESTS)}::{function}"
        for row in rows()
        for file, function in named_by(row)
        if function not in functions_in(file)
    ]
    assert missing == []


def test_every_test_here_is_in_the_table() -> None:
    named = {test for row in rows() for test in named_by(row)}
    here = {
        (file, function)
        for file in FOLDER.glob("test_*.py")
        if file.name != Path(__file__).name
        for function in functions_in(file)
    }
    assert {f"{file.name}::{function}" for file, function in here - named} == set()
