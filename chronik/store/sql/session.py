"""SQLAlchemy over the catalog's one sqlite3 connection. Importing this module imports SQLAlchemy (0.1-0.4 s)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from chronik.changes import Change
from chronik.store.sql.problems import CatalogError, CatalogUnavailable
from chronik.store.sql.rows import writes

_statement_of = itemgetter(0)


def engine_over(raw: sqlite3.Connection) -> Engine:
    """An engine whose only connection is `raw`, which must be in autocommit mode (`isolation_level=None`)."""
    engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)

    def begin(connection: Connection) -> None:
        # At once a writer: a transaction that began as a reader could fail when it first writes.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "begin", begin)
    return engine


class Session:
    """Writes changes, one transaction a call. Belongs to one thread."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._connection = engine_over(raw).connect()

    def write(self, changes: Iterable[Change]) -> None:
        """Commit all of the changes, or none and raise CatalogError."""
        try:
            with self._connection.begin():
                for statement, pairs in groupby(writes(changes), _statement_of):
                    rows: list[dict[str, Any]] = [row for _, row in pairs]
                    self._connection.execute(statement, rows)
        except OperationalError as error:
            raise CatalogUnavailable(f"The catalog cannot be written now: {error.orig}.") from error
        except (SQLAlchemyError, sqlite3.Error) as error:
            cause = getattr(error, "orig", None) or error
            raise CatalogError(f"The catalog could not be written: {cause}.") from error
        except (OverflowError, UnicodeEncodeError, TypeError) as error:
            # A value that SQLite cannot hold (a number beyond 64 bits, a lone surrogate): a fault of the change.
            raise CatalogError(f"The catalog cannot hold a value: {error}.") from error

    def close(self) -> None:
        """Give the connection back; it stays open, and is its owner's to close."""
        self._connection.close()
