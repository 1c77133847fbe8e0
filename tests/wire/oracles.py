"""The other implementations: kafka-python 3's codec and schemas, its older tuple schemas, and kio.

They are asked for bytes only where they have the version themselves. What we name or hold differently from them is
translated here, and listed here, once.
"""

from __future__ import annotations

import dataclasses
import datetime
import importlib
import importlib.resources
import io
import pkgutil
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from kio.index import load_entity_module
from kio.schema.errors import ErrorCode as KioErrorCode
from kio.schema.index import schema_name_map
from kio.serial import entity_writer
from kio.static.constants import EntityType

from chronik.wire.schema import UUID, FieldSpec, Scalar, fields_of
from tests.wire.declared import Declared

RENAMED_FIELDS = {
    # Kafka keeps the old fields apart by name, because one flat Java class holds both; no version does.
    ("AddPartitionsToTxnRequest", "transactional_id"): "v3_and_below_transactional_id",
    ("AddPartitionsToTxnRequest", "producer_id"): "v3_and_below_producer_id",
    ("AddPartitionsToTxnRequest", "producer_epoch"): "v3_and_below_producer_epoch",
    ("AddPartitionsToTxnRequest", "topics"): "v3_and_below_topics",
    ("AddPartitionsToTxnResponse", "results_by_topic"): "results_by_topic_v3_and_below",
    # "Enable2Pc" put in snake case the way a reader would.
    ("InitProducerIdRequest", "enable_2pc"): "enable2_pc",
}

RENAMED_STRUCTS = {
    # The request and the response use one name for two different structs; here they share a module.
    "EntryResult": "EntryData",
    "QuorumTopicRequest": "TopicData",
    "QuorumPartitionRequest": "PartitionData",
    # Elsewhere here a TopicPartition is one partition.
    "PartitionsOfTopic": "TopicPartition",
}


def theirs(cls: type, spec: FieldSpec) -> str:
    """The name that Kafka's schema, put in snake case, gives a field."""
    return RENAMED_FIELDS.get((cls.__name__, spec.name), spec.name)


def carried(cls: type, version: int) -> list[FieldSpec]:
    return [spec for spec in fields_of(cls) if spec.wire.versions.has(version)]


def left_out(spec: FieldSpec, value: Any) -> bool:
    """Whether a tagged field holds what its absence says."""
    if spec.wire.tag is None:
        return False
    if value is None or not (spec.is_factory or spec.default is None):
        return bool(value == spec.default)
    return bool(value == (spec.default or spec.wire.of)())


# --- kafka-python -----------------------------------------------------------------------------------------------------


@contextmanager
def _deprecations_allowed() -> Iterator[None]:
    """kafka-python reads its schemas by a function of importlib.resources that is deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _modules(package: str) -> Iterator[Any]:
    with _deprecations_allowed():
        for found in pkgutil.iter_modules(importlib.import_module(package).__path__, package + "."):
            yield importlib.import_module(found.name)


@cache
def kafka_python_classes() -> dict[str, Any]:
    """Kafka's message name -> kafka-python's class."""
    packages = ("kafka.protocol", *(f"kafka.protocol.{name}" for name in ("admin", "consumer", "metadata", "producer")))
    modules = [module for package in packages for module in _modules(package)]
    base = importlib.import_module("kafka.protocol.api_message").ApiMessage
    members = [member for module in modules for member in vars(module).values() if isinstance(member, type)]
    return {cls.__name__: cls for cls in members if issubclass(cls, base)}


@cache
def kafka_python_schema(name: str) -> dict[str, Any] | None:
    """Kafka's own message schema, as kafka-python ships it; common structs are put in place."""
    try:
        with _deprecations_allowed():
            schema: dict[str, Any] = importlib.import_module("kafka.protocol.schemas").load_json(name)
    except FileNotFoundError:
        return None
    return schema


def kafka_python_schema_names() -> set[str]:
    """The messages that kafka-python ships a schema of."""
    folder = importlib.resources.files("kafka.protocol.schemas.resources")
    return {file.name.removesuffix(".json") for file in folder.iterdir() if file.name.endswith(".json")}


def kafka_python_versions(name: str) -> range:
    """The versions that kafka-python's schema of a message covers."""
    schema = kafka_python_schema(name)
    if schema is None:
        return range(0)
    first, _, last = schema["validVersions"].partition("-")
    return range(int(first), int(last or first) + 1)


def kafka_python_bytes(declared: Declared, message: Any, version: int) -> bytes:
    cls = kafka_python_classes()[declared.name]
    encoded: bytes = _kafka_python_value(cls, cls._struct, message, version).encode(version=version)
    return bytes(encoded)


def _bits(value: int) -> set[int]:
    return {bit for bit in range(32) if value >> bit & 1}


def _kafka_python_value(make: Any, layout: Any, message: Any, version: int) -> Any:
    values = {}
    for spec in carried(type(message), version):
        value = getattr(message, spec.name)
        if left_out(spec, value):
            continue
        name = theirs(type(message), spec)
        if name.endswith("authorized_operations"):
            # kafka-python makes some of these a set of the numbers of the bits, and drops the word before the name.
            name = name if name in layout.fields else "authorized_operations"
            if layout.fields[name]._type_str == "bitfield":
                value = _bits(value)
        if not isinstance(spec.wire.of, Scalar):
            field = layout.fields[name]
            if isinstance(value, list):
                value = [_kafka_python_value(field.data_class, field, item, version) for item in value]
            elif value is not None:
                value = _kafka_python_value(field.data_class, field, value, version)
        elif spec.wire.of is UUID:
            value = uuid.UUID(bytes=value)
        values[name] = value
    return make(version=version, **values)


# --- kafka-python's older schemas: what 2.x spoke, among it versions that Kafka 4 removed -----------------------------

OLD_AND_WRONG = {
    "DescribeLogDirsRequest": "has one number where an array of partitions belongs",
    "CreatePartitionsRequest": "nests a struct that Kafka has not; the same bytes, but other tuples",
}


@cache
def old_classes() -> dict[tuple[str, int], Any]:
    """(Kafka's message name, version) -> class with a SCHEMA of nested tuples."""
    classes: dict[tuple[str, int], Any] = {}
    for module in _modules("kafka.protocol.old"):
        for name, cls in vars(module).items():
            message, _, version = name.rpartition("_v")
            if isinstance(cls, type) and hasattr(cls, "SCHEMA") and version.isdigit() and message not in OLD_AND_WRONG:
                classes[message, int(version)] = cls
    return classes


def old_bytes(declared: Declared, message: Any, version: int) -> bytes:
    schema = old_classes()[declared.name, version].SCHEMA
    encoded: bytes = schema.encode(_old_value(schema, message, version))
    return encoded


def _old_value(schema: Any, value: Any, version: int) -> Any:
    """Structs as tuples; an array whose elements have one field holds that field's values themselves."""
    if isinstance(value, list):
        return [_old_value(schema.array_of, item, version) for item in value]
    if not dataclasses.is_dataclass(value):
        return _bits(value) if getattr(schema, "__name__", "") == "BitField" else value
    values = [getattr(value, spec.name) for spec in carried(type(value), version)]
    if not hasattr(schema, "fields"):
        (only,) = values
        return _old_value(schema, only, version)
    return tuple(_old_value(field, item, version) for field, item in zip(schema.fields, values, strict=True))


# --- kio --------------------------------------------------------------------------------------------------------------


def _snake(name: str) -> str:
    return "".join("_" + char.lower() if char.isupper() else char for char in name).lstrip("_")


def kio_versions(declared: Declared) -> list[int]:
    """The versions of a message that kio has."""
    return sorted(schema_name_map.get(_snake(declared.api.name), {}))


def kio_class(declared: Declared, version: int) -> Any:
    name = _snake(declared.api.name)
    if declared.name.endswith("Request"):
        return getattr(load_entity_module(name, version, EntityType.request), declared.name)
    return getattr(load_entity_module(name, version, EntityType.response), declared.name)


def kio_bytes(declared: Declared, message: Any, version: int) -> bytes:
    cls = kio_class(declared, version)
    buffer = io.BytesIO()
    entity_writer(cls)(buffer, _kio_value(cls, message, version))
    return buffer.getvalue()


def kio_struct(hint: Any) -> Any:
    """The dataclass inside a type like ``tuple[X, ...] | None``; None for scalars."""
    if dataclasses.is_dataclass(hint):
        return hint
    found = (kio_struct(argument) for argument in getattr(hint, "__args__", ()))
    return next((struct for struct in found if struct is not None), None)


def _kio_value(cls: Any, message: Any, version: int) -> Any:
    values = {}
    for spec, field in zip(carried(type(message), version), dataclasses.fields(cls), strict=True):
        value = getattr(message, spec.name)
        if left_out(spec, value):
            continue
        struct = kio_struct(field.type)
        if struct is not None:
            if isinstance(value, list):
                value = tuple(_kio_value(struct, item, version) for item in value)
            elif value is not None:
                value = _kio_value(struct, value, version)
        elif isinstance(value, list):
            value = tuple(value)
        elif value is not None:
            value = _kio_scalar(field.metadata["kafka_type"], value)
        values[field.name] = value
    return cls(**values)


def _kio_scalar(kind: str, value: Any) -> Any:
    match kind:
        case "error_code":
            return KioErrorCode(value)
        case "uuid":
            return uuid.UUID(bytes=value)
        case "timedelta_i32" | "timedelta_i64":
            return datetime.timedelta(milliseconds=value)
        case "datetime_i64":
            return datetime.datetime.fromtimestamp(value / 1000, datetime.UTC)
        case _:
            return value
