"""The source of an encode function: one version of one message, from end to end."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from chronik.wire.compile import Source
from chronik.wire.primitives import Buffer, EncodedArray, put_records, uvarint
from chronik.wire.schema import RECORDS, STRING, FieldSpec, Scalar

if TYPE_CHECKING:
    from collections.abc import Iterator

Encoder: TypeAlias = Callable[[Any, bytearray, list[Buffer]], bytearray]
"""(message, out, done) -> the bytearray to write on to; what was closed before it is at the end of ``done``."""


SHORT_ARRAY = 6
"""Arrays of numbers with fewer elements than this are packed by a struct made beforehand."""

_encoders: dict[tuple[type, int, bool], Encoder] = {}


def encoder(cls: type, version: int, flexible: bool) -> Encoder:
    """The function that encodes this version of the message ``cls``; made at the first call."""
    which = cls, version, flexible
    if which not in _encoders:
        _encoders[which] = _EncoderSource(cls, version, flexible).function()
    return _encoders[which]


def encoded_array(items: Sequence[Any], version: int, flexible: bool) -> EncodedArray:
    """The array of these structs (at least one), to be given to a ``reusable`` field of a message of that version."""
    out = bytearray(uvarint(len(items) + 1) if flexible else len(items).to_bytes(4, "big"))
    encode = encoder(type(items[0]), version, flexible)
    done: list[Buffer] = []
    for item in items:
        out = encode(item, out, done)
    assert not done, "records are never copied into an array"
    return EncodedArray(out)


class _EncoderSource(Source):
    kind = "encode"
    signature = "it, out, done"

    def function(self) -> Encoder:
        self.out = "out"
        self.names |= {
            "EncodedArray": EncodedArray,
            "pack_as": struct.pack,
            "put_records": put_records,
            "uvarint": uvarint,
        }
        self.struct(self.cls, "it")
        self.flush()
        self.put("return out")
        made: Encoder = self.compiled()
        return made

    def fixed(self, code: str, value: str) -> None:
        self.run.append((code, value))

    def flush(self) -> None:
        if not self.run:
            return
        codes = "".join(code for code, _ in self.run)
        values = ", ".join(value for code, value in self.run if code != "x")
        if values:
            pack = self.name(struct.Struct(">" + codes).pack, f"pack_{codes.replace('?', 'T')}")
            self.put(f"{self.out} += {pack}({values})")
        else:
            self.put(f"{self.out} += {bytes(len(codes))!r}")
        self.run.clear()

    def length(self, count: str, classic: str) -> None:
        """Write a length or count; ``count`` is an expression."""
        if not self.flexible:
            self.fixed(classic, count)
            self.flush()
            return
        self.flush()
        self.put(f"n = {count} + 1")
        with self.block("if n < 128:"):
            self.put(f"{self.out}.append(n)")
        with self.block("else:"):
            self.put(f"{self.out} += uvarint(n)")

    @contextmanager
    def unless_null(self, value: str, classic: int, null: bool) -> Iterator[None]:
        """What is put inside writes ``value``; null is written as ``classic`` bytes of -1, or as a compact 0."""
        if not null:
            yield
            return
        self.flush()
        with self.block(f"if {value} is None:"):
            self.put(f"{self.out} += {bytes(1) if self.flexible else bytes([255]) * classic!r}")
        with self.block("else:"):
            yield

    def value(self, spec: FieldSpec, source: str, null: bool) -> None:
        """Write one field whose value the expression ``source`` gives."""
        of = spec.wire.of
        if spec.wire.is_reusable:
            held = self.fresh("it")
            self.flush()
            self.put(f"{held} = {source}")
            with self.block(f"if type({held}) is EncodedArray:"):
                self.put(f"{self.out} += {held}")
            with self.block("else:"):
                self.array(of, held, null)
                self.flush()
        elif spec.wire.is_array:
            self.array(of, source, null)
        elif isinstance(of, Scalar):
            self.scalar(of, source, null)
        elif null:
            self.flush()
            held = self.fresh("it")
            self.put(f"{held} = {source}")
            with self.block(f"if {held} is None:"):
                self.put(f"{self.out} += b'\\xff'")
            with self.block("else:"):
                self.put(f"{self.out} += b'\\x01'")
                self.struct(of, held)
        else:
            held = self.fresh("it")
            self.put(f"{held} = {source}")
            self.struct(of, held)

    def scalar(self, of: Scalar, source: str, null: bool) -> None:
        if of.code:
            self.fixed(of.code, source)
            return
        self.put(f"v = {source}")
        with self.unless_null("v", 2 if of is STRING else 4, null):
            if of is RECORDS:
                self.flush()
                self.put(f"{self.out} = put_records({self.out}, done, v, {self.flexible})")
                return
            if of is STRING:
                self.put("v = v.encode()")
            self.length("len(v)", "h" if of is STRING else "i")
            self.put(f"{self.out} += v")

    def array(self, of: Scalar | type, source: str, null: bool) -> None:
        items = self.fresh("items")
        self.put(f"{items} = {source}")
        with self.unless_null(items, 4, null):
            if isinstance(of, Scalar) and of.code:
                self.numbers(of.code, items)
                return
            self.length(f"len({items})", "i")
            item = self.fresh("it")
            with self.block(f"for {item} in {items}:"):
                if isinstance(of, Scalar):
                    self.scalar(of, item, False)
                else:
                    self.struct(of, item)

    def numbers(self, code: str, items: str) -> None:
        """Write an array of fixed-size scalars; short ones (replica lists) with their count, through a ready struct."""
        self.flush()
        count = "B" if self.flexible else "i"
        ready = [struct.Struct(f">{count}{size}{code}").pack for size in range(SHORT_ARRAY)]
        packs = self.name(ready, f"pack_{count}_{code}")
        self.put(f"n = len({items})")
        with self.block(f"if n < {SHORT_ARRAY}:"):
            self.put(f"{self.out} += {packs}[n](n{' + 1' if self.flexible else ''}, *{items})")
        with self.block("else:"):
            self.length("n", "i")
            self.put(f"{self.out} += pack_as(f'>{{len({items})}}{code}', *{items})")

    def struct(self, cls: type, source: str) -> None:
        inline, tagged = self.carried(cls)
        for spec in inline:
            self.value(spec, f"{source}.{spec.name}", spec.wire.null.has(self.version))
        if tagged:
            self.flush()
            self.tags(tagged, source)
        elif self.flexible:
            self.fixed("x", "")

    def tags(self, tagged: list[FieldSpec], source: str) -> None:
        """Write a tag section: one zero byte where, as nearly always, every field has its default."""
        absent = {spec: self.is_default(spec, f"{source}.{spec.name}") for spec in tagged}
        with self.block(f"if {' and '.join(absent.values())}:"):
            self.put(f"{self.out} += {bytes(1)!r}")
        with self.block("else:"):
            section, count, outside = self.fresh("section"), self.fresh("count"), self.out
            self.put(f"{section} = bytearray()", f"{count} = 0")
            for spec, test in absent.items():
                with self.block(f"if not ({test}):"):
                    self.out = self.fresh("field")
                    self.put(f"{self.out} = bytearray()")
                    self.value(spec, f"{source}.{spec.name}", spec.wire.null.has(self.version))
                    self.flush()
                    self.put(f"{section} += {uvarint(spec.wire.tag or 0)!r}")
                    self.put(f"{section} += uvarint(len({self.out}))", f"{section} += {self.out}", f"{count} += 1")
            self.out = outside
            self.put(f"{self.out} += uvarint({count})", f"{self.out} += {section}")

    def is_default(self, spec: FieldSpec, value: str) -> str:
        """An expression that tells whether a tagged field may be left out."""
        if not isinstance(spec.wire.of, Scalar) and not spec.wire.is_array:
            empty = self.name(spec.wire.of(), f"no_{spec.name}")
            return f"({value} is None or {value} == {empty})"
        if spec.default is None:
            return f"{value} is None"
        if spec.is_factory:
            return f"{value} == []"
        return f"{value} == {spec.default!r}"
