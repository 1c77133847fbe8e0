"""Makes replies comparable, as the masks say: arranges lists, names ids, and reads batches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tools.differ.batches import NOW_MS, readable
from tools.differ.codec import Message
from tools.differ.masks import OF_LISTS, Kind, Mask, masks_at

PREFIX = "zz{:04}"
"""What the names of one scenario begin with, by its number; never hexadecimal, so that no bytes look like it."""

_A_DAY_MS = 86_400_000
_FOREIGN = re.compile(r"zz\d{4}|__")


class Names:
    """Names for ids, in the order in which they first appear on one side."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, Any], str] = {}
        self._values: dict[str, Any] = {}
        self._counts: dict[str, int] = {}

    def bind(self, name: str, kind: str, value: Any) -> None:
        """Give an id a name of its own, for as long as this side is played on."""
        self._values[name] = value
        self._names[kind, value] = f"${name}"

    def name_of(self, kind: str, value: Any) -> str:
        """The name of an id; the next number of its kind when it has none yet."""
        if (kind, value) not in self._names:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self.bind(f"{kind}{self._counts[kind]}", kind, value)
        return self._names[kind, value]

    def or_value(self, kind: str, value: Any) -> Any:
        """The name of an id if it has one already, for sorting."""
        return self._names.get((kind, value), value)

    def value_of(self, name: str) -> Any:
        """The id of a name. KeyError when no reply has held it."""
        return self._values[name.removeprefix("$")]


def canonical(api: str, reply: Message, names: Names) -> Message:
    """A reply as it is compared. Texts have their prefix replaced by "~" already."""
    made: Message = _masked(api, "", arranged(api, reply, names), names)
    return made


def arranged(api: str, reply: Message, names: Names) -> Message:
    """A reply with its lists filtered and sorted, but with its ids and texts."""
    made: Message = _arranged(api, "", reply, names)
    return made


def needed(api: str, one: Any, other: Any, path: str = "") -> set[Mask]:
    """The masks without which two replies would differ more than they do."""
    if one == other:
        return set()
    if isinstance(one, dict) and isinstance(other, dict):
        both = one.keys() & other.keys()
        return set[Mask]().union(*(needed(api, one[name], other[name], _below(path, name)) for name in both))
    found = set()
    for mask in masks_at(api, path):
        if mask.kind not in OF_LISTS:
            return {mask}
        if isinstance(one, list) and isinstance(other, list):
            sorted_one, sorted_other = _arrange(mask, one, Names()), _arrange(mask, other, Names())
            if sorted_one != one or sorted_other != other:
                found.add(mask)
            one, other = sorted_one, sorted_other
    if isinstance(one, list) and isinstance(other, list):
        return found.union(*(needed(api, left, right, path) for left, right in zip(one, other, strict=False)))
    return found


def _arranged(api: str, path: str, value: Any, names: Names) -> Any:
    if isinstance(value, dict):
        return {name: _arranged(api, _below(path, name), item, names) for name, item in value.items()}
    if not isinstance(value, list):
        return value
    items = [_arranged(api, path, item, names) for item in value]
    for mask in masks_at(api, path):
        items = _arrange(mask, items, names)
    return items


def _arrange(mask: Mask, items: list[Any], names: Names) -> list[Any]:
    if mask.kind is Kind.OURS:
        return [item for item in items if not _FOREIGN.match(str(_key(item, mask)))]
    if mask.kind is not Kind.ORDER:
        return items
    return sorted(items, key=lambda item: _sortable(names.or_value(mask.key, _key(item, mask))))


def _masked(api: str, path: str, value: Any, names: Names) -> Any:
    for mask in masks_at(api, path):
        if mask.kind not in OF_LISTS:
            return _apply(mask, value, names)
    if isinstance(value, dict):
        made = {name: _masked(api, _below(path, name), item, names) for name, item in value.items()}
        if value.get("error_code", "none") != "none" and "error_message" in value:
            made["error_message"] = "*"
        return made
    if isinstance(value, list):
        return [_masked(api, path, item, names) for item in value]
    return value


def _apply(mask: Mask, value: Any, names: Names) -> Any:
    match mask.kind:
        case Kind.ANY:
            return "*"
        case Kind.ID:
            return value if isinstance(value, list) or value in mask.none else names.name_of(mask.key, value)
        case Kind.WORDED:
            return "..." if value else value
        case Kind.TIME:
            return "time" if isinstance(value, int) and value > 1_000_000_000_000 else value
        case Kind.NOW:
            return "now" if isinstance(value, int) and value > NOW_MS + _A_DAY_MS else value
        case Kind.BATCHES:
            return list(_named_batches(readable(value), names)) if value else value
        case Kind.ORDER | Kind.OURS:
            return value


def _named_batches(batches: list[Message], names: Names) -> Iterator[Message]:
    for batch in batches:
        if "producer_id" in batch:
            yield batch | {"producer_id": names.name_of("producer_id", batch["producer_id"])}
        else:
            yield batch


def _key(item: Any, mask: Mask) -> Any:
    return item.get(mask.key) if mask.key else item


def _sortable(value: Any) -> tuple[bool, str, Any]:
    """A key for values of one type with nulls among them."""
    return value is not None, type(value).__name__, value if value is not None else 0


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
