"""Turns one version of a declared message into one flat function, on first use.

The generated source reads or writes a message from end to end: nested structs are inlined, neighbouring fields of fixed
size go through one ``struct.Struct``, and every length and count is compared with the bytes left before anything is
made from it. It is registered with ``linecache``, so that a traceback shows its lines. A version costs about a
millisecond, once.
"""

from __future__ import annotations

import linecache
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from chronik.wire.schema import BYTES, RECORDS, STRING, FieldSpec, Scalar, fields_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def minimum_size(cls: type, version: int, flexible: bool) -> int:
    """The fewest bytes that one struct takes: what an array's count is checked against."""
    size = 1 if flexible else 0
    for spec in fields_of(cls):
        if not spec.wire.versions.has(version) or spec.wire.tag is not None:
            continue
        of = spec.wire.of
        if spec.wire.is_array or of is BYTES or of is RECORDS:
            size += 1 if flexible else 4
        elif of is STRING:
            size += 1 if flexible else 2
        elif isinstance(of, Scalar):
            size += struct.calcsize(of.code)
        else:
            size += 1 if spec.wire.null.has(version) else minimum_size(of, version, flexible)
    return max(size, 1)


class Source:
    """A function's lines while they are put together, and the objects that they name."""

    kind = ""
    signature = ""

    def __init__(self, cls: type, version: int, flexible: bool) -> None:
        self.cls = cls
        self.version = version
        self.flexible = flexible
        self.lines = [f"def {self.kind}({self.signature}):"]
        self.names: dict[str, Any] = {}
        self.run: list[tuple[str, str]] = []
        self.indent = 1
        self.count = 0

    def put(self, *lines: str) -> None:
        self.lines += [" " * self.indent + line for line in lines]

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """What is put inside is indented under ``head``."""
        self.put(head)
        self.indent += 1
        yield
        self.flush()
        self.indent -= 1

    def flush(self) -> None:
        """Write the code for the run of fixed-size values gathered so far."""
        raise NotImplementedError

    def fresh(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def name(self, value: Any, name: str) -> str:
        """Give an object a name that the generated code can use."""
        self.names[name] = value
        return name

    def compiled(self) -> Any:
        """Compile the finished lines, and leave them where tracebacks look for them."""
        file = f"<chronik.wire {self.kind} {self.cls.__name__} v{self.version}>"
        source = "\n".join(self.lines) + "\n"
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        exec(compile(source, file, "exec"), self.names)
        return self.names[self.kind]

    def carried(self, cls: type) -> tuple[list[FieldSpec], list[FieldSpec]]:
        """The inline and the tagged fields that this version of a struct has."""
        here = [spec for spec in fields_of(cls) if spec.wire.versions.has(self.version)]
        tagged = sorted((spec for spec in here if spec.wire.tag is not None), key=lambda spec: spec.wire.tag or 0)
        return [spec for spec in here if spec.wire.tag is None], tagged
