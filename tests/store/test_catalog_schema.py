"""The schema: made by the migrations, the same from the snapshot and in the tables, carried along from older files."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from chronik.store.sql import migrate, schema
from chronik.store.sql.catalog import Catalog
from chronik.store.sql.image import read_image
from chronik.store.sql.migrate import alembic_config, downgrade, migrations_folder, upgrade
from chronik.store.sql.problems import CatalogError, NewerDataDirectory
from chronik.store.sql.session import engine_over
from chronik.store.sql.tables import metadata
from tests.store.catalog_facts import group, member, offset, topic, write
from tools.catalog_snapshot import SNAPSHOT, snapshot

REVISIONS = [script.revision for script in reversed([*ScriptDirectory.from_config(alembic_config()).walk_revisions()])]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.sqlite"


@pytest.fixture
def raw() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        yield connection


def schema_in(connection: sqlite3.Connection) -> dict[str, str]:
    """Name -> statement without differences of white space, of all tables and indexes that somebody created."""
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: " ".join(re.sub(r"([(),])", r" \1 ", sql).split()) for name, sql in rows}


def schema_at(revision: str) -> dict[str, str]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        upgrade(connection, revision)
        return schema_in(connection)


def revision_in(connection: sqlite3.Connection) -> list[str]:
    return [revision for (revision,) in connection.execute("SELECT version_num FROM alembic_version")]


def test_revisions_are_numbered_and_the_program_knows_the_newest() -> None:
    assert [f"{number:04}" for number in range(1, len(REVISIONS) + 1)] == REVISIONS
    assert REVISIONS[-1] == schema.HEAD


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_migration_goes_up_down_and_up(raw: sqlite3.Connection, revision: str) -> None:
    below = "base" if revision == REVISIONS[0] else f"{int(revision) - 1:04}"
    upgrade(raw, revision)
    downgrade(raw, below)
    before = schema_in(raw)
    assert before.keys() == {"alembic_version"} if below == "base" else before == schema_at(below)
    upgrade(raw, revision)
    after = schema_in(raw)
    assert after != before
    assert revision_in(raw) == [revision]
    downgrade(raw, below)
    assert schema_in(raw) == before
    upgrade(raw, revision)
    assert schema_in(raw) == after


def test_the_snapshot_is_what_the_migrations_make(raw: sqlite3.Connection) -> None:
    schema.create(raw)
    assert schema_in(raw) == schema_at("head")
    assert revision_in(raw) == [schema.HEAD]
    assert SNAPSHOT.read_text(encoding="utf-8") == snapshot(), "run `python -m tools.catalog_snapshot`"


def test_the_tables_are_what_the_migrations_make(raw: sqlite3.Connection) -> None:
    upgrade(raw)
    migrated = schema_in(raw)
    del migrated["alembic_version"]
    with engine_over(raw).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata) == []
    # Alembic does not compare everything (WITHOUT ROWID, what a deletion cascades to): the statements say it all.
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as declared:
        metadata.create_all(engine_over(declared))
        assert {name: clauses(sql) for name, sql in schema_in(declared).items()} == {
            name: clauses(sql) for name, sql in migrated.items()
        }


def clauses(sql: str) -> tuple[bool, list[str]]:
    """What a CREATE statement says; the order of constraints does not matter."""
    body = sql.removesuffix(" ) WITHOUT ROWID")
    return body == sql, sorted(re.split(r" , (?![^()]*\) )", body))


def file_with(path: Path, revision: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        upgrade(connection)
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))


@pytest.mark.parametrize("opener", [Catalog.open, read_image])
def test_a_newer_schema_is_refused_and_left_alone(path: Path, opener: Callable[[Path], object]) -> None:
    file_with(path, "0999")
    before = path.read_bytes()
    with pytest.raises(NewerDataDirectory) as refused:
        opener(path)
    assert str(refused.value) == (
        f"The catalog {path} has schema 0999, but this chronik knows only up to {schema.HEAD}: "
        "it was written by a newer version."
    )
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("opener", [Catalog.open, read_image])
def test_other_files_are_refused_and_left_alone(path: Path, opener: Callable[[Path], object]) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(CatalogError, match="is not a chronik catalog"):
        opener(path)
    assert path.read_bytes() == before
    path.write_bytes(b"no database, but long enough to be taken for one" * 100)
    with pytest.raises(CatalogError, match="file is not a database"):
        opener(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(CatalogError, match=r"cannot be opened|There is no catalog"):
        opener(path)


def test_a_damaged_file_is_refused(path: Path) -> None:
    catalog = Catalog.open(path, synchronous="OFF")
    write(catalog, [topic(1, *range(1, 3000))])
    catalog.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CatalogError, match="cannot be opened"):
        Catalog.open(path)
    with pytest.raises(CatalogError, match="cannot be read"):
        read_image(path)


def test_a_creation_that_was_cut_short_is_done_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = path.with_name("broken.sql")
    broken.write_text(SNAPSHOT.read_text(encoding="utf-8") + ";\nCREATE TABLE broken (", encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(schema, "_SNAPSHOT", broken)
        with pytest.raises(CatalogError, match="incomplete input"):
            Catalog.open(path)
    with pytest.raises(CatalogError, match="is empty"):
        read_image(path)
    catalog = Catalog.open(path)
    catalog.close()
    assert catalog.image.topics == []


NEXT = f"""
import sqlalchemy as sa
from alembic import op
revision = "{int(schema.HEAD) + 1:04}"
down_revision = "{schema.HEAD}"

def upgrade():
    op.create_table("extras", sa.Column("name", sa.Text, primary_key=True))
    with op.batch_alter_table("topics", recreate="always", table_kwargs={{"sqlite_with_rowid": False}}) as batch:
        batch.add_column(sa.Column("extra", sa.Text, nullable=True))
    ...

def downgrade():
    with op.batch_alter_table("topics") as batch:
        batch.drop_column("extra")
    op.drop_table("extras")
"""


@pytest.fixture
def next_program(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A catalog of this program, and a program that has one migration more: returns the path when given its text."""
    catalog = Catalog.open(path, synchronous="OFF")
    write(catalog, [topic(1, 1, 2, a="b"), group("g", 1, member("m", "range")), offset("g", 1, 1, 5)])
    catalog.close()

    def arrange(migration: str) -> Path:
        folder = tmp_path / "100% migrations"
        shutil.copytree(migrations_folder(), folder, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "versions" / "next.py").write_text(migration, encoding="utf-8")
        monkeypatch.setattr(migrate, "migrations_folder", lambda: folder)
        monkeypatch.setattr(schema, "HEAD", f"{int(schema.HEAD) + 1:04}")
        return path

    return arrange


def test_an_older_file_is_migrated_when_it_is_opened(next_program: Callable[[str], Path]) -> None:
    path = next_program(NEXT)
    with pytest.raises(CatalogError, match="old schema"):
        read_image(path)
    catalog = Catalog.open(path, synchronous="OFF")
    write(catalog, [topic(2, 3)])
    catalog.close()
    with closing(sqlite3.connect(path)) as connection:
        assert revision_in(connection) == [schema.HEAD]
        assert "extras" in schema_in(connection)
        assert "extra TEXT" in schema_in(connection)["topics"]
    assert [found.name for found in catalog.image.topics] == ["topic-1"]
    # Copying the table of topics has not deleted what refers to it.
    assert catalog.image.topics[0].logs == (1, 2)
    assert catalog.image.topics[0].configs == {"a": "b"}
    assert len(catalog.image.group_changes) == 2
    assert [found.name for found in read_image(path).topics] == ["topic-1", "topic-2"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("op.execute('INSERT INTO nowhere VALUES (1)')", "no such table"),
        ("op.execute('DELETE FROM topics')", "rows that refer to nothing"),
    ],
)
def test_a_migration_that_fails_leaves_the_file_as_it_was(
    next_program: Callable[[str], Path], fault: str, message: str
) -> None:
    path = next_program(NEXT.replace("    ...\n", f"    {fault}\n"))
    with closing(sqlite3.connect(path)) as connection:
        before = list(connection.iterdump())
    with pytest.raises(CatalogError, match=message):
        Catalog.open(path)
    with closing(sqlite3.connect(path)) as connection:
        assert list(connection.iterdump()) == before
