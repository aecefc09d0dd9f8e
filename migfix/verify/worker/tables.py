"""The tables of a database as it stores them, read with SQL."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

Table = dict[str, list[Any]]
"""``columns`` are the names, ``rows`` the texts of the values: 1, 1.0, '1' and NULL are all different."""


def read_tables(connection: BaseDatabaseWrapper) -> dict[str, Table]:
    """Every table by its name, with all its rows, sorted; on SQLite also with what the next keys will be."""
    with connection.cursor() as cursor:
        names = _names(connection, cursor)
        return {".".join(name): _read(connection, cursor, name) for name in sorted(names)}


def _names(connection: BaseDatabaseWrapper, cursor: CursorWrapper) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = {
        (name,)
        for name in connection.introspection.table_names(cursor)
        if name != "django_migrations"
    }
    if connection.vendor == "postgresql":
        cursor.execute(_ELSEWHERE)
        found.update(cursor.fetchall())
    elif connection.vendor == "sqlite":
        cursor.execute("SELECT name FROM sqlite_master WHERE name = 'sqlite_sequence'")
        found.update(cursor.fetchall())
    return found


# Tables that are not found by their bare names.
_ELSEWHERE = """
    SELECT schemaname, tablename FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema', current_schema())
        AND schemaname NOT LIKE 'pg_temp%'
"""


def _read(connection: BaseDatabaseWrapper, cursor: CursorWrapper, parts: tuple[str, ...]) -> Table:
    quote = connection.ops.quote_name
    table = ".".join(map(quote, parts))
    cursor.execute(f"SELECT * FROM {table} WHERE 1 = 0")
    names = [column[0] for column in cursor.description]
    # As stored: on SQLite a bare column would go through the converter of its declared type.
    stored = {"sqlite": "+{}", "postgresql": "{}::text"}.get(connection.vendor, "{}")
    columns = ", ".join(stored.format(quote(name)) for name in names)
    cursor.execute(f"SELECT {columns} FROM {table}")
    rows = sorted([*map(repr, row)] for row in cursor.fetchall())
    return {"columns": names, "rows": rows}
