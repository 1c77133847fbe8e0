"""AlterClientQuotas, API key 49: versions 0-1, flexible from 1.

- 0: the first
- 1: compact forms and tag sections
"""

from __future__ import annotations

from chronik.wire.schema import BOOL, FLOAT64, INT16, INT32, STRING, array, message


@message
class EntityData:
    """An element of ``EntryData.entity`` and of ``EntryResult.entity``."""

    entity_type: str = STRING()
    entity_name: str | None = STRING(null="0+")


@message
class OpData:
    """An element of ``EntryData.ops``."""

    key: str = STRING()
    value: float = FLOAT64()
    remove: bool = BOOL()


@message
class EntryData:
    """An element of ``AlterClientQuotasRequest.entries``."""

    entity: list[EntityData] = array(EntityData)
    ops: list[OpData] = array(OpData)


@message
class AlterClientQuotasRequest:
    """What the client sends."""

    entries: list[EntryData] = array(EntryData)
    validate_only: bool = BOOL()


@message
class EntryResult:
    """An element of ``AlterClientQuotasResponse.entries``."""

    error_code: int = INT16()
    error_message: str | None = STRING(null="0+")
    entity: list[EntityData] = array(EntityData)


@message
class AlterClientQuotasResponse:
    """What the client gets."""

    throttle_time_ms: int = INT32()
    entries: list[EntryResult] = array(EntryResult)
