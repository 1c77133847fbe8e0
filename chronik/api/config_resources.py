"""What AlterConfigs and IncrementalAlterConfigs do with one resource; they differ in how new overrides are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from chronik.broker.broker import Broker
from chronik.broker.broker_configs import Alter
from chronik.broker.topics import check_name
from chronik.configs.alter import Alteration, Resource, ResourceType, check_entries, check_resource
from chronik.configs.layers import CLUSTER
from chronik.errors import ErrorCode, KafkaError


async def alter_resource(
    broker: Broker, resource: Resource, entries: Sequence[Alteration], make: Alter, *, validate_only: bool
) -> None:
    """Replace the resource's overrides by what `make` makes of them, or only find out whether that would work.

    KafkaError says what is wrong, in Kafka's order: first with the request (42) or the topic's name (17), then with the
    values, and then that there is no such topic (3).
    """
    check_entries(entries)
    match check_resource(resource, broker.configs.broker):
        case ResourceType.TOPIC:
            await _alter_topic(broker, resource.name, make, validate_only)
        case ResourceType.BROKER:
            scope = str(broker.node_id) if resource.name else CLUSTER
            if validate_only:
                make(broker.configs.broker.overrides(scope))
            else:
                await broker.alter_configs(scope, make)
        case ResourceType.GROUP:
            if validate_only:
                make(broker.configs.group(resource.name))
            else:
                await broker.configs.alter_group(resource.name, make)
        case other:
            assert_never(other)


async def _alter_topic(broker: Broker, name: str, make: Alter, validate_only: bool) -> None:
    check_name(name)
    topic = broker.topics.get(name)
    if topic is None:
        make({})
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Topic {name!r} does not exist.")
    if validate_only:
        make(topic.configs)
    else:
        await broker.topics.alter_configs(topic, make)
