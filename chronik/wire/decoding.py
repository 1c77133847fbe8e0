"""The source of a decode function: one version of one message, from end to end."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from chronik.wire.compile import Source, minimum_size
from chronik.wire.primitives import MAX_STRING_BYTES, Buffer, MalformedFrame, read_uvarint, skip_tags, uvarint_rest
from chronik.wire.schema import RECORDS, STRING, FieldSpec, Scalar, fields_of

if TYPE_CHECKING:
    from collections.abc import Iterator

Decoder: TypeAlias = Callable[[Buffer, int], Any]
"""(frame, position of the body) -> message. MalformedFrame is all it raises; bytes after the message are ignored."""


_decoders: dict[tuple[type, int, bool], Decoder] = {}


def decoder(cls: type, version: int, flexible: bool) -> Decoder:
    """The function that decodes this version of the message ``cls``; made at the first call."""
    which = cls, version, flexible
    if which not in _decoders:
        _decoders[which] = _DecoderSource(cls, version, flexible).function()
    return _decoders[which]


class _DecoderSource(Source):
    kind = "decode"
    signature = "buf, pos"

    def function(self) -> Decoder:
        self.names |= {
            "MalformedFrame": MalformedFrame,
            "StructError": struct.error,
            "read_uvarint": read_uvarint,
            "skip_tags": skip_tags,
            "unpack_from": struct.unpack_from,
            "uvarint_rest": uvarint_rest,
            "new": object.__new__,
        }
        self.put("end = len(buf)")
        with self.block("try:"):
            if _has_records(self.cls, self.version):
                self.put("view = memoryview(buf)")
            result = self.struct(self.cls)
            self.flush()
            self.put(f"return {result}")
        with self.block("except (IndexError, StructError) as cut:"):
            self.put(f"raise MalformedFrame('{self.cls.__name__} v{self.version} is cut short') from cut")
        with self.block("except UnicodeDecodeError as garbled:"):
            self.put(f"raise MalformedFrame('{self.cls.__name__} v{self.version} has invalid UTF-8') from garbled")
        made: Decoder = self.compiled()
        return made

    def fixed(self, code: str, target: str) -> None:
        self.run.append((code, target))

    def flush(self) -> None:
        if not self.run:
            return
        codes = "".join(code for code, _ in self.run)
        targets = ", ".join(target for _, target in self.run)
        if codes == "B":
            self.put(f"{targets} = buf[pos]", "pos += 1")
        else:
            layout = struct.Struct(">" + codes)
            unpack = self.name(layout.unpack_from, f"unpack_{codes.replace('?', 'T')}")
            self.put(f"{targets}{',' if len(self.run) == 1 else ''} = {unpack}(buf, pos)", f"pos += {layout.size}")
        self.run.clear()

    def refuse(self, condition: str, what: str) -> None:
        with self.block(f"if {condition}:"):
            self.put(f"raise MalformedFrame('{what} at byte %d' % pos)")

    @contextmanager
    def sized(self, target: str, classic: str, unit: int, null: bool, limit: int = 0) -> Iterator[None]:
        """Read a length and check it; inside, ``stop`` is where ``n`` units of ``unit`` bytes would end.

        A compact length is one more than what it counts, so that 0 is null, which one comparison refuses together with
        a length beyond the end of the frame.
        """
        self.fixed("B" if self.flexible else classic, "n")
        self.flush()
        times = f" * {unit}" if unit != 1 else ""
        what = target.rpartition(".")[2]

        def check() -> None:
            if self.flexible:
                with self.block("if n > 127:"):
                    self.put("n, pos = uvarint_rest(buf, pos, n)")
                    if limit:
                        self.refuse(f"n > {limit + 1}", f"{what} is too long")
                self.put("n -= 1")
            self.put(f"stop = pos + n{times}")
            self.refuse("not pos <= stop <= end", f"{what} has a wrong length or count")

        if not null:
            check()
            yield
            return
        with self.block("if n:" if self.flexible else "if n >= 0:"):
            check()
            yield
        with self.block("else:"):
            self.put(f"{target} = None")

    def value(self, spec: FieldSpec, target: str, null: bool) -> None:
        """Read one field into ``target``."""
        of = spec.wire.of
        if spec.wire.is_array:
            self.array(of, target, null)
        elif isinstance(of, Scalar):
            self.scalar(of, target, null)
        elif null:
            self.fixed("b", "n")
            self.flush()
            with self.block("if n < 0:"):
                self.put(f"{target} = None")
            with self.block("else:"):
                self.put(f"{target} = {self.struct(of)}")
        else:
            self.put(f"{target} = {self.struct(of)}")

    def scalar(self, of: Scalar, target: str, null: bool) -> None:
        if of.code:
            self.fixed(of.code, target)
        elif of is STRING:
            with self.sized(target, "h", 1, null, MAX_STRING_BYTES):
                self.put(f"{target} = str(buf[pos:stop], 'utf-8')", "pos = stop")
        else:
            with self.sized(target, "i", 1, null):
                self.put(f"{target} = {'view[pos:stop]' if of is RECORDS else 'bytes(buf[pos:stop])'}", "pos = stop")

    def array(self, of: Scalar | type, target: str, null: bool) -> None:
        if isinstance(of, Scalar) and of.code:
            with self.sized(target, "i", struct.calcsize(of.code), null):
                self.put(f"{target} = list(unpack_from(f'>{{n}}{of.code}', buf, pos))", "pos = stop")
            return
        least = 1 if self.flexible else 2
        if not isinstance(of, Scalar):
            least = minimum_size(of, self.version, self.flexible)
        with self.sized(target, "i", least, null):
            items = self.fresh("items")
            self.put(f"{target} = {items} = []")
            with self.block("for _ in range(n):"):
                if isinstance(of, Scalar):
                    self.scalar(of, "item", False)
                    self.put(f"{items}.append(item)")
                else:
                    item = self.struct(of)
                    self.flush()
                    self.put(f"{items}.append({item})")

    def struct(self, cls: type) -> str:
        """Read a struct; the name of the variable that holds it."""
        made = self.fresh("it")
        self.put(f"{made} = new({self.name(cls, cls.__name__)})")
        inline, tagged = self.carried(cls)
        for spec in fields_of(cls):
            if spec in inline:
                self.value(spec, f"{made}.{spec.name}", spec.wire.null.has(self.version))
            else:
                self.put(f"{made}.{spec.name} = {self.default(cls, spec)}")
        if self.flexible:
            self.fixed("B", "n")
            self.flush()
            with self.block("if n:"):
                if tagged:
                    self.tags(tagged, made)
                else:
                    self.put("pos = skip_tags(buf, pos, n)")
        return made

    def default(self, cls: type, spec: FieldSpec) -> str:
        if spec.is_factory:
            return "[]" if spec.default is list else f"{self.name(spec.default, spec.default.__name__)}()"
        if spec.default is None or isinstance(spec.default, int | str):
            return repr(spec.default)
        return self.name(spec.default, f"{cls.__name__}_{spec.name}")

    def tags(self, tagged: list[FieldSpec], made: str) -> None:
        """Read a tag section that is not empty; unknown tags are stepped over."""
        edge = self.fresh("edge")
        with self.block("if n > 127:"):
            self.put("n, pos = uvarint_rest(buf, pos, n)")
        with self.block("for _ in range(n):"):
            self.put("tag, pos = read_uvarint(buf, pos)", "n, pos = read_uvarint(buf, pos)", f"{edge} = pos + n")
            self.refuse(f"{edge} > end", "a tagged field passes the end of the frame")
            for spec in tagged:
                with self.block(f"if tag == {spec.wire.tag}:"):
                    self.value(spec, f"{made}.{spec.name}", spec.wire.null.has(self.version))
                    self.flush()
                    self.refuse(f"pos > {edge}", f"{spec.name} is longer than its tagged field")
            self.put(f"pos = {edge}")


def _has_records(cls: type, version: int) -> bool:
    for spec in fields_of(cls):
        if spec.wire.versions.has(version):
            of = spec.wire.of
            if of is RECORDS or (not isinstance(of, Scalar) and _has_records(of, version)):
                return True
    return False
