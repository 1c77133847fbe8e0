"""What can go wrong with the catalog, as its users see it: no exception of SQLite or SQLAlchemy leaves this room."""

from __future__ import annotations


class CatalogError(Exception):
    """The catalog could not be opened, read or written; the message is one sentence for a person.

    From a commit it means: not acknowledged. The facts may still turn out to be written (a failed fsync tells no more),
    so the answer to a client is a retriable one.
    """


class CatalogUnavailable(CatalogError):
    """The file itself cannot be written now (the disk is full or fails, another program locked it)."""


class NewerDataDirectory(CatalogError):
    """The file was written by a newer program, whose schema this one does not know. Nothing was changed."""
