"""
What the versions of a migration start from: made once, and put back for each of them.

Django makes the tables and the rows once. They are put back on SQLite by a copy of the database, on a server by the
same statements, in tables that are empty as at first or, where more than rows may have changed, made anew. Nothing of
Python is shared: each version has modules, states and models of its own.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from tests.databases import empty, holds

# After such a statement tables, indexes and triggers are as they were. What is temporary ends with the session.
_ABOUT_ROWS = re.compile(
    r"\s*(SELECT|INSERT|REPLACE|UPDATE|DELETE|SAVEPOINT|RELEASE|ROLLBACK|SET"
    r"|(CREATE|DROP) TEMPORARY TABLE)\b[^;]*;?\s*",
    re.IGNORECASE,
)
MIGRATIONS = "django_migrations"


@dataclass
class Sent:
    """What a connection sent, in order."""

    statements: list[tuple[str, Any, bool]] = field(default_factory=list)

    def __call__(
        self, execute: Callable[..., object], sql: str, params: Any, many: bool, context: object
    ) -> object:
        self.statements.append((str(sql), params, many))
        return execute(sql, params, many, context)

    def again(self, connection: BaseDatabaseWrapper) -> None:
        with connection.cursor() as cursor:
            for sql, params, many in self.statements:
                (cursor.executemany if many else cursor.execute)(sql, params)

    @property
    def is_about_rows(self) -> bool:
        return all(_ABOUT_ROWS.fullmatch(sql) for sql, _, _ in self.statements)


@contextmanager
def sent_by(connection: BaseDatabaseWrapper) -> Iterator[Sent]:
    """What the block sends by a connection."""
    sent = Sent()
    connection.ensure_connection()
    with connection.execute_wrapper(sent):
        yield sent


@dataclass(eq=False)
class Tables:
    """The tables of a case; how far clock and random numbers have come; a copy of a database of SQLite."""

    sent: Sent
    numbers: Any
    copy: sqlite3.Connection | None
    hold_rows: bool = False

    def put_back(self, name: str, connection: BaseDatabaseWrapper) -> None:
        """Make the database of this name, which `connection` is to, what it was. Nobody else uses it."""
        connection.ensure_connection()
        if self.copy is not None:
            self.copy.backup(connection.connection)
            return
        held = holds.get(name)
        holds[name] = None
        if held is self and not self.hold_rows:
            _empty_tables(connection)
        else:
            empty(connection)
            self.sent.again(connection)
        holds[name] = self


@dataclass(eq=False)
class Start:
    """The tables with the rows of a case, as `Tables` are."""

    tables: Tables
    sent: Sent
    numbers: Any
    copy: sqlite3.Connection | None

    def put_back(self, name: str, connection: BaseDatabaseWrapper) -> None:
        """Make the database of this name, which `connection` is to, what it was. Nobody else uses it."""
        connection.ensure_connection()
        if self.copy is not None:
            self.copy.backup(connection.connection)
        elif holds.get(name) is not self:
            self.tables.put_back(name, connection)
            holds[name] = None
            with transaction.atomic():
                self.sent.again(connection)
            holds[name] = self

    @contextmanager
    def used(self, name: str, connection: BaseDatabaseWrapper) -> Iterator[None]:
        """While the block runs a version: what it leaves are the same tables, if it sends nothing else."""
        if self.copy is not None:
            yield
            return
        holds[name] = None
        with sent_by(connection) as sent:
            yield
        if sent.is_about_rows and self.sent.is_about_rows:
            holds[name] = self.tables


def copied(connection: BaseDatabaseWrapper) -> sqlite3.Connection | None:
    """Return a copy of a database of SQLite."""
    if connection.vendor != "sqlite":
        return None
    copy = sqlite3.connect(":memory:")
    connection.connection.backup(copy)
    return copy


def _empty_tables(connection: BaseDatabaseWrapper) -> None:
    used = used_tables(connection)
    quoted = [connection.ops.quote_name(table) for table in used]
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {MIGRATIONS} WHERE name = '0002_data'")
        if connection.vendor == "postgresql" and used:
            cursor.execute(f"TRUNCATE {', '.join(quoted)} RESTART IDENTITY CASCADE")
        elif used:
            cursor.execute("SET foreign_key_checks = 0")
            for table in quoted:
                cursor.execute(f"TRUNCATE {table}")
            cursor.execute("SET foreign_key_checks = 1")


_USED = {
    "postgresql": """
        SELECT t.relname FROM pg_class t WHERE t.relkind = 'r' AND t.relnamespace = 'public'::regnamespace
        AND (pg_relation_size(t.oid) > 0 OR EXISTS (
            SELECT FROM pg_sequence s JOIN pg_depend d ON d.objid = s.seqrelid
            WHERE d.refobjid = t.oid AND pg_sequence_last_value(s.seqrelid) IS NOT NULL))
    """,
    "mysql": "SELECT table_name FROM information_schema.tables WHERE table_schema = database() AND auto_increment > 1",
}


def used_tables(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the tables, but that of migrations, in which rows are, or were since they were made or emptied."""
    with connection.cursor() as cursor:
        cursor.execute(_USED[connection.vendor])
        used = {table for (table,) in cursor.fetchall()}
        if connection.vendor == "mysql":
            others = {*connection.introspection.table_names(cursor)} - used
            one = "SELECT %s FROM DUAL WHERE EXISTS (SELECT 1 FROM {})"
            if others:
                asked = [one.format(connection.ops.quote_name(table)) for table in others]
                cursor.execute(" UNION ALL ".join(asked), [*others])
                used |= {table for (table,) in cursor.fetchall()}
    return sorted(used - {MIGRATIONS})
