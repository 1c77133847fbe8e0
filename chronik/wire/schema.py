"""How a message is declared: one dataclass for all its versions, each field saying which of them carry it.

    @message
    class MetadataRequest:
        topics: list[MetadataRequestTopic] | None = array(MetadataRequestTopic, null="1+")
        allow_auto_topic_creation: bool = BOOL("4+", default=True)

Fields stand in wire order, under the names of Kafka's message schemas in snake case. Versions are written as there:
"3+", "0-12", "2"; a nested struct's versions are further limited by the field that holds it. A version without a field
leaves it out when encoding and gives its default when decoding.

A tagged field (KIP-482) lives in the tag section of its struct, which only flexible versions have, and is omitted when
it equals its default. Where a tagged field is a struct, its default is None here rather than a struct full of defaults:
responses hold many of them, and hardly ever one that says something.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, dataclass_transform

T = TypeVar("T")


class Versions(NamedTuple):
    """An inclusive range of versions; ``NO_VERSION`` is the empty one."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> Versions:
        """From "3+", "0-12" or "2"; "" is the empty range."""
        if not text:
            return NO_VERSION
        first, plus, _ = text.partition("+")
        if plus:
            return cls(int(first), LAST_VERSION)
        first, _, last = text.partition("-")
        return cls(int(first), int(last or first))

    def has(self, version: int) -> bool:
        return self.first <= version <= self.last


LAST_VERSION = 0x7FFF
NO_VERSION = Versions(0, -1)


@dataclasses.dataclass(frozen=True, slots=True)
class Scalar:
    """A type that is not a struct. Calling it declares a field of it.

    ``code`` is the type's letter in the struct module, "" where the length varies.
    """

    name: str
    code: str
    default: Any

    def __call__(
        self, versions: str = "0+", *, default: Any = dataclasses.MISSING, null: str = "", tag: int | None = None
    ) -> Any:
        if default is dataclasses.MISSING:
            default = self.default
        return _field(WireField(self, False, Versions.parse(versions), Versions.parse(null), tag), default)


@dataclasses.dataclass(frozen=True, slots=True)
class WireField:
    """What a message's field is on the wire; kept in the metadata of its dataclass field."""

    of: Scalar | type
    """The type; of an array, its elements' type."""
    is_array: bool
    versions: Versions
    null: Versions
    """The versions in which null is allowed."""
    tag: int | None
    is_reusable: bool = False
    """Whether an array may be given as an EncodedArray."""


class FieldSpec(NamedTuple):
    """One field of a message, as ``fields_of`` lists them."""

    name: str
    wire: WireField
    default: Any
    """The default value; for a list or a struct, the class to call for a new one."""
    is_factory: bool


BOOL = Scalar("bool", "?", False)
INT8 = Scalar("int8", "b", 0)
INT16 = Scalar("int16", "h", 0)
UINT16 = Scalar("uint16", "H", 0)
INT32 = Scalar("int32", "i", 0)
INT64 = Scalar("int64", "q", 0)
FLOAT64 = Scalar("float64", "d", 0.0)
UUID = Scalar("uuid", "16s", bytes(16))
STRING = Scalar("string", "", "")
BYTES = Scalar("bytes", "", b"")
RECORDS = Scalar("records", "", None)


def array(
    of: Scalar | type,
    versions: str = "0+",
    *,
    default: Any = list,
    null: str = "",
    tag: int | None = None,
    reusable: bool = False,
) -> Any:
    """Declare a list of scalars or structs; its default is an empty one, or None. A ``reusable`` list of structs may
    also be given encoded, see ``encoding.encoded_array``."""
    return _field(WireField(of, True, Versions.parse(versions), Versions.parse(null), tag, reusable), default)


def struct(of: type, versions: str = "0+", *, null: str = "", tag: int | None = None) -> Any:
    """Declare a nested struct. Its default is None where that can be said (nullable or tagged), else a new struct."""
    default = None if null or tag is not None else of
    return _field(WireField(of, False, Versions.parse(versions), Versions.parse(null), tag), default)


def _field(wire: WireField, default: Any) -> Any:
    if isinstance(default, type):
        return dataclasses.field(default_factory=default, metadata={"wire": wire})
    return dataclasses.field(default=default, metadata={"wire": wire})


@dataclass_transform()
def message(cls: type[T]) -> type[T]:
    """Make a declaration a dataclass with slots.

    ``__init__`` is generated when the first object is made, ``__repr__`` and ``__eq__`` are shared by all messages: the
    standard ones take 0.16 ms a class, and a broker imports a few hundred classes before it answers its first request.
    """
    made = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    for name, value in (("__init__", _first_init), ("__repr__", _repr), ("__eq__", _eq), ("__hash__", None)):
        setattr(made, name, value)
    return made


_fields: dict[type, tuple[FieldSpec, ...]] = {}


def fields_of(cls: type) -> tuple[FieldSpec, ...]:
    """The fields of a message or nested struct, in wire order."""
    if cls in _fields:
        return _fields[cls]
    specs = []
    for field in dataclasses.fields(cls):
        is_factory = field.default is dataclasses.MISSING
        default = field.default_factory if is_factory else field.default
        specs.append(FieldSpec(field.name, field.metadata["wire"], default, is_factory))
    return _fields.setdefault(cls, tuple(specs))


def _first_init(self: Any, *args: Any, **values: Any) -> None:
    cls = type(self)
    cls.__init__ = _generate_init(cls)
    self.__init__(*args, **values)


def _generate_init(cls: type) -> Callable[..., None]:
    namespace: dict[str, Any] = {"_missing": dataclasses.MISSING}
    parameters, body = [], []
    for name, _wire, default, is_factory in fields_of(cls):
        namespace[f"_{name}"] = default
        if is_factory:
            parameters.append(f"{name}=_missing")
            body.append(f"    self.{name} = _{name}() if {name} is _missing else {name}")
        else:
            parameters.append(f"{name}=_{name}")
            body.append(f"    self.{name} = {name}")
    source = f"def __init__(self, {', '.join(parameters)}):\n" + "\n".join(body)
    exec(compile(source, f"<chronik.wire {cls.__name__}.__init__>", "exec"), namespace)
    made: Callable[..., None] = namespace["__init__"]
    return made


def _repr(self: Any) -> str:
    values = (f"{spec.name}={getattr(self, spec.name)!r}" for spec in fields_of(type(self)))
    return f"{type(self).__name__}({', '.join(values)})"


def _eq(self: Any, other: object) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    return all(getattr(self, spec.name) == getattr(other, spec.name) for spec in fields_of(type(self)))
