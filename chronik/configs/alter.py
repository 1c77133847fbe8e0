"""What AlterConfigs, IncrementalAlterConfigs and CreateTopics make of a resource's overrides, or why they are refused.

Pure: the result is the new mapping, texts as they were sent, and nothing has changed when KafkaError is raised. The
order of the checks is Kafka 4.2's; `check_entries` is the first, apart, because a caller has to fit its own in between:

    check_entries -> is the topic's name legal? (17) -> alter -> does the topic exist? (3)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, NoReturn, assert_never

from chronik.configs.definitions import BROKER, GROUP, TOPIC
from chronik.configs.layers import BrokerConfigs
from chronik.configs.validate import check_broker, check_group, check_topic
from chronik.configs.values import MAX_VALUE_CHARS, ConfigType
from chronik.errors import ErrorCode, KafkaError


class ResourceType(IntEnum):
    """What has configs, by the number that requests carry."""

    TOPIC = 2
    BROKER = 4
    GROUP = 32


class Operation(IntEnum):
    """What IncrementalAlterConfigs does to one config (KIP-339)."""

    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


class Resource(NamedTuple):
    """A resource as a request names it. A broker is named by its number, or "" for all brokers."""

    type: int
    name: str


@dataclass(frozen=True, slots=True)
class Alteration:
    """One config in a request. AlterConfigs and CreateTopics only set."""

    name: str
    value: str | None
    operation: int = Operation.SET


def check_resource(resource: Resource, broker: BrokerConfigs) -> ResourceType:
    """INVALID_REQUEST for a type without configs, for no name where one must be, and for another broker.

    Whether a topic's name is legal, and whether there is one, is not asked here.
    """
    match resource.type:
        case ResourceType.TOPIC | ResourceType.GROUP:
            if not resource.name:
                _refuse(f"Default {ResourceType(resource.type).name.lower()} resources are not allowed.")
        case ResourceType.BROKER:
            if resource.name:
                check_broker_name(resource.name, broker)
        case _:
            _refuse(f"Unknown resource type {resource.type}")
    return ResourceType(resource.type)


def check_broker_name(name: str, broker: BrokerConfigs) -> None:
    """INVALID_REQUEST unless it is this broker's number."""
    digits = name[1:] if name[:1] in ("+", "-") else name
    if not (digits.isdecimal() and len(digits) <= 10):
        _refuse(f"Node id must be an integer, but it is: {name}")
    if int(name) != broker.node_id:
        _refuse(f"Unexpected broker id, expected {broker.node_id}, but received {int(name)}")


def repeated_resources(resources: Iterable[Resource]) -> frozenset[Resource]:
    """Those that a request names more than once: each of them is answered with INVALID_REQUEST, the others are done."""
    return frozenset(resource for resource, count in Counter(resources).items() if count > 1)


def check_entries(entries: Sequence[Alteration]) -> None:
    """INVALID_REQUEST for a key that is there twice, and for a null value that is not to be deleted."""
    if len({entry.name for entry in entries}) != len(entries):
        _refuse("Error due to duplicate config keys")
    null = [entry.name for entry in entries if entry.value is None and entry.operation != Operation.DELETE]
    if null:
        _refuse(f"Null value not supported for : {', '.join(null)}")


def replace_overrides(resource: Resource, entries: Sequence[Alteration], broker: BrokerConfigs) -> dict[str, str]:
    """AlterConfigs: the entries are all the overrides that there will be.

    INVALID_REQUEST for a wrong request or resource, and for anything that is wrong with a broker's config;
    INVALID_CONFIG for an unknown or bad config of a topic or a group.
    """
    check_entries(entries)
    type_ = check_resource(resource, broker)
    overrides = _texts(entries)
    _check_overrides(type_, resource.name, overrides, broker)
    return overrides


def change_overrides(
    resource: Resource, current: Mapping[str, str], entries: Sequence[Alteration], broker: BrokerConfigs
) -> dict[str, str]:
    """IncrementalAlterConfigs: `current` with each entry done to it. Errors as for `replace_overrides`, and
    INVALID_CONFIG for APPEND or SUBTRACT on what is not a list, and for a list that has become too long.

    A list that the resource does not override begins with Kafka's default, whatever the broker's configs make of it,
    and members are compared as they were written: both as Kafka does.
    """
    check_entries(entries)
    type_ = check_resource(resource, broker)
    overrides = dict(current)
    for entry in entries:
        _apply(type_, overrides, entry)
    _check_overrides(type_, resource.name, overrides, broker)
    return overrides


def created_overrides(entries: Sequence[Alteration], broker: BrokerConfigs) -> dict[str, str]:
    """CreateTopics: the overrides of a new topic. Of a key that is there twice the last one counts.

    INVALID_CONFIG for a null value, an unknown key and a bad value.
    """
    null = [entry.name for entry in entries if entry.value is None]
    if null:
        raise KafkaError(ErrorCode.INVALID_CONFIG, f"Null value not supported for topic configs: {','.join(null)}")
    overrides = _texts(entries)
    check_topic(overrides, broker)
    return overrides


def _texts(entries: Iterable[Alteration]) -> dict[str, str]:
    return {entry.name: entry.value for entry in entries if entry.value is not None}


def _apply(type_: ResourceType, overrides: dict[str, str], entry: Alteration) -> None:
    """`check_entries` has seen to it that only DELETE comes without a value."""
    value = entry.value or ""
    match entry.operation:
        case Operation.SET:
            overrides[entry.name] = value
        case Operation.DELETE:
            overrides.pop(entry.name, None)
        case Operation.APPEND | Operation.SUBTRACT:
            members = _members(overrides.get(entry.name), _default_list(type_, entry))
            for member in _split(value):
                if entry.operation == Operation.SUBTRACT:
                    if member in members:
                        members.remove(member)
                elif member not in members:
                    members.append(member)
            overrides[entry.name] = ",".join(members)
        case _:
            _refuse(f"Unknown operations type {entry.operation}")
    if len(overrides.get(entry.name, "")) > MAX_VALUE_CHARS:
        raise KafkaError(
            ErrorCode.INVALID_CONFIG,
            "The configuration value cannot be added because it exceeds the maximum value size of "
            f"{MAX_VALUE_CHARS} bytes.",
        )


def _default_list(type_: ResourceType, entry: Alteration) -> str | None:
    """What APPEND and SUBTRACT begin with; INVALID_CONFIG when it is not a list."""
    definition = {ResourceType.TOPIC: TOPIC, ResourceType.GROUP: GROUP, ResourceType.BROKER: BROKER}[type_].get(
        entry.name
    )
    if definition is not None and definition.type is ConfigType.LIST:
        return definition.default
    operation = Operation(entry.operation).name
    if type_ is ResourceType.BROKER:
        reason = f"Config value {operation.lower()} is not allowed for config key: {entry.name}"
    else:
        reason = f"Can't {operation} to key {entry.name} because its type is not LIST."
    raise KafkaError(ErrorCode.INVALID_CONFIG, reason)


def _members(text: str | None, default: str | None) -> list[str]:
    if text is None:
        text = default or ""
    return [member for member in text.split(",") if member]


def _split(text: str) -> list[str]:
    """As Java splits: without the empty members at the end, but "" is one empty member."""
    members = text.split(",")
    while len(members) > 1 and not members[-1]:
        members.pop()
    return members if members != [""] or not text else []


def _check_overrides(type_: ResourceType, name: str, overrides: Mapping[str, str], broker: BrokerConfigs) -> None:
    match type_:
        case ResourceType.TOPIC:
            check_topic(overrides, broker)
        case ResourceType.BROKER:
            check_broker(name, overrides, broker)
        case ResourceType.GROUP:
            check_group(overrides, broker)
        case _:
            assert_never(type_)


def _refuse(reason: str) -> NoReturn:
    raise KafkaError(ErrorCode.INVALID_REQUEST, reason)
