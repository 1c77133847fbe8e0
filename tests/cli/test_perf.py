"""`chronik perf`: as a process against a broker; the numbers are those of what was done."""

from __future__ import annotations

import signal

import pytest

from chronik.cli.client.perf import _percentile
from tests.cli.client_commands import Commands


def test_writing_is_measured(commands: Commands) -> None:
    commands.ok("topic", "create", "written", "-p", "2")
    (facts,) = commands.rows("perf", "produce", "written", "--count", "3000", "--size", "50")
    assert (facts["records"], facts["bytes"]) == (3000, 150_000)
    assert facts["records_per_second"] == pytest.approx(3000 / facts["seconds"], rel=0.05)
    assert facts["mb_per_second"] == pytest.approx(0.15 / facts["seconds"], rel=0.05)
    assert 0 < facts["p50_ms"] <= facts["p95_ms"] <= facts["p99_ms"] <= facts["max_ms"] <= facts["seconds"] * 1000
    shown = commands.table("perf", "produce", "written", "-n", "200", "-s", "2000", "-z", "lz4", "--acks", "1")
    assert " ".join(shown[0]) == "RECORDS SECONDS RECORDS/S MB/S P50 MS P95 MS P99 MS MAX MS"
    assert (shown[1][0], len(shown[1])) == ("200", 8)
    (topic,) = commands.rows("topic", "describe", "written")
    assert sum(found["high_watermark"] for found in topic["partitions"]) == 3200


def test_a_rate_is_kept(commands: Commands) -> None:
    commands.ok("topic", "create", "paced")
    (facts,) = commands.rows("perf", "produce", "paced", "--count", "300", "--size", "10", "--rate", "300")
    assert 0.99 <= facts["seconds"] < 3
    assert facts["records"] == 300


def test_reading_is_measured(commands: Commands) -> None:
    commands.ok("topic", "create", "read", "-p", "2")
    commands.ok("perf", "produce", "read", "--count", "5000", "--size", "30")
    (facts,) = commands.rows("perf", "consume", "read")
    assert (facts["records"], facts["bytes"], facts["p50_ms"]) == (5000, 150_000, None)
    (facts,) = commands.rows("perf", "consume", "read", "--count", "1234")
    assert facts["records"] == 1234


def test_the_age_of_live_records_is_measured(commands: Commands) -> None:
    commands.ok("topic", "create", "live")
    with commands.running("perf", "consume", "live", "--live", "--count", "100", "--output", "json") as reading:
        writing = ("perf", "produce", "live", "--count", "300", "--size", "10", "--rate", "150")
        while reading.poll() is None:
            commands.ok(*writing)
        facts = reading.stdout.read() if reading.stdout else ""
    assert '"records": 100' in facts
    assert '"p99_ms": null' not in facts


@pytest.mark.parametrize("rate", [200, 1_000_000])
def test_ctrl_c_shows_what_was_measured_so_far(commands: Commands, rate: int) -> None:
    """Also when records are on their way at that moment: with the high rate there always are."""
    topic = f"cut-off-{rate}"
    commands.ok("topic", "create", topic)
    with commands.running("perf", "produce", topic, "-n", "9000000", "-s", "10", "--rate", str(rate)) as process:
        commands.ok("consume", topic, "--count", "20", "--idle", "30")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err.strip()) == (130, "")
    assert 20 <= int(out.splitlines()[1].split()[0]) < 9_000_000


def test_what_is_not_there_is_one_sentence(commands: Commands) -> None:
    commands.refused(1, "perf", "consume", "nope", said=["There is no topic nope."])
    commands.refused(2, "perf", "produce", "x", "--count", "0", said=["--count"])


@pytest.mark.parametrize(
    ("count", "shown"), [(0, (None, None)), (1, (1, 1)), (2, (1, 2)), (100, (50, 95)), (1000, (500, 950))]
)
def test_percentiles(count: int, shown: tuple[float | None, float | None]) -> None:
    """The least value that so large a part of all is not above."""
    values = list(range(1, count + 1))
    assert (_percentile(values, 0.5), _percentile(values, 0.95)) == shown
