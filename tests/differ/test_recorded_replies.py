"""chronik's replies, field by field, against those that Apache Kafka gave when they were recorded (`make differ
ARGS=--record`). Nothing of Kafka is needed here; what may differ, and why, is declared in tools/differ."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.differ import report
from tools.differ.brokers import chronik
from tools.differ.compare import compare
from tools.differ.known import ABSENT
from tools.differ.recording import RECORDED, compare_with_recorded, load
from tools.differ.runner import CLOSED, Broker, Outcome

FILES = sorted(RECORDED.rglob("*.json"))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with chronik(tmp_path_factory.mktemp("differ")) as started:
        yield started


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_replies_are_kafkas(file: Path, broker: Broker) -> None:
    comparisons = [compare_with_recorded(played, broker) for played in load(file)]
    found = [difference for comparison in comparisons for difference in comparison.differences]
    unexplained = [difference for difference in found if difference.known is None]
    assert not unexplained, "\n\n" + "\n\n".join(report.differences(unexplained))


def test_another_reply_is_a_difference(broker: Broker) -> None:
    """The test above can fail: one error code, anywhere, is told with its place."""
    scenario, replies = next(played for played in load(RECORDED / "ListOffsets.json") if played[0].name == "good")
    asked = next(number for number, step in enumerate(scenario.steps) if step.api == "ListOffsets")
    changed = [*replies]
    changed[asked] = copy.deepcopy(replies[asked])
    changed[asked]["topics"][0]["partitions"][0]["error_code"] = "offset_not_available"
    (difference,) = compare_with_recorded((scenario, changed), broker).differences
    assert (difference.step, difference.path) == (asked, "topics.0.partitions.0.error_code")
    assert (difference.kafka, difference.chronik, difference.known) == ("offset_not_available", ABSENT, None)


def test_no_reply_is_a_difference_even_where_others_are_known(broker: Broker) -> None:
    scenario, replies = next(played for played in load(RECORDED / "Fetch.json") if played[0].name == "nonsense")
    kafka = [Outcome(reply, reply) for reply in replies]
    found = compare(scenario, kafka, [*kafka[:-1], CLOSED]).differences
    assert [(difference.chronik, difference.known) for difference in found] == [("closed", None)]
