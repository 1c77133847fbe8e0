"""chronik: a broker that speaks the Kafka wire protocol, with its records in RocksDB and the rest in SQLite.

The floors, from the ground up; every import points down:

ground (terms, errors, settings, changes, decision) < formats (wire, batch) < rules, pure (log, group, txn) <
stores (store) < broker (broker) < api (api) < server (server) < entrance (cli, testing, __main__).

`chronik.Broker` is a broker to be run within a program, `chronik.HostedBroker` what its `in_thread()` and the pytest
fixture give. They are imported when they are first asked for, so that other parts of the package do not pay for them.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chronik.server.embedded import Broker
    from chronik.server.hosted import HostedBroker

__version__ = "0.1.0"

__all__ = ["Broker", "HostedBroker", "__version__"]


def __getattr__(name: str) -> object:
    if name == "Broker":
        from chronik.server.embedded import Broker

        return Broker
    if name == "HostedBroker":
        from chronik.server.hosted import HostedBroker

        return HostedBroker
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
