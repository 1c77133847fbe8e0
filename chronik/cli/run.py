"""`chronik run`: start a broker in the foreground. Exit codes: 0 after a stop, 1 if it cannot start, 2 for a bad value.

What a broker needs is imported in the functions, once the options are known to be good.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from chronik import __version__
from chronik.cli import FIRST_LINE_S
from chronik.cli.logs import set_up_logging
from chronik.cli.process_age import process_age_s
from chronik.cli.run_options import BadOption, RunOptions, TopicWish, run_options

if TYPE_CHECKING:
    from chronik.broker.broker import Broker
    from chronik.server.lifecycle import Started
    from chronik.terms import LogId

_PARTITIONS_AT_ONCE = 50
"""Partitions whose records are counted before the loop may do something else."""

_log = logging.getLogger(__name__)


def run(arguments: Sequence[str]) -> int:
    """Serve until a signal says to stop; the exit code."""
    # What a start makes lives as long as the process: looking for garbage in it costs 8 ms and finds none. The
    # lifecycle turns the collector on again.
    gc.disable()
    # Until the loop handles it, Ctrl-C ends the process at once and without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        options = run_options(arguments, os.environ)
        set_up_logging(options.log_level, options.log_format)
        _serve(options)
    except BadOption as error:
        print(f"chronik: {error}", file=sys.stderr)
        return 2
    return 0


def _serve(options: RunOptions) -> None:
    """SystemExit 1, with one sentence, for whatever can be wrong with the directory or the addresses."""
    from chronik.server.lifecycle import StartError
    from chronik.server.lifecycle import run as serve
    from chronik.store.datadir import DataDirectoryError
    from chronik.store.sql.problems import CatalogError

    try:
        serve(options.data_dir, options.settings, _Start(options))
    except (StartError, DataDirectoryError, CatalogError) as error:
        sys.exit(f"chronik: {error}")
    except (OSError, UnicodeError) as error:
        sys.exit(f"chronik: The data directory {options.data_dir} cannot be used: {error}.")
    except Exception as error:
        from chronik.store.rocks.journal import DamagedJournal

        if type(error) not in (Exception, DamagedJournal):  # all that rocksdict raises, and all that the journal does
            raise
        sys.exit(
            f"chronik: The records in {options.data_dir} cannot be opened: {' '.join(str(error).split()).rstrip('.')}."
        )


class _Start:
    """What the command adds to the life of a broker: the topics that were asked for, the ready file, the ready line."""

    def __init__(self, options: RunOptions) -> None:
        self._options = options
        self._ready_ms = 0.0

    async def prepare(self, broker: Broker) -> None:
        """Create topics that are missing, in one commit."""
        # One that a killed broker left would promise too early.
        self._change_ready_file(None)
        missing = []
        for wish in self._options.topics:
            topic = broker.topics.get(wish.name)
            if topic is None:
                missing.append(wish)
            elif wish.partition_count not in (None, len(topic.logs)):
                _log.warning("Topic %s exists and has %d partitions.", wish.name, len(topic.logs))
        if missing:
            await _create(broker, missing)

    def ready(self, started: Started) -> None:
        """Requests are served from now on."""
        self._ready_ms = process_age_s(FIRST_LINE_S) * 1000
        self._change_ready_file(",".join(map(_to_dial, started.server.addresses)) + "\n")

    async def report(self, started: Started) -> None:
        """Print the ready line. Counting the records of many partitions takes a while, so it comes last."""
        from chronik.errors import KafkaError

        logs = [log for topic in started.broker.topics for log in topic.logs]
        facts: dict[str, str | int] = {
            "version": __version__,
            "address": ",".join(map(_shown, started.server.addresses)),
            "data_dir": str(self._options.data_dir),
            "topics": len(started.broker.topics),
            "partitions": len(logs),
            "records": 0,
            "recovery_ms": round(started.recovery_ms),
            "ready_ms": round(self._ready_ms),
        }
        try:
            facts["records"] = await _record_count(started, logs)
            print(_ready_line(facts, self._options.log_format), flush=True)
        except (OSError, KafkaError) as error:
            _log.warning("The ready line could not be printed: %s.", error)
        started.broker.catalog.warm()

    def stopping(self) -> None:
        """Requests are not taken any more."""
        self._change_ready_file(None)

    def _change_ready_file(self, text: str | None) -> None:
        """Write it, or remove it."""
        from chronik.server.lifecycle import StartError

        path = self._options.ready_file
        if path is None:
            return
        try:
            if text is None:
                path.unlink(missing_ok=True)
            else:
                write_whole(path, text)
        except OSError as error:
            raise StartError(f"The ready file {path} cannot be written: {error.strerror}.") from error


async def _record_count(started: Started, logs: Sequence[LogId]) -> int:
    """The offsets between start and end of all logs. KafkaError when one cannot be read."""
    count = 0
    for number, log in enumerate(logs, 1):
        bounds = started.broker.store.bounds(log)
        count += bounds.high_watermark - bounds.start
        if number % _PARTITIONS_AT_ONCE == 0:
            await started.pause()
    return count


async def _create(broker: Broker, wishes: Sequence[TopicWish]) -> None:
    from chronik.broker.clock import now_ms
    from chronik.broker.topics import NewTopic
    from chronik.errors import KafkaError

    wanted = [
        NewTopic(
            wish.name,
            wish.partition_count or broker.settings.num_partitions,
            {"cleanup.policy": "compact"} if wish.compact else {},
        )
        for wish in wishes
    ]
    for wish, result in zip(wishes, await broker.topics.create(wanted, now_ms()), strict=True):
        if isinstance(result, KafkaError):
            raise BadOption(f"--topic {wish.name}: {(result.message or str(result)).rstrip('.')}.")


def _ready_line(facts: dict[str, str | int], form: str) -> str:
    if form == "json":
        import json

        return json.dumps({"event": "ready", "level": "info", **facts})
    return (
        f"chronik {facts['version']} listens on {facts['address']}, data in {facts['data_dir']}: "
        f"{_counted(facts['topics'], 'topic')}, {_counted(facts['partitions'], 'partition')}, "
        f"{_counted(facts['records'], 'record')}; "
        f"recovered in {facts['recovery_ms']} ms, ready in {facts['ready_ms']} ms"
    )


def _counted(count: str | int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _shown(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _to_dial(address: tuple[str, int]) -> str:
    """The same, but where it stands for every interface, one that a client on this machine can connect to."""
    host, port = address
    return _shown(({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port))


def write_whole(path: Path, text: str) -> None:
    """Write a file so that nobody ever sees a part of it. OSError leaves nothing behind."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
