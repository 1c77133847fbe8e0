"""`chronik backup`, `restore`, `verify` and `reset`: copies of a data directory, and the end of one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chronik.cli.run_options import BadOption

if TYPE_CHECKING:
    from chronik.store.backup import Copied, Progress

DataDir = Annotated[Path, typer.Option("--data-dir", envvar="CHRONIK_DATA_DIR", help="The broker's data directory.")]


def backup(
    target: Annotated[Path, typer.Argument(metavar="DEST", help="The folder to make; it may exist if it is empty.")],
    data_dir: DataDir,
    copy: Annotated[
        bool, typer.Option("--copy", help="Copy RocksDB's table files even where hard links would do.")
    ] = False,
) -> None:
    """Copy a data directory as it is at one moment, also of a running broker, which goes on meanwhile.

    The copy is a data directory itself: dump and verify work on it. On the same file system RocksDB's table files,
    which never change, become hard links, unless --copy is given.
    """
    raise typer.Exit(_guarded(lambda: _backup(data_dir, target, links=not copy)))


def restore(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="What `chronik backup` made.")],
    data_dir: Annotated[
        Path, typer.Option("--data-dir", envvar="CHRONIK_DATA_DIR", help="The folder to make; empty if it exists.")
    ],
) -> None:
    """Make a data directory of a backup. Nothing is shared with the backup, which can be restored again.

    The broker that starts on it has a higher leader epoch, by which consumers find out that later records are gone.
    """
    raise typer.Exit(_guarded(lambda: _restore(source, data_dir)))


def verify(directory: Annotated[Path, typer.Argument(metavar="DIR", help="A data directory or a backup.")]) -> None:
    """Read everything and tell what is wrong; exit code 1 if anything is. The same as `dump --verify`."""
    from chronik.cli.dump import run_verify

    raise typer.Exit(run_verify(directory))


def reset(
    data_dir: DataDir,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Empty the data directory of a stopped broker: all topics, records, groups and configs are gone for good."""
    raise typer.Exit(_guarded(lambda: _reset(data_dir, yes=yes)))


def _guarded(work: Callable[[], int]) -> int:
    """The exit code; 1 with one sentence for whatever goes wrong."""
    from chronik.store.backup import BackupError
    from chronik.store.datadir import DataDirectoryError
    from chronik.store.sql.problems import CatalogError

    try:
        return work()
    except (BackupError, DataDirectoryError, CatalogError) as error:
        print(f"chronik: {error}", file=sys.stderr)
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"chronik: {error.filename} cannot be used: {error.strerror}.", file=sys.stderr)
    return 1


def _backup(data_dir: Path, target: Path, *, links: bool) -> int:
    copied = _copy(data_dir, target, "backup", links=links)
    shared = f", {copied.linked_bytes} linked" if copied.linked_bytes else ""
    print(
        f"backed up {data_dir} to {target}: {copied.copied_bytes} bytes copied{shared}; "
        f"commits waited {copied.held_s * 1000:.0f} ms"
    )
    return 0


def _restore(source: Path, data_dir: Path) -> int:
    copied = _copy(source, data_dir, "restore", links=False)
    print(f"restored {source} to {data_dir}: {copied.copied_bytes} bytes copied")
    return 0


def _copy(source: Path, target: Path, what: str, *, links: bool) -> Copied:
    from chronik.broker.broker import COPIED
    from chronik.store.backup import copy_directory

    _allow_open_files()
    with _progress(what) as progress:
        return copy_directory(source, target, links=links, properties=COPIED, progress=progress)


def _allow_open_files() -> None:
    """As many as the system lets us have: each file that is not linked stays open until it is copied."""
    try:
        import resource
    except ImportError:  # Windows
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (OSError, ValueError):
        pass  # macOS names a limit that it does not allow


def _reset(data_dir: Path, *, yes: bool) -> int:
    from chronik.store.datadir import DataDirectory, DataDirectoryError, check_format

    if not data_dir.is_dir():
        raise DataDirectoryError(f"There is no directory {data_dir}.")
    check_format(data_dir)
    directory = DataDirectory.open(data_dir)
    try:
        if not yes:
            if not sys.stdin.isatty():
                raise BadOption("--yes is needed where nobody can be asked.")
            if not typer.confirm(f"Delete everything in {data_dir}?"):
                return 1
        directory.empty()
    finally:
        directory.close()
    print(f"emptied {data_dir}")
    return 0


@contextmanager
def _progress(what: str) -> Iterator[Progress | None]:
    """A bar on a terminal, nothing in a pipe."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda copied_bytes, all_bytes: bar.update(task, advance=copied_bytes, total=all_bytes)
