"""Topics and partitions as one text: TOPIC, or TOPIC:N,N."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from chronik.cli.run_options import BadOption


class Place(NamedTuple):
    """A topic, with some of its partitions or (None) all."""

    topic: str
    partitions: tuple[int, ...] | None

    @classmethod
    def of(cls, text: str, option: str) -> Place:
        """BadOption if it is no such text."""
        topic, colon, numbers = text.partition(":")
        if not topic:
            raise BadOption(f"{option}: {text!r} names no topic.")
        if not colon:
            return cls(topic, None)
        try:
            return cls(topic, tuple(sorted({int(number) for number in numbers.split(",")})))
        except ValueError:
            raise BadOption(f"{option}: {text!r} is not TOPIC[:N,N].") from None

    def has(self, place: Any) -> bool:
        """Whether a TopicPartition is meant."""
        return self.topic == place.topic and (self.partitions is None or place.partition in self.partitions)

    def __str__(self) -> str:
        return self.topic if self.partitions is None else f"{self.topic}:{','.join(map(str, self.partitions))}"


def places_of(places: Iterable[Place]) -> str:
    """For a sentence."""
    return ", ".join(map(str, places))
