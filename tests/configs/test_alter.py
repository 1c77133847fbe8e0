"""Alterations: what becomes of the overrides, and every refusal, as Apache Kafka 4.2 answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronik.configs.alter import (
    Alteration,
    Operation,
    Resource,
    ResourceType,
    change_overrides,
    check_entries,
    check_resource,
    created_overrides,
    repeated_resources,
    replace_overrides,
)
from chronik.configs.layers import CLUSTER, BrokerConfigs, broker_configs
from chronik.configs.validate import MAX_CUSTOM_CONFIGS
from chronik.configs.values import MAX_VALUE_CHARS
from chronik.errors import ErrorCode, KafkaError
from chronik.settings import BrokerSettings, TopicConfig

BROKER = broker_configs(BrokerSettings(node_id=1), {})
TOPIC = Resource(ResourceType.TOPIC, "t")
GROUP = Resource(ResourceType.GROUP, "g")
NODE = Resource(ResourceType.BROKER, "1")
EVERY_NODE = Resource(ResourceType.BROKER, CLUSTER)
SESSION = "consumer.session.timeout.ms"
THROTTLED = "leader.replication.throttled.replicas"

SET, DELETE, APPEND, SUBTRACT = Operation
Entry = tuple[str, int, str | None]


def altered(
    resource: Resource, current: Mapping[str, str], *entries: Entry, broker: BrokerConfigs = BROKER
) -> dict[str, str]:
    alterations = [Alteration(name, value, operation) for name, operation, value in entries]
    return change_overrides(resource, current, alterations, broker)


def replaced(resource: Resource, *entries: tuple[str, str | None]) -> dict[str, str]:
    return replace_overrides(resource, [Alteration(*entry) for entry in entries], BROKER)


def created(*entries: tuple[str, str | None], broker: BrokerConfigs = BROKER) -> dict[str, str]:
    return created_overrides([Alteration(*entry) for entry in entries], broker)


@pytest.mark.parametrize(
    ("before", "operation", "value", "after"),
    [
        (None, APPEND, "compact", "delete,compact"),
        ("delete,compact", APPEND, "compact", "delete,compact"),
        ("delete", APPEND, "delete,compact,compact", "delete,compact"),
        ("delete,compact", SUBTRACT, "delete", "compact"),
        ("compact", SUBTRACT, "compact", ""),
        ("", APPEND, "compact", "compact"),
        (None, SUBTRACT, "compact", "delete"),
        (None, SUBTRACT, "delete", ""),
        ("compact", DELETE, None, None),
        ("compact", DELETE, "x", None),
        (None, DELETE, None, None),
        # Members are compared as they were written.
        (None, APPEND, " compact", "delete, compact"),
        ("delete, compact", APPEND, "compact", "delete, compact,compact"),
        (" delete , compact ", SUBTRACT, "compact", " delete , compact "),
        (" delete , compact ", SUBTRACT, " compact ", " delete "),
        ("delete,delete", SUBTRACT, "delete", "delete"),
        ("delete", SUBTRACT, "a,b", "delete"),
        ("delete", SUBTRACT, "", "delete"),
        ("", SUBTRACT, "", ""),
        ("", APPEND, "", ""),
        ("delete", APPEND, ",", "delete"),
        ("delete", APPEND, "compact,", "delete,compact"),
        ("compact", SET, " delete ", " delete "),
        (None, SET, "", ""),
    ],
)
def test_a_list_is_altered(before: str | None, operation: int, value: str | None, after: str | None) -> None:
    for resource, name in ((TOPIC, "cleanup.policy"), (NODE, "log.cleanup.policy")):
        current = {} if before is None else {name: before}
        kept = dict(current)
        assert altered(resource, current, (name, operation, value)) == ({} if after is None else {name: after})
        assert current == kept


def test_appending_begins_with_kafkas_default_not_the_brokers() -> None:
    compacting = broker_configs(
        BrokerSettings(node_id=1, topic_defaults=TopicConfig(cleanup_delete=False, cleanup_compact=True)), {}
    )
    assert altered(TOPIC, {}, ("cleanup.policy", APPEND, "delete"), broker=compacting) == {"cleanup.policy": "delete"}


def test_altering_leaves_the_other_overrides_alone() -> None:
    current = {"retention.ms": "5", "segment.ms": "7", "compression.type": "gzip"}
    assert altered(
        TOPIC, current, ("segment.ms", DELETE, None), ("retention.ms", SET, " 6 "), (THROTTLED, APPEND, "0:1")
    ) == {
        "retention.ms": " 6 ",
        "compression.type": "gzip",
        THROTTLED: "0:1",
    }
    assert altered(TOPIC, current) == current
    assert replaced(TOPIC, ("segment.ms", " 8 ")) == {"segment.ms": " 8 "}
    assert replaced(TOPIC) == {}


INVALID_REQUEST = [
    ([("retention.ms", SET, "1"), ("retention.ms", SET, "2")], "Error due to duplicate config keys"),
    ([("retention.ms", SET, "1"), ("retention.ms", DELETE, None)], "Error due to duplicate config keys"),
    ([("retention.ms", SET, None), ("retention.ms", SET, "x")], "Error due to duplicate config keys"),
    ([("retention.ms", 9, None), ("retention.ms", SET, "x")], "Error due to duplicate config keys"),
    ([("retention.ms", SET, None)], "Null value not supported for : retention.ms"),
    ([("cleanup.policy", APPEND, None)], "Null value not supported for : cleanup.policy"),
    ([("cleanup.policy", SUBTRACT, None)], "Null value not supported for : cleanup.policy"),
    ([("retention.ms", APPEND, None)], "Null value not supported for : retention.ms"),
    ([("retention.ms", SET, None), ("nope", SET, None)], "Null value not supported for : retention.ms, nope"),
    ([("retention.ms", 9, None)], "Null value not supported for : retention.ms"),
    ([("retention.ms", 9, "x"), ("segment.ms", SET, None)], "Null value not supported for : segment.ms"),
    # Kafka answers -1 for a topic and a group here, and the same as we do for a broker.
    ([("retention.ms", 4, "5")], "Unknown operations type 4"),
    ([("retention.ms", -1, "5")], "Unknown operations type -1"),
]

INVALID_CONFIG = [
    ([("nope", SET, "1")], "Unknown topic config name: nope"),
    ([("", SET, "1")], "Unknown topic config name: "),
    ([("Retention.ms", SET, "1")], "Unknown topic config name: Retention.ms"),
    ([("log.retention.ms", SET, "1")], "Unknown topic config name: log.retention.ms"),
    ([("message.format.version", SET, "2.0")], "Unknown topic config name: message.format.version"),
    ([("message.downconversion.enable", SET, "true")], "Unknown topic config name: message.downconversion.enable"),
    (
        [("message.timestamp.difference.max.ms", SET, "1")],
        "Unknown topic config name: message.timestamp.difference.max.ms",
    ),
    ([("segment.bytes", SET, "x"), ("nope", SET, "x")], "Unknown topic config name: nope"),
    (
        [("retention.ms", SET, "x")],
        "Invalid value x for configuration retention.ms: Not a number of type LONG",
    ),
    # Of several bad values the first in Kafka's table is the one.
    (
        [("retention.ms", SET, "x"), ("segment.bytes", SET, "1")],
        "Invalid value 1 for configuration segment.bytes: Value must be at least 1048576",
    ),
    ([("cleanup.policy", APPEND, "")], "Configuration 'cleanup.policy' values must not be empty."),
    (
        [("cleanup.policy", APPEND, "foo")],
        "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete",
    ),
    ([("retention.ms", APPEND, "5")], "Can't APPEND to key retention.ms because its type is not LIST."),
    ([("retention.ms", SUBTRACT, "5")], "Can't SUBTRACT to key retention.ms because its type is not LIST."),
    ([("nope", APPEND, "5")], "Can't APPEND to key nope because its type is not LIST."),
    (
        [("nope", SET, "1"), ("retention.ms", APPEND, "x")],
        "Can't APPEND to key retention.ms because its type is not LIST.",
    ),
    (
        [("nope", SET, "1"), (THROTTLED, APPEND, "x" * 32768)],
        "The configuration value cannot be added because it exceeds the maximum value size of 32767 bytes.",
    ),
    (
        [("min.compaction.lag.ms", SET, "10"), ("max.compaction.lag.ms", SET, "5")],
        "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)",
    ),
    (
        [("remote.storage.enable", SET, "true"), ("retention.ms", SET, "x")],
        "Invalid value x for configuration retention.ms: Not a number of type LONG",
    ),
    (
        [("remote.storage.enable", SET, "TRUE")],
        "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.",
    ),
]


@pytest.mark.parametrize(("entries", "message"), INVALID_REQUEST)
def test_a_wrong_request_is_refused_first(entries: list[Entry], message: str) -> None:
    with pytest.raises(KafkaError) as refused:
        altered(TOPIC, {}, *entries)
    assert (refused.value.code, refused.value.message) == (ErrorCode.INVALID_REQUEST, message)


@pytest.mark.parametrize(("entries", "message"), INVALID_CONFIG)
def test_a_wrong_config_of_a_topic_is_refused(entries: list[Entry], message: str) -> None:
    with pytest.raises(KafkaError) as refused:
        altered(TOPIC, {}, *entries)
    assert (refused.value.code, refused.value.message) == (ErrorCode.INVALID_CONFIG, message)


@pytest.mark.parametrize(
    ("entries", "message"), [row for row in INVALID_CONFIG if all(entry[1] == SET for entry in row[0])]
)
def test_the_three_requests_refuse_the_same_configs(entries: list[Entry], message: str) -> None:
    pairs = [(name, value) for name, _, value in entries]
    requests: list[Callable[[], object]] = [lambda: replaced(TOPIC, *pairs), lambda: created(*pairs)]
    for alter in requests:
        with pytest.raises(KafkaError) as refused:
            alter()
        assert (refused.value.code, refused.value.message) == (ErrorCode.INVALID_CONFIG, message)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([("retention.ms", "1"), ("retention.ms", "2")], "Error due to duplicate config keys"),
        ([("retention.ms", None)], "Null value not supported for : retention.ms"),
    ],
)
def test_replacing_refuses_what_cannot_be_a_request(entries: list[tuple[str, str | None]], message: str) -> None:
    alterations = [Alteration(*entry) for entry in entries]
    checks: list[Callable[[], object]] = [
        lambda: replace_overrides(TOPIC, alterations, BROKER),
        lambda: check_entries(alterations),
    ]
    for check in checks:
        with pytest.raises(KafkaError) as refused:
            check()
        assert (refused.value.code, refused.value.message) == (ErrorCode.INVALID_REQUEST, message)


@pytest.mark.parametrize(
    ("resource", "name", "operation", "message"),
    [
        (GROUP, SESSION, APPEND, f"Can't APPEND to key {SESSION} because its type is not LIST."),
        (NODE, "log.roll.ms", APPEND, "Config value append is not allowed for config key: log.roll.ms"),
        (EVERY_NODE, "log.roll.ms", SUBTRACT, "Config value subtract is not allowed for config key: log.roll.ms"),
        # Kafka answers -1 here.
        (NODE, "nope", APPEND, "Config value append is not allowed for config key: nope"),
    ],
)
def test_what_is_no_list_has_no_members(resource: Resource, name: str, operation: int, message: str) -> None:
    with pytest.raises(KafkaError) as refused:
        altered(resource, {}, (name, operation, "5"))
    assert (refused.value.code, refused.value.message) == (ErrorCode.INVALID_CONFIG, message)


@pytest.mark.parametrize("name", ["nope", "message.format.version", "retention.ms"])
def test_anything_can_be_deleted(name: str) -> None:
    for resource in (TOPIC, GROUP, NODE, EVERY_NODE):
        assert altered(resource, {}, (name, DELETE, None)) == {}


def test_a_list_may_be_as_long_as_a_request_can_carry() -> None:
    longest = "0:1" + "1" * (MAX_VALUE_CHARS - 3)
    assert altered(TOPIC, {}, (THROTTLED, APPEND, longest)) == {THROTTLED: longest}
    with pytest.raises(KafkaError, match="exceeds the maximum value size of 32767 bytes"):
        altered(TOPIC, {THROTTLED: longest}, (THROTTLED, APPEND, "0:1"))
    assert altered(TOPIC, {THROTTLED: longest}, (THROTTLED, SUBTRACT, longest)) == {THROTTLED: ""}


def test_a_new_topic_takes_the_last_of_a_key() -> None:
    assert created(("retention.ms", "x"), ("retention.ms", " 2 ")) == {"retention.ms": " 2 "}
    assert created() == {}


def test_a_new_topic_takes_no_null() -> None:
    with pytest.raises(KafkaError) as refused:
        created(("segment.bytes", None), ("nope", "1"), ("retention.ms", None))
    assert (refused.value.code, refused.value.message) == (
        ErrorCode.INVALID_CONFIG,
        "Null value not supported for topic configs: segment.bytes,retention.ms",
    )


@pytest.mark.parametrize(
    ("resource", "message"),
    [
        (Resource(2, ""), "Default topic resources are not allowed."),
        (Resource(32, ""), "Default group resources are not allowed."),
        (Resource(4, "2"), "Unexpected broker id, expected 1, but received 2"),
        (Resource(4, "-1"), "Unexpected broker id, expected 1, but received -1"),
        (Resource(4, "2147483647"), "Unexpected broker id, expected 1, but received 2147483647"),
        *(
            (Resource(4, name), f"Node id must be an integer, but it is: {name}")
            for name in ("x", " 1", "1x", "+", "1" * 30)
        ),
        *((Resource(type_, "t"), f"Unknown resource type {type_}") for type_ in (-1, 0, 1, 3, 64)),
    ],
)
def test_a_wrong_resource_is_refused_before_its_configs(resource: Resource, message: str) -> None:
    with pytest.raises(KafkaError, match="Null value"):
        altered(resource, {}, ("retention.ms", SET, None))
    requests: list[Callable[[], object]] = [
        lambda: altered(resource, {}, ("retention.ms", APPEND, "x")),
        lambda: replaced(resource, ("retention.ms", "x")),
        lambda: check_resource(resource, BROKER),
    ]
    for alter in requests:
        with pytest.raises(KafkaError) as refused:
            alter()
        assert (refused.value.code, refused.value.message) == (ErrorCode.INVALID_REQUEST, message)


@pytest.mark.parametrize("name", ["1", "01", "+1", CLUSTER])
def test_a_broker_is_named_by_its_number(name: str) -> None:
    assert replaced(Resource(4, name), ("message.max.bytes", "5")) == {"message.max.bytes": "5"}


def test_a_resource_is_named_once() -> None:
    a, b = Resource(2, "a"), Resource(2, "b")
    assert repeated_resources([a, b, Resource(4, "a"), a]) == {a}
    assert repeated_resources([]) == frozenset()


def test_a_plugins_configs_are_kept_up_to_a_limit() -> None:
    many = [(f"my.{number}", "x") for number in range(MAX_CUSTOM_CONFIGS)]
    assert len(replaced(NODE, *many)) == MAX_CUSTOM_CONFIGS
    with pytest.raises(KafkaError) as refused:
        replaced(NODE, *many, ("my.other", "x"))
    assert refused.value.code is ErrorCode.INVALID_REQUEST


# --- sequences against a model ----------------------------------------------------------------------------------------

PAIRS = st.sampled_from(["0:0", "0:1", "1:0", "1:1"])
STEPS = st.lists(st.tuples(st.sampled_from(Operation), st.lists(PAIRS, max_size=3)), max_size=20)


@given(STEPS)
def test_a_sequence_of_alterations_is_a_sequence_of_set_operations(steps: list[tuple[Operation, list[str]]]) -> None:
    overrides: dict[str, str] = {"retention.ms": "5"}
    model: list[str] | None = None
    for operation, members in steps:
        overrides = altered(TOPIC, overrides, (THROTTLED, operation, ",".join(members)))
        match operation:
            case Operation.SET:
                model = list(members)
            case Operation.DELETE:
                model = None
            case Operation.APPEND:
                model = list(model or [])
                model += [member for member in dict.fromkeys(members) if member not in model]
            case Operation.SUBTRACT:
                model = list(model or [])
                for member in members:
                    if member in model:
                        model.remove(member)
        expected = {"retention.ms": "5"} | ({} if model is None else {THROTTLED: ",".join(model)})
        # Appending nothing appends an empty member, which only a list of replicas takes.
        assert {name: text.strip(",") for name, text in overrides.items()} == expected
        overrides = expected


NAMES = st.sampled_from(["retention.ms", "cleanup.policy", "compression.type", "preallocate", "nope", THROTTLED])
TEXTS = st.sampled_from(["1", "-2", "compact", "delete", "delete,compact", "gzip", "true", "", "0:1", "x", ",", " 1 "])
ENTRIES = st.lists(st.tuples(NAMES, st.sampled_from([*Operation, 7]), st.none() | TEXTS), max_size=4)


@given(st.lists(ENTRIES, max_size=8))
def test_what_is_refused_changes_nothing_and_what_is_accepted_stays_acceptable(requests: list[list[Entry]]) -> None:
    overrides: dict[str, str] = {}
    for entries in requests:
        before = dict(overrides)
        try:
            after = altered(TOPIC, overrides, *entries)
        except KafkaError as error:
            after, code = before, error.code
        else:
            code = ErrorCode.NONE
        assert code in (ErrorCode.NONE, ErrorCode.INVALID_CONFIG, ErrorCode.INVALID_REQUEST)
        assert overrides == before
        assert replaced(TOPIC, *after.items()) == after
        assert created(*after.items()) == after
        overrides = after
