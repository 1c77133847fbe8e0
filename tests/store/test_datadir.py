"""The data directory: one user at a time, a format that is known, and a sentence for whatever is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chronik.store.datadir import FORMAT_VERSION, DataDirectory, DataDirectoryError, boot_id, check_format


def refusal(path: Path) -> str:
    with pytest.raises(DataDirectoryError) as refused:
        DataDirectory.open(path)
    text = str(refused.value)
    assert text.endswith(".")
    assert "\n" not in text
    return text


def test_a_new_directory_is_made_and_marked(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    directory = DataDirectory.open(path)
    assert (directory.records, directory.catalog) == (path / "records", path / "catalog.sqlite")
    assert (path / "format").read_text() == f"{FORMAT_VERSION}\n"
    assert (path / "chronik.lock").read_text() == str(os.getpid())
    directory.close()
    check_format(path)


def test_a_directory_can_be_opened_again_after_closing(tmp_path: Path) -> None:
    for _ in range(3):
        DataDirectory.open(tmp_path).close()


def test_two_users_of_one_directory_are_refused(tmp_path: Path) -> None:
    directory = DataDirectory.open(tmp_path)
    assert refusal(tmp_path) == f"Another broker (process {os.getpid()}) is using the data directory {tmp_path}."
    directory.close()
    DataDirectory.open(tmp_path).close()


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from chronik.store.datadir import DataDirectory
directory = DataDirectory.open(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline() == b"open\n"
    assert f"process {child.pid}" in refusal(tmp_path)
    child.kill()
    child.wait()
    child.stdin.close()
    child.stdout.close()
    DataDirectory.open(tmp_path).close()


def test_a_newer_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "format").write_text(f"{FORMAT_VERSION + 1}\n")
    text = refusal(tmp_path)
    assert f"format {FORMAT_VERSION + 1}" in text
    assert "newer" in text
    assert (tmp_path / "format").read_text() == f"{FORMAT_VERSION + 1}\n"
    (tmp_path / "format").write_text(f"{FORMAT_VERSION}\n")
    DataDirectory.open(tmp_path).close()  # the refusal kept no lock


def test_an_older_format_is_taken_over_by_a_broker_and_left_alone_by_a_look(tmp_path: Path) -> None:
    """An older program must not open it then: it would not see the journal."""
    (tmp_path / "format").write_text("1\n")
    check_format(tmp_path)
    assert (tmp_path / "format").read_text() == "1\n"
    DataDirectory.open(tmp_path).close()
    assert (tmp_path / "format").read_text() == f"{FORMAT_VERSION}\n"


@pytest.mark.parametrize("content", [b"", b"one", b"-1", b"1.5", b"\xff\xfe", b"\0" * 8])
def test_an_unreadable_format_is_refused(tmp_path: Path, content: bytes) -> None:
    """Zeros are what some file systems leave of a new file after a power cut."""
    (tmp_path / "format").write_bytes(content)
    assert "unreadable" in refusal(tmp_path)


def test_a_format_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "format").mkdir()
    assert "cannot be read" in refusal(tmp_path)


def test_a_half_written_mark_of_an_earlier_start_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "format.new").write_text("")
    DataDirectory.open(tmp_path).close()
    check_format(tmp_path)


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be used" in refusal(tmp_path / "file")
    assert "cannot be used" in refusal(tmp_path / "file" / "below")


def test_a_directory_that_is_none_of_ours_is_not_marked_by_looking(tmp_path: Path) -> None:
    with pytest.raises(DataDirectoryError, match="is not a chronik data directory"):
        check_format(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_boot_is_named_always_alike() -> None:
    assert boot_id() == boot_id()
