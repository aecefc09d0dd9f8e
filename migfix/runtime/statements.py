"""How a driver is given one statement for each of many rows in few round trips."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from migfix.runtime.batches import _size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_Statement = Any  # a function that is given one for the places of its values, see _Table
_PACKET = 200  # statements
_PACKET_LENGTH = 64 * 1024  # characters, far less than servers take at once (max_allowed_packet)


def _place(number: int) -> str:
    return "%s"


def _way_to_run_many(
    connection: Any, cursor: Any
) -> Callable[[Any, _Statement, list[list[Any]]], int | None]:
    """
    Return what runs a statement for each row, in order, and says how many rows were found, if known.

    `executemany` does that everywhere, and fast on SQLite and Oracle. Elsewhere it sends one
    statement after the other, or has the server plan each of them again.
    """
    driver = connection.Database.__name__
    if connection.vendor == "mysql":
        if connection.mysql_is_mariadb and hasattr(cursor, "mogrify"):
            return _in_compound_statements
    elif connection.vendor == "postgresql":
        if driver == "psycopg2":
            return _prepared_and_joined
        if driver == "psycopg" and not _binds_on_server(connection):
            return _prepared
    return _one_by_one


def _binds_on_server(connection: Any) -> bool:
    """Say whether PostgreSQL gets values beside the statement, not as literals in it."""
    return bool(connection.settings_dict["OPTIONS"].get("server_side_binding"))


def _one_by_one(cursor: Any, statement: _Statement, rows: list[list[Any]]) -> int | None:
    cursor.executemany(statement(_place), rows)
    return cursor.rowcount if cursor.rowcount >= 0 else None


def _prepared(cursor: Any, statement: _Statement, rows: list[list[Any]]) -> int:
    """On PostgreSQL, where psycopg 3 does not wait for one answer before it sends the next."""
    with _prepared_statement(cursor, statement) as name:
        cursor.executemany(f"EXECUTE {name} ({', '.join(['%s'] * len(rows[0]))})", rows)
        found: int = cursor.rowcount
    return found


def _prepared_and_joined(cursor: Any, statement: _Statement, rows: list[list[Any]]) -> None:
    """With psycopg2, which waits, and knows the number of rows of the last statement alone."""
    with _prepared_statement(cursor, statement) as name:
        sql = f"EXECUTE {name} ({', '.join(['%s'] * len(rows[0]))})"
        for packet in _packets(rows, len(sql)):
            cursor.execute("; ".join([sql] * len(packet)), [*chain.from_iterable(packet)])


@contextmanager
def _prepared_statement(cursor: Any, statement: _Statement) -> Iterator[str]:
    """
    Let PostgreSQL parse and plan the statement once; it knows the types by the columns.

    Behind a pooler the transaction around it keeps to one connection of the server. After an error
    the statement stays on that connection, under a name that nobody else uses.
    """
    name = f"_migfix_{uuid4().hex}"
    cursor.execute(f"PREPARE {name} AS {statement('${}'.format)}")
    yield name
    cursor.execute(f"DEALLOCATE {name}")


def _in_compound_statements(cursor: Any, statement: _Statement, rows: list[list[Any]]) -> None:
    """On MariaDB, which takes many statements as one: https://mariadb.com/kb/en/begin-end/."""
    sql = statement(_place)
    for packet in _packets(rows, len(sql)):
        many = "; ".join([sql] * len(packet))
        cursor.execute(
            f"BEGIN NOT ATOMIC {many}; END" if len(packet) > 1 else sql,
            [*chain.from_iterable(packet)],
        )


def _packets(
    rows: Iterable[list[Any]], length: int, most: int = _PACKET
) -> Iterator[list[list[Any]]]:
    """
    Yield the rows of some statements at a time, never none: a wide one goes alone, as by `save()`.

    `length` is that of a statement without its values.
    """
    packet: list[list[Any]] = []
    size = 0
    for row in rows:
        width = length + 32 * len(row) + _size_of(row)
        if packet and (len(packet) == most or size + width > _PACKET_LENGTH):
            yield packet
            packet, size = [], 0
        packet.append(row)
        size += width
    yield packet
