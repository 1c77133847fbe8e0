"""Every declared message and version, to parametrise over, and random messages of them."""

from __future__ import annotations

import random
import struct
from typing import Any, NamedTuple

from chronik.errors import ErrorCode
from chronik.wire.apis import APIS, Api
from chronik.wire.decoding import Decoder, decoder
from chronik.wire.encoding import encoder
from chronik.wire.schema import STRING, FieldSpec, Scalar, fields_of


class Declared(NamedTuple):
    """One request or response."""

    name: str
    api: Api
    cls: type[Any]

    def decoder(self, version: int) -> Decoder:
        return decoder(self.cls, version, self.api.is_flexible(version))

    def encode(self, message: Any, version: int) -> bytes:
        """The whole body as one bytes object."""
        done: list[Any] = []
        done.append(encoder(self.cls, version, self.api.is_flexible(version))(message, bytearray(), done))
        return b"".join(done)


MESSAGES = {
    declared.name: declared
    for api in APIS.values()
    for declared in (
        Declared(api.name + "Request", api, api.request),
        Declared(api.name + "Response", api, api.response),
    )
}


class RandomMessages:
    """Makes messages that every oracle can encode.

    Times are within what a Python datetime or timedelta can hold exactly, and error codes are Kafka's, because kio maps
    them to such objects; every other value goes to the ends of its type's range now and then.
    """

    def __init__(self, seed: int | str) -> None:
        self.random = random.Random(seed)

    def message(self, cls: type[Any], version: int) -> Any:
        """A message with random values in the fields that ``version`` carries."""
        made = cls()
        for spec in fields_of(cls):
            if spec.wire.versions.has(version) and (spec.wire.tag is None or self.random.random() < 0.5):
                setattr(made, spec.name, self.value(spec, version))
        return made

    def value(self, spec: FieldSpec, version: int) -> Any:
        if spec.wire.null.has(version) and self.random.random() < 0.25:
            return None
        if spec.wire.is_array:
            return [self.single(spec, version) for _ in range(self.random.choice((0, 1, 1, 2, 3)))]
        value = self.single(spec, version)
        if spec.wire.tag is not None and not isinstance(spec.wire.of, Scalar) and value == spec.wire.of():
            return None  # on the wire nothing tells a tagged struct of defaults from none
        return value

    def single(self, spec: FieldSpec, version: int) -> Any:
        of = spec.wire.of
        if not isinstance(of, Scalar):
            return self.message(of, version)
        if spec.name.endswith("error_code"):
            return self.random.choice(list(ErrorCode)).value
        if of.code in ("i", "q") and (spec.name.endswith("_ms") or "timestamp" in spec.name):
            return self.random.choice(
                (0, 1000, 30000, 86_400_000, 1_600_000_000_000 if of.code == "q" else 2**31 // 2000 * 1000)
            )
        return self.scalar(of)

    def scalar(self, of: Scalar) -> Any:
        if of is STRING:
            return self.text()
        if not of.code:
            return self.random.randbytes(self.random.choice((0, 1, 5, 126, 127, 200)))
        if of.code == "?":
            return self.random.random() < 0.5
        if of.code == "d":
            return self.random.choice((0.0, -1.5, 1e300, self.random.random()))
        if of.code == "16s":
            return self.random.choice((bytes(16), self.random.randbytes(16)))
        bits = 8 * struct.calcsize(of.code)
        low, high = (0, 2**bits - 1) if of.code.isupper() else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return self.random.choice((low, -1 if low else 0, 0, 1, high, self.random.randint(low, high)))

    def text(self) -> str:
        size = self.random.choice((0, 1, 3, 10, 10, 10, 126, 127, 130))
        return "".join(self.random.choices("abcXYZ019._-é漢😀", k=size))
