"""Config values: text to a typed value and back, as Kafka reads and prints them (class ConfigDef).

Every text is trimmed of what Java trims: spaces and control characters. The messages are Kafka's, so that what a tool
shows is what its users know.
"""

from __future__ import annotations

import re
from enum import Enum, IntEnum
from typing import NamedTuple, TypeAlias, assert_never

from chronik.errors import ErrorCode, KafkaError
from chronik.settings import INT_MAX, LONG_MAX

Value: TypeAlias = bool | int | float | str | tuple[str, ...]

MAX_VALUE_CHARS = 32_767
"""The longest text of one value. One request cannot carry a longer one, but APPEND can make one."""

_JAVA_BLANK = "".join(map(chr, range(0x21)))
# Compiled on first use: most brokers never meet most of them.
_COMMA = r"[ \t\n\v\f\r]*,[ \t\n\v\f\r]*"
_WHOLE_NUMBER = r"[+-]?\d+"
_DECIMAL = r"([+-]?(?:NaN|Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?))[fFdD]?"
_HEXADECIMAL = r"([+-]?0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?[0-9]+)[fFdD]?"
_REPLICAS = r"(?:[0-9]+:[0-9]+)?(?:,(?:[0-9]+:[0-9]+)?)*"
_HOST_COUNT = r"(?s:.*):[+-]?[0-9]+"
_DURATION = (
    r"([+-]?)[Pp](?:([+-]?[0-9]{1,18})[Dd])?"
    r"(?:[Tt](?=[+-]?[0-9])(?:([+-]?[0-9]{1,18})[Hh])?(?:([+-]?[0-9]{1,18})[Mm])?"
    r"(?:([+-]?[0-9]{1,18})(?:[.,]([0-9]{0,9}))?[Ss])?)?"
)
_SECONDS = (86_400, 3_600, 60, 1)


class ConfigType(IntEnum):
    """A value's type, by the number that DescribeConfigs 3+ carries."""

    UNKNOWN = 0
    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    CLASS = 8
    PASSWORD = 9


class Range(NamedTuple):
    """Numbers from `low` to `high`, both inclusive, and `also`. Not-a-number is in no range."""

    low: int
    high: int | None = None
    also: int | None = None


class OneOf(NamedTuple):
    """A string that is one of these words, or a list of nothing else; a list is then a set, without empty members."""

    words: tuple[str, ...]


class Form(Enum):
    """What a text must look like where neither numbers nor words are counted up."""

    REPLICAS = "[partitionId]:[brokerId],[partitionId]:[brokerId],..."
    """Throttled replicas: "*", or partition:broker pairs."""
    OFFSET_RESET = "by_duration:PnDTnHnMn.nS"
    """Where a share group begins: earliest, latest, or so long ago (KIP-1106)."""
    HOST_COUNTS = "host:count,host:count,..."
    """Connections allowed for single hosts."""


Allowed: TypeAlias = Range | OneOf | Form


def parse_value(name: str, type_: ConfigType, allowed: Allowed | None, text: str) -> Value:
    """The typed value of a text; INVALID_CONFIG when it is not of the type, or not allowed."""
    value = _typed(name, type_, text, text.strip(_JAVA_BLANK))
    if allowed is None:
        return value
    if isinstance(allowed, OneOf) and isinstance(value, tuple):
        return _members(name, allowed, value)
    reason = _refusal(name, allowed, value)
    if reason is not None:
        shown = f"[{', '.join(value)}]" if isinstance(value, tuple) else print_value(value)
        raise _invalid(name, shown, reason)
    return value


def print_value(value: Value) -> str:
    """The text that DescribeConfigs shows; parsing it gives the value again."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return _print_double(value)
        case str():
            return value
        case tuple():
            return ",".join(value)
        case _:
            assert_never(value)


def _typed(name: str, type_: ConfigType, text: str, trimmed: str) -> Value:
    match type_:
        case ConfigType.BOOLEAN:
            if trimmed.lower() not in ("true", "false"):
                raise _invalid(name, text, "Expected value to be either true or false")
            return trimmed.lower() == "true"
        case ConfigType.INT | ConfigType.SHORT | ConfigType.LONG:
            number = _parse_whole(type_, trimmed)
        case ConfigType.DOUBLE:
            number = _parse_double(trimmed)
        case ConfigType.LIST:
            return tuple(re.split(_COMMA, trimmed)) if trimmed else ()
        case ConfigType.STRING | ConfigType.CLASS | ConfigType.PASSWORD | ConfigType.UNKNOWN:
            return trimmed
        case _:
            assert_never(type_)
    if number is None:
        raise _invalid(name, text, f"Not a number of type {type_.name}")
    return number


def _parse_whole(type_: ConfigType, text: str) -> int | float | None:
    largest = {ConfigType.SHORT: 2**15 - 1, ConfigType.INT: INT_MAX}.get(type_, LONG_MAX)
    if not re.fullmatch(_WHOLE_NUMBER, text):
        return None
    try:
        number = int(text)
    except ValueError:  # more digits than Python converts
        return None
    return number if -largest - 1 <= number <= largest else None


def _parse_double(text: str) -> float | None:
    if found := re.fullmatch(_DECIMAL, text):
        return float(found[1])
    if found := re.fullmatch(_HEXADECIMAL, text):
        try:
            return float.fromhex(found[1])
        except OverflowError:
            return float("-inf" if text.startswith("-") else "inf")
    return None


def _print_double(value: float) -> str:
    """As Java does: plain digits from 10**-3 to below 10**7, otherwise one digit before the point and an exponent."""
    if value != value or value in (float("inf"), float("-inf")):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    digits, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = digits.partition(".")
    significant = (whole + fraction).lstrip("0")
    power = int(exponent or 0) + len(whole) - 1 - (len(whole + fraction) - len(significant))
    significant = significant.rstrip("0")
    return f"{'-' if value < 0 else ''}{significant[0]}.{significant[1:] or '0'}E{power}"


def _members(name: str, allowed: OneOf, value: tuple[str, ...]) -> Value:
    if "" in value:
        raise KafkaError(ErrorCode.INVALID_CONFIG, f"Configuration '{name}' values must not be empty.")
    for member in value:
        if member not in allowed.words:
            raise _invalid(name, member, f"String must be one of: {', '.join(allowed.words)}")
    return tuple(dict.fromkeys(value))


def _refusal(name: str, allowed: Allowed, value: Value) -> str | None:
    """Why the value is not allowed; None when it is."""
    match allowed:
        case Range():
            return _range_refusal(allowed, value)
        case OneOf(words):
            return None if value in words else f"String must be one of: {', '.join(words)}"
        case Form.REPLICAS:
            if value == ("*",) or (isinstance(value, tuple) and re.fullmatch(_REPLICAS, ",".join(value))):
                return None
            return f"{name} must be the literal '*' or a list of replicas in the following format: {allowed.value}"
        case Form.OFFSET_RESET:
            if value in ("earliest", "latest") or _is_past(str(value)):
                return None
            return f"The value must be either 'earliest', 'latest' or of the format '{allowed.value}'."
        case Form.HOST_COUNTS:
            hosts = [host for host in str(value).split(",") if host]
            if all(re.fullmatch(_HOST_COUNT, host.strip(_JAVA_BLANK)) for host in hosts):
                return None
            return f"The value must be of the format '{allowed.value}'."
        case _:
            assert_never(allowed)


def _range_refusal(allowed: Range, value: Value) -> str | None:
    assert isinstance(value, int | float)
    if allowed.also is not None:
        if value == allowed.also or (value >= allowed.low and (allowed.high is None or value <= allowed.high)):
            return None
        return f"Value must be between {allowed.low} and {allowed.high} or equal to {allowed.also}"
    if not value >= allowed.low:
        return f"Value must be at least {allowed.low}"
    if allowed.high is not None and value > allowed.high:
        return f"Value must be no more than {allowed.high}"
    return None


def _is_past(text: str) -> bool:
    """Whether it is `by_duration:` and an ISO-8601 duration (as java.time.Duration reads it) that is not negative."""
    prefix, colon, duration = text.partition(":")
    found = re.fullmatch(_DURATION, duration)
    if (prefix, colon) != ("by_duration", ":") or found is None:
        return False
    sign, *parts, fraction = found.groups()
    if not any(parts):
        return False
    seconds = sum(int(part or 0) * unit for part, unit in zip(parts, _SECONDS, strict=True))
    nanos = int((fraction or "").ljust(9, "0"))
    total = seconds * 10**9 + (-nanos if (parts[-1] or "").startswith("-") else nanos)
    return (-total if sign == "-" else total) >= 0


def _invalid(name: str, shown: str, reason: str) -> KafkaError:
    return KafkaError(ErrorCode.INVALID_CONFIG, f"Invalid value {shown} for configuration {name}: {reason}")
