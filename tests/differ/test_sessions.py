"""The kept sessions of real clients: whole, and free of what belonged to the broker that they were recorded with."""

from __future__ import annotations

import json
import re

import pytest

from tools.differ.script import Scenario
from tools.differ.sessions import sessions

CLIENTS = {
    *("aiokafka", "confluent-kafka", "franz-go", "java", "kafka-cli", "kafka-python", "kafka-python-2.0.2", "kafkajs"),
    "sarama",
}
SESSIONS = list(sessions())


def test_every_client_has_a_session() -> None:
    assert {session.name.partition(" ")[0] for session in SESSIONS} == CLIENTS


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: str(session.name))
def test_a_session_calls_ids_by_the_names_that_replies_gave_them(session: Scenario) -> None:
    """Nothing is left of the names and ids of the recording, and no name is used before there is a reply with it."""
    known: set[str] = set()
    for step in session.steps:
        asked = re.sub(r'"reason": "[^"]*"', "", json.dumps(step.request))
        assert not re.search(r"zz\d{4}|7a7a3\d|[0-9a-f]{8}(-[0-9a-f]{4}){3}-", asked), asked
        assert set(re.findall(r'"\$(\w+)"', asked)) <= known, asked
        known |= step.bind.keys()
    assert "member_id_1" in known


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: str(session.name))
def test_a_session_has_topics_records_and_a_group(session: Scenario) -> None:
    apis = {step.api for step in session.steps}
    assert apis >= {"CreateTopics", "Produce", "Fetch", "JoinGroup", "SyncGroup", "LeaveGroup", "DeleteTopics"}
