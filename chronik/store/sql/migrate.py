"""Running the migrations, by Alembic. Imported only when a file's schema is behind, and by tests and tools."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy.exc import SQLAlchemyError

from chronik.store.sql.problems import CatalogError
from chronik.store.sql.session import engine_over


def migrations_folder() -> Path:
    """Where the migrations are: inside the package in a wheel, beside it in a checkout."""
    packaged = Path(__file__).with_name("migrations")
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[3] / "migrations"


def alembic_config() -> Config:
    """What would stand in an alembic.ini; its percent signs are doubled, as it goes through ConfigParser."""
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    return config


def upgrade(raw: sqlite3.Connection, revision: str = "head") -> None:
    """Bring the schema up to `revision` in one transaction; on CatalogError the file is as it was."""
    _run(raw, command.upgrade, revision)


def downgrade(raw: sqlite3.Connection, revision: str) -> None:
    """Bring the schema down to `revision` ("base": nothing) in one transaction; on CatalogError the file is as it
    was."""
    _run(raw, command.downgrade, revision)


def _run(raw: sqlite3.Connection, action: Callable[[Config, str], None], revision: str) -> None:
    # SQLite alters a table by copying it and dropping the old one, which must not delete the rows that refer to it.
    raw.execute("PRAGMA foreign_keys = OFF")
    try:
        with engine_over(raw).begin() as connection:
            config = alembic_config()
            config.attributes["connection"] = connection
            action(config, revision)
            if orphans := connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall():
                raise CatalogError(f"A migration left rows that refer to nothing, first in {orphans[0][0]}.")
    except (SQLAlchemyError, CommandError, sqlite3.Error) as error:
        raise CatalogError(f"The catalog could not be migrated to schema {revision}: {error}.") from error
    finally:
        raw.execute("PRAGMA foreign_keys = ON")
