"""Texts to values and back, as Kafka 4.2 answered them one by one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chronik.configs.definitions import BROKER, GROUP, TOPIC, Definition
from chronik.configs.values import ConfigType, OneOf, Range, Value, parse_value, print_value
from chronik.errors import ErrorCode, KafkaError

CODECS = "uncompressed, zstd, lz4, snappy, gzip, producer"

SHOWN = [
    ("retention.ms", " 5 ", "5"),
    ("retention.ms", "+5", "5"),
    ("retention.ms", "007", "7"),
    ("retention.ms", "-0", "0"),
    ("retention.ms", "\x015", "5"),
    ("retention.ms", "٣", "3"),
    ("retention.ms", "-1", "-1"),
    ("retention.ms", "9223372036854775807", "9223372036854775807"),
    ("retention.bytes", "-5", "-5"),
    ("segment.bytes", "1048576", "1048576"),
    ("max.message.bytes", "0", "0"),
    ("preallocate", "TRUE", "true"),
    ("preallocate", " tRUE ", "true"),
    ("preallocate", "False", "false"),
    ("cleanup.policy", "", ""),
    ("cleanup.policy", " ", ""),
    ("cleanup.policy", " compact ,delete", "compact,delete"),
    ("cleanup.policy", "compact\t,\ndelete", "compact,delete"),
    ("cleanup.policy", "delete,delete", "delete"),
    ("compression.type", " gzip ", "gzip"),
    ("compression.gzip.level", "-1", "-1"),
    ("compression.gzip.level", "9", "9"),
    ("compression.lz4.level", "17", "17"),
    ("compression.zstd.level", "-131072", "-131072"),
    ("compression.zstd.level", "22", "22"),
    ("min.insync.replicas", "100", "100"),
    ("min.cleanable.dirty.ratio", "0", "0.0"),
    ("min.cleanable.dirty.ratio", "-0.0", "-0.0"),
    ("min.cleanable.dirty.ratio", "1", "1.0"),
    ("min.cleanable.dirty.ratio", " 0.5f", "0.5"),
    ("min.cleanable.dirty.ratio", "1D", "1.0"),
    ("min.cleanable.dirty.ratio", "0x1p-1", "0.5"),
    ("min.cleanable.dirty.ratio", "0x.8p0", "0.5"),
    ("min.cleanable.dirty.ratio", ".5", "0.5"),
    ("min.cleanable.dirty.ratio", "1e-3", "0.001"),
    ("min.cleanable.dirty.ratio", "1e-4", "1.0E-4"),
    ("min.cleanable.dirty.ratio", "0.00012", "1.2E-4"),
    ("min.cleanable.dirty.ratio", "0.10", "0.1"),
    ("min.cleanable.dirty.ratio", "0.3333333333333333333", "0.3333333333333333"),
    ("min.cleanable.dirty.ratio", "1e-10", "1.0E-10"),
    ("leader.replication.throttled.replicas", "", ""),
    ("leader.replication.throttled.replicas", " * ", "*"),
    ("leader.replication.throttled.replicas", "0:1,0:1, 1:1", "0:1,0:1,1:1"),
    ("leader.replication.throttled.replicas", "0:1,", "0:1,"),
    ("share.auto.offset.reset", " latest", "latest"),
    ("share.auto.offset.reset", "earliest", "earliest"),
    ("share.auto.offset.reset", "by_duration:PT1H", "by_duration:PT1H"),
    ("share.auto.offset.reset", "by_duration:P1D", "by_duration:P1D"),
    ("share.auto.offset.reset", "by_duration:P1DT1.5S", "by_duration:P1DT1.5S"),
    ("share.auto.offset.reset", "by_duration:pt1h", "by_duration:pt1h"),
    ("share.auto.offset.reset", "by_duration:PT0S", "by_duration:PT0S"),
    ("share.auto.offset.reset", "by_duration:PT+5M", "by_duration:PT+5M"),
    ("share.auto.offset.reset", "by_duration:PT1H-5M", "by_duration:PT1H-5M"),
    ("share.auto.offset.reset", "by_duration:-PT-1H", "by_duration:-PT-1H"),
    *(
        ("share.auto.offset.reset", f"by_duration:{duration}", f"by_duration:{duration}")
        for duration in (
            *("P1DT-24H", "PT1H-60M", "PT1M-60S", "PT1M-59.999999999S", "PT1M-60.0S", "-PT-1.5S", "PT0.5S", "PT1,5S"),
            *("P1DT-86400S", "PT0.S", "-P0D"),
        )
    ),
    ("share.isolation.level", "read_committed", "read_committed"),
    ("max.connections.per.ip.overrides", "", ""),
    ("max.connections.per.ip.overrides", " a:1 , b:2 ", "a:1 , b:2"),
    ("max.connections.per.ip.overrides", "::1:5", "::1:5"),
    ("log.cleaner.io.max.bytes.per.second", "1e7", "1.0E7"),
    ("log.cleaner.io.max.bytes.per.second", "9999999", "9999999.0"),
    ("log.cleaner.io.max.bytes.per.second", "-123456789.5", "-1.234567895E8"),
    ("log.cleaner.io.max.bytes.per.second", "1.7976931348623157E308", "1.7976931348623157E308"),
    ("log.cleaner.io.max.bytes.per.second", "1e999", "Infinity"),
    ("log.cleaner.io.max.bytes.per.second", "-Infinity", "-Infinity"),
    ("log.cleaner.io.max.bytes.per.second", "+NaN", "NaN"),
    ("log.cleaner.io.max.bytes.per.second", "0x1p99999", "Infinity"),
]

NOT_A_LONG = "Not a number of type LONG"
NOT_A_DOUBLE = "Not a number of type DOUBLE"
NOT_A_BOOLEAN = "Expected value to be either true or false"
NOT_REPLICAS = (
    "leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following format: "
    "[partitionId]:[brokerId],[partitionId]:[brokerId],..."
)
NOT_A_RESET = "The value must be either 'earliest', 'latest' or of the format 'by_duration:PnDTnHnMn.nS'."

REFUSED = [
    *(
        ("retention.ms", text, text, NOT_A_LONG)
        for text in ("x", "", "1.5", "99999999999999999999", "9223372036854775808", "0x10", "1e3", "1_000", "\xa05")
    ),
    *(("retention.ms", text, text, NOT_A_LONG) for text in ("--5", "5L", "+", "x  ", "1" * 5000)),
    ("retention.ms", "-2", "-2", "Value must be at least -1"),
    ("segment.bytes", "2147483648", "2147483648", "Not a number of type INT"),
    ("segment.bytes", "0001048575", "1048575", "Value must be at least 1048576"),
    ("offsets.topic.replication.factor", "32768", "32768", "Not a number of type SHORT"),
    ("compression.gzip.level", "0", "0", "Value must be between 1 and 9 or equal to -1"),
    ("compression.gzip.level", "10", "10", "Value must be between 1 and 9 or equal to -1"),
    ("compression.lz4.level", "0", "0", "Value must be at least 1"),
    ("compression.lz4.level", "18", "18", "Value must be no more than 17"),
    ("compression.zstd.level", "-131073", "-131073", "Value must be at least -131072"),
    ("compression.zstd.level", "23", "23", "Value must be no more than 22"),
    *(("min.cleanable.dirty.ratio", text, text, NOT_A_DOUBLE) for text in ("x", "", "0x1", "1_0", "nan", "inf", ".")),
    *(("min.cleanable.dirty.ratio", text, text, NOT_A_DOUBLE) for text in ("1e", "٣", "1 0")),
    ("min.cleanable.dirty.ratio", "1.1", "1.1", "Value must be no more than 1"),
    ("min.cleanable.dirty.ratio", "5.", "5.0", "Value must be no more than 1"),
    ("min.cleanable.dirty.ratio", "-0.1", "-0.1", "Value must be at least 0"),
    ("min.cleanable.dirty.ratio", "Infinity", "Infinity", "Value must be no more than 1"),
    *(("preallocate", text, text, NOT_A_BOOLEAN) for text in ("yes", "", "1", "\xa0true")),
    ("cleanup.policy", "compact,foo", "foo", "String must be one of: compact, delete"),
    ("cleanup.policy", "COMPACT", "COMPACT", "String must be one of: compact, delete"),
    *(("compression.type", text, text, f"String must be one of: {CODECS}") for text in ("GZIP", "none", "")),
    ("message.timestamp.type", "createtime", "createtime", "String must be one of: CreateTime, LogAppendTime"),
    (
        "share.isolation.level",
        "READ_COMMITTED",
        "READ_COMMITTED",
        "String must be one of: read_committed, read_uncommitted",
    ),
    *(
        ("leader.replication.throttled.replicas", text, shown, NOT_REPLICAS)
        for text, shown in (("x", "[x]"), ("0:a", "[0:a]"), ("1", "[1]"), ("*,0:1", "[*, 0:1]"), ("*,*", "[*, *]"))
    ),
    ("leader.replication.throttled.replicas", "+0:-1", "[+0:-1]", NOT_REPLICAS),
    *(
        ("share.auto.offset.reset", text, text, NOT_A_RESET)
        for text in (
            *(
                "none",
                "LATEST",
                "",
                "by_duration:x",
                "by_duration:",
                "by_duration:-PT1H",
                "by_duration:PT",
                "by_duration:P",
            ),
            *(
                "by_duration:P1DT-24H-1S",
                "by_duration:PT1H-61M",
                "by_duration:PT1M-61S",
                "by_duration:PT1M-60.000000001S",
            ),
            *("by_duration:-PT0.5S", "by_duration:P1DT-86401S", "by_duration:PT.5S", "by_duration:PT1S2"),
            *("by_duration:P1M", "by_duration:P1W", "BY_DURATION:PT1H", "by_duration: PT1H", "by_duration:PT-0.5S"),
        )
    ),
    *(
        ("max.connections.per.ip.overrides", text, text, "The value must be of the format 'host:count,host:count,...'.")
        for text in ("x", "a:1,b", "a:x")
    ),
]
"""Of these, Kafka's words differ only for the offset reset, where it says it twice, and for the hosts."""


def definition(name: str) -> Definition:
    return next(table[name] for table in (TOPIC, GROUP, BROKER) if name in table)


@pytest.mark.parametrize(("name", "text", "shown"), SHOWN)
def test_a_value_is_shown_as_kafka_reads_it(name: str, text: str, shown: str) -> None:
    assert definition(name).normalise(text) == shown


@pytest.mark.parametrize(("name", "text", "shown", "reason"), REFUSED)
def test_a_bad_value_is_refused_in_kafkas_words(name: str, text: str, shown: str, reason: str) -> None:
    with pytest.raises(KafkaError) as refused:
        definition(name).parse(text)
    assert refused.value.code is ErrorCode.INVALID_CONFIG
    assert refused.value.message == f"Invalid value {shown} for configuration {name}: {reason}"


@pytest.mark.parametrize("text", [",", "compact,", "delete, ", "compact,,delete", ",compact"])
def test_a_set_of_words_has_no_empty_member(text: str) -> None:
    with pytest.raises(KafkaError) as refused:
        TOPIC["cleanup.policy"].parse(text)
    assert (refused.value.code, refused.value.message) == (
        ErrorCode.INVALID_CONFIG,
        "Configuration 'cleanup.policy' values must not be empty.",
    )


def test_not_a_number_is_in_no_range() -> None:
    """Unlike for Kafka, which takes NaN as a ratio."""
    with pytest.raises(KafkaError, match="Value must be at least 0"):
        TOPIC["min.cleanable.dirty.ratio"].parse("NaN")


@pytest.mark.parametrize(("type_", "bits"), [(ConfigType.SHORT, 15), (ConfigType.INT, 31), (ConfigType.LONG, 63)])
def test_a_whole_number_fits_its_type(type_: ConfigType, bits: int) -> None:
    for number in (-(2**bits), 2**bits - 1):
        assert parse_value("any", type_, None, str(number)) == number
    for number in (-(2**bits) - 1, 2**bits):
        with pytest.raises(KafkaError, match=f"Not a number of type {type_.name}"):
            parse_value("any", type_, None, str(number))


def test_the_types_have_kafkas_numbers() -> None:
    names = "UNKNOWN BOOLEAN STRING INT SHORT LONG DOUBLE LIST CLASS PASSWORD"
    assert " ".join(ConfigType(number).name for number in range(10)) == names


@pytest.mark.parametrize("blank", ["\x00", "\x1f", " "])
def test_controls_and_spaces_are_trimmed(blank: str) -> None:
    assert parse_value("any", ConfigType.STRING, None, f"{blank}!{blank}") == "!"


@pytest.mark.parametrize("type_", [ConfigType.STRING, ConfigType.CLASS, ConfigType.PASSWORD, ConfigType.UNKNOWN])
def test_a_text_is_trimmed_and_otherwise_itself(type_: ConfigType) -> None:
    assert parse_value("any", type_, None, " \t A,b \n") == "A,b"


def values_of(type_: ConfigType) -> st.SearchStrategy[Value]:
    words = st.text(st.characters(exclude_characters=",", exclude_categories=["C", "Z"]), min_size=1)
    bits = {ConfigType.SHORT: 15, ConfigType.INT: 31, ConfigType.LONG: 63}
    if type_ is ConfigType.BOOLEAN:
        return st.booleans()
    if type_ is ConfigType.DOUBLE:
        return st.floats(allow_nan=False)
    if type_ is ConfigType.LIST:
        return st.lists(words).map(tuple)
    if type_ in bits:
        return st.integers(-(2 ** bits[type_]), 2 ** bits[type_] - 1)
    return words


@given(st.sampled_from(ConfigType).flatmap(lambda type_: st.tuples(st.just(type_), values_of(type_))))
def test_what_is_printed_is_read_again(typed: tuple[ConfigType, Value]) -> None:
    type_, value = typed
    again = parse_value("any", type_, None, print_value(value))
    assert again == value
    assert type(again) is type(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_is_printed_in_javas_form(value: float) -> None:
    text = print_value(value)
    mantissa, _, exponent = text.partition("E")
    whole, point, fraction = mantissa.lstrip("-").partition(".")
    assert point == "."
    assert fraction
    if exponent:
        assert len(whole) == 1
        assert whole != "0"
        assert not -3 <= int(exponent) < 7
    else:
        assert value == 0 or 1e-3 <= abs(value) < 1e7
    assert math.copysign(1, float(text)) == math.copysign(1, value)


@given(st.integers(-20, 20), st.integers(-20, 20), st.none() | st.integers(0, 20), st.none() | st.integers(-20, 20))
def test_a_range_includes_both_of_its_ends(value: int, low: int, length: int | None, also: int | None) -> None:
    high = None if length is None else low + length
    inside = value == also or (value >= low and (high is None or value <= high))
    try:
        parse_value("any", ConfigType.INT, Range(low, high, also), str(value))
    except KafkaError:
        assert not inside
    else:
        assert inside


@given(st.lists(st.sampled_from(["a", "b", "c"])))
def test_a_set_of_words_keeps_the_first_of_each(words: list[str]) -> None:
    value = parse_value("any", ConfigType.LIST, OneOf(("a", "b", "c")), " , ".join(words))
    assert isinstance(value, tuple)
    assert len(set(value)) == len(value)
    assert list(value) == sorted(set(words), key=words.index)


@given(st.text(max_size=30), st.sampled_from([*TOPIC.values(), *GROUP.values(), *BROKER.values()]))
def test_any_text_is_a_value_or_an_invalid_config(text: str, config: Definition) -> None:
    refused: tuple[ErrorCode, bool] | None
    try:
        shown = config.normalise(text)
    except KafkaError as error:
        refused = error.code, config.name in (error.message or "")
    else:
        refused = None
        assert config.normalise(shown) == shown
    assert refused in (None, (ErrorCode.INVALID_CONFIG, True))
