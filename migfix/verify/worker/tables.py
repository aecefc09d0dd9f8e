"""The tables of a database as it stores them, read with SQL."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

Table = dict[str, list[Any]]
"""``columns`` are the names, ``rows`` the texts of the values: 1, 1.0, '1' and NULL are all different."""


def read_tables(connection: BaseDatabaseWrapper) -> dict[str, Table]:
    """Every table by its name, with all its rows, sorted."""
    with connection.cursor() as cursor:
        names = set(connection.introspection.table_names(cursor)) - {"django_migrations"}
        return {name: _read(connection, cursor, name) for name in sorted(names)}


def _read(connection: BaseDatabaseWrapper, cursor: CursorWrapper, table: str) -> Table:
    quote = connection.ops.quote_name
    cursor.execute(f"SELECT * FROM {quote(table)} WHERE 1 = 0")
    names = [column[0] for column in cursor.description]
    # As stored: on SQLite a bare column would go through the converter of its declared type.
    stored = {"sqlite": "+{}", "postgresql": "{}::text"}.get(connection.vendor, "{}")
    columns = ", ".join(stored.format(quote(name)) for name in names)
    cursor.execute(f"SELECT {columns} FROM {quote(table)}")
    rows = sorted([*map(repr, row)] for row in cursor.fetchall())
    return {"columns": names, "rows": rows}
