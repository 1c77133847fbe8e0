"""Random sequences of the differ: a seed says all, and what differs is made short."""

from __future__ import annotations

from collections.abc import Sequence

from tests.differ.test_declared import both_serve
from tools.differ.random_world import sequence
from tools.differ.script import Step
from tools.differ.shrink import shrunk


def test_a_seed_makes_the_same_sequence_each_time() -> None:
    versions = both_serve()
    assert sequence(7, versions, 60).steps == sequence(7, versions, 60).steps
    assert sequence(7, versions, 60).steps != sequence(8, versions, 60).steps


def test_sequences_ask_for_all_that_a_small_world_has() -> None:
    versions = both_serve()
    asked = {(step.api, step.version) for seed in range(300) for step in sequence(seed, versions, 60).steps}
    apis = {
        "Fetch",
        "InitProducerId",
        "JoinGroup",
        "ListOffsets",
        "OffsetCommit",
        "OffsetFetch",
        "Produce",
        "SyncGroup",
    }
    for api in apis | {"DeleteRecords", "EndTxn", "TxnOffsetCommit"}:
        assert {version for name, version in asked if name == api} == set(versions[api]), api


def test_the_steps_without_which_nothing_differs_are_found() -> None:
    steps = [Step("Metadata", number, {}) for number in range(40)]

    def differs(played: Sequence[Step]) -> bool:
        return {step.version for step in played} >= {3, 17, 38}

    assert [step.version for step in shrunk(steps, differs)] == [3, 17, 38]
    assert shrunk(steps, differs, most_plays=0) == steps
