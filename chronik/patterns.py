"""Regular expressions that peers send, in RE2's syntax, matched in linear time.

Python's `re` can be made to try for years by a few characters, and would hold up everybody meanwhile. Here all ways
through the expression are followed at once, so that the time is at most its size times the length of the text.

Known: characters and escapes, classes, groups (named ones too), alternatives, the quantifiers * + ? {n,m} and their
lazy forms, the anchors ^ $ \\A \\z \\b \\B, and the flags (?i) and (?s) in front. What RE2 has beside that (Unicode
classes, flags within) is refused.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from enum import Enum
from typing import NamedTuple, NoReturn

MAX_NODES = 500
"""Of one expression, its repetitions written out."""
MAX_DEPTH = 50
"""Of groups within groups."""
MAX_REPEAT = 1000

_Test = Callable[[str], bool]
_Part = Callable[[int], int]
"""Builds a part of the expression in front of a node, as often as it is called; returns the node where it begins."""


class InvalidPattern(ValueError):
    """The expression cannot be read, or is too large; the message says where."""


class _Anchor(Enum):
    START = "start"
    END = "end"
    WORD_BOUNDARY = "word boundary"
    NO_WORD_BOUNDARY = "no word boundary"


class _Node(NamedTuple):
    """A place in the expression: what must hold to pass it (nothing, a character, an anchor), and what comes next."""

    test: _Test | _Anchor | None
    following: list[int]


_ACCEPT = 0
_SPECIAL = frozenset("\\.[]{}()*+?^$|")
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_POSIX: dict[str, _Test] = {
    "alpha": lambda c: c.isascii() and c.isalpha(),
    "digit": lambda c: "0" <= c <= "9",
    "alnum": lambda c: c.isascii() and c.isalnum(),
    "lower": lambda c: "a" <= c <= "z",
    "upper": lambda c: "A" <= c <= "Z",
    "punct": lambda c: c.isascii() and c.isprintable() and not c.isalnum() and c != " ",
    "space": lambda c: c in "\t\n\v\f\r ",
    "word": lambda c: c == "_" or (c.isascii() and c.isalnum()),
    "xdigit": lambda c: c in "0123456789abcdefABCDEF",
}
_PERL: dict[str, _Test] = {"d": _POSIX["digit"], "w": _POSIX["word"], "s": lambda c: c in "\t\n\f\r "}
_ANCHORS = {"A": _Anchor.START, "z": _Anchor.END, "b": _Anchor.WORD_BOUNDARY, "B": _Anchor.NO_WORD_BOUNDARY}


class Pattern:
    """A compiled expression. InvalidPattern from the constructor."""

    def __init__(self, text: str) -> None:
        parser = _Parser(text)
        self._begin = parser.begin
        self._nodes = parser.nodes

    def matches(self, text: str) -> bool:
        """Whether the whole text matches."""
        here = self._closure([self._begin], text, 0)
        for at, character in enumerate(text):
            passed = [
                following
                for number in here
                if callable(test := self._nodes[number].test) and test(character)
                for following in self._nodes[number].following
            ]
            if not passed:
                return False
            here = self._closure(passed, text, at + 1)
        return _ACCEPT in here

    def _closure(self, numbers: Iterable[int], text: str, at: int) -> set[int]:
        """These places, and what can be reached from them without reading a character."""
        found, waiting = set[int](), list(numbers)
        while waiting:
            number = waiting.pop()
            if number in found:
                continue
            found.add(number)
            test, following = self._nodes[number]
            if test is None or (isinstance(test, _Anchor) and _holds(test, text, at)):
                waiting += following
        return found


def _holds(anchor: _Anchor, text: str, at: int) -> bool:
    match anchor:
        case _Anchor.START:
            return at == 0
        case _Anchor.END:
            return at == len(text)
        case _Anchor.WORD_BOUNDARY | _Anchor.NO_WORD_BOUNDARY:
            before, after = (0 <= i < len(text) and _POSIX["word"](text[i]) for i in (at - 1, at))
            return (before != after) == (anchor is _Anchor.WORD_BOUNDARY)


class _Parser:
    """Reads an expression from its beginning, and builds it from its end: each part in front of what follows it."""

    def __init__(self, text: str) -> None:
        self.nodes: list[_Node] = [_Node(None, [])]
        self._text = text
        self._at = 0
        self._ignores_case = self._dot_takes_all = False
        self._flags()
        expression = self._alternatives(0)
        if self._at < len(text):
            self._fail("there is no group to be closed")
        self.begin = expression(_ACCEPT)

    # Reading

    def _flags(self) -> None:
        end = self._text.find(")")
        if self._text.startswith("(?") and end > 2 and set(self._text[2:end]) <= {"i", "s"}:
            self._ignores_case, self._dot_takes_all = "i" in self._text[2:end], "s" in self._text[2:end]
            self._at = end + 1

    def _alternatives(self, depth: int) -> _Part:
        if depth > MAX_DEPTH:
            self._fail("there are too many groups within each other")
        options = [self._sequence(depth)]
        while self._take("|"):
            options.append(self._sequence(depth))
        if len(options) == 1:
            return options[0]
        return lambda following: self._node(None, *[option(following) for option in options])

    def _sequence(self, depth: int) -> _Part:
        parts: list[_Part] = []
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            parts.append(self._repeated(self._single(depth)))

        def build(following: int) -> int:
            for part in reversed(parts):
                following = part(following)
            return following

        return build

    def _single(self, depth: int) -> _Part:
        character = self._next()
        match character:
            case "(":
                return self._group(depth)
            case "[":
                return self._testing(self._class())
            case ".":
                return self._testing(lambda c: self._dot_takes_all or c != "\n")
            case "^":
                return self._testing(_Anchor.START)
            case "$":
                return self._testing(_Anchor.END)
            case "\\":
                escape = self._escape()
                return self._testing(self._equal(escape) if isinstance(escape, str) else escape)
            case "*" | "+" | "?":
                self._fail("there is nothing to be repeated")
            case _:
                return self._testing(self._equal(character))

    def _group(self, depth: int) -> _Part:
        if self._take("?"):
            if self._take("P<") or self._take("<"):
                end = self._text.find(">", self._at)
                if end < 0 or not self._text[self._at : end].isidentifier():
                    self._fail("the group has no proper name")
                self._at = end + 1
            elif not self._take(":"):
                self._fail("such groups are not known")
        inner = self._alternatives(depth + 1)
        if not self._take(")"):
            self._fail("a group is not closed")
        return inner

    def _repeated(self, part: _Part) -> _Part:
        least, most = self._count()
        if (least, most) == (1, 1):
            return part
        self._take("?")  # lazy: the same for a match of everything
        if self._count(only_look=True) != (1, 1):
            self._fail("a repetition is repeated")
        return lambda following: self._build_repeated(part, least, most, following)

    def _count(self, *, only_look: bool = False) -> tuple[int, int | None]:
        """How often the part before may come: (least, most); None for any number."""
        start = self._at
        found: tuple[int, int | None] = (1, 1)
        if self._take("*"):
            found = (0, None)
        elif self._take("+"):
            found = (1, None)
        elif self._take("?"):
            found = (0, 1)
        elif self._take("{"):
            end = self._text.find("}", self._at)
            first, comma, second = self._text[self._at : end].partition(",") if end > 0 else ("", "", "")
            if first.isdecimal() and (second == "" or second.isdecimal()):
                most = int(first) if not comma else int(second) if second else None
                found = (int(first), most)
                self._at = end + 1
                if max(int(first), most or 0) > MAX_REPEAT or (most is not None and most < int(first)):
                    self._fail("it is repeated too often")
            else:
                self._at = start  # an ordinary brace
        if only_look:
            self._at = start
        return found

    def _build_repeated(self, part: _Part, least: int, most: int | None, following: int) -> int:
        if most is None:
            again = self._node(None, following)
            self.nodes[again].following.insert(0, part(again))
            following = again
        else:
            end = following
            for _ in range(most - least):
                following = self._node(None, part(following), end)
        for _ in range(least):
            # A node of its own for each, so that what is empty is counted too.
            following = self._node(None, part(following))
        return following

    def _class(self) -> _Test:
        is_negated = self._take("^")
        tests: list[_Test] = []
        while not self._take("]") or not tests:
            if self._text[self._at - 1 : self._at] == "]" and not tests:
                tests.append(self._equal("]"))  # the first one is an ordinary character
                continue
            tests.append(self._class_item())
        return lambda c: any(test(c) for test in tests) != is_negated

    def _class_item(self) -> _Test:
        if self._take("[:"):
            end = self._text.find(":]", self._at)
            name = self._text[self._at : max(end, self._at)].removeprefix("^")
            if name not in _POSIX:
                self._fail("such classes are not known")
            is_negated = self._text[self._at] == "^"
            self._at = end + 2
            return lambda c: _POSIX[name](c) != is_negated
        first = self._class_character()
        if not isinstance(first, str):
            return first
        if not self._text.startswith("-", self._at) or self._text.startswith("-]", self._at):
            return self._equal(first)
        self._at += 1
        last = self._class_character()
        if not isinstance(last, str) or last < first:
            self._fail("the range is not in order")
        return self._between(first, last)

    def _class_character(self) -> str | _Test:
        character = self._next()
        if character != "\\":
            return character
        escape = self._escape()
        if isinstance(escape, _Anchor):
            self._fail("an anchor is no character")
        return escape

    def _escape(self) -> str | _Test | _Anchor:
        character = self._next()
        if character in _ANCHORS:
            return _ANCHORS[character]
        if character.lower() in _PERL:
            test, is_negated = _PERL[character.lower()], character.isupper()
            return lambda c: test(c) != is_negated
        if character == "x":
            return self._hexadecimal()
        if character in _CONTROLS:
            return _CONTROLS[character]
        if character in _SPECIAL or (character.isascii() and not character.isalnum()):
            return character
        self._fail("such escapes are not known")

    def _hexadecimal(self) -> str:
        if self._take("{"):
            end = max(self._text.find("}", self._at), self._at)
            digits, self._at = self._text[self._at : end], end + 1
        else:
            digits, self._at = self._text[self._at : self._at + 2], self._at + 2
            digits = digits if len(digits) == 2 else ""
        if not digits or not all(map(_POSIX["xdigit"], digits)) or int(digits, 16) > sys.maxunicode:
            self._fail("it is no character's number")
        return chr(int(digits, 16))

    # Building

    def _equal(self, character: str) -> _Test:
        return self._between(character, character)

    def _between(self, first: str, last: str) -> _Test:
        if self._ignores_case:
            return lambda c: first <= c <= last or first <= c.lower() <= last or first <= c.upper() <= last
        return lambda c: first <= c <= last

    def _testing(self, test: _Test | _Anchor) -> _Part:
        return lambda following: self._node(test, following)

    def _node(self, test: _Test | _Anchor | None, *following: int) -> int:
        if len(self.nodes) > MAX_NODES:
            raise InvalidPattern("the expression is too large")
        self.nodes.append(_Node(test, list(following)))
        return len(self.nodes) - 1

    # Characters

    def _next(self) -> str:
        if self._at >= len(self._text):
            self._fail("it ends too early")
        self._at += 1
        return self._text[self._at - 1]

    def _take(self, expected: str) -> bool:
        if not self._text.startswith(expected, self._at):
            return False
        self._at += len(expected)
        return True

    def _fail(self, why: str) -> NoReturn:
        raise InvalidPattern(f"{why}, at character {self._at} of {self._text!r}")
