"""Every declared field against Kafka's own schemas (as kafka-python ships them) and against kio's dataclasses.

Name, order, type, versions, nullability, default and tag of every field must agree in every version that the other side
has. What is meant to differ is listed in the tables here and in ``oracles``.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from chronik.wire.schema import FieldSpec, Scalar, Versions, fields_of
from tests.wire import oracles
from tests.wire.declared import MESSAGES, Declared

NOT_DECLARED = {
    # Headers are written by hand in header.py; the consumer's own payloads travel inside JoinGroup and SyncGroup.
    *("RequestHeader", "ResponseHeader", "ConsumerProtocolSubscription", "ConsumerProtocolAssignment"),
    # Moves replicas between the disks of one broker; there is one directory here.
    *("AlterReplicaLogDirsRequest", "AlterReplicaLogDirsResponse"),
}

NEWER_THAN_DECLARED = {
    # Version 5 belongs to a Kafka after 4.2: it says whether a directory is cordoned.
    "DescribeLogDirsRequest": 5,
    "DescribeLogDirsResponse": 5,
}

MOVED = {
    # No version carries both of two neighbours, so that their order here shows nowhere.
    "OffsetCommitRequestPartition": {"commit_timestamp", "committed_leader_epoch"},
    "DescribeConfigsResourceResult": {"is_default", "config_source"},
}

DEFAULTS = {
    # Kafka sends an empty record set where there is nothing to send, and several clients do not handle null.
    ("PartitionData", "records"): b"",
}


def common(a: Versions, b: Versions) -> Versions:
    return Versions(max(a.first, b.first), min(a.last, b.last))


def schema_name(cls: type) -> str:
    return oracles.RENAMED_STRUCTS.get(cls.__name__, cls.__name__)


def snake(name: str) -> str:
    """As kafka-python does it: "ISRNodes" is isr_nodes, "Enable2Pc" is enable2_pc."""
    out = ""
    for at, char in enumerate(name):
        new_word = char.isupper() and at > 0 and (not name[at - 1].isupper() or name[at + 1 : at + 2].islower())
        out += "_" + char.lower() if new_word else char.lower()
    return out


def schema_default(field: dict[str, Any]) -> Any:
    """The value that a schema's default text means, or the implicit one."""
    text, kind = str(field.get("default", "")), field["type"]
    if text == "null":
        return None
    if kind.startswith("[]"):
        return list
    match kind:
        case "string":
            return text
        case "bytes":
            return b""
        case "records":
            return None
        case "uuid":
            return bytes(16)
        case "bool":
            return text.lower() == "true"
        case "float64":
            return float(text or 0)
        case _:
            return int(text or "0", 0)


def type_text(spec: FieldSpec) -> str:
    of = spec.wire.of
    name = of.name if isinstance(of, Scalar) else schema_name(of)
    return "[]" + name if spec.wire.is_array else name


def check_schema(cls: type, fields: list[dict[str, Any]], within: Versions) -> None:
    """Compare one struct with the schema's fields; ``within`` are the versions in which the struct exists."""
    declared = {oracles.theirs(cls, spec): spec for spec in fields_of(cls)}
    shipped = {
        snake(field["name"]): field
        for field in fields
        if common(Versions.parse(field["versions"]), within)[0] <= within[1]
    }
    moved = MOVED.get(cls.__name__, set())
    assert [n for n in declared if n not in moved] == [n for n in shipped if n not in moved], cls
    assert set(declared) == set(shipped), cls
    for name, spec in declared.items():
        field, where = shipped[name], f"{cls.__name__}.{name}"
        versions = common(spec.wire.versions, within)
        assert versions == common(Versions.parse(field["versions"]), within), where
        assert type_text(spec) == field["type"], where
        nullable = common(Versions.parse(field.get("nullableVersions", "")), versions)
        null = common(spec.wire.null, versions)
        assert null == nullable or (null.first > null.last and nullable.first > nullable.last), where
        assert spec.wire.tag == field.get("tag"), where
        assert field.get("taggedVersions", field["versions"]) == field["versions"], where
        if spec.wire.is_array or isinstance(spec.wire.of, Scalar):
            assert spec.default == DEFAULTS.get((cls.__name__, spec.name), schema_default(field)), where
        else:
            optional = spec.wire.tag is not None or nullable.first <= nullable.last
            assert spec.default is (None if optional else spec.wire.of), where
        if not isinstance(spec.wire.of, Scalar):
            check_schema(spec.wire.of, field["fields"], versions)


@pytest.mark.parametrize("name", [name for name in MESSAGES if oracles.kafka_python_schema(name)])
def test_fields_agree_with_kafkas_schema(name: str) -> None:
    schema, declared = oracles.kafka_python_schema(name), MESSAGES[name]
    assert schema is not None
    check_schema(declared.cls, schema["fields"], Versions(0, declared.api.versions[-1]))
    assert schema["apiKey"] == declared.api.key
    flexible = Versions.parse("" if schema["flexibleVersions"] == "none" else schema["flexibleVersions"])
    assert declared.api.first_flexible == (flexible.first if flexible.last >= 0 else None)


def test_every_version_of_kafkas_schemas_is_declared() -> None:
    for name, declared in MESSAGES.items():
        missing = set(oracles.kafka_python_versions(name)) - set(declared.api.versions)
        assert missing == ({NEWER_THAN_DECLARED[name]} if name in NEWER_THAN_DECLARED else set()), name


def test_every_schema_that_kafka_python_ships_is_declared() -> None:
    assert oracles.kafka_python_schema_names() - set(MESSAGES) == NOT_DECLARED


KIO_TYPES = {
    # kio gives some numbers a Python type of their own.
    "error_code": "int16",
    "timedelta_i32": "int32",
    "timedelta_i64": "int64",
    "datetime_i64": "int64",
}


def check_kio(cls: type, theirs: Any, version: int) -> int:
    """Compare one struct in one version with kio's dataclass; the number of fields compared."""
    ours, fields = oracles.carried(cls, version), dataclasses.fields(theirs)
    assert theirs.__name__ == schema_name(cls)
    assert len(ours) == len(fields), cls
    count = len(ours)
    for spec, field in zip(ours, fields, strict=True):
        where = f"{cls.__name__}.{spec.name} v{version}"
        assert field.name in (oracles.theirs(cls, spec), spec.name.removesuffix("_ms")), where
        struct, text = oracles.kio_struct(field.type), str(field.type)
        kind = field.metadata.get("kafka_type", "")
        assert spec.wire.is_array == text.startswith("tuple["), where
        assert spec.wire.tag == field.metadata.get("tag"), where
        if kind not in ("uuid", "datetime_i64"):  # for these two kio says None for zero and for -1
            assert spec.wire.null.has(version) == text.endswith("| None"), where
        if struct is not None:
            assert not isinstance(spec.wire.of, Scalar), where
            count += check_kio(spec.wire.of, struct, version)
        else:
            assert isinstance(spec.wire.of, Scalar), where
            assert spec.wire.of.name == KIO_TYPES.get(kind, kind), where
            assert kio_default(field, kind) in (spec.default, dataclasses.MISSING), where
    return count


def kio_default(field: dataclasses.Field[Any], kind: str) -> Any:
    """kio's default as we would write it; MISSING where kio demands a value."""
    default: Any = field.default
    match default:
        case ():
            return list
        case None if kind == "datetime_i64":
            return -1
        case None if kind == "uuid":
            return bytes(16)
    if hasattr(default, "total_seconds"):
        return round(default.total_seconds() * 1000)
    return default


@pytest.mark.parametrize("name", MESSAGES)
def test_fields_agree_with_kio(name: str) -> None:
    declared: Declared = MESSAGES[name]
    for version in oracles.kio_versions(declared):
        if version in declared.api.versions:
            theirs = oracles.kio_class(declared, version)
            assert theirs.__flexible__ == declared.api.is_flexible(version)
            check_kio(declared.cls, theirs, version)


def test_every_declared_api_is_known_to_kio() -> None:
    assert all(oracles.kio_versions(declared) for declared in MESSAGES.values())
