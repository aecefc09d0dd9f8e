"""How one statement writes many rows, where the catalogue of the database says that it does the same."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, time
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from django.db import Error

from migfix.runtime.statements import _binds_on_server, _packets

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from migfix.runtime.tables import _Table

_MANY = 300  # rows; fewer are not worth a look into the catalogue

_Join = Any  # a function that writes the rows by one statement, and says how many it found


def _way_to_join(connection: Any) -> tuple[str, _Join] | None:
    """Return what asks for the types of columns, and what writes rows by a single statement."""
    if connection.vendor == "postgresql":
        driver = connection.Database.__name__
        if driver in ("psycopg", "psycopg2") and not _binds_on_server(connection):
            return _FACTS_OF_POSTGRESQL, _joined_to_arrays
    elif connection.vendor == "mysql" and connection.mysql_is_mariadb:
        return _FACTS_OF_MARIADB, _joined_to_copy
    return None


def _types_of(cursor: Any, facts: str, table: str, columns: list[str], key: str) -> list[str]:
    """Return the types of columns and key; none where one statement might differ from many."""
    quoted = cursor.db.ops.quote_name(table)
    named = {"table": table, "quoted": quoted, "columns": columns, "key": key}
    cursor.execute(facts, named)
    types = dict(cursor.fetchall())
    names = [*columns, key]
    return [types[name] for name in names] if len(types) == len({*names}) else []


# The conditions, in this order. The rows are those of one plain table: a view, a partition or a
# child has rules of its own for what is written through it. The types are the server's own. No
# trigger, rule, policy, generated column, and no function, operator (or class of operators) or type
# (a domain calls functions) that is not the server's own in a constraint or an index, may look at
# other rows, or change any. The key is unique, so that a row of ours finds one of theirs;
# in the collation of the database, of which none takes two texts for one. Nothing that is assigned
# is unique, or decides what is: one statement may pass where the rows, in order, do not.
_FACTS_OF_POSTGRESQL = """
    SELECT a.attname, y.typname
    FROM pg_catalog.pg_class t
    JOIN pg_catalog.pg_attribute k ON k.attrelid = t.oid AND k.attname = %(key)s
    JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid
    JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
    WHERE t.oid = pg_catalog.to_regclass(%(quoted)s)
    AND y.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
    AND (a.attname = k.attname OR a.attname = ANY (%(columns)s::pg_catalog.text[]))
    AND t.relkind = 'r'
    AND NOT (t.relispartition OR t.relhassubclass OR t.relhasrules OR t.relrowsecurity)
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = t.oid AND NOT tgisinternal
    )
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_attribute WHERE attrelid = t.oid AND attgenerated <> ''
    )
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend d JOIN (
            SELECT tableoid, oid FROM pg_catalog.pg_constraint WHERE conrelid = t.oid
            UNION ALL SELECT t.tableoid, indexrelid FROM pg_catalog.pg_index WHERE indrelid = t.oid
        ) o ON d.classid = o.tableoid AND d.objid = o.oid
        WHERE d.refclassid IN (
            'pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass,
            'pg_catalog.pg_opclass'::pg_catalog.regclass, 'pg_catalog.pg_type'::pg_catalog.regclass
        )
    )
    AND EXISTS (
        SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = t.oid
        AND i.indisunique AND i.indimmediate AND i.indisvalid
        AND i.indnatts = 1 AND i.indkey[0] = k.attnum
    )
    AND k.attcollation IN (
        SELECT 0 UNION ALL SELECT oid FROM pg_catalog.pg_collation
        WHERE collname = 'default' AND collnamespace = 'pg_catalog'::pg_catalog.regnamespace
    )
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute s ON s.attrelid = i.indrelid
        WHERE i.indrelid = t.oid AND (i.indisunique OR i.indisexclusion)
        AND s.attname = ANY (%(columns)s::pg_catalog.text[])
        AND (s.attnum = ANY (i.indkey) OR i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
    )
"""


def _joined_to_arrays(
    cursor: Any, table: _Table, types: list[str], rows: list[list[Any]]
) -> int | None:
    """
    Update from arrays, one for each column, whose items PostgreSQL reads as it reads literals.

    Their types are without length and precision: the assignment checks these, as it does for a
    literal. The planner is not told how many items there are (a subquery hides it), so that it
    looks each row up by its key, in the order of the items, whatever it thinks of the table.
    """
    items = _items(cursor.db)
    columns = zip(types, zip(*rows, strict=True), strict=True)
    arrays = [_array(values, *items.get(kind, (frozenset(), str))) for kind, values in columns]
    if types[-1] not in _KEYS or None in arrays or not _are_sent_by_driver(cursor, rows):
        return None
    quote = cursor.db.ops.quote_name
    names = ", ".join(f"_{number}" for number in range(1, len(types) + 1))
    values = ", ".join(f"pg_catalog.unnest((SELECT %s::pg_catalog.{kind}[]))" for kind in types)
    cursor.execute(
        f"UPDATE {quote(table.name)} AS r SET {table.assignments('v._{}'.format)}"
        f" FROM ROWS FROM ({values}) AS v({names})"
        f" WHERE r.{quote(table.key.column)} = v._{len(types)}",
        arrays,
    )
    return int(cursor.rowcount)


def _array(
    values: Sequence[Any], kinds: Collection[type], text_of: Callable[[Any], str]
) -> str | None:
    """Return the literal of an array, None where its items are not surely read as by `save()`."""
    if not {*map(type, values), type(None)} <= {*kinds, type(None)}:
        return None
    items = ["NULL" if value is None else text_of(value) for value in values]
    return f"{{{','.join(items)}}}"


def _are_sent_by_driver(cursor: Any, rows: list[list[Any]]) -> bool:
    """Say whether no value has an adapter of the project, which may write another one in its place."""
    kinds = {*map(type, chain.from_iterable(rows))} - {type(None)}
    driver = cursor.db.Database
    if driver.__name__ == "psycopg2":
        of = driver.extensions
        # Of documents there is none: their class, Django's, does it.
        found = [of.adapters.get((kind, of.ISQLQuote)) for kind in kinds]
    else:
        text = driver.adapt.PyFormat.TEXT
        found = [cursor.adapters.get_dumper(kind, text) for kind in kinds]
    return all(each is None or each.__module__.startswith("psycopg") for each in found)


def _quoted(value: Any) -> str:
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _float_text(value: float) -> str:
    return repr(value + 0.0)  # a literal -0.0 is a numeric, and thereby 0


def _time_text(value: time) -> str:
    if value.tzinfo is not None:
        raise ValueError("drivers refuse some of these")  # so that each row is sent by itself
    return str(value)


def _document_text(value: Any) -> str:
    return _quoted(value.dumps(value.obj if hasattr(value, "obj") else value.adapted))


def _items(connection: Any) -> dict[str, tuple[Collection[type], Callable[[Any], str]]]:
    """Return which classes have texts that a type of PostgreSQL reads as the literals of the driver."""
    from django.db.backends.postgresql.psycopg_any import Jsonb  # of a driver

    # Django marks integers for psycopg 3 (not documented, since Django 4.2).
    marked = getattr(connection.ops, "integerfield_type_map", {})
    integer = {int, *marked.values()}, str
    return {
        "int2": integer,
        "int4": integer,
        "int8": integer,
        "bool": ({bool}, str),
        "float8": ({float}, _float_text),
        "numeric": ({Decimal}, str),
        "varchar": ({str}, _quoted),
        "text": ({str}, _quoted),
        "uuid": ({UUID}, str),
        "date": ({date}, str),
        "time": ({time}, _time_text),
        "timestamptz": ({datetime}, _quoted),
        "jsonb": ({Jsonb}, _document_text),
    }


_KEYS = ("int2", "int4", "int8", "uuid", "varchar", "text")


# The conditions, in this order. The rows are those of one plain table of InnoDB, which takes back
# what a statement has done before an error. What does not fit is an error, not cut off. Nothing is
# computed when a row is written: no generated column, no time of the update. No trigger may look at
# other rows; a user who may not have triggers is not shown them. The key is the primary key, of a
# type that compares a column with a value as with a column. Nothing that is assigned is unique,
# or has keys of other rows that follow it.
_FACTS_OF_MARIADB = """
    SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS c
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %(table)s
    AND (COLUMN_NAME IN %(columns)s OR COLUMN_NAME = %(key)s)
    AND EXISTS (
        SELECT 1 FROM information_schema.TABLES
        WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %(table)s AND TABLE_TYPE = 'BASE TABLE'
        AND ENGINE = 'InnoDB' AND CREATE_OPTIONS NOT LIKE '%%partitioned%%'
    )
    AND FIND_IN_SET('STRICT_TRANS_TABLES', @@sql_mode)
    AND NOT EXISTS (
        SELECT 1 FROM information_schema.COLUMNS
        WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %(table)s
        AND (EXTRA LIKE '%%GENERATED%%' OR EXTRA LIKE '%%on update%%' OR DATA_TYPE = 'timestamp')
    )
    AND NOT EXISTS (
        SELECT 1 FROM information_schema.TRIGGERS
        WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE = %(table)s
    )
    AND 2 = (
        SELECT COUNT(DISTINCT PRIVILEGE_TYPE) FROM (
            SELECT PRIVILEGE_TYPE, GRANTEE FROM information_schema.USER_PRIVILEGES
            UNION ALL SELECT PRIVILEGE_TYPE, GRANTEE FROM information_schema.SCHEMA_PRIVILEGES
            WHERE DATABASE() LIKE TABLE_SCHEMA
        ) p
        WHERE PRIVILEGE_TYPE IN ('SELECT', 'TRIGGER')
        AND GRANTEE = CONCAT(CHAR(39), REPLACE(CURRENT_USER(), '@', '\\'@\\''), CHAR(39))
    )
    AND %(key)s = (
        SELECT GROUP_CONCAT(COLUMN_NAME) FROM information_schema.STATISTICS
        WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %(table)s AND INDEX_NAME = 'PRIMARY'
    )
    AND (
        COLUMN_NAME <> %(key)s
        OR DATA_TYPE IN ('smallint', 'mediumint', 'int', 'bigint', 'varchar', 'uuid')
    )
    AND NOT EXISTS (
        SELECT 1 FROM information_schema.STATISTICS
        WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %(table)s
        AND COLUMN_NAME IN %(columns)s AND NOT NON_UNIQUE
    )
    AND NOT EXISTS (
        SELECT 1 FROM information_schema.KEY_COLUMN_USAGE
        WHERE REFERENCED_TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_NAME = %(table)s
        AND REFERENCED_COLUMN_NAME IN %(columns)s
    )
"""


_KEYS_OF_MARIADB = {"varchar": (str,), "uuid": (UUID, str)}


def _joined_to_copy(
    cursor: Any, table: _Table, types: list[str], rows: list[list[Any]]
) -> int | None:
    """
    Update from a temporary table with the same columns, which takes values as the table does.

    It does so by INSERT: VALUES in a query would have types of their own. Its primary key refuses
    two texts that are one to the collation. From column to column of one type nothing changes any
    more. Neither to make it nor to drop it ends a transaction:
    https://mariadb.com/kb/en/sql-statements-that-cause-an-implicit-commit/.
    """
    kinds = _KEYS_OF_MARIADB.get(types[-1], (int,))
    if any(type(row[-1]) not in kinds for row in rows):
        return None  # a comparison looks at them otherwise than a column that takes them
    if any(type(row[-1]) is str and row[-1].endswith(" ") for row in rows):
        return None  # which a column may cut off, and a comparison look at
    quote = cursor.db.ops.quote_name
    numbers = range(1, len(types) + 1)
    columns = [*(field.column for field in table.fields), table.key.column]
    copy = f"_migfix_{uuid4().hex}"
    source = quote(table.name)
    same = ", ".join(f"{quote(column)} AS _{n}" for n, column in zip(numbers, columns, strict=True))
    cursor.execute(
        f"CREATE TEMPORARY TABLE {copy} (PRIMARY KEY (_{numbers[-1]})) ENGINE=InnoDB"
        f" SELECT {same} FROM {source} WHERE FALSE"
    )
    row = f"({', '.join(['%s'] * len(types))})"
    try:
        for packet in _packets(rows, len(row), most=len(rows)):
            cursor.execute(
                f"INSERT INTO {copy} VALUES {', '.join([row] * len(packet))}",
                [*chain.from_iterable(packet)],
            )
        cursor.execute(
            f"UPDATE {copy} AS v STRAIGHT_JOIN {source} AS r ON r.{quote(table.key.column)} ="
            f" v._{numbers[-1]} SET {table.assignments('v._{}'.format)}"
        )
        return int(cursor.rowcount)
    finally:
        with suppress(Error):  # of a connection that is lost
            cursor.execute(f"DROP TEMPORARY TABLE {copy}")
