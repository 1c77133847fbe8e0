"""200 tests with a topic of their own, in a process of their own: every one passes, and soon."""

from __future__ import annotations

import re

import pytest

from tests.testing.sample_suite import TESTS, write_sample_suite

pytest_plugins = ["pytester"]

LIMIT_S = 20.0


@pytest.mark.slow
def test_sample_suite_passes_in_time(pytester: pytest.Pytester) -> None:
    write_sample_suite(pytester.path)
    result = pytester.runpytest_subprocess("-q", "--durations=5", "-p", "no:warnings")
    result.assert_outcomes(passed=TESTS)
    (seconds,) = re.findall(r"passed.* in ([\d.]+)s", result.stdout.lines[-1])
    assert float(seconds) < LIMIT_S
