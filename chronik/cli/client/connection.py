"""How a command reaches a broker: addresses, the settings of the connection, and kafka-python's three clients."""

from __future__ import annotations

import logging
import re
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from chronik.cli.client.problems import Unreachable
from chronik.cli.run_options import BadOption, nearest

DEFAULT_BOOTSTRAP = "127.0.0.1:9092"
DEFAULT_PORT = 9092
CLIENT_ID = "chronik-cli"

SETTING_NAMES = {
    "client.id": "client_id",
    "security.protocol": "security_protocol",
    "sasl.mechanism": "sasl_mechanism",
    "sasl.mechanisms": "sasl_mechanism",
    "sasl.username": "sasl_plain_username",
    "sasl.password": "sasl_plain_password",
    "ssl.ca.location": "ssl_cafile",
    "ssl.truststore.location": "ssl_cafile",
    "ssl.certificate.location": "ssl_certfile",
    "ssl.keystore.location": "ssl_certfile",
    "ssl.key.location": "ssl_keyfile",
    "ssl.key.password": "ssl_password",
}
"""Names that Kafka's and librdkafka's settings have, and what they are called in kafka-python."""

IGNORED_NAMES = frozenset({"bootstrap.servers", "ssl.truststore.type", "ssl.keystore.type"})
"""Names in a file that say nothing which is not said elsewhere."""

_JAAS = re.compile(r'\b(username|password)\s*=\s*"((?:[^"\\]|\\.)*)"')


class Connection(NamedTuple):
    """Where to, and how."""

    bootstrap: tuple[str, ...]
    settings: Mapping[str, Any]
    """By kafka-python's names."""
    timeout_s: float

    @property
    def timeout_ms(self) -> int:
        return max(1, int(self.timeout_s * 1000))

    def shown(self) -> str:
        """The addresses, for a sentence."""
        return ", ".join(self.bootstrap)


def connection(
    bootstrap: str, timeout_s: float, *, pairs: Sequence[str] = (), file: Path | None = None, verbose: bool = False
) -> Connection:
    """BadOption says which part of it makes no sense."""
    addresses = tuple(part.strip() for part in bootstrap.split(",") if part.strip())
    if not addresses:
        raise BadOption("--bootstrap names no address.")
    for address in addresses:
        _host_and_port(address)
    settings = {"client_id": CLIENT_ID}
    if file is not None:
        settings |= _file_settings(file)
    settings |= _pair_settings(pairs)
    _set_up_logging(verbose)
    return Connection(addresses, settings, timeout_s)


def _host_and_port(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")):
        host, port = address, str(DEFAULT_PORT)
    if not port.isdecimal() or not 0 < int(port) < 65536 or not host:
        raise BadOption(f"--bootstrap: {address!r} is not HOST:PORT.")
    return host.strip("[]"), int(port)


def _pair_settings(pairs: Sequence[str]) -> dict[str, str]:
    settings: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise BadOption(f"-X: {pair!r} is not NAME=VALUE.")
        settings |= _setting(name.strip(), value.strip(), "-X")
    return settings


def _file_settings(path: Path) -> dict[str, str]:
    """Lines of NAME=VALUE, as Kafka's programs have them in their --command-config, and kcat in its -F."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise BadOption(f"The client configuration {path} cannot be read: {reason}.") from None
    settings: dict[str, str] = {}
    for line in map(str.strip, lines):
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals:
            raise BadOption(f"{path}: {line!r} is not NAME=VALUE.")
        if name.strip() not in IGNORED_NAMES:
            settings |= _setting(name.strip(), value.strip(), str(path))
    return settings


def _setting(name: str, value: str, place: str) -> dict[str, str]:
    if name == "sasl.jaas.config":
        found = dict(_JAAS.findall(value))
        return {f"sasl_plain_{key}": text for key, text in found.items()}
    if name not in SETTING_NAMES:
        raise BadOption(f"{place}: there is no setting {name}{nearest(name, SETTING_NAMES)}.")
    return {SETTING_NAMES[name]: value}


def _set_up_logging(verbose: bool) -> None:
    """What kafka-python logs is for people who look for a fault in a connection, not beside a table."""
    logger = logging.getLogger("kafka")
    if verbose:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    else:
        logger.addHandler(logging.NullHandler())
        logger.propagate = False


def require_listener(to: Connection) -> None:
    """Unreachable, at once, if every address refuses the connection: kafka-python would go on trying."""
    reasons = []
    deadline = time.monotonic() + to.timeout_s
    for address in to.bootstrap:
        host, port = _host_and_port(address)
        try:
            socket.create_connection((host, port), timeout=max(0.1, deadline - time.monotonic())).close()
            return
        except OSError as error:
            reasons.append(f"{address} ({_reason(error)})")
    raise Unreachable(f"No broker answers at {', '.join(reasons)}.")


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer"
    return (error.strerror or str(error)).lower()


@contextmanager
def _reaching(to: Connection) -> Iterator[None]:
    """Around the making of a client, which connects: what goes wrong there is that no broker answers."""
    from kafka.errors import KafkaError

    require_listener(to)
    try:
        yield
    except KafkaError as error:
        detail = f": {error}" if "Unable to bootstrap" not in str(error) else ""
        raise Unreachable(f"No Kafka broker answers at {to.shown()} within {to.timeout_s:g} s{detail}.") from None
    except (ValueError, AssertionError, TypeError) as error:
        raise BadOption(f"The settings of the connection make no sense: {error}.") from None


def _configs(to: Connection) -> dict[str, Any]:
    return {
        "bootstrap_servers": list(to.bootstrap),
        "bootstrap_timeout_ms": to.timeout_ms,
        "request_timeout_ms": to.timeout_ms,
        **to.settings,
    }


@contextmanager
def admin(to: Connection) -> Iterator[Any]:
    """A KafkaAdminClient. Unreachable if no broker answers."""
    from kafka import KafkaAdminClient

    with _reaching(to):
        client = KafkaAdminClient(**_configs(to))
    try:
        yield client
    finally:
        client.close()


def consumer(to: Connection, **configs: Any) -> Any:
    """A KafkaConsumer, which the caller closes. Unreachable if no broker answers."""
    from kafka import KafkaConsumer

    with _reaching(to):
        settings = {**_configs(to), "allow_auto_create_topics": False, "metrics_enabled": False, **configs}
        # A consumer waits for a fetch no longer than for any other request.
        settings["request_timeout_ms"] = max(to.timeout_ms, 1000 + int(settings.get("fetch_max_wait_ms", 500)))
        return KafkaConsumer(**settings)


def producer(to: Connection, **configs: Any) -> Any:
    """A KafkaProducer, which the caller closes. Unreachable if no broker answers."""
    from kafka import KafkaProducer

    with _reaching(to):
        return KafkaProducer(**{**_configs(to), "metrics_enabled": False, "max_block_ms": to.timeout_ms, **configs})


def drop(client: Any) -> None:
    """Close a producer at once, and with it what it has not sent."""
    from kafka.errors import KafkaTimeoutError

    try:
        client.close(timeout=0)
    except KafkaTimeoutError:
        pass  # it says so when records are left
