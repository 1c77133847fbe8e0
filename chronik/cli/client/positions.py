"""Places in a partition as people say them: `beginning`, `end`, an offset, `-N` before the end, `@` a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple, assert_never

from chronik.cli.times import moment_ms

_BEGINNINGS = ("beginning", "earliest", "start")
_ENDS = ("end", "latest")
MAX_OFFSET = 2**63 - 1


class Kind(Enum):
    """What a position counts from."""

    BEGINNING = "beginning"
    END = "end"
    OFFSET = "offset"
    TAIL = "tail"
    TIME = "time"


class Position(NamedTuple):
    """`number` is an offset, a count before the end, or a time in milliseconds."""

    kind: Kind
    number: int = 0


class Bounds(NamedTuple):
    """A partition's log start offset and the offset after its last record."""

    start: int
    end: int


def position(text: str) -> Position:
    """ValueError, with the end of a sentence that begins with the text, if it is no position."""
    if text in _BEGINNINGS:
        return Position(Kind.BEGINNING)
    if text in _ENDS:
        return Position(Kind.END)
    if text.startswith("@"):
        return Position(Kind.TIME, moment_ms(text[1:]))
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdecimal() or int(digits) > MAX_OFFSET:
        raise ValueError(f"{text!r} is neither beginning, nor end, nor an offset, nor -N, nor @TIME")
    return Position(Kind.TAIL if text.startswith("-") else Kind.OFFSET, int(digits))


def span(text: str) -> tuple[Position, Position | None]:
    """FROM..TO, or FROM alone. ValueError as for `position`."""
    start, dots, end = text.partition("..")
    return position(start or "beginning"), position(end) if dots and end else None


def bounds(client: Any, partitions: Sequence[Any], *, read_committed: bool = False) -> dict[Any, Bounds]:
    """Of TopicPartitions, asked of an admin client; for who reads committed records the last stable offset is the
    end."""
    from kafka.admin import OffsetSpec
    from kafka.protocol.consumer import IsolationLevel

    if not partitions:
        return {}
    level = IsolationLevel.READ_COMMITTED if read_committed else IsolationLevel.READ_UNCOMMITTED
    starts = client.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.EARLIEST))
    ends = client.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST), isolation_level=level)
    return {found: Bounds(starts[found].offset, ends[found].offset) for found in partitions}


def resolve(client: Any, where: Position, known: Mapping[Any, Bounds]) -> dict[Any, int]:
    """The offset that a position is in each partition; an offset that was said is not brought into the bounds."""
    match where.kind:
        case Kind.BEGINNING:
            return {partition: found.start for partition, found in known.items()}
        case Kind.END:
            return {partition: found.end for partition, found in known.items()}
        case Kind.OFFSET:
            return dict.fromkeys(known, where.number)
        case Kind.TAIL:
            return {partition: max(found.start, found.end - where.number) for partition, found in known.items()}
        case Kind.TIME:
            return _at(client, where.number, known)
        case _:
            assert_never(where.kind)


def _at(client: Any, time_ms: int, known: Mapping[Any, Bounds]) -> dict[Any, int]:
    """The first record that is not older; the end where there is none."""
    from kafka.admin import OffsetTimestamp

    if not known:
        return {}
    answers = client.list_partition_offsets(dict.fromkeys(known, OffsetTimestamp(time_ms)))
    return {
        partition: found.end if answers[partition].offset < 0 else min(answers[partition].offset, found.end)
        for partition, found in known.items()
    }
