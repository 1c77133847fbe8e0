"""The catalog: everything durable but the records, in one SQLite file.

`catalog.py` is what the broker uses. Starting needs only the standard library's sqlite3 (`schema.py`, `image.py`);
SQLAlchemy is imported by the writer's thread (`writer.py`, `session.py`, `rows.py`, `tables.py`), and Alembic only when
a file's schema is behind (`migrate.py`).
"""
