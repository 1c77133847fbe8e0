"""A short run of the tortures in `tools/torture`; the long ones are for hands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def tortured(module: str, seed: int, tmp_path: Path) -> str:
    """The report of a torture that found nothing wrong."""
    command = [sys.executable, "-m", module, "--kills", "6", "--longest", "1.5", "--seed", str(seed)]
    done = subprocess.run(
        [*command, "--data-dir", str(tmp_path / "data")], cwd=ROOT, capture_output=True, text=True, timeout=380
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_producers_under_sigkill_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    assert "lost 0, gaps 0, duplicates 0" in tortured("tools.torture", 5, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_jobs_under_sigkill_move_every_record_exactly_once(tmp_path: Path) -> None:
    assert "missing 0, twice 0, aborted seen 0" in tortured("tools.torture.transactions", 3, tmp_path)
