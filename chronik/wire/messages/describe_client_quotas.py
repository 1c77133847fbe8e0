"""DescribeClientQuotas, API key 48: versions 0-1, flexible from 1.

- 0: the first
- 1: compact forms and tag sections
"""

from __future__ import annotations

from chronik.wire.schema import BOOL, FLOAT64, INT8, INT16, INT32, STRING, array, message


@message
class ComponentData:
    """An element of ``DescribeClientQuotasRequest.components``."""

    entity_type: str = STRING()
    match_type: int = INT8()
    match: str | None = STRING(null="0+")


@message
class DescribeClientQuotasRequest:
    """What the client sends."""

    components: list[ComponentData] = array(ComponentData)
    strict: bool = BOOL()


@message
class EntityData:
    """An element of ``EntryData.entity``."""

    entity_type: str = STRING()
    entity_name: str | None = STRING(null="0+")


@message
class ValueData:
    """An element of ``EntryData.values``."""

    key: str = STRING()
    value: float = FLOAT64()


@message
class EntryData:
    """An element of ``DescribeClientQuotasResponse.entries``."""

    entity: list[EntityData] = array(EntityData)
    values: list[ValueData] = array(ValueData)


@message
class DescribeClientQuotasResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    error_code: int = INT16()
    error_message: str | None = STRING(null="0+")
    entries: list[EntryData] | None = array(EntryData, null="0+")
