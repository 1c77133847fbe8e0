"""What the differ declares: complete, explained, and spelled right."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tools.differ
from chronik.api import HANDLERS
from tools.differ.brokers import KAFKA_VERSION
from tools.differ.codec import api_names, field_names
from tools.differ.known import KNOWN
from tools.differ.masks import MASKS
from tools.differ.recording import RECORDED, load_served
from tools.differ.scenarios import scenarios
from tools.differ.served import shared

POM = Path(tools.differ.__file__).parent / "pom.xml"
DIFFERENCES = Path(__file__).resolve().parent.parent.parent / "docs" / "differences.md"


def both_serve() -> dict[str, list[int]]:
    names = api_names()
    ours = {names[int(handler.API)]: range(handler.VERSIONS[0], handler.VERSIONS[1] + 1) for handler in HANDLERS}
    return shared(load_served(), ours)


def test_every_known_difference_is_explained_and_every_explanation_is_of_one() -> None:
    titles = set(re.findall(r"^## (.+)$", DIFFERENCES.read_text(), re.MULTILINE))
    assert titles - {"What is served"} == {one.title for one in KNOWN}


def test_the_kafka_that_is_started_is_the_one_that_is_meant() -> None:
    (version,) = re.findall("<kafka.version>(.+)</kafka.version>", POM.read_text())
    assert f"Apache Kafka {version}" == KAFKA_VERSION


def test_every_mask_has_its_reason() -> None:
    assert all(mask.reason for mask in MASKS)
    assert len(set(MASKS)) == len(MASKS)


@pytest.mark.parametrize("api", sorted(both_serve()))
def test_every_version_that_both_serve_has_scenarios_and_recorded_replies(api: str) -> None:
    """If this fails for an API or a version that is new: write scenarios in tools/differ/scenarios, and
    make differ ARGS='--record --api NAME'."""
    document = json.loads((RECORDED / f"{api}.json").read_text())
    recorded = {int(version) for group in document["scenarios"] for version in group["replies"]}
    for version in both_serve()[api]:
        assert list(scenarios(api, version)), f"no scenario for {api} {version}"
        assert version in recorded, f"no recorded replies of {api} {version}"


@pytest.mark.parametrize("api", sorted(both_serve()))
def test_requests_name_fields_that_there_are(api: str) -> None:
    for version in both_serve()[api]:
        for scenario in scenarios(api, version):
            for step in scenario.steps:
                names = set(fields_in(step.request or {}))
                assert names <= field_names(step.api), f"{scenario}: {names - field_names(step.api)}"


def fields_in(value: Any) -> Iterator[str]:
    """The names of fields in a request; batches and the like have none."""
    if isinstance(value, list):
        for item in value:
            yield from fields_in(item)
    elif isinstance(value, dict) and not value.keys() & {"batch", "batches", "subscription", "times"}:
        yield from value
        for item in value.values():
            yield from fields_in(item)
