"""
Go over many rows without holding them all in memory, and write them many at a time.

Written by migfix, which put this file next to your migrations. It needs Django 4.2 or newer and
nothing else: it works without migfix installed and may stay here for ever. Please do not edit it.

`stream(queryset)` gives a loop the same rows, in the same order and with the same values, as
`queryset`: all as they were when the loop started, whatever the loop then writes. `stream_sql` does
the same for a SELECT statement.

`update_in_batches` gives a `save` that waits for others, since a round trip to the database takes
longer than the update itself, and an `update` in place of a list for `bulk_update()`.

`update_by_key` does the same for the `update()` of one row after another, each found by its key.

`create_in_batches` does the same for new rows: what would insert them one by one waits for others.

`link_in_batches` does the same for the `add()` of many-to-many relations.

`update_in_windows` does what one `update()` of very many rows does, by several with a commit each, so
that nobody else waits for long.

`delete_in_windows` does the same for a `delete()`.
"""

from __future__ import annotations

import copyreg
import importlib
import inspect
import io
import pickle
import re
import sys
from collections import deque
from contextlib import (
    AbstractContextManager,
    ExitStack,
    closing,
    contextmanager,
    nullcontext,
    suppress,
)
from copy import copy, deepcopy
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from itertools import chain, groupby, islice
from operator import attrgetter, itemgetter
from tempfile import TemporaryFile
from time import sleep
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import (
    DatabaseError,
    Error,
    InterfaceError,
    InternalError,
    OperationalError,
    connections,
    router,
    transaction,
)
from django.db.models import (
    AutoField,
    BigAutoField,
    BigIntegerField,
    CharField,
    CheckConstraint,
    Field,
    IntegerField,
    JSONField,
    Manager,
    Model,
    QuerySet,
    SmallAutoField,
    TextField,
    UniqueConstraint,
    UUIDField,
    Value,
    prefetch_related_objects,
)
from django.db.models.constants import OnConflict
from django.db.models.deletion import Collector
from django.db.models.expressions import Col, CombinedExpression, ExpressionWrapper
from django.db.models.lookups import Lookup
from django.db.models.manager import BaseManager
from django.db.models.query import RawQuerySet
from django.db.models.signals import post_save, pre_save
from django.db.models.sql.where import NothingNode, WhereNode

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence, Sized

HELPER_VERSION = 1

_FIRST_BLOCK = 10  # rows; their width is not known yet
_BLOCK_BYTES = 1024 * 1024
_MODES = ("auto", "server", "spool")


def stream(
    source: Any,
    *,
    chunk_size: int = 1000,
    mode: str = "auto",
    progress: Callable[[int], object] | None = None,
    directory: str | None = None,
) -> Iterator[Any]:
    """
    Yield what `for row in source` yields, holding at most about `chunk_size` rows or a megabyte.

    `source` is a queryset, a manager or a raw queryset; its query runs when the first row is asked
    for. A queryset that is already evaluated, or any other iterable, is only iterated. Two things
    differ from the plain loop: the cache of the queryset stays empty, and objects of
    `prefetch_related` are read, and shared, per `chunk_size` rows, so that later ones show what the
    loop has changed in them.

    `mode` says where the rows wait for the loop:
    - "server": in a cursor of the database (PostgreSQL and Oracle), inside a transaction. The loop
      must not commit, not roll back what was begun before it, and not ALTER or TRUNCATE the tables
      it reads.
    - "spool": in an unnamed temporary file about as large as the data, in `directory` (by default
      that of the system, see TMPDIR). The loop may do anything.
    - "auto": on the server where that equals the plain loop: inside a transaction, for a query that
      locks no rows and calls only well-known functions (another one, or one hidden in a view, might
      read what the loop writes); else in the file.

    `progress` is called with the number of rows done, after every `chunk_size` rows and at the end.
    At the same moments, under `DEBUG = True`, the statements that the loop added to
    `connection.queries` are dropped.

    Raises ValueError for a wrong argument or a query that `mode="server"` cannot serve, OSError if
    the disk is full, and the errors of the query.
    """
    _check(chunk_size, mode)
    return _stream(source, chunk_size, mode, progress, directory)


def stream_sql(
    connection: Any,
    sql: str,
    params: Sequence[Any] | dict[str, Any] | None = None,
    *,
    chunk_size: int = 1000,
    mode: str = "auto",
    directory: str | None = None,
) -> Iterator[tuple[Any, ...]]:
    """
    Yield the rows that `cursor.execute(sql, params)` and `cursor.fetchall()` give, as tuples.

    `sql` is a SELECT, which runs when the first row is asked for; `connection` is one of Django's
    (`schema_editor.connection`, `connections["default"]`). Options and errors are as in `stream`.
    """
    _check(chunk_size, mode)
    cursor = _Cursor(connection, chunk_size, mode, directory)
    return _stream_sql(connection, cursor, sql, params, chunk_size)


def _check(chunk_size: int, mode: str) -> None:
    if chunk_size < 1:
        raise ValueError(f"chunk_size must be 1 or more, not {chunk_size!r}")
    if mode not in _MODES:
        raise ValueError(f"mode must be one of {', '.join(_MODES)}, not {mode!r}")


def _stream_sql(
    connection: Any, cursor: _Cursor, sql: str, params: Any, chunk_size: int
) -> Iterator[tuple[Any, ...]]:
    with closing(cursor):
        cursor.execute(sql, params)
        yield from _in_chunks(cursor, chunk_size, _after_chunk(connection, None))


def _stream(
    source: Any,
    chunk_size: int,
    mode: str,
    progress: Callable[[int], object] | None,
    directory: str | None,
) -> Iterator[Any]:
    if isinstance(source, BaseManager):
        source = source.all()
    if not _is_plain_queryset(source):
        yield from _in_chunks(source, chunk_size, progress or _ignore)
        return
    if isinstance(source, QuerySet):
        source = source.using(source.db)  # a router may answer differently each time it is asked
    connection = connections[source.db]
    with closing(_Cursor(connection, chunk_size, mode, directory)) as cursor:
        started = _run(source, connection, cursor)
        # A backend with query code of its own does not ask for the cursor: its list is right.
        rows = _with_prefetched(source, started, chunk_size) if cursor.was_used else source
        yield from _in_chunks(rows, chunk_size, _after_chunk(connection, progress))


# What is called here, or would be by the loop. A queryset of the project may do it in its own way.
_ITERATING = ("__iter__", "_fetch_all", "_chain", "_clone", "db", "using")


def _is_plain_queryset(source: Any) -> bool:
    """Say whether `source` is a queryset that is not evaluated and iterates as Django's own do."""
    for kind in (QuerySet, RawQuerySet):
        if isinstance(source, kind):
            # _result_cache: None until the queryset is evaluated, by _fetch_all (since Django 1.6).
            own = all(getattr(type(source), n, None) is getattr(kind, n, None) for n in _ITERATING)
            return own and source._result_cache is None
    return False


def _ignore(done: int) -> None:
    pass


def _in_chunks(
    rows: Iterable[Any], chunk_size: int, chunk_done: Callable[[int], object]
) -> Iterator[Any]:
    done = 0
    for done, row in enumerate(rows, 1):
        yield row
        if done % chunk_size == 0:
            chunk_done(done)
    if done % chunk_size:
        chunk_done(done)


def _after_chunk(
    connection: Any, progress: Callable[[int], object] | None
) -> Callable[[int], None]:
    """
    Return what to do after a chunk: report progress, and drop the statements logged since now.

    Under DEBUG Django keeps the last 9,000 statements of a connection with their values, which may
    be hundreds of megabytes. The log is left alone while something captures it, as assertNumQueries
    does (`queries_log` and `force_debug_cursor` are not documented, both since Django 1.8).
    """
    log = connection.queries_log
    last = log[-1] if log else None

    def chunk_done(done: int) -> None:
        if progress:
            progress(done)
        if settings.DEBUG and not connection.force_debug_cursor:
            while log and log[-1] is not last:
                log.pop()

    return chunk_done


def _started(items: Iterator[Any]) -> Iterator[Any]:
    """Fetch the first item now, and return an iterator over all of them."""
    first = list(islice(items, 1))

    def all_items() -> Iterator[Any]:
        while first:
            yield first.pop()
        yield from items

    return all_items()


def _run(source: Any, connection: Any, cursor: _Cursor) -> Iterator[Any]:
    """Run the query of `source` through `cursor`; return its rows, built by Django's own code."""
    if isinstance(source, RawQuerySet):
        method, rows = "cursor", source.iterator()
    else:
        # _iterable_class: turns driver rows into instances, dicts or tuples (since Django 1.9).
        # It is called here as by iterator(), but for the setting DISABLE_SERVER_SIDE_CURSORS, with
        # which all rows would be held in memory.
        method, rows = "chunked_cursor", source._iterable_class(source, chunked_fetch=True)
    with _handing_out(connection, method, cursor):
        return _started(iter(rows))


@contextmanager
def _handing_out(connection: Any, method: str, cursor: _Cursor) -> Iterator[None]:
    """
    Let the next call of `connection.cursor()`, or `connection.chunked_cursor()`, return `cursor`.

    Raw querysets ask for the first, querysets in iterator() for the second (not documented, since
    Django 1.11). Only this connection object changes, and a connection belongs to one thread.
    """
    before = {method: vars(connection)[method]} if method in vars(connection) else {}

    def restore() -> None:
        vars(connection).pop(method, None)
        vars(connection).update(before)

    def hand_out() -> _Cursor:
        restore()
        return cursor

    setattr(connection, method, hand_out)
    try:
        yield
    finally:
        restore()


def _with_prefetched(source: Any, rows: Iterator[Any], chunk_size: int) -> Iterator[Any]:
    lookups = source._prefetch_related_lookups  # of both kinds of queryset, since Django 1.4
    if not lookups:
        yield from rows
        return
    while chunk := list(islice(rows, chunk_size)):
        prefetch_related_objects(chunk, *lookups)
        yield from chunk


class _Cursor:
    """Stands in for the cursor in Django's query code: runs one query, gives rows out in blocks."""

    def __init__(self, connection: Any, chunk_size: int, mode: str, directory: str | None) -> None:
        self._connection = connection
        self._chunk_size = chunk_size
        self._mode = mode
        self._directory = directory
        self._open = ExitStack()
        self._blocks: Iterator[Sequence[Any]] = iter(())
        self.description: Any = None
        self.was_used = False

    def execute(self, sql: str, params: Any = None) -> None:
        self.was_used = True
        if _stays_on_server(self._connection, sql, self._mode):
            self._read_on_server(sql, params)
        else:
            self._read_into_file(sql, params)

    def _read_on_server(self, sql: str, params: Any) -> None:
        cursor = self._open.enter_context(_executed(self._connection, sql, params))
        self._blocks = _started(_fetch(cursor, self._chunk_size))
        self.description = cursor.description  # psycopg2 has it only after a fetch

    def _read_into_file(self, sql: str, params: Any) -> None:
        file = TemporaryFile(prefix="migfix-", dir=self._directory)  # noqa: SIM115, close() does
        self._open.enter_context(file)
        spool = _Spool(file, self._connection)
        with (
            _transaction_for_cursor(self._connection, sql),
            _executed(self._connection, sql, params) as cursor,
        ):
            for block in _fetch(cursor, self._chunk_size):
                spool.write(block)
            self.description = cursor.description
        self._blocks = spool.read()

    def fetchmany(self, size: int | None = None) -> Sequence[Any]:
        # Django reads until it gets what the driver gives at the end: () or [] (since Django 1.4).
        return next(self._blocks, self._connection.features.empty_fetchmany_value)

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(self._blocks)

    def close(self) -> None:
        self._blocks = iter(())
        self._open.close()


_COMMENT = r"--.*\n|/\*(?:[^*]|\*(?!/))*\*/"
_SELECT = re.compile(rf"(?:[\s(]|{_COMMENT})*(?:select|with|values)\b", re.IGNORECASE)
_WRITES = re.compile(r"\b(insert|update|delete|merge|into)\b", re.IGNORECASE)
_LOCKS = re.compile(r"\bfor\s+(no\s+key\s+update|update|key\s+share|share)\b", re.IGNORECASE)
_NAME = re.compile(r"""[\w$."`]*""")
# The keywords, types and functions that read nothing but their arguments. Any other function may
# read tables when its row is fetched, and would then see what the loop has written meanwhile.
_READS_NO_TABLE = """
    select distinct from join lateral on using where and or not in any all exists as when then else
    values by having over filter group union except intersect array row case is like ilike between
    limit offset interval char varchar decimal numeric time timestamp timestamptz
    count sum avg min max array_agg string_agg bool_and bool_or row_number rank dense_rank lag lead
    coalesce nullif greatest least cast extract date_trunc upper lower trim btrim ltrim rtrim length
    char_length substr substring replace left right concat abs ceil ceiling floor round mod power
    md5 to_json to_jsonb
"""


def _reads_no_table(sql: str) -> bool:
    """
    Say whether no function of a SELECT can read a table when its row is fetched.

    Comments may stand between the name of a function and its parenthesis, so that nothing is known
    of a statement with any but in front.
    """
    start = _SELECT.match(sql)
    body = sql[start.end() :] if start else sql
    known = {*_READS_NO_TABLE.split(), ""}
    # Each part is looked at once, from its end: a pattern for name and parenthesis would be tried
    # at every character of a long literal, up to its end.
    parts = sql.lower().split("(")[:-1]
    names = (_NAME.match(part.rstrip()[::-1])[0][::-1] for part in parts)
    return "--" not in body and "/*" not in body and known.issuperset(names)


def _is_select(sql: str) -> bool:
    """Say whether `sql` is surely one statement that only reads, for which a cursor is declared."""
    if not isinstance(sql, str):  # psycopg composes SQL of objects
        return False
    statement = _LOCKS.sub("", sql.rstrip("; \t\n"))
    return bool(_SELECT.match(sql)) and ";" not in statement and not _WRITES.search(statement)


def _declares_cursor(connection: Any, sql: str) -> bool:
    return connection.vendor == "postgresql" and _is_select(sql)


def _stays_on_server(connection: Any, sql: str, mode: str) -> bool:
    """Say whether the rows wait in the database, which keeps them whatever the loop writes."""
    keeps = (
        connection.vendor in ("postgresql", "oracle")
        and connection.in_atomic_block  # poolers keep to the server connection that has the cursor
        and _is_select(sql)
        and not _LOCKS.search(sql)  # PostgreSQL skips a row that is changed before its turn
        and _reads_no_table(sql)
    )
    if mode == "server" and not keeps:
        raise ValueError(
            'mode="server" cannot keep the rows of this query while the loop writes, on '
            f'{connection.vendor}, {"" if connection.in_atomic_block else "not "}inside atomic(); '
            f'use mode="auto" or mode="spool": {str(sql)[:300]}'
        )
    return keeps and mode != "spool"


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


def _fetch(cursor: Any, chunk_size: int) -> Iterator[Sequence[Any]]:
    """Yield blocks of driver rows, each of at most `chunk_size` rows and about _BLOCK_BYTES."""
    size = min(_FIRST_BLOCK, chunk_size)
    while block := cursor.fetchmany(size):
        size = min(chunk_size, size * 4, max(1, len(block) * _BLOCK_BYTES // _width(block)))
        yield block
        del block  # before the next one is fetched


def _width(block: Sequence[Any]) -> int:
    """Return about how many bytes a block takes, judging by some of its rows."""
    step = len(block) // 20 + 1
    return step * sum(32 + _size(value) for row in block[::step] for value in row) + 1


def _size(value: Any) -> int:
    if isinstance(value, (str, bytes, memoryview)):
        return len(value)
    if isinstance(value, dict):  # of hstore and json
        return _size([*value, *value.values()])
    return sum(32 + _size(item) for item in value) if isinstance(value, (list, tuple)) else 0


class _Spool:
    """
    Blocks of driver rows in a temporary file: all written, then read once.

    They hold what the driver gave, never instances: those of a historical model would come back as
    instances of the current one.
    """

    def __init__(self, file: IO[bytes], connection: Any) -> None:
        self._file = file
        self._unpicklable: deque[Sequence[Any]] = deque()  # rare: composite types of PostgreSQL
        self._reducers = {**copyreg.dispatch_table, memoryview: _reduce_memoryview}  # of psycopg2
        if lob := getattr(connection.Database, "LOB", None):  # of Oracle
            self._reducers[lob] = _reduce_lob

    def write(self, block: Sequence[Any]) -> None:
        try:
            self._file.write(self._pickled(block))
            self._file.flush()
        except OSError as error:
            with suppress(OSError):  # close() tries once more to write what did not fit
                self._file.close()
            hint = "writing the rows of this query: set TMPDIR or pass directory=..."
            raise OSError(error.errno, f"{error.strerror}, {hint}") from error

    def _pickled(self, block: Sequence[Any]) -> memoryview:
        buffer = io.BytesIO()
        pickler = pickle.Pickler(buffer, pickle.HIGHEST_PROTOCOL)
        pickler.dispatch_table = self._reducers
        try:
            pickler.dump(block)
        except (pickle.PicklingError, AttributeError, TypeError):
            self._unpicklable.append(block)
            buffer = io.BytesIO(pickle.dumps(None))
        return buffer.getbuffer()

    def read(self) -> Iterator[Sequence[Any]]:
        end = self._file.tell()
        self._file.seek(0)
        while self._file.tell() < end:
            yield pickle.load(self._file) or self._unpicklable.popleft()


def _reduce_memoryview(value: memoryview) -> Any:
    data = value.tobytes()
    if value.format == "B":
        return memoryview, (data,)
    return memoryview.cast, (memoryview(data), value.format)  # views differ if formats do


def _reduce_lob(value: Any) -> Any:
    # copy() returns the text or bytes themselves, which Django takes in place of a LOB.
    return copy, (value.read(),)


def update_in_batches(*fields: str, batch_size: int = 1000) -> _UpdateBatch:
    """
    Give a batch whose `save(row)` stands for `row.save(update_fields=fields)`, many in one go.

    `save(row, using=alias)` stands for one with `using=alias`, and `update(row, using=alias)` for
    `bulk_update()` of `using(alias)`. `saving(row)` is the row, for a function that saves it: what
    `row.save()` does there is what `save(row)` does.

    The values are those of the moment of `save`, with what the fields compute for it (`auto_now`).
    They are written after `batch_size` rows or a megabyte, and when the block ends, also by an
    error: what was saved before is in the database then, unless the transaction is broken. Each
    row has its own UPDATE, in order, so that unique columns may move as with `row.save()`; or one
    statement writes them, where the catalogue of the database says that it does the same. Where
    `save()` would do more than one plain UPDATE (`F()`, fields and models with code or SQL of
    their own, columns in two tables, deferred fields), it is called, after what waits is written.

    Three things differ. In between no query sees what waits, and what else writes the same rows is
    overwritten: call `flush()` before. No signals are sent. An error of the database comes when
    the batch is written, not at the `save` that is its cause; the rows before that one are written
    and those after it are not, as with `row.save()`. In autocommit a batch is one transaction,
    unless it has so few rows that they take fewer statements by themselves.

    The batch's `update(row)` stands for a list of rows that goes to `bulk_update(rows, fields)`
    of their model: it writes the values as they are, and passes over rows that are gone. The rows
    are written as they come, not all at the end (a batch of up to 50 by `bulk_update()` itself); but those that have a value which may be another
    one by then (documents, expressions, rows that are not saved yet) are kept for a `bulk_update()`.
    Documents are not, if it is `update(row, final=True)`: they are taken as they are.

    Rows are saved at once outside of the block, and in one of a generator or coroutine, which may
    be left for good while it stands still; those of `update` are kept there until its end.

    Raises DatabaseError if a saved row is gone, ValueError for a wrong argument, and where the
    connection is lost, or is not the one that the rows were saved on, OperationalError: none of
    them is written in another session, without the settings, locks and temporary tables of theirs.
    """
    return _UpdateBatch(fields, batch_size)


# What never changes, so that it may wait for the driver, which looks at it when it is sent.
_FIXED = (str, bytes, int, float, Decimal, date, time, timedelta, UUID, type(None))
# The exact types of which nothing can change and nothing is SQL: what is asked of each value first.
_CONSTANTS = frozenset({*_FIXED, datetime, bool} - {bytes})


def _size_of(values: Iterable[Any]) -> int:
    """The same as `_size`, in less time where most are texts, numbers and moments."""
    size = 0
    for value in values:
        kind = type(value)
        if kind is str:
            size += len(value)
        elif kind not in _CONSTANTS:
            size += _size(value)
    return size


class _Batch:
    """Rows of one model that wait to be written, many in one go, while its block is open."""

    def __init__(self, batch_size: int) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be 1 or more, not {batch_size!r}")
        self._batch_size = batch_size
        self._waiting: list[Any] = []
        self._bytes = 0
        self._is_open = False
        self._stands_still = False  # now and then, in a generator
        self._session: tuple[Any, Any] = (None, None)  # in which the first of them was saved

    def __enter__(self) -> Any:  # itself
        self._stands_still = _is_entered_by_generator()
        self._is_open = not self._stands_still
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._is_open = False
        rows = self._waiting
        try:
            self.flush()
        except (InternalError, transaction.TransactionManagementError):
            # What a broken transaction does not take would be rolled back with it in any case.
            if error is None:
                raise
        except (OperationalError, InterfaceError):
            lost = self._connection.autocommit and not self._connection.is_usable()
            if error is None or not lost:
                raise
            raise OperationalError(_not_written(rows)) from error

    def flush(self) -> None:
        """Write what waits now."""
        rows, self._waiting, self._bytes = self._waiting, [], 0
        if rows:
            self._connection.close_if_health_check_failed()  # as by its cursor()
            if self._session[0] is not None and self._session != _session(self._connection):
                raise OperationalError(_not_written(rows))
            self._write(rows)

    def _wait(self, row: Any, size: int) -> None:
        if not self._waiting:
            self._session = _session(self._connection)
        self._waiting.append(row)
        self._bytes += size
        full = len(self._waiting) >= self._batch_size or self._bytes >= _BLOCK_BYTES
        if full or not self._is_open:
            self.flush()

    @property
    def _connection(self) -> Any:
        """The one that what waits is written to."""
        raise NotImplementedError

    def _write(self, rows: list[Any]) -> None:
        raise NotImplementedError


def _is_entered_by_generator() -> bool:
    """
    Say whether a block is of a function that may stand still in it, and be left there for good.

    What it saved is to be in the database whenever it stands still, so that nothing may wait; and
    nothing may be written when somebody throws it away, at another time.
    """
    frame = sys._getframe(2)
    while frame.f_back and frame.f_globals.get("__name__") == "contextlib":  # of an ExitStack
        frame = frame.f_back
    suspends = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
    return bool(frame.f_code.co_flags & suspends)


def _not_written(rows: Sequence[Any]) -> str:
    return (
        "The connection to the database was lost, or another one took its place:"
        f" {len(rows)} rows that were saved before are not written"
    )


def _write(
    connection: Any,
    rows: list[Any],
    together: Callable[[list[Any]], object],
    one_by_one: Callable[[list[Any]], object],
    calls: int,
) -> None:
    """
    Write the rows in one go or, where that fails, up to the first that fails. Raises its error.

    Few rows are written one by one, where to do it together, which goes to the server `calls` times
    besides the ends of a transaction, would go there more often.
    """
    forget_statements = _after_chunk(connection, None)
    few = _are_few(rows, calls)
    if few or not _does_all(connection, together, rows):
        with transaction.mark_for_rollback_on_error(using=connection.alias):  # as by save()
            one_by_one(rows)
    forget_statements(len(rows))


def _are_few(rows: Sized, calls: int) -> bool:
    """Say whether the rows are no more than what `calls` and the ends of a transaction take."""
    return len(rows) <= calls + 2


def _does_all(connection: Any, together: Callable[[list[Any]], object], rows: list[Any]) -> bool:
    """Say whether all rows are written, else none is."""
    if connection.in_atomic_block:
        begin = transaction.atomic(using=connection.alias)
    elif connection.get_autocommit():
        begin = _own_transaction(connection)
    else:
        return False  # a transaction without atomic(), which does not survive a failed atomic()
    connection.ensure_connection()
    session = _session(connection)
    try:
        with begin:
            together(rows)
    except Exception as error:
        if connection.needs_rollback:
            raise
        says_so = isinstance(error, (OperationalError, InterfaceError))
        # A transaction that is broken for another reason cannot be asked, and is not repeated.
        if (says_so or not connection.in_atomic_block) and _is_lost(connection, session):
            if says_so:
                raise
            raise OperationalError(_not_written(rows)) from error
        return False
    return True


_FEW = 50  # rows of a list; `bulk_update()` of more takes longer than their own statements


class _UpdateBatch(_Batch):
    """See `update_in_batches`."""

    def __init__(self, fields: Sequence[str], batch_size: int) -> None:
        super().__init__(batch_size)
        if not fields:
            raise ValueError("name the fields to write")
        self._names = fields
        self._table: _Table | None = None
        self._few: list[Any] = []  # of update(), those that wait, while they are few
        self._kept: dict[tuple[type, str], list[Any]] = {}
        self._given: dict[str, Any] = {}  # the attributes of the row that saving() gave a save()

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._given.pop("save", None)
        if error is not None:
            self._kept.clear()
            if isinstance(self._table, _BulkTable):  # bulk_update() would not be reached
                self._waiting, self._few = [], []
        super().__exit__(kind, error, traceback)
        if error is None:
            for (model, alias), rows in self._kept.items():
                QuerySet(model).using(alias).bulk_update(rows, self._names)

    @property
    def _connection(self) -> Any:
        return self._table and self._table.connection

    def save(self, row: Any, *, using: str | None = None) -> None:
        """Write the fields of `row` with the next batch, as they are now."""
        alias = using or router.db_for_write(type(row), instance=row)
        if self._waits(row, alias, _Table):
            row._state.db = alias
        else:
            self.flush()
            type(row).save(row, using=alias, update_fields=self._names)  # not that of saving()

    def saving(self, row: Any) -> Any:
        """Return `row`, to be saved by a function: up to the next one its `save()` is the batch's."""
        self._given.pop("save", None)
        self._given = vars(row)
        self._given["save"] = partial(self._save_as_told, row)  # of this row alone
        return row

    def _save_as_told(self, row: Any, *args: Any, **kwargs: Any) -> None:
        fields = kwargs.get("update_fields")
        if (
            args
            or kwargs.keys() - {"update_fields"}
            or {*(fields or self._names)} != {*self._names}
        ):
            self.flush()
            type(row).save(row, *args, **kwargs)
        elif fields is None or fields:  # save() of no fields does nothing
            self.save(row)

    def update(self, row: Any, *, using: str | None = None, final: bool = False) -> None:
        """Write the fields of `row`, as `bulk_update()` does at the end of the block.

        Its lists and dicts are taken as they are now if they are `final`.
        """
        alias = using or router.db_for_write(type(row))
        table = _FinalTable if final else _BulkTable
        if self._stands_still or not self._waits(row, alias, table):
            self._kept.setdefault((type(row), alias), []).append(row)

    def _waits(self, row: Any, alias: str, kind: type[_Table]) -> bool:
        """Take the values of `row`; say False of one that is not plainly written."""
        if type(self._table) is not kind or not self._table.holds(row, alias):
            self.flush()
            self._table = kind(type(row), alias, self._names)
        values = self._table.values_of(row)
        if values is None:
            return False
        if issubclass(kind, _BulkTable):
            self._few = [*self._few, row] if len(self._waiting) < _FEW else []
        self._wait(values, 32 * len(values) + _size_of(values))
        return True

    def _write(self, rows: list[list[Any]]) -> None:
        few, self._few = self._few, []
        if len(few) == len(rows):
            self._update_in_bulk(few)
        elif self._table is not None:
            self._table.update(rows)

    def _update_in_bulk(self, rows: list[Any]) -> None:
        """Write few rows by one statement, together with those that are kept for the end."""
        model = type(rows[0])
        connection = self._connection
        kept = [] if self._is_open else self._kept.pop((model, connection.alias), [])
        forget_statements = _after_chunk(connection, None)
        with _own_transaction(connection) if connection.get_autocommit() else nullcontext():
            QuerySet(model).using(connection.alias).bulk_update([*rows, *kept], self._names)
        forget_statements(len(rows))


_TEXTS = (CharField, TextField)  # which send a text as it is; others that derive from them may not


class _Table:
    """The columns that a batch writes, and the statement for one row, as `save()` runs it."""

    _misses_rows = True  # so that a row that is gone is an error
    _finds_all = True  # or the rows go one by one

    def __init__(self, model: Any, alias: str, names: Sequence[str]) -> None:
        meta = model._meta
        self._model = model
        self._alias = alias
        self.connection = connections[alias]
        self.name = meta.db_table
        self.key = meta.pk
        # In the order of save(), which asks them for their values.
        self.fields = [f for f in meta.concrete_fields if f.name in names or f.attname in names]
        self._attributes = [field.attname for field in self.fields]
        self._is_plain = _is_saved_plainly(model, self.fields, names)
        self._types: list[str] | None = None  # of the columns, where rows may be joined; else []
        self._has_relations = any(f.is_relation for f in [*meta.fields, *meta.private_fields])

    def holds(self, row: Any, alias: str) -> bool:
        return type(row) is self._model and alias == self._alias

    def values_of(self, row: Any) -> list[Any] | None:
        """Return what `save()` would send, the key last; None for a row that must save itself."""
        if not self._is_plain or row.pk is None or row._state.adding:
            return None
        # What save() does first, so that a foreign key has the key of a row that was saved after
        # it was assigned (not documented, since Django 3.2).
        if self._has_relations and not self._prepares_relations(row):
            return None
        state = vars(row)
        for name in self._attributes:
            if type(state.get(name, self)) not in _CONSTANTS and (
                name not in state or _is_computed(state[name])
            ):
                return None
        sent = self._sent(self._value(field, row) for field in self.fields)
        if sent is None:
            return None
        return [*sent, self.key.get_db_prep_value(row.pk, connection=self.connection)]

    def _sent(self, values: Iterable[Any]) -> list[Any] | None:
        """Return what is sent of the values of the fields; None where one is SQL, or may change."""
        sent = []
        for field, value in zip(self.fields, values, strict=True):
            if type(value) is str and type(field) in _TEXTS:
                sent.append(value)
                continue
            prepared = field.get_db_prep_save(value, connection=self.connection)
            if type(prepared) not in _CONSTANTS and not isinstance(prepared, _FIXED):
                if hasattr(prepared, "as_sql"):
                    return None
                if isinstance(value, (dict, list)):
                    prepared = field.get_db_prep_save(deepcopy(value), connection=self.connection)
                elif not isinstance(value, _FIXED):
                    return None
            sent.append(prepared)
        return sent

    def _prepares_relations(self, row: Any) -> bool:
        row._prepare_related_fields_for_save(operation_name="save")
        return True

    def _value(self, field: Any, row: Any) -> Any:
        return field.pre_save(row, False)

    def update(self, rows: list[list[Any]]) -> None:
        """Run the statement for each row, up to one that cannot be written. Raises its error."""
        calls = self._calls(rows)
        _write(self.connection, rows, self._update_together, self._update_one_by_one, calls)

    def _calls(self, rows: list[list[Any]]) -> int:
        """Return how often `_update_together` goes to the server."""
        with self.connection.cursor() as cursor:
            way = _way_to_run_many(self.connection, cursor)
        if way is _one_by_one:
            return 1
        if way is _prepared:
            return 3
        ends = 2 if way is _prepared_and_joined else 0
        packets = sum(1 for _ in _packets(rows, len(self._statement(_place))))
        return ends + packets + self._finds_all

    def _update_together(self, rows: list[list[Any]]) -> None:
        with self.connection.cursor() as cursor:
            found = self._update_in_one(cursor, rows)
            if found is None:
                found = _way_to_run_many(self.connection, cursor)(cursor, self._statement, rows)
            if self._finds_all and (
                self._gone(cursor, rows) if found is None else len(rows) - found
            ):
                raise DatabaseError("rows are gone")

    def _update_in_one(self, cursor: Any, rows: list[list[Any]]) -> int | None:
        """
        Write the rows by one statement, return how many it found; None where it may not do the same.

        It does what one for each row does, in order, where each row comes once, and none of them
        is looked at, or in the way, when another is written: the catalogue says so. An earlier
        value of a row that comes twice might be refused. If the statement fails, it is taken back,
        the rows go one by one, and it is not tried again.
        """
        way = _way_to_join(self.connection)
        if way is None or len(rows) < _MANY or len({row[-1] for row in rows}) < len(rows):
            return None
        facts, join = way
        if self._types is None:
            columns = [field.column for field in self.fields]
            self._types = _types_of(cursor, facts, self.name, columns, self.key.column)
        types, self._types = self._types, []
        found = join(cursor, self, types, rows) if types else None
        self._types = types
        return found

    def _update_one_by_one(self, rows: list[list[Any]]) -> None:
        statement = self._statement(_place)
        with self.connection.cursor() as cursor:
            for row in rows:
                cursor.execute(statement, row)
                if self._misses_rows and not cursor.rowcount:
                    error = getattr(self._model, "NotUpdated", DatabaseError)  # since Django 6.0
                    label = self._model._meta.label
                    raise error(f"{label} with the primary key {row[-1]!r} was saved, but is gone")

    def _gone(self, cursor: Any, rows: list[list[Any]]) -> int:
        """Count the rows that are not in the table."""
        quote = self.connection.ops.quote_name
        keys = list(dict.fromkeys(row[-1] for row in rows))
        # MySQL counts rows as they were when the transaction began, but not those that it locks.
        lock = " FOR UPDATE" if self.connection.vendor == "mysql" else ""
        cursor.execute(
            f"SELECT COUNT(*) FROM {quote(self.name)}"
            f" WHERE {quote(self.key.column)} IN ({', '.join(['%s'] * len(keys))}){lock}",
            keys,
        )
        return len(keys) - int(cursor.fetchone()[0])

    def _statement(self, place: Callable[[int], str]) -> str:
        """Return the UPDATE with `place(1)`, `place(2)`... for its values."""
        quote = self.connection.ops.quote_name
        key = f"{quote(self.key.column)} = {place(len(self.fields) + 1)}"
        return f"UPDATE {quote(self.name)} SET {self.assignments(place)} WHERE {key}"

    def assignments(self, place: Callable[[int], str]) -> str:
        quote = self.connection.ops.quote_name
        return ", ".join(
            f"{quote(field.column)} = {self._cast(field, place(number))}"
            for number, field in enumerate(self.fields, 1)
        )

    def _cast(self, field: Any, value: str) -> str:
        return value


class _BulkTable(_Table):
    """The same as `bulk_update()` does it: no `pre_save`, and nothing is said of rows that are gone."""

    _misses_rows = False
    _finds_all = False

    def update(self, rows: list[list[Any]]) -> None:
        """The same, where each row is sent by itself as `bulk_update()` runs: an error breaks the transaction."""
        with self.connection.cursor() as cursor:
            plainly = _way_to_run_many(self.connection, cursor) is _one_by_one
        if not plainly or not self.connection.in_atomic_block:
            super().update(rows)
            return
        forget_statements = _after_chunk(self.connection, None)
        with transaction.atomic(using=self._alias, savepoint=False):
            self._update_together(rows)
        forget_statements(len(rows))

    def values_of(self, row: Any) -> list[Any] | None:
        state = vars(row)
        if not all(self._stays(f, state.get(f.attname)) for f in self.fields):
            return None  # it may change until the end of the block
        return super().values_of(row)

    def _stays(self, field: Any, value: Any) -> bool:
        return isinstance(value, _FIXED)

    def _prepares_relations(self, row: Any) -> bool:
        try:
            row._prepare_related_fields_for_save(operation_name="bulk_update", fields=self.fields)
        except ValueError:  # one that is not saved may be by then
            return False
        return True

    def _value(self, field: Any, row: Any) -> Any:
        return getattr(row, field.attname)

    def _cast(self, field: Any, value: str) -> str:
        # By which PostgreSQL cuts off what is too long for a column.
        if not self.connection.features.requires_casted_case_in_updates:
            return value
        return f"CAST({value} AS {field.cast_db_type(self.connection)})"


class _FinalTable(_BulkTable):
    """The same for rows whose documents nothing changes any more."""

    def _stays(self, field: Any, value: Any) -> bool:
        return isinstance(value, (*_FIXED, list, dict) if isinstance(field, JSONField) else _FIXED)


def _is_saved_plainly(model: Any, fields: Sequence[Any], names: Sequence[str]) -> bool:
    """Say whether `save()` runs one UPDATE of one table, with nothing in it but values."""
    meta = model._meta.concrete_model._meta
    return (
        _is_updated_plainly(model, fields, names)
        and type(meta.concrete_model._base_manager) is Manager  # others may hide rows
        and all(
            getattr(model, method) is getattr(Model, method)
            for method in ("save", "save_base", "_save_table", "_do_update")
        )
        # Django 6.0 reads these again after each save().
        and not any(getattr(field, "generated", False) for field in meta.concrete_fields)
        # Code of others might look for rows that wait.
        and all(field.pre_save.__module__.startswith("django.") for field in fields)
    )


def _is_updated_plainly(model: Any, fields: Sequence[Any], names: Sequence[str]) -> bool:
    """Say whether an UPDATE of these fields, by the key, is one of one table, with places for values."""
    meta = model._meta.concrete_model._meta
    columns = [*fields, meta.pk]
    return (
        {name for f in fields for name in (f.name, f.attname)}.issuperset(names)
        and meta.pk not in fields  # of this, and of names that are no fields, save() complains
        and bool(meta.pk.column)  # a composite key has none
        and not meta.parents  # which have tables of their own
        # Geometry, arrays and binary data have SQL around their values (by the first name until
        # Django 6.1).
        and not any(
            hasattr(field, "get_placeholder") or hasattr(field, "get_placeholder_sql")
            for field in columns
        )
        and meta.pk.get_lookup("exact").__module__.startswith("django.")
    )


def _is_computed(value: Any) -> bool:
    """Say whether `save()` makes SQL, or the key of a row, of a value."""
    return type(value) not in _FIXED and (
        hasattr(value, "resolve_expression") or hasattr(value, "prepare_database_save")
    )


def update_by_key(source: Any, *, batch_size: int = 1000) -> _KeyBatch:
    """
    Give a batch whose `filter(pk=key).update(**values)` stands for that of `source`, many in one go.

    `source` is a model, a manager or a queryset, of all rows. The values are those of the moment of
    `update`; nothing is returned. They are written, each row by an UPDATE of its own and in order or
    by one statement that does the same, after `batch_size` rows or a megabyte, and when the block
    ends, also by an error. A row that is not there is passed over. Where `update()` would send
    anything but values (`F()`), or look for rows by another column, or is not Django's own, it is
    called, after what waits is written; so is what waits before an update of other fields.

    In between no query sees what waits. An error of the database comes when the batch is written,
    with the rows before that one written and those after it not, as by the `update()` of each.
    Outside of the block, and in one of a generator or coroutine, rows are updated at once.

    Raises ValueError for a wrong argument, and where the connection is lost, or is not the one that
    the rows were updated on, OperationalError.
    """
    return _KeyBatch(source, batch_size)


class _KeyBatch(_Batch):
    """See `update_by_key`."""

    def __init__(self, source: Any, batch_size: int) -> None:
        super().__init__(batch_size)
        self._source = source._default_manager if isinstance(source, type) else source
        self._table: _KeyTable | None = None

    @property
    def _connection(self) -> Any:
        return self._table and self._table.connection

    def filter(self, **lookup: Any) -> SimpleNamespace:
        """Return what has an `update(**values)` for the row with this key."""
        return SimpleNamespace(update=partial(self._update, lookup))

    def _update(self, lookup: dict[str, Any], /, **values: Any) -> None:
        alias = _alias_of(self._source.all())
        if self._table is None or not self._table.takes(alias, values):
            self.flush()
            self._table = _KeyTable(self._source, alias, [*values])
        row = self._table.row_of(lookup, values)
        if row is None:
            self.flush()
            self._source.filter(**lookup).update(**values)
        else:
            self._wait(row, 32 * len(row) + _size_of(row))

    def _write(self, rows: list[list[Any]]) -> None:
        if self._table is not None:
            self._table.update(rows)


def _alias_of(rows: Any) -> str:
    """Return the database that a queryset writes to."""
    # _db, _hints: what using() and related managers say of the database (since Django 1.7).
    alias: str = rows._db or router.db_for_write(rows.model, **rows._hints)
    return alias


class _KeyTable(_Table):
    """The same as `filter(pk=key).update()` does it: no `pre_save`, and nothing is said of rows that are gone."""

    _misses_rows = False

    def __init__(self, source: Any, alias: str, names: list[str]) -> None:
        super().__init__(source.model, alias, names)
        self._names = {*names}
        # The names that are given, in the order of the fields.
        self._given = [f.name if f.name in names else f.attname for f in self.fields]
        self._is_plain = (
            {*self._given} == self._names
            and _is_of_all_rows(source)
            and _is_updated_plainly(source.model, self.fields, names)
            # A value for such a column is an error.
            and not any(getattr(field, "generated", False) for field in self.fields)
        )
        self._keys = _keys_of(self.key, self.connection) if self._is_plain else None
        self._goes_singly = False

    def takes(self, alias: str, values: dict[str, Any]) -> bool:
        return alias == self._alias and values.keys() == self._names

    def row_of(self, lookup: dict[str, Any], values: dict[str, Any]) -> list[Any] | None:
        """Return what `update()` would send, the key last; None where it has to send it itself."""
        name, key = next(iter(lookup.items()), ("", None))
        named = len(lookup) == 1 and name in ("pk", self.key.name)
        if self._keys is None or not named or not self._keys(key):
            return None
        known = [
            # The key of a row, as the value of a relation.
            (
                value.prepare_database_save(field)
                if field.remote_field and hasattr(value, "prepare_database_save")
                else value
            )
            for field, value in zip(
                self.fields, (values[name] for name in self._given), strict=True
            )
        ]
        if any(type(value) not in _CONSTANTS and _is_computed(value) for value in known):
            return None
        sent = self._sent(known)
        if sent is None:
            return None
        return [*sent, self.key.get_db_prep_value(key, connection=self.connection)]

    def _calls(self, rows: list[list[Any]]) -> int:
        return len(rows) if self._goes_singly else super()._calls(rows)

    def _update_together(self, rows: list[list[Any]]) -> None:
        """
        The same. Where rows are gone, the batch goes one by one, and so do those after it.

        A value that does not fit is an error for the server in a statement for no row, too, unless
        it is one of many in it.
        """
        self._goes_singly = True
        super()._update_together(rows)
        self._goes_singly = False


def _is_of_all_rows(source: Any) -> bool:
    """Say whether the manager or queryset filters and updates as Django's own, and leaves out no row."""
    rows = source.all()
    query = rows.query
    finds_plainly = type(source).filter in (Manager.filter, QuerySet.filter)
    return (
        finds_plainly
        and type(rows) is QuerySet
        and not (
            query.where
            or query.is_sliced
            or query.combinator
            or query.distinct
            or query.annotations
        )
    )


def _keys_of(field: Any, connection: Any) -> Callable[[Any], bool] | None:
    """
    Return what says whether a value is a key as `filter(pk=...)` sends it; None where nobody knows.

    Of another value, or none, `filter()` may find that no row has it, and send nothing.
    """
    if field.is_relation:
        return None
    if isinstance(field, IntegerField):
        low, high = connection.ops.integer_field_range(field.get_internal_type())
        numbers = range(-(2**63) if low is None else low, (2**63 if high is None else high + 1))
        return lambda key: type(key) is int and key in numbers
    kind = UUID if isinstance(field, UUIDField) else str if type(field) in _TEXTS else None
    return kind and (lambda key: type(key) is kind)


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


def create_in_batches(source: Any, *, batch_size: int = 1000) -> _CreateBatch:
    """
    Give a batch whose methods stand for those that insert one row, many in one go.

    `source` is a model, a manager or a queryset. `create(**values)` stands for
    `source.create(**values)`, `add(row)` for `row.save()` of a new row, and `append(row)` for that of
    a list which goes to `source.bulk_create()`. They return nothing: the row has no key yet.

    The values are those of the moment of the call, with what the fields compute for it
    (`auto_now_add`, defaults); of `append` those of the moment at which the batch is inserted, as
    a list holds its rows, too. The rows are inserted in order, so that they get the keys that they
    would get one by one: after every `batch_size` of them, or about a megabyte, and when the block
    ends, also by an error of the block. In between no query sees what waits. Rows that a batch
    would not insert as `create()` does are inserted at once: those of models with parents in other
    tables, with a `save()`, manager or signals of their own, or with values that only the database
    computes.

    An error of the database comes when the batch is written, not at the call that is its cause.
    The rows before that one are inserted and those after it are not, as by `create()`; the keys of
    the former may be greater than those by `create()`, since PostgreSQL and MariaDB count on after
    a batch that failed. Of `append` a batch is inserted as a whole or, with an error, not at all,
    and the transaction ends; an error of the block leaves out what waits, since `bulk_create()`
    would not be reached.

    Raises ValueError for a wrong argument, and where the connection is lost, or is not the one that
    the rows were created on, OperationalError: none of them is written in another session, without
    the settings, locks and temporary tables of theirs.
    """
    return _CreateBatch(source, batch_size)


_New = tuple[list[Any], SimpleNamespace]  # the fields to write, and their values


class _CreateBatch(_Batch):
    """New rows of one model that wait to be inserted, see `create_in_batches`."""

    def __init__(self, source: Any, batch_size: int) -> None:
        super().__init__(batch_size)
        self._source = source._default_manager if isinstance(source, type) else source
        self._model = self._source.model
        self._columns = _Columns(self._model)
        self._plain_rows: Any = None  # of a source that gives the same rows whenever it is asked
        self._alias, self._is_list = "", False
        self._kept: list[Any] = []  # for one bulk_create() at the end of the block
        self._keeps, self._list_size = False, 1

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is not None and self._is_list:
            self._waiting.clear()
        super().__exit__(kind, error, traceback)
        if error is None and self._kept:
            self._source.bulk_create(self._kept)

    @property
    def _connection(self) -> Any:
        return connections[self._alias]

    def create(self, **values: Any) -> None:
        """Insert a row of these values with the next batch."""
        if not self._columns.names.issuperset(values) or not self._is_own_of_django("create"):
            self.flush()
            self._source.create(**values)
            return
        row, alias = self._model(**values), _alias_of(self._rows)
        if not self._saves_plainly() or not self._waits(row, alias):
            self.flush()
            row.save(force_insert=True, using=alias)

    def add(self, row: Any) -> None:
        """Insert `row`, which is new, with the next batch, as it is now."""
        # Where the key is given, save() looks for such a row first.
        is_new = row._state.adding and (row.pk is None or row._meta.pk.has_default())
        alias = router.db_for_write(type(row), instance=row)
        plain = type(row) is self._model and self._saves_plainly()
        if not is_new or not plain or not self._waits(row, alias):
            self.flush()
            row.save()

    def append(self, row: Any) -> None:
        """Insert `row` with the next batch, as `bulk_create()` does at the end of the block."""
        if not (self._is_list and self._waiting):
            self._begin_list()
        if self._keeps:
            self._kept.append(row)
            return
        self._waiting.append(row)
        if self._columns.are_wide:
            self._bytes += _size_of(vars(row).values())
        if len(self._waiting) >= self._list_size or self._bytes >= _BLOCK_BYTES:
            self.flush()

    def _begin_list(self) -> None:
        """Ask what holds for every row of a batch: this is most of what `append` costs."""
        self.flush()
        self._is_list, self._alias = True, _alias_of(self._rows)
        self._session = _session(self._connection)
        self._keeps = self._stands_still or not self._is_own_of_django("bulk_create")
        self._list_size = self._columns.rows_of_statements(self._connection, self._batch_size)
        if not self._is_open:
            self._list_size = 1

    def _write(self, rows: list[Any]) -> None:
        if self._is_list:
            # Rows of the list may be there already: its error ends the transaction, as that of one
            # bulk_create() with several statements does (until Django 6.0 also with a single one).
            as_one: AbstractContextManager[Any] = nullcontext()
            if self._connection.in_atomic_block:
                as_one = transaction.atomic(using=self._alias, savepoint=False)
            with as_one:
                self._source.bulk_create(rows)
        else:
            calls = sum(1 for _ in self._statements(rows))
            _write(self._connection, rows, self._insert, self._insert_one_by_one, calls)

    def _insert(self, rows: list[_New]) -> None:
        for fields, alike in self._statements(rows):
            # _insert: what bulk_create() runs (since Django 1.4). raw: the values are computed.
            self._model._base_manager._insert(alike, fields=fields, using=self._alias, raw=True)

    def _statements(self, rows: list[_New]) -> Iterator[tuple[list[Any], list[Any]]]:
        """Yield the fields and the rows of one INSERT after the other."""
        for fields, run in groupby(rows, key=itemgetter(0)):  # rows with a key and without
            alike = [row for _, row in run]
            size = max(connections[self._alias].ops.bulk_batch_size(fields, alike), 1)
            for start in range(0, len(alike), size):
                yield fields, alike[start : start + size]

    def _insert_one_by_one(self, rows: list[_New]) -> None:
        for row in rows:
            self._insert([row])

    def _waits(self, row: Any, alias: str) -> bool:
        """Take the values that `save()` would send; say False of a row that must save itself."""
        new = self._columns.of(row)
        if new is None:
            return False
        fields, values = new
        for field in fields:  # raises here, not in the batch, for what cannot be stored
            field.get_db_prep_save(getattr(values, field.attname), connection=connections[alias])
        if alias != self._alias or self._is_list:
            self.flush()
            self._alias, self._is_list = alias, False
        self._wait(new, _size_of(vars(values).values()))
        return True

    @property
    def _rows(self) -> Any:
        """The queryset of the source, which is made once where it is always the same: of Django's own."""
        if self._plain_rows is not None:
            return self._plain_rows
        rows, kind = self._source.all(), type(self._source)
        if kind in (QuerySet, Manager):
            self._plain_rows = rows
        return rows

    def _is_own_of_django(self, method: str) -> bool:
        """Say whether the method of `source` is Django's, whatever class the project gave it."""
        return getattr(type(self._rows), method) is getattr(QuerySet, method) and (
            isinstance(self._source, QuerySet)
            or getattr(type(self._source), method) is getattr(Manager, method)
        )

    def _saves_plainly(self) -> bool:
        model = self._model
        own = model.save is Model.save and model.save_base is Model.save_base
        return own and not (pre_save.has_listeners(model) or post_save.has_listeners(model))


def link_in_batches(*, batch_size: int = 1000) -> _LinkBatch:
    """
    Give a batch whose `of(row.tags).add(tag)` stands for `row.tags.add(tag)`, many in one go.

    A pair that is there already is left alone, as by `add()`. The pairs are inserted by a statement
    each, in order, so that they get the numbers that they would get one by one: after every
    `batch_size` of them, and when the block ends, also by an error. In between no query sees what
    waits. Where `add()` is more than that one statement, it is called, after what waits is written:
    for several rows at once, relations to the same model, models between the two that are the
    project's own, receivers of `m2m_changed`, and databases that ignore no pairs.

    Outside of the block, and in one of a generator or coroutine, pairs are inserted at once.

    Raises ValueError for a wrong argument, what `add()` raises for a row, and where the connection is
    lost, or is not the one that the pairs were added on, OperationalError.
    """
    return _LinkBatch(batch_size)


class _LinkBatch(_Batch):
    """See `link_in_batches`."""

    def __init__(self, batch_size: int) -> None:
        super().__init__(batch_size)
        self._table: _PairTable | None = None

    @property
    def _connection(self) -> Any:
        return self._table and self._table.connection

    def of(self, manager: Any) -> SimpleNamespace:
        """Return what has an `add()` for the relation that the manager is of."""
        return SimpleNamespace(add=partial(self._add, manager))

    def _add(self, manager: Any, /, *rows: Any, **options: Any) -> None:
        pair = self._pair_of(manager, rows) if len(rows) == 1 and not options else None
        if pair is None:
            self.flush()
            manager.add(*rows, **options)
        else:
            self._wait(pair, 64)

    def _pair_of(self, manager: Any, rows: tuple[Any, ...]) -> list[Any] | None:
        """Return the keys that `add()` would insert; None where it does more than that."""
        if not _is_added_plainly(manager):
            return None
        alias = router.db_for_write(manager.through, instance=manager.instance)
        # _get_add_plan: whether one INSERT does it all, _get_target_ids: the keys (since Django 3.0).
        if not manager._get_add_plan(alias, manager.source_field_name)[2]:
            return None
        if self._table is None or not self._table.is_of(manager, alias):
            self.flush()
            self._table = _PairTable(manager, alias)
        [key] = manager._get_target_ids(manager.target_field_name, rows)
        manager._remove_prefetched_objects()  # (since Django 2.0)
        return self._table.pair_of(
            {manager.source_field_name: manager.related_val[0], manager.target_field_name: key}
        )

    def _write(self, rows: list[list[Any]]) -> None:
        if self._table is not None:
            self._table.update(rows)


def _is_added_plainly(manager: Any) -> bool:
    """Say whether the manager is one of Django's, of pairs that have nothing but two keys and a number."""
    through = getattr(manager, "through", None)
    # What is asked of a manager; those of another Django, or of a package, may lack it.
    asked = ("_get_add_plan", "_get_target_ids", "_remove_prefetched_objects", "symmetrical")
    if through is None or not all(hasattr(manager, name) for name in asked) or manager.symmetrical:
        return False
    meta = through._meta
    return (
        bool(meta.auto_created)
        and type(manager).add.__module__ == "django.db.models.fields.related_descriptors"
        and type(through._default_manager) is Manager
        and meta.pk is meta.auto_field
        and not meta.pk.has_default()
        and {field.name for field in meta.concrete_fields}
        == {meta.pk.name, manager.source_field_name, manager.target_field_name}
    )


class _PairTable(_Table):
    """The pairs of a many-to-many relation, each inserted by the statement of `add()`."""

    _misses_rows = False
    _finds_all = False

    def __init__(self, manager: Any, alias: str) -> None:
        names = (manager.source_field_name, manager.target_field_name)
        super().__init__(manager.through, alias, names)

    def is_of(self, manager: Any, alias: str) -> bool:
        return manager.through is self._model and alias == self._alias

    def pair_of(self, keys: dict[str, Any]) -> list[Any] | None:
        return self._sent(keys[field.name] for field in self.fields)

    def _update_in_one(self, cursor: Any, rows: list[list[Any]]) -> int | None:
        return None  # a pair that is there uses up a number in a statement of its own alone

    def _statement(self, place: Callable[[int], str]) -> str:
        ops = self.connection.ops
        columns = ", ".join(ops.quote_name(field.column) for field in self.fields)
        # As SQLInsertCompiler puts it together (since Django 4.1).
        start = ops.insert_statement(on_conflict=OnConflict.IGNORE)
        end = ops.on_conflict_suffix_sql(self.fields, OnConflict.IGNORE, [], [])
        return (
            f"{start} {ops.quote_name(self.name)} ({columns}) VALUES ({place(1)}, {place(2)}) {end}"
        )


_LIST = 500  # rows of a list that go to bulk_create()
_NARROW = """
    AutoField BigAutoField SmallAutoField IntegerField BigIntegerField SmallIntegerField
    PositiveIntegerField PositiveBigIntegerField PositiveSmallIntegerField BooleanField FloatField
    DateField DateTimeField TimeField DurationField UUIDField GenericIPAddressField
""".split()


class _Columns:
    """What an INSERT takes of the new rows of a model; a proxy stands for its model."""

    def __init__(self, model: Any) -> None:
        meta = model._meta.concrete_model._meta
        fields = [f for f in meta.concrete_fields if not getattr(f, "generated", False)]
        self.names = {"pk", *(n for f in meta.concrete_fields for n in (f.name, f.attname))}
        self._key = meta.pk
        self._with_key = fields
        self._without_key = [field for field in fields if field is not meta.auto_field]
        self._is_plain = not meta.order_with_respect_to and all(
            _is_in_table(field, meta) for field in meta.concrete_fields
        )
        self._has_relations = any(f.is_relation for f in [*meta.fields, *meta.private_fields])
        self._attributes = [field.attname for field in fields]
        # With a first one twice, since of a single attribute it gives no tuple.
        self._values_of = attrgetter(self._attributes[0], *self._attributes)
        self.are_wide = sum(map(_most_characters, fields)) * _LIST > _BLOCK_BYTES
        self._computed = [f for f in fields if type(f).pre_save is not Field.pre_save]

    def rows_of_statements(self, connection: Any, most: int) -> int:
        """
        Return after how many rows `bulk_create()` sends them in full statements.

        They are few: more of them would live so long that the collector of garbage looks through
        everything that the process holds, again and again.
        """
        step = connection.ops.bulk_batch_size(self._without_key, range(most))
        step = min(max(step, 1), most)
        return max(step, min(_LIST, most) // step * step)

    def of(self, row: Any) -> _New | None:
        """Return what `save()` would insert, None where that is SQL, or goes to several tables."""
        if not self._is_plain:
            return None
        if self._has_relations:
            # What save() does first (not documented, since Django 3.2); raises for unsaved rows.
            row._prepare_related_fields_for_save(operation_name="save")
        if row.pk is None and (key := self._key.get_pk_value_on_save(row)) is not None:
            row.pk = key
        values = dict(zip(self._attributes, self._values_of(row)[1:], strict=True))
        if not _CONSTANTS.issuperset(map(type, values.values())):
            if any(hasattr(value, "resolve_expression") for value in values.values()):
                return None
            values = {name: _snapshot(value) for name, value in values.items()}
        for field in self._computed:
            values[field.attname] = _snapshot(field.pre_save(row, True))
        has_key = values.get(self._key.attname) is not None
        return self._with_key if has_key else self._without_key, SimpleNamespace(**values)


def _most_characters(field: Any) -> int:
    """Return how long the values of the field may be, _BLOCK_BYTES where nobody knows."""
    field = field.target_field if field.is_relation else field
    if field.get_internal_type() in _NARROW:
        return 32
    return field.max_length or _BLOCK_BYTES


def _is_in_table(field: Any, meta: Any) -> bool:
    """Say whether the field is one column of the model's own table."""
    return bool(field.column) and field.model._meta.db_table == meta.db_table


def _snapshot(value: Any) -> Any:
    """Return what later changes of the value do not reach."""
    mutable = isinstance(value, (list, dict, set, tuple, bytearray))
    return deepcopy(value) if mutable else value


def update_in_windows(
    queryset: Any,
    /,
    *,
    size: int = 10_000,
    pause: float = 0,
    progress: Callable[[int], object] | None = None,
    **values: Any,
) -> int:
    """
    Do what `queryset.update(**values)` does, for `size` rows at a time; return how many there were.

    The rows are taken in the order of their keys, from the lowest to what is the highest when it
    begins, and each window of them is an UPDATE of its own that is committed before the next one
    begins. So others wait for one window at most, and no row comes twice, whatever the values do to
    the condition. What others change meanwhile counts as it is when its window comes.

    After an error the windows before it are done. Running it again does the rest: the values do not
    read what they change, so that a row which is done, and still meets the condition, stays as it
    is. `pause` is for how many seconds to wait between two windows, `progress` is called after each
    with the number of rows done.

    Raises ValueError, before anything is done, for what is not the same in windows: keys other than
    integers and UUIDs, columns in several tables, a queryset class of the project, slices, order,
    annotations, joins and subqueries, expressions other than plain arithmetic and functions of the
    row's own columns, values for keys, unique columns or from columns that are changed themselves;
    and TransactionManagementError in a transaction, which would keep all locks until its end.
    """
    rows = _in_one_table(queryset)
    _check_assigned(rows, values)
    chunk_done = _after_chunk(connections[rows.db], progress)
    done = 0
    for window in _windows(rows, size, pause):
        done += window.update(**values)
        chunk_done(done)
    _forget_rows(queryset)
    return done


def delete_in_windows(
    queryset: Any,
    /,
    *,
    size: int = 10_000,
    pause: float = 0,
    progress: Callable[[int], object] | None = None,
) -> tuple[int, dict[str, int]]:
    """
    Do what `queryset.delete()` does, for `size` rows at a time; return what it returns.

    All is as with `update_in_windows`. Raises ValueError also where `delete()` is more than one
    statement, since something cascades, is a row of the same table or is told by signals.
    """
    rows = _in_one_table(queryset)
    fields = rows.model._meta.get_fields()
    # can_fast_delete: whether delete() is this one statement (not documented, since Django 1.5).
    if not Collector(using=rows.db).can_fast_delete(rows) or any(
        field.related_model is rows.model for field in fields if field.is_relation
    ):
        raise ValueError(f"delete() of {rows.model._meta.label} takes more than its own rows along")
    chunk_done = _after_chunk(connections[rows.db], progress)
    deleted: dict[str, int] = {}
    for window in _windows(rows, size, pause):
        for label, number in window.delete()[1].items():
            deleted[label] = deleted.get(label, 0) + number
        chunk_done(sum(deleted.values()))
    _forget_rows(queryset)
    return sum(deleted.values()), deleted


def _windows(rows: Any, size: int, pause: float) -> Iterator[Any]:
    """Yield the rows as querysets of `size` each, by ranges of keys: the next once the last is done."""
    if size < 1 or pause < 0:
        raise ValueError(f"size must be 1 or more, not {size!r}, and pause not below 0: {pause!r}")
    highest = rows.order_by("-pk").values_list("pk", flat=True).first()
    if highest is None:
        return
    behind = rows
    while True:
        keys = behind.filter(pk__lte=highest).order_by("pk").values_list("pk", flat=True)
        end = next(iter(keys[size - 1 : size]), highest)
        yield behind.filter(pk__lte=end)
        if end == highest:
            return
        behind = rows.filter(pk__gt=end)
        sleep(pause)


def _forget_rows(queryset: Any) -> None:
    """Let a queryset that was evaluated run its query again, as after `update()` and `delete()`."""
    if isinstance(queryset, QuerySet):
        queryset._result_cache = None


# The keys that every database orders as it compares them, whatever its collation, and gives back as
# they are stored.
_ORDERED_KEYS = frozenset(
    {AutoField, BigAutoField, SmallAutoField, IntegerField, BigIntegerField, UUIDField}
)
# What a query without any methods but filter() and exclude() fills: conditions and its own table.
_OF_CONDITIONS = frozenset(
    {
        "where",
        "alias_map",
        "alias_refcount",
        "table_map",
        "used_aliases",
        "base_table",
        "_lookup_joins",
    }
)
_OWN_LOOKUPS = ("django.db.models.lookups", "django.db.models.fields.related_lookups")
_OWN_FUNCTIONS = tuple(f"django.db.models.functions.{name}" for name in ("comparison", "text"))


def _in_one_table(queryset: Any) -> Any:
    """Return the rows, on the database that is written to. Raises as `update_in_windows`."""
    rows = queryset.all()
    meta, query, plain = rows.model._meta, rows.query, QuerySet(rows.model).query
    if type(rows) is not QuerySet:
        raise ValueError(f"{type(rows).__name__} may do something else than Django's own querysets")
    if meta.parents or meta.proxy or any(getattr(f, "generated", False) for f in meta.fields):
        raise ValueError(f"{meta.label} is not one plain table of its own")
    if type(meta.pk) not in _ORDERED_KEYS:
        raise ValueError(f"the key of {meta.label} is neither an integer nor a UUID")
    for name, value in vars(query).items():
        if name not in _OF_CONDITIONS and value != getattr(plain, name, None):
            raise ValueError(f"the queryset has more than conditions: {name} is {value!r}")
    if query.count_active_tables() > 1 or not _is_of_row(query.where):
        raise ValueError("a condition reads more than columns of the row itself")
    alias = _alias_of(rows)
    connection = connections[alias]
    if not connection.get_autocommit():  # nor is it in atomic()
        raise transaction.TransactionManagementError(
            "windows are committed one by one, which a transaction around them prevents: set"
            " `atomic = False` in the migration"
        )
    return rows.using(alias)


def _is_of_row(part: Any) -> bool:
    """Say whether a part of a condition or value is made of the row's own columns and constants."""
    if isinstance(part, (list, tuple, set, frozenset)):
        return all(map(_is_of_row, part))
    kind = type(part)
    if kind is WhereNode:
        return all(map(_is_of_row, part.children))
    if isinstance(part, Lookup):
        return kind.__module__ in _OWN_LOOKUPS and _is_of_row(part.lhs) and _is_of_row(part.rhs)
    if kind in (CombinedExpression, ExpressionWrapper) or kind.__module__ in _OWN_FUNCTIONS:
        return all(map(_is_of_row, part.get_source_expressions()))
    if kind in (Col, Value, NothingNode):
        return True
    return not hasattr(part, "as_sql") and not hasattr(part, "resolve_expression")


def _check_assigned(rows: Any, values: dict[str, Any]) -> None:
    """Raise ValueError for values that windows, or a second run, would not leave alike."""
    meta = rows.model._meta
    fields = [meta.pk if name == "pk" else meta.get_field(name) for name in values]
    names = {field.name for field in fields}
    unique = {name for group in meta.unique_together for name in group}
    unique |= {field.name for field in meta.fields if field.unique}
    for constraint in meta.constraints:
        if type(constraint) is not CheckConstraint:
            # Without fields it is one of expressions; a condition may read any column.
            plain = type(constraint) is UniqueConstraint and constraint.condition is None
            unique.update((plain and constraint.fields) or names)
    if names & unique:
        raise ValueError(f"{', '.join(sorted(names & unique))} must be unique")
    for name, value in values.items():
        if not hasattr(value, "resolve_expression"):
            continue
        resolved = value.resolve_expression(rows.query.chain(), allow_joins=False, for_save=True)
        if not _is_of_row(resolved):
            raise ValueError(f"the value for {name} is not made of the row's own columns alone")
        read = {part.target.name for part in resolved.flatten() if type(part) is Col}
        if read & names:
            raise ValueError(
                f"the value for {name} reads {', '.join(sorted(read & names))}, which changes: after"
                " an error, a second run would change again what is done"
            )
