"""The tables against what Apache Kafka 4.2 has in its own."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from chronik.configs import documentation
from chronik.configs.definitions import BROKER, GROUP, TOPIC, Definition, can_alter
from tests.configs import kafka42
from tests.configs.kafka42 import Recorded

THROTTLES = {
    "leader.replication.throttled.rate",
    "follower.replication.throttled.rate",
    "replica.alter.log.dirs.io.max.bytes.per.second",
}
"""Kafka has these in another table: they can be set, and are described only when they are."""

READ_ONLY_HERE = {"listeners", "listener.security.protocol.map", "sasl.enabled.mechanisms"}


def recorded(definition: Definition) -> Recorded:
    return Recorded(definition.name, definition.type.name, definition.default, ())


@pytest.mark.parametrize(
    ("table", "kafkas"), [(TOPIC, kafka42.TOPIC), (GROUP, kafka42.GROUP), (BROKER, kafka42.BROKER)]
)
def test_names_types_defaults_and_order_are_kafkas(table: Mapping[str, Definition], kafkas: list[Recorded]) -> None:
    ours = [recorded(definition) for definition in table.values() if definition.name not in THROTTLES]
    assert ours == [config._replace(rest=()) for config in kafkas]


def test_a_topics_synonyms_are_kafkas() -> None:
    assert {name: definition.synonyms for name, definition in TOPIC.items()} == {
        config.name: config.rest for config in kafka42.TOPIC
    }
    assert {synonym for definition in TOPIC.values() for synonym in definition.synonyms} <= {*BROKER}


def test_the_broker_alters_what_kafka_alters() -> None:
    kafkas = {config.name for config in kafka42.BROKER if config.rest == ("dynamic",)}
    assert kafkas > READ_ONLY_HERE
    assert {name for name in BROKER if can_alter(name)} == (kafkas - READ_ONLY_HERE) | THROTTLES


@pytest.mark.parametrize("name", [*kafka42.ELSEWHERE, "listener.name.plaintext.ssl.keystore.password"])
def test_what_only_kafka_has_cannot_be_set(name: str) -> None:
    assert name not in BROKER
    assert not can_alter(name)


@pytest.mark.parametrize("name", ["my.plugin.key", "nope", "", "retention.ms", "inter.broker.protocol.version"])
def test_a_plugins_config_can_be_set(name: str) -> None:
    assert can_alter(name)


@pytest.mark.parametrize("definition", [*TOPIC.values(), *GROUP.values(), *BROKER.values()], ids=lambda d: d.name)
def test_a_default_is_allowed_and_printed_as_itself(definition: Definition) -> None:
    if definition.default is not None:
        assert definition.normalise(definition.default) == definition.default


@pytest.mark.parametrize("definition", [*TOPIC.values(), *GROUP.values(), *BROKER.values()], ids=lambda d: d.name)
def test_every_config_has_a_sentence(definition: Definition) -> None:
    default_of = next((topic.name for topic in TOPIC.values() if definition.name in topic.synonyms), None)
    text = documentation.of(definition.name, default_of)
    assert text[0].isupper()
    assert text.endswith(".")
    assert 15 < len(text) < 200


def test_no_sentence_is_left_over() -> None:
    assert {*documentation.TOPIC} == {*TOPIC}
    assert {*documentation.GROUP} == {*GROUP}
    assert {*documentation.BROKER} < {*BROKER}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("group.share.min.session.timeout.ms", "Least value that a group may set share.session.timeout.ms to."),
        (
            "group.share.max.record.lock.duration.ms",
            "Greatest value that a group may set share.record.lock.duration.ms to.",
        ),
        (
            "group.consumer.session.timeout.ms",
            "Default for groups that do not set consumer.session.timeout.ms themselves.",
        ),
    ],
)
def test_a_bound_is_described_by_what_it_bounds(name: str, text: str) -> None:
    assert documentation.of(name, None) == text


def test_a_topics_default_is_described_by_the_topics_config() -> None:
    assert (
        documentation.of("log.roll.hours", "segment.ms") == "Default for topics that do not set segment.ms themselves."
    )
