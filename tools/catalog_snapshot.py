"""Writes `chronik/store/sql/schema.sql`, the schema that all migrations together make.

    python -m tools.catalog_snapshot

To be run after every change in `migrations/versions`; the tests compare.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from chronik.store.sql import schema
from chronik.store.sql.migrate import upgrade

SNAPSHOT = Path(schema.__file__).with_name("schema.sql")
HEADER = """\
-- The catalog's newest schema, for new files.
-- Written by `python -m tools.catalog_snapshot` from the migrations: change those, not this.
"""


def snapshot() -> str:
    """The text of the file: the statements as SQLite keeps them, then the revision."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        upgrade(connection)
        statements = [
            "\n".join(line.rstrip().expandtabs(4) for line in sql.splitlines()).rstrip()
            for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
        ]
        (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    statements.append(f"INSERT INTO alembic_version (version_num) VALUES ('{revision}')")
    return HEADER + ";\n".join(statements) + "\n"


def main() -> None:
    SNAPSHOT.write_text(snapshot(), encoding="utf-8")


if __name__ == "__main__":
    main()
