"""Alembic's entry: runs the migrations on the connection that `chronik.store.sql.migrate` hands over.

The transaction is the caller's, so that a migration happens as a whole or not at all. There is no alembic.ini: a file
is migrated by starting a broker on it.
"""

from __future__ import annotations

from alembic import context

from chronik.store.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
