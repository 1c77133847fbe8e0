"""The options of `chronik run`, defined once: their names, what they mean, how a value is read and where it comes from.

An option has one name in four places, and the first place that has it counts, for a repeatable option with all of its
values: the command line (`--data-dir`), the environment (`CHRONIK_DATA_DIR`), the file of `--config` (`data-dir`, or
Kafka's own name for it), the default.

They are read here and not by typer, which costs as much time as half of a start; typer shows the help and completes,
from the same table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from chronik.settings import BrokerSettings, DurabilityMode

MAX_PARTITIONS = 100_000
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("console", "json")
ENVIRONMENT_PREFIX = "CHRONIK_"

_WILDCARDS = ("0.0.0.0", "::")
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


class BadOption(Exception):
    """A value that cannot be used; the message is one sentence for a person."""


class TopicWish(NamedTuple):
    """A topic that there is to be after the start; None: as many partitions as num.partitions says."""

    name: str
    partition_count: int | None
    compact: bool


class RunOptions(NamedTuple):
    """What `chronik run` was asked for."""

    data_dir: Path
    topics: tuple[TopicWish, ...]
    ready_file: Path | None
    log_level: str
    log_format: str
    settings: BrokerSettings


class Option(NamedTuple):
    """`read` makes a value of a text, or raises ValueError with the end of a sentence that begins with the text."""

    name: str
    read: Callable[[str], Any]
    metavar: str
    help: str
    kafka_names: tuple[str, ...] = ()
    """Its other names in the file."""
    repeatable: bool = False
    default: str = ""

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return ENVIRONMENT_PREFIX + self.name.upper().replace("-", "_")

    @property
    def is_flag(self) -> bool:
        """Whether it takes no value on the command line, and has a `--no-` form."""
        return self.read is _boolean


class Source(Enum):
    """The kind of place that a value comes from."""

    OPTION = "option"
    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"


class GivenTexts(NamedTuple):
    """The texts of an option, and the place that they come from with its name."""

    source: Source
    place: str
    texts: Sequence[str]


class Given(NamedTuple):
    """Everything that was given to `chronik run`, and its values, before it is known whether that is enough."""

    texts: dict[str, GivenTexts]
    """By the option's name."""
    values: dict[str, list[Any]]
    settings: BrokerSettings
    """Of all options, and of everything else that the file says."""
    file: Path | None
    file_texts: Mapping[str, str]
    """What the file says that is no option, by its Kafka name."""


def run_options(arguments: Sequence[str], environment: Mapping[str, str]) -> RunOptions:
    """Read everything that was given to `chronik run`. BadOption for the first thing that is wrong."""
    return _put_together(given_options(arguments, environment))


def given_options(arguments: Sequence[str], environment: Mapping[str, str]) -> Given:
    """The same, where the data directory may be missing."""
    given = {name: GivenTexts(Source.OPTION, f"--{name}", texts) for name, texts in _on_command_line(arguments).items()}
    for option in OPTIONS:
        text = environment.get(option.variable, "").strip()
        if text and option.name not in given:
            texts = text.replace(",", " ").split() if option.repeatable else [text]
            given[option.name] = GivenTexts(Source.ENVIRONMENT, option.variable, texts)
    base, path = BrokerSettings(), None
    file_texts: Mapping[str, str] = {}
    if "config" in given:
        from chronik.cli.config_file import read_config_file

        (path,) = _values(_BY_NAME["config"], given["config"])
        file = read_config_file(path, OPTIONS)
        base, file_texts = file.settings, file.texts
        for name, (name_in_file, texts) in file.options.items():
            given.setdefault(name, GivenTexts(Source.FILE, f"{path}: {name_in_file}", texts))
    values = {name: _values(_BY_NAME[name], texts) for name, texts in given.items()}
    changed: dict[str, Any] = {
        field: tuple(values[name]) if field == "listeners" else values[name][-1]
        for name, field in _SETTINGS.items()
        if name in values
    }
    from dataclasses import replace

    return Given(given, values, replace(base, **changed), path, file_texts)


def _put_together(given: Given) -> RunOptions:
    values = given.values
    if "data-dir" not in values:
        raise BadOption("Say where the data is to be kept: --data-dir DIR, or CHRONIK_DATA_DIR.")
    topics = tuple(values.get("topic", ()))
    names = [topic.name for topic in topics]
    for name in names:
        if names.count(name) > 1:
            raise BadOption(f"The topic {name} is asked for twice.")
    return RunOptions(
        data_dir=values["data-dir"][-1],
        topics=topics,
        ready_file=values.get("ready-file", [None])[-1],
        log_level=values.get("log-level", [_BY_NAME["log-level"].default])[-1],
        log_format=values.get("log-format", [_BY_NAME["log-format"].default])[-1],
        settings=given.settings,
    )


def _on_command_line(arguments: Sequence[str]) -> dict[str, list[str]]:
    """The texts of each option, in the order in which they were given."""
    found: dict[str, list[str]] = {}
    waiting = iter(arguments)
    for argument in waiting:
        if not argument.startswith("--") or argument == "--":
            raise BadOption(f"chronik run takes options only, not {argument!r}.")
        name, equals, text = argument[2:].partition("=")
        option = _BY_NAME.get(name)
        if option is None and name.startswith("no-") and (negated := _BY_NAME.get(name[3:])) and negated.is_flag:
            option, text, name = negated, "false", f"no-{name[3:]}"
        elif option is not None and option.is_flag:
            text = text if equals else "true"
        elif option is not None and not equals:
            text = _following(waiting, name)
        if option is None or (equals and name.startswith("no-")):
            raise BadOption(f"There is no option --{name}{nearest(name, _BY_NAME, '--')}.")
        found.setdefault(option.name, []).append(text)
    return found


def _following(waiting: Iterator[str], name: str) -> str:
    text = next(waiting, None)
    if text is None:
        raise BadOption(f"The option --{name} needs a value.")
    return text


def nearest(name: str, known: Mapping[str, Any], prefix: str = "") -> str:
    """The end of a sentence about an unknown name: which one may have been meant."""
    from difflib import get_close_matches  # only a mistake needs it

    close = get_close_matches(name, known, 1)
    return f"; did you mean {prefix}{close[0]}" if close else ""


def _values(option: Option, given: GivenTexts) -> list[Any]:
    values = []
    for text in given.texts:
        try:
            values.append(option.read(text))
        except ValueError as error:
            raise BadOption(f"{given.place}: {text!r} {error}.") from None
    return values


def _address(text: str) -> tuple[str, int]:
    """HOST:PORT, [IPv6]:PORT, or as Kafka writes a listener; an empty host is every interface, as for Kafka."""
    protocol, found, rest = text.rpartition("://")
    if found and protocol.upper() != "PLAINTEXT":
        raise ValueError("is a listener of a protocol other than PLAINTEXT")
    host, colon, port = rest.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not port.isdecimal() or (":" in host and bare is host) or " " in host:
        raise ValueError("is not HOST:PORT")
    if int(port) > 65535:
        raise ValueError("has a port above 65535")
    return bare or "0.0.0.0", int(port)


def _advertised(text: str) -> tuple[str, int]:
    host, port = _address(text)
    if host in _WILDCARDS:
        raise ValueError("is no address that a client could connect to")
    if port == 0:
        raise ValueError("has no port that a client could connect to")
    return host, port


def _topic(text: str) -> TopicWish:
    name, _, rest = text.partition(":")
    count, colon, policy = rest.partition(":")
    if not name or (colon and policy != "compact"):
        raise ValueError("is not NAME[:N[:compact]]")
    return TopicWish(name, _partitions(count) if count else None, bool(colon))


def _whole(text: str, least: int, most: int) -> int:
    if not text.isascii() or not text.isdecimal():
        raise ValueError("is not a whole number")
    if not least <= int(text) <= most:
        raise ValueError(f"is not between {least} and {most}")
    return int(text)


def _partitions(text: str) -> int:
    return _whole(text, 1, MAX_PARTITIONS)


def _node_id(text: str) -> int:
    return _whole(text, 0, 2**31 - 1)


def _boolean(text: str) -> bool:
    if text.lower() not in _TRUE + _FALSE:
        raise ValueError("is neither true nor false")
    return text.lower() in _TRUE


def _path(text: str) -> Path:
    if not text:
        raise ValueError("is no path")
    return Path(text)


def _word(text: str, words: Sequence[str]) -> str:
    if text not in words:
        raise ValueError(f"is none of {', '.join(words)}")
    return text


def _log_level(text: str) -> str:
    return _word(text, LOG_LEVELS)


def _log_format(text: str) -> str:
    return _word(text, LOG_FORMATS)


def _durability(text: str) -> DurabilityMode:
    return DurabilityMode(_word(text, [mode.value for mode in DurabilityMode]))


OPTIONS: tuple[Option, ...] = (
    Option("data-dir", _path, "DIR", "Where everything is kept; created if need be.", ("log.dirs", "log.dir")),
    Option(
        *("listen", _address, "HOST:PORT", "Where to listen; port 0 picks a free one. Repeatable.", ("listeners",)),
        repeatable=True,
        default="127.0.0.1:9092",
    ),
    Option(
        *("advertise", _advertised, "HOST:PORT"),
        help="Where clients are told to connect to, instead of the address that each of them dialled.",
        kafka_names=("advertised.listeners",),
    ),
    Option(
        *(
            "topic",
            _topic,
            "NAME[:N[:compact]]",
            "A topic to be created unless it exists, with N partitions. Repeatable.",
        ),
        repeatable=True,
    ),
    Option(
        *("num-partitions", _partitions, "N", "Partitions of a topic where nobody says how many.", ("num.partitions",)),
        default="1",
    ),
    Option(
        *("auto-create", _boolean, "", "Create a topic when a client first asks for it."),
        kafka_names=("auto.create.topics.enable",),
        default="true",
    ),
    Option("node-id", _node_id, "N", "The broker's number.", ("node.id", "broker.id"), default="0"),
    Option(
        *("durability", _durability, "strict|default|relaxed"),
        help="What acks wait for: acks=all for an fsync (relaxed: for nothing more than acks=1), acks=1 for the write "
        "to the operating system (strict: for an fsync too).",
        default="default",
    ),
    Option("ready-file", _path, "FILE", "Holds the bootstrap address while requests can be served."),
    Option("config", _path, "FILE", "Settings in TOML, under Kafka's names or those of these options."),
    Option("log-level", _log_level, "|".join(LOG_LEVELS), "The least that is logged, on stderr.", default="info"),
    Option("log-format", _log_format, "|".join(LOG_FORMATS), "Lines for people or for machines.", default="console"),
)

_BY_NAME = {option.name: option for option in OPTIONS}

_SETTINGS = {
    "listen": "listeners",
    "advertise": "advertised",
    "num-partitions": "num_partitions",
    "auto-create": "auto_create_topics_enable",
    "node-id": "node_id",
    "durability": "durability",
}
"""Options that are fields of BrokerSettings."""
