"""Requests and replies as plain values, encoded and decoded by kio: neither side of a comparison judges itself.
(What kio cannot decode, kafka-python does.)

A message is a dict of kio's field names. Bytes are hexadecimal text, ids (UUIDs) are text or None for the zero id,
error codes are names, times and durations are milliseconds. A request may hold more fields than its version carries:
what the version does not have is left out, and what is not given has its default, or else the zero of its type.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import io
import re
import struct
import uuid
from functools import cache
from typing import Any, Literal

from kio.index import load_entity_module
from kio.schema.errors import ErrorCode
from kio.schema.index import api_key_map, schema_name_map
from kio.serial import entity_reader, entity_writer
from kio.serial.errors import OutOfBoundValue
from kio.static.constants import EntityType

from tests.wire.oracles import kafka_python_classes

Message = dict[str, Any]

API_VERSIONS = 18
"""Its replies have the first response header in every version."""

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MILLISECOND = datetime.timedelta(milliseconds=1)
_ZEROES: dict[str, Any] = {"string": "", "bytes": b"", "records": b"", "bool": False, "uuid": None, "float64": 0.0}


@cache
def api_names() -> dict[int, str]:
    """Every API that kio knows, by key (`{2: "ListOffsets", ...}`)."""
    return {key: "".join(map(str.capitalize, name.split("_"))) for key, name in api_key_map.items()}


@cache
def api_key(api: str) -> int:
    """The number of an API, by its name in Kafka."""
    return next(key for key, name in api_names().items() if name == api)


def versions(api: str) -> frozenset[int]:
    """The versions of an API that kio can encode."""
    return frozenset(schema_name_map.get(_snake(api), ()))


def is_flexible(api: str, version: int) -> bool:
    return bool(_message_class(api, version, EntityType.request).__flexible__)


def encode_request(api: str, version: int, correlation_id: int, client_id: str | None, request: Message) -> bytes:
    """A whole request frame, without its size."""
    cls = _message_class(api, version, EntityType.request)
    name = (client_id or "").encode()
    length = -1 if client_id is None else len(name)
    out = io.BytesIO()
    out.write(struct.pack(">hhih", cls.__api_key__, version, correlation_id, length) + name)
    if cls.__flexible__:
        out.write(b"\0")
    entity_writer(cls)(out, _built(cls, request))
    return out.getvalue()


def decode_request(frame: bytes) -> tuple[str, int, Message]:
    """API, version and message of a request frame without its size."""
    key, version, _, length = struct.unpack_from(">hhih", frame)
    api = api_names()[key]
    cls = _message_class(api, version, EntityType.request)
    start = 10 + max(length, 0)
    if cls.__flexible__:
        start = _after_tags(frame, start)
    request, _ = entity_reader(cls)(frame[start:], 0)
    return api, version, _plain(request)


def decode_reply(api: str, version: int, frame: bytes) -> tuple[int, Message]:
    """Correlation id and message of a response frame without its size. ValueError when bytes are left over."""
    cls = _message_class(api, version, EntityType.response)
    start = 4
    if cls.__flexible__ and cls.__api_key__ != API_VERSIONS:
        start = _after_tags(frame, start)
    body = frame[start:]
    try:
        reply, size = entity_reader(cls)(body, 0)
    except OutOfBoundValue:
        return int.from_bytes(frame[:4], "big", signed=True), _kafka_pythons(api, version, body)
    if size != len(body):
        raise ValueError(f"{len(body) - size} bytes follow the {api} response of version {version}")
    return int.from_bytes(frame[:4], "big", signed=True), _plain(reply)


def without_defaults(api: str, version: int, reply: Message) -> Message:
    """A reply without the fields that say what they say by default, or no error: for two replies of one version that
    loses nothing, and replies of different versions look more alike."""
    return _without_defaults(_message_class(api, version, EntityType.response), reply)


def _without_defaults(cls: Any, message: Message) -> Message:
    made = {}
    for field in dataclasses.fields(cls):
        value, nested = message[field.name], _struct(field.type)
        if field.default is not dataclasses.MISSING and value == _plain(field.default):
            continue
        if field.metadata.get("kafka_type") == "error_code" and value == "none":
            continue
        if nested is not None and isinstance(value, list):
            value = [_without_defaults(nested, item) if isinstance(item, dict) else item for item in value]
        elif nested is not None and isinstance(value, dict):
            value = _without_defaults(nested, value)
        made[field.name] = value
    return made


def _kafka_pythons(api: str, version: int, body: bytes) -> Message:
    """A response as kafka-python reads it, in kio's terms: for times that are -1, which kio takes for an error."""
    found = kafka_python_classes()[f"{api}Response"].decode(body, version=version).to_dict()
    renamed: Message = _in_kios_terms(found)
    return renamed


def _in_kios_terms(value: Any) -> Any:
    if isinstance(value, list):
        return [_in_kios_terms(item) for item in value]
    if not isinstance(value, dict):
        return value
    made = {name.removesuffix("_ms"): _in_kios_terms(item) for name, item in value.items()}
    return made | ({"error_code": ErrorCode(made["error_code"]).name} if "error_code" in made else {})


def subscription(topics: list[str]) -> str:
    """What a consumer tells its group (version 0), as hexadecimal text."""
    cls = load_entity_module("consumer_protocol_subscription", 0, EntityType.data).ConsumerProtocolSubscription
    out = io.BytesIO()
    entity_writer(cls)(out, cls(topics=tuple(topics), user_data=None))
    return "0000" + out.getvalue().hex()


def field_names(api: str) -> frozenset[str]:
    """Every field, of any struct and version, of an API's requests: to find misspelled ones."""
    names: set[str] = set()
    for version in versions(api):
        waiting = [_message_class(api, version, EntityType.request)]
        while waiting:
            for field in dataclasses.fields(waiting.pop()):
                names.add(field.name)
                if (nested := _struct(field.type)) is not None:
                    waiting.append(nested)
    return frozenset(names)


def _after_tags(frame: bytes, start: int) -> int:
    """Where a tag section ends. ValueError unless it is empty: no header has tags that anybody uses."""
    if frame[start] != 0:
        raise ValueError("the header has tagged fields")
    return start + 1


def _snake(name: str) -> str:
    return re.sub(r"(?<=.)([A-Z])", r"_\1", name).lower()


@cache
def _message_class(api: str, version: int, kind: Literal[EntityType.request, EntityType.response]) -> Any:
    module = load_entity_module(_snake(api), version, kind)
    return getattr(module, api + ("Request" if kind is EntityType.request else "Response"))


def _struct(hint: Any) -> Any:
    """The dataclass inside a type like ``tuple[X, ...] | None``; None for scalars."""
    if dataclasses.is_dataclass(hint):
        return hint
    found = (_struct(argument) for argument in getattr(hint, "__args__", ()))
    return next((struct for struct in found if struct is not None), None)


@cache
def _is_array(field: Any) -> bool:
    return "tuple" in str(field.type)


@cache
def _is_nullable(field: Any) -> bool:
    return "None" in str(field.type)


def _built(cls: Any, message: Message) -> Any:
    """An instance of kio's class from plain values."""
    made = {}
    for field in dataclasses.fields(cls):
        if field.name in message:
            made[field.name] = _built_value(field, message[field.name])
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            made[field.name] = _zero(field)
    return cls(**made)


def _built_value(field: Any, value: Any) -> Any:
    kind, struct_class = field.metadata.get("kafka_type"), _struct(field.type)
    if value is None:
        return None if _is_nullable(field) else _zero(field)
    if struct_class is not None:
        return tuple(_built(struct_class, item) for item in value) if _is_array(field) else _built(struct_class, value)
    if _is_array(field):
        return tuple(_built_scalar(kind, item) for item in value)
    return _built_scalar(kind, value)


def _built_scalar(kind: str, value: Any) -> Any:
    match kind:
        case "error_code":
            return ErrorCode[value]
        case "uuid":
            return uuid.UUID(value)
        case "bytes" | "records":
            return bytes.fromhex(value)
        case "timedelta_i32" | "timedelta_i64":
            return datetime.timedelta(milliseconds=value)
        case "datetime_i64":
            return _EPOCH + datetime.timedelta(milliseconds=value)
        case _:
            return value


def _zero(field: Any) -> Any:
    if _is_nullable(field):
        return None
    if _is_array(field):
        return ()
    if (struct_class := _struct(field.type)) is not None:
        return _built(struct_class, {})
    kind = field.metadata["kafka_type"]
    return _ZEROES[kind] if kind in _ZEROES else _built_scalar(kind, "none" if kind == "error_code" else 0)


def _plain(value: Any) -> Any:
    """What kio decoded, as values that JSON has."""
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    match value:
        case tuple():
            return [_plain(item) for item in value]
        case ErrorCode():
            return value.name
        case enum.Enum():
            return value.value
        case bytes():
            return value.hex()
        case uuid.UUID():
            return str(value)
        case datetime.timedelta():
            return value // _MILLISECOND
        case datetime.datetime():
            return (value - _EPOCH) // _MILLISECOND
        case _:
            return value
