"""What a query that is read piece by piece needs of its connection: a transaction, a session, a cursor."""

from __future__ import annotations

import importlib
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from django.db import Error, transaction

from migfix.runtime.selects import _declares_cursor

if TYPE_CHECKING:
    from collections.abc import Iterator


def _transaction_for_cursor(connection: Any, sql: str) -> AbstractContextManager[Any]:
    """Begin the transaction that a cursor of PostgreSQL lives in; poolers keep to it as well."""
    if _declares_cursor(connection, sql) and connection.get_autocommit():
        return _own_transaction(connection)
    return nullcontext()


@contextmanager
def _own_transaction(connection: Any) -> Iterator[None]:
    """
    Begin a transaction in autocommit that ends like atomic(), but leaves a lost connection lost.

    atomic() opens another one in its place, where everything after it would go on without the
    settings, locks and temporary tables of the session, and nobody would know. A statement in
    autocommit leaves the connection as it is, and those after it fail.
    """
    connection.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
    try:
        yield
        connection.commit()
    except BaseException:
        with suppress(Error):
            connection.rollback()
        try:
            connection.set_autocommit(True)
        except Error:
            # As they were; the connection itself is gone.
            connection.autocommit, connection.needs_rollback = True, False
        raise
    connection.set_autocommit(True)


def _session(connection: Any) -> tuple[Any, Any]:
    """
    Return what is another one when the database has been connected to anew; (None, ...) before.

    It is the driver's object and, as some versions of PyMySQL connect again within one (in the
    `ping` of `is_usable`), the number that the server has given to it.
    """
    driver = connection.connection
    number = None
    if connection.vendor == "mysql" and driver is not None:
        with suppress(connection.Database.Error):  # of mysqlclient, when it is closed
            number = driver.thread_id()
    return driver, number


def _is_lost(connection: Any, session: tuple[Any, Any]) -> bool:
    """Say, after an error, whether the session in which it happened is over."""
    return not connection.is_usable() or _session(connection) != session


@contextmanager
def _executed(connection: Any, sql: str, params: Any) -> Iterator[Any]:
    """Run the query on a cursor that leaves its rows on the server until they are fetched."""
    declares = _declares_cursor(connection, sql)
    blocks = connection.atomic_blocks[:1]  # the outermost (not documented, since Django 4.1)
    cursor = connection.chunked_cursor() if declares else _plain_cursor(connection)
    try:
        if declares:
            sql, params = _bound(connection, sql, params)
        with _planned_for_all_rows(connection) if declares else nullcontext():
            cursor.execute(sql, params)
        yield cursor
    finally:
        if declares and connection.in_atomic_block and blocks != connection.atomic_blocks[:1]:
            # Another transaction, which PostgreSQL would break for closing what it does not have.
            with suppress(Exception), transaction.atomic(using=connection.alias):
                cursor.close()
        else:
            try:
                cursor.close()
            except Exception:
                _give_up(cursor)


def _give_up(cursor: Any) -> None:
    """
    Leave the rows unread that are on their way, on a connection that is gone.

    PyMySQL tries to read them when a cursor is closed and when it is thrown away, and fails with an
    error that would hide the first one.
    """
    with suppress(AttributeError):
        cursor._result.unbuffered_active = False


def _bound(connection: Any, sql: str, params: Any) -> tuple[str, Any]:
    """
    Write the parameters into the SQL, as the driver does for a plain cursor.

    A named cursor of psycopg 3 under Django 4.2 leaves that to the server, which refuses values
    whose type it cannot tell. `compose_sql` is not documented (since Django 4.2).
    """
    if params is None or connection.settings_dict["OPTIONS"].get("server_side_binding"):
        return sql, params
    return connection.ops.compose_sql(sql, params), None


@contextmanager
def _planned_for_all_rows(connection: Any) -> Iterator[None]:
    """
    Let PostgreSQL plan the cursor as it plans the query, for the same order without ORDER BY.

    By default it plans cursors for the first tenth of the rows (cursor_tuple_fraction). The setting
    is local to the transaction and put back at once; after an error, the rollback does that. It is
    not sent through Django's cursor, so that the query log shows the query alone.
    """
    connection.validate_no_broken_transaction()  # as Django's cursor does (since Django 1.6)
    with connection.wrap_database_errors, connection.connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('cursor_tuple_fraction'),"
            " set_config('cursor_tuple_fraction', '1', true)"
        )
        before = cursor.fetchone()[0]
        yield
        cursor.execute("SELECT set_config('cursor_tuple_fraction', %s, true)", [before])


def _plain_cursor(connection: Any) -> Any:
    """Return a cursor; on MySQL and MariaDB one that fetches row by row, as the others do."""
    if connection.vendor != "mysql":
        return connection.cursor()
    connection.ensure_connection()
    driver = connection.connection
    try:  # the module that Django loaded: mysqlclient, or PyMySQL in its place
        unbuffered = importlib.import_module(f"{connection.Database.__name__}.cursors").SSCursor
    except (ImportError, AttributeError):
        return connection.cursor()  # another driver, which holds all rows of the query in memory
    buffered, driver.cursorclass = driver.cursorclass, unbuffered
    try:
        return connection.cursor()
    finally:
        driver.cursorclass = buffered
