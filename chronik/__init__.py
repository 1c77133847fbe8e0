"""chronik: a broker that speaks the Kafka wire protocol, with its records in RocksDB and the rest in SQLite.

The floors, from the ground up; every import points down:

ground (terms, errors, settings, changes, decision) < formats (wire, batch) < rules, pure (log, group, txn) <
stores (store) < broker (broker) < api (api) < server (server) < entrance (cli, testing, __main__).

`chronik.Broker` is a broker to be run within a program. It is imported when it is first asked for, so that whoever only
wants another part of the package does not pay for all of it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chronik.server.embedded import Broker

__version__ = "0.1.0"

__all__ = ["Broker", "__version__"]


def __getattr__(name: str) -> object:
    if name == "Broker":
        from chronik.server.embedded import Broker

        return Broker
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
