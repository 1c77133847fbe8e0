"""Expressions of peers: the same answers as Python's `re`, without its bad moments."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronik.patterns import InvalidPattern, Pattern

CASES = [
    ("", ["", "a"]),
    ("abc", ["abc", "ab", "abcd", "ABC"]),
    ("a.c", ["abc", "a.c", "a\nc", "ac"]),
    ("(?s)a.c", ["a\nc"]),
    ("(?i)aBc[x-z]", ["ABCX", "abcy", "abcw"]),
    ("a*", ["", "a", "aaaa", "b"]),
    ("a+b?c*?", ["a", "aab", "abcc", "bc"]),
    ("(ab|cd|)x", ["abx", "cdx", "x", "abcdx"]),
    ("(a|b)*c{2}", ["cc", "abbacc", "c", "ccc"]),
    ("x{2,3}", ["x", "xx", "xxx", "xxxx"]),
    ("x{2,}", ["x", "xx", "x" * 50]),
    ("x{0}y{0,1}", ["", "y", "x"]),
    ("[abc]+", ["cab", "d", ""]),
    ("[^a-c]", ["d", "b", "\n"]),
    ("[]a]+", ["]a]", "b"]),
    ("[a-]+", ["a-", "b"]),
    ("[\\d.\\-]+", ["1.2-3", "a"]),
    ("\\w+\\s\\D", ["ab_1 x", "ab 1", "ab  x"]),
    ("\\.\\*\\\\", [".*\\", "xyz"]),
    ("\\x41\\x{42}\\t", ["AB\t", "ABt"]),
    ("^a$", ["a", "b"]),
    ("a^b", ["ab", "a^b"]),
    ("\\Afoo\\b.*", ["foo", "foo bar", "foobar"]),
    ("(?P<name>a)(?:b)", ["ab", "a"]),
    ("[[:alpha:]][[:^digit:]]", ["ax", "a1", "1x"]),
    ("{a}", ["{a}", "a"]),
    ("orders-.*", ["orders-1", "orders-", "my-orders-1"]),
    ("((a))", ["a"]),
    ("(a?){3}", ["", "aaa", "aaaa"]),
    ("ä|ß", ["ä", "ß", "a"]),
]

PYTHON = {
    "(?P<name>a)(?:b)": "(?P<name>a)(?:b)",
    "[[:alpha:]][[:^digit:]]": "[a-zA-Z][^0-9]",
    "\\x41\\x{42}\\t": "AB\\t",
}


@pytest.mark.parametrize(("pattern", "text"), [(pattern, text) for pattern, texts in CASES for text in texts])
def test_it_matches_what_re_matches(pattern: str, text: str) -> None:
    expected = re.fullmatch(PYTHON.get(pattern, pattern).replace("\\A", ""), text, re.ASCII) is not None
    assert Pattern(pattern).matches(text) == expected


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            "(",
            ")",
            "(a",
            "a)",
            "[",
            "[a",
            "[z-a]",
            "[\\b]",
            "[[:what:]]",
            "[a-\\d]",
            "*",
            "+a",
            "a|*",
            "(?=a)",
            "(?!a)",
        ),
        *("(?<=a)b", "(a)\\1", "\\", "\\8", "\\x4", "\\x{110000}", "\\pL", "a**", "a{2}{3}", "a{3,2}", "a{1001}"),
        *("(?P<>a)", "(?P<1>a)", "(?P<a", "a{600}", "(a{50}){50}", "(((){1000}){1000}){1000}", "(" * 60 + ")" * 60),
    ],
)
def test_what_cannot_be_read_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidPattern):
        Pattern(pattern)


def test_what_keeps_other_engines_busy_for_years_is_answered() -> None:
    began = time.monotonic()
    assert not Pattern("(a|a)*(a|aa)+(a*)*b").matches("a" * 200)
    assert Pattern("(a?){40}a{40}").matches("a" * 40)
    assert time.monotonic() - began < 5


EXPRESSIONS = st.recursive(
    st.sampled_from(["a", "b", ".", "[ab]", "[^a]", "\\w", "^", "$", "\\b"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda options: "(" + "|".join(options) + ")"),
        st.tuples(inner.map("(?:{})".format), st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{0,}", "*?"])).map(
            "".join
        ),
    ),
    max_leaves=8,
)


@given(EXPRESSIONS, st.text("ab \n", max_size=6))
def test_any_expression_means_what_it_means_to_re(pattern: str, text: str) -> None:
    # Python's $ also holds before a line feed at the end, RE2's does not.
    expected = re.fullmatch(pattern.replace("$", "\\Z"), text, re.ASCII) is not None
    assert Pattern(pattern).matches(text) == expected
