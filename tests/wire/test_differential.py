"""Random messages must have the same bytes here, in kafka-python and in kio, and read back as what they were."""

from __future__ import annotations

import pytest

from tests.wire import oracles
from tests.wire.declared import MESSAGES, RandomMessages

MESSAGES_PER_VERSION = 8

WITHOUT_ORACLE = {
    # Broker-to-broker, and gone from Kafka 4; the fields are those of version 1 in the classic encoding.
    ("WriteTxnMarkersRequest", 0),
    ("WriteTxnMarkersResponse", 0),
    # Removed from Kafka 4, and wrong in kafka-python's old schemas; version 1 has the same fields.
    ("DescribeLogDirsRequest", 0),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_random_messages_have_the_same_bytes_everywhere(name: str) -> None:
    declared = MESSAGES[name]
    for version in declared.api.versions:
        random = RandomMessages(f"{name} {version}")
        for _ in range(MESSAGES_PER_VERSION):
            message = random.message(declared.cls, version)
            frame = declared.encode(message, version)
            assert declared.decoder(version)(frame, 0) == message
            if version in oracles.kafka_python_versions(name):
                assert frame == oracles.kafka_python_bytes(declared, message, version)
            if version in oracles.kio_versions(declared):
                assert frame == oracles.kio_bytes(declared, message, version)
            if (name, version) in oracles.old_classes() and not declared.api.is_flexible(version):
                assert frame == oracles.old_bytes(declared, message, version)


def test_every_version_has_an_oracle() -> None:
    uncovered = {
        (name, version)
        for name, declared in MESSAGES.items()
        for version in declared.api.versions
        if version not in oracles.kafka_python_versions(name)
        and version not in oracles.kio_versions(declared)
        and ((name, version) not in oracles.old_classes() or declared.api.is_flexible(version))
    }
    assert uncovered == WITHOUT_ORACLE


def test_random_messages_set_tagged_fields() -> None:
    """The differential test would prove little if its messages never had a tag section."""
    random = RandomMessages("tags")
    response = MESSAGES["FetchResponse"]
    messages = [random.message(response.cls, 16) for _ in range(50)]
    assert any(message.node_endpoints for message in messages)
    partitions = [part for message in messages for topic in message.responses for part in topic.partitions]
    assert any(part.current_leader and part.diverging_epoch and part.snapshot_id for part in partitions)
