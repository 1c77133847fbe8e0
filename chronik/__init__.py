"""chronik: a broker that speaks the Kafka wire protocol, with its records in RocksDB and the rest in SQLite.

The floors, from the ground up; every import points down:

ground (terms, errors, settings, changes, decision) < formats (wire, batch) < rules, pure (log, group, txn) <
stores (store) < broker (broker) < api (api) < server (server) < entrance (cli, __main__).
"""

__version__ = "0.1.0"
