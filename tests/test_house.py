"""The house's own rules, read from the source: who may import whom, what is pure, how long things may be.

The floors stand in ARCHITECTURE.md; the tables below are the same in a form that can be checked. A new room, or a new
third-party library in a room, is one line here, on purpose.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "chronik"

GROUND = ("terms", "errors", "settings", "configs", "changes", "decision", "patterns")
"""The ground's files, in the order in which they may import each other."""

MAY_IMPORT: dict[str, frozenset[str]] = {
    "wire": frozenset(),
    "batch": frozenset(),
    "log": frozenset({"batch"}),
    "group": frozenset(),
    "txn": frozenset(),
    "auth": frozenset(),
    "store": frozenset({"log", "batch"}),
    "broker": frozenset({"store", "log", "group", "txn", "auth", "batch"}),
    "api": frozenset({"wire", "broker", "log", "group", "txn", "auth", "batch"}),
    "server": frozenset({"api", "wire", "broker"}),
    "cli": frozenset({"server", "api", "broker", "store", "log", "group", "txn", "auth", "wire", "batch"}),
    "testing": frozenset({"server", "api", "broker", "store", "log", "group", "txn", "auth", "wire", "batch"}),
    "__main__": frozenset({"cli"}),
    "__init__": frozenset({"server"}),
}
"""Room -> the rooms below that it may import; everybody may import the ground."""

THIRD_PARTY: dict[str, frozenset[str]] = {
    "batch": frozenset({"crc32c", "cramjam", "lz4", "zstandard"}),
    "store": frozenset({"alembic", "rocksdict", "sqlalchemy", "xxhash"}),
    "broker": frozenset({"anyio", "structlog"}),
    "server": frozenset({"anyio", "structlog", "uvloop"}),
    "cli": frozenset({"anyio", "kafka", "rich", "structlog", "typer"}),
    "testing": frozenset({"anyio", "pytest"}),
}
"""Room -> libraries that it may import; rooms that are not named import the standard library only."""

PURE_ROOMS = ("log", "group", "txn", "auth")
IMPURE_MODULES = frozenset(
    {
        *("asyncio", "concurrent", "contextvars", "datetime", "io", "logging", "multiprocessing", "os", "pathlib"),
        *("queue", "random", "secrets", "select", "selectors", "shutil", "signal", "socket", "sqlite3", "ssl"),
        *("subprocess", "tempfile", "threading", "time", "uuid"),
    }
)
IMPURE_BUILTINS = frozenset({"open", "print", "input", "exec", "eval"})

SLOW_LIBRARIES = frozenset({"alembic", "kafka", "sqlalchemy"})
"""They cost tenths of a second each: imported inside the functions that need them, not by every `chronik` command."""

FORBIDDEN_NAMES = ("util", "utils", "helper", "helpers", "common", "manager", "misc")
MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 80

FORBIDDEN_TEXT = {
    "a path of somebody's machine": re.compile(r"(?<![\w.:/])/(?:root|work|home/\w+|Users/\w+)/"),
    "a registry's host": re.compile(
        r"registry\.npmjs|\bpypi\.org|pythonhosted\.org|(?:proxy|sum)\.golang\.org|repo\d?\.maven|deb\.debian\.org|crates\.io"
    ),
    "a lock file's download address": re.compile(r"\"resolved\": *\""),
    "unfinished work": re.compile(r"\b(?:TO[D]O|FIX[M]E|X[X]X)\b"),
    "a type: ignore without a code and its reason": re.compile(r"# type: ig[n]ore(?:\[[^\]]*\])?\s*$", re.MULTILINE),
}


class Import(NamedTuple):
    """One import statement, resolved: `module` is absolute, `name` is what is taken from it ("" for the module)."""

    line: int
    module: str
    name: str


def package_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def own_python_files() -> list[Path]:
    folders = ("chronik", "migrations", "tests", "tools")
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def tracked_files() -> list[Path]:
    """What git tracks, as text files; outside a checkout (an unpacked archive), the folders' files."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode != 0:
        return own_python_files()
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def room_of(path: Path) -> str:
    """The room (folder, or file on the top level without its suffix) that a file of the package belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> Iterator[Import]:
    """Every import of a file of the package, wherever it stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        yield from imports_in(node, path)


def imports_in(node: ast.AST, path: Path) -> Iterator[Import]:
    """What one statement of the file imports, relative imports resolved."""
    package = ("chronik", *path.relative_to(PACKAGE).parts[:-1])
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(node.lineno, alias.name, "")
    elif isinstance(node, ast.ImportFrom):
        base = package[: len(package) - node.level + 1] if node.level else ()
        module = ".".join((*base, *(node.module.split(".") if node.module else ())))
        for alias in node.names:
            yield Import(node.lineno, module, alias.name)


def imported_room(found: Import) -> str | None:
    """The room of chronik that an import reaches; None when it is not ours, "" for the package itself."""
    parts = found.module.split(".")
    if parts[0] != "chronik":
        return None
    if len(parts) > 1:
        return parts[1]
    names_a_room = (PACKAGE / found.name).is_dir() or (PACKAGE / f"{found.name}.py").is_file()
    return found.name if found.name and names_a_room else ""


def place(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def test_every_room_has_its_floor() -> None:
    rooms = {room_of(path) for path in package_files()} - {"__init__"}
    assert rooms <= {*GROUND, *MAY_IMPORT}


def test_imports_point_down() -> None:
    wrong = []
    for path in package_files():
        room = room_of(path)
        for found in imports_of(path):
            target = imported_room(found)
            if target in (None, "", room):
                continue
            if room in GROUND:
                allowed = target in GROUND[: GROUND.index(room)]
            else:
                allowed = target in GROUND or target in MAY_IMPORT.get(room, frozenset())
            if not allowed:
                wrong.append(f"{place(path, found.line)}: {room} imports {target}")
    assert wrong == []


def test_libraries_stay_in_their_rooms() -> None:
    wrong = []
    for path in package_files():
        room = room_of(path)
        for found in imports_of(path):
            top = found.module.partition(".")[0]
            known = top == "chronik" or top in sys.stdlib_module_names or top in THIRD_PARTY.get(room, frozenset())
            if not known:
                wrong.append(f"{place(path, found.line)}: {room} imports {top}")
    assert wrong == []


def test_libraries_are_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[^\w-]", dependency, maxsplit=1)[0] for dependency in project["dependencies"]}
    imported = set[str]().union(*THIRD_PARTY.values()) - {"pytest"}
    assert {"kafka-python" if name == "kafka" else name for name in imported} == declared


@pytest.mark.parametrize("room", PURE_ROOMS)
def test_rules_are_pure(room: str) -> None:
    wrong = []
    for path in sorted((PACKAGE / room).rglob("*.py")):
        wrong += [
            f"{place(path, found.line)}: {found.module}"
            for found in imports_of(path)
            if found.module.partition(".")[0] in IMPURE_MODULES
        ]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.AsyncFunctionDef | ast.Await):
                wrong.append(f"{place(path, node.lineno)}: async code")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_BUILTINS:
                wrong.append(f"{place(path, node.lineno)}: {node.func.id}()")
    assert wrong == []


def test_the_command_line_starts_without_slow_libraries() -> None:
    """Follows the imports that run when `chronik.cli` is imported, through all of our files."""
    wrong, seen, waiting = [], set[Path](), [PACKAGE / "cli" / "__init__.py"]
    while waiting:
        path = waiting.pop()
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        for node in statements_at_import(ast.parse(path.read_text()).body):
            for found in imports_in(node, path):
                if found.module.partition(".")[0] in SLOW_LIBRARIES:
                    wrong.append(f"{place(path, found.line)}: {found.module}")
                waiting += files_loaded_by(found)
    assert wrong == []


def statements_at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when the module is imported: not functions, nor what is for the type checker only."""
    for node in body:
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield from statements_at_import(node.orelse)
            case ast.If():
                yield from statements_at_import([*node.body, *node.orelse])
            case ast.Try():
                handlers = [statement for handler in node.handlers for statement in handler.body]
                yield from statements_at_import([*node.body, *handlers, *node.orelse, *node.finalbody])
            case _:
                yield node


def files_loaded_by(found: Import) -> list[Path]:
    """What an import runs of our files: every package on the way, the module, and a module taken from it."""
    parts = found.module.split(".")
    if parts[0] != "chronik":
        return []
    folders = [ROOT.joinpath(*parts[:length]) for length in range(1, len(parts) + 1)]
    if found.name:
        folders.append(folders[-1] / found.name)
    return [path for folder in folders for path in (folder / "__init__.py", folder.with_suffix(".py"))]


def test_every_handler_is_listed() -> None:
    """A file of `api/` with a top-level `handle` is in HANDLERS: what is not listed is not served."""
    handlers = {
        path.stem
        for path in (PACKAGE / "api").glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == "handle"
    }
    listing = PACKAGE / "api" / "__init__.py"
    named = {name for name in names_in_handlers(listing) if name in handlers} if listing.exists() else set()
    assert named == handlers


def names_in_handlers(listing: Path) -> set[str]:
    """Every name that the value of HANDLERS mentions."""
    for node in ast.parse(listing.read_text()).body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(isinstance(target, ast.Name) and target.id == "HANDLERS" for target in targets):
            return {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
    return set()


def test_files_are_named_for_what_they_hold() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for path in own_python_files()
        if any(part.removesuffix(".py") in FORBIDDEN_NAMES for part in path.relative_to(ROOT).parts)
    ]
    assert wrong == []


def test_files_are_short() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in own_python_files()}
    assert {path: length for path, length in lengths.items() if length > MAX_FILE_LINES} == {}


def test_functions_are_short() -> None:
    long = {}
    for path in own_python_files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MAX_FUNCTION_LINES:
                    long[f"{place(path, node.lineno)} {node.name}"] = length
    assert long == {}


@pytest.mark.parametrize("what", FORBIDDEN_TEXT)
def test_no_tracked_file_holds(what: str) -> None:
    found = []
    for path in tracked_files():
        text = path.read_bytes().decode(errors="replace")
        found += [
            f"{place(path, text.count(chr(10), 0, match.start()) + 1)}: {match.group()}"
            for match in FORBIDDEN_TEXT[what].finditer(text)
        ]
    assert found == []
