"""The examples of README.md that are tests, and the program, run as they stand there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

README = Path(__file__).resolve().parent.parent.parent / "README.md"
BLOCKS: list[str] = re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
EXAMPLES = [block for block in BLOCKS if "def test_" in block]
PROGRAMS = [block for block in BLOCKS if "from chronik import Broker" in block]


def test_examples_are_found() -> None:
    assert len(EXAMPLES) == 4
    assert len(PROGRAMS) == 1
    for client in ("kafka ", "confluent_kafka", "aiokafka", "faststream"):
        assert any(f"from {client}" in example for example in EXAMPLES)


def test_every_example_passes(pytester: pytest.Pytester) -> None:
    for number, example in enumerate(EXAMPLES):
        (pytester.path / f"test_example_{number}.py").write_text(example, encoding="utf-8")
    result = pytester.runpytest_subprocess("-p", "no:warnings")
    result.assert_outcomes(passed=len(EXAMPLES))


def test_program_runs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAMS[0]], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"127\.0\.0\.1:\d+\n", done.stdout)
    assert (tmp_path / "data" / "catalog.sqlite").is_file()
