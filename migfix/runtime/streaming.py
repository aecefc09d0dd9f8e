"""
Loop over the rows of a query without holding them all in memory.

Written by migfix, which put this file next to your migrations. It needs Django 4.2 or newer and nothing else, so
it works without migfix installed and may stay here for ever; please do not edit it. A loop over `stream(queryset)`
sees the same rows, in the same order and with the same values, as a loop over `queryset`: all as they were when the
loop started, whatever the loop then writes. `stream_sql` does the same for a SELECT statement.
"""

from __future__ import annotations

import copyreg
import errno
import importlib
import io
import pickle
import re
from collections import deque
from contextlib import ExitStack, closing, contextmanager, nullcontext
from copy import copy
from itertools import chain, islice
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any

from django.conf import settings
from django.db import connections, transaction
from django.db.models import QuerySet, prefetch_related_objects
from django.db.models.manager import BaseManager
from django.db.models.query import RawQuerySet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

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
    Yield what `for row in source` yields, holding at most about `chunk_size` rows.

    `source` is a queryset, a manager or a raw queryset; its query runs when the first row is asked for. A queryset
    that is already evaluated, or any other iterable, is only iterated. Two things differ from the plain loop: the
    cache of the queryset stays empty, and `prefetch_related` objects are read (and shared) per `chunk_size` rows, so
    later ones show what the loop changed in them.

    `mode` says where the rows wait for the loop:
    - "server": in a cursor of the database (PostgreSQL and Oracle). Inside the loop, no COMMIT, no ROLLBACK of what
      surrounds the start of the loop, no ALTER or TRUNCATE of the tables read.
    - "spool": in an unnamed temporary file, about as large as the data, in `directory` (default: the system's, see
      TMPDIR). The loop may do anything.
    - "auto": on the server where that is equal to the plain loop, that is on PostgreSQL and Oracle inside a
      transaction for a query that neither locks rows nor calls functions of its own; else in the file.

    `progress` is called with the number of rows done, after every `chunk_size` rows and at the end. Under
    `DEBUG = True` the statements that the loop added to `connection.queries` are forgotten at the same moments.

    Raises ValueError for a wrong argument or a query that `mode="server"` cannot serve, and the errors of the query.
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
    Yield the rows of a SELECT as `cursor.execute(sql, params)` and `cursor.fetchall()` give them, as tuples.

    The statement runs when the first row is asked for. `connection` is that of Django (`schema_editor.connection`,
    `connections["default"]`); the options and errors are those of `stream`.
    """
    _check(chunk_size, mode)
    return _stream_sql(_Cursor(connection, chunk_size, mode, directory), sql, params)


def _check(chunk_size: int, mode: str) -> None:
    if chunk_size < 1:
        raise ValueError(f"chunk_size must be 1 or more, not {chunk_size!r}")
    if mode not in _MODES:
        raise ValueError(f"mode must be one of {', '.join(_MODES)}, not {mode!r}")


def _stream_sql(cursor: _Cursor, sql: str, params: Any) -> Iterator[tuple[Any, ...]]:
    with closing(cursor):
        cursor.execute(sql, params)
        yield from cursor


def _stream(
    source: Any,
    chunk_size: int,
    mode: str,
    progress: Callable[[int], object] | None,
    directory: str | None,
) -> Iterator[Any]:
    if isinstance(source, BaseManager):
        source = source.all()
    # _result_cache is None until a queryset is evaluated (both kinds of queryset, since Django 1.0).
    if not isinstance(source, (QuerySet, RawQuerySet)) or source._result_cache is not None:
        yield from _in_chunks(source, chunk_size, progress or _ignore)
        return
    connection = connections[source.db]
    with closing(_Cursor(connection, chunk_size, mode, directory)) as cursor:
        rows = _with_prefetched(source, _run(source, connection, cursor), chunk_size)
        forget_queries = _query_log_trimmer(connection)

        def chunk_done(done: int) -> None:
            if progress:
                progress(done)
            forget_queries()

        yield from _in_chunks(rows, chunk_size, chunk_done)


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


def _query_log_trimmer(connection: Any) -> Callable[[], None]:
    """
    Return a function that drops what was added since now to the log that Django keeps of each connection.

    Under DEBUG the log holds the last 9,000 statements with their values, which may be hundreds of megabytes. It is
    left alone where something is capturing it (force_debug_cursor, as assertNumQueries sets it). Neither
    `queries_log` (since Django 1.8) nor `force_debug_cursor` (since 1.8) is documented.
    """
    log = connection.queries_log
    last = log[-1] if log else None

    def trim() -> None:
        while settings.DEBUG and not connection.force_debug_cursor and log and log[-1] is not last:
            log.pop()

    return trim


def _run(source: Any, connection: Any, cursor: _Cursor) -> Iterator[Any]:
    """Run the query of `source` through `cursor` and return its rows, built by Django's own code."""
    if isinstance(source, RawQuerySet):
        method, rows = "cursor", source.iterator()
    else:
        # _iterable_class: what turns driver rows into instances, dicts or tuples (since Django 1.9). Called as
        # iterator() would, but for the setting DISABLE_SERVER_SIDE_CURSORS, which would hold all rows in memory.
        method, rows = "chunked_cursor", source._iterable_class(source, chunked_fetch=True)
    with _handing_out(connection, method, cursor):
        rows = iter(rows)
        first = list(islice(rows, 1))  # the query runs here
    return chain(first, rows)


@contextmanager
def _handing_out(connection: Any, method: str, cursor: _Cursor) -> Iterator[None]:
    """
    Let the next call of `connection.cursor()` or `connection.chunked_cursor()` return `cursor`, once.

    `chunked_cursor` is what querysets ask for in iterator() (not documented, since Django 1.11). Only this
    connection object changes, and connections belong to one thread.
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
    lookups = source._prefetch_related_lookups  # both kinds of queryset, since Django 1.4
    if not lookups:
        yield from rows
        return
    while chunk := list(islice(rows, chunk_size)):
        prefetch_related_objects(chunk, *lookups)
        yield from chunk


class _Cursor:
    """Takes the place of a cursor in Django's query code: runs one query, gives its rows out in blocks."""

    def __init__(self, connection: Any, chunk_size: int, mode: str, directory: str | None) -> None:
        self._connection = connection
        self._chunk_size = chunk_size
        self._mode = mode
        self._directory = directory
        self._open = ExitStack()
        self._blocks: Iterator[Sequence[Any]] = iter(())
        self.description: Any = None

    def execute(self, sql: str, params: Any = None) -> None:
        if _stays_on_server(self._connection, sql, self._mode):
            self._read_on_server(sql, params)
        else:
            self._read_into_file(sql, params)

    def _read_on_server(self, sql: str, params: Any) -> None:
        cursor = self._open.enter_context(_executed(self._connection, sql, params))
        blocks = _fetch(cursor, self._chunk_size)
        first = list(islice(blocks, 1))  # psycopg2 knows the columns only after a fetch
        self.description = cursor.description
        self._blocks = chain(first, blocks)

    def _read_into_file(self, sql: str, params: Any) -> None:
        file = TemporaryFile(prefix="migfix-", dir=self._directory)  # noqa: SIM115, close() does
        self._open.enter_context(file)
        spool = _Spool(file, self._connection)
        with _snapshot(self._connection), _executed(self._connection, sql, params) as cursor:
            for block in _fetch(cursor, self._chunk_size):
                spool.write(block)
            self.description = cursor.description
        self._blocks = spool.read()

    def fetchmany(self, size: int | None = None) -> Sequence[Any]:
        # Django's reader stops at the value that its backend gives at the end, () or [] (since Django 1.4).
        return next(self._blocks, self._connection.features.empty_fetchmany_value)

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(self._blocks)

    def close(self) -> None:
        self._blocks = iter(())
        self._open.close()


# What PostgreSQL declares no cursor for: a statement that writes, or several of them.
_NOT_ONLY_READING = re.compile(r"\b(insert|update|delete|merge|into)\b|;", re.IGNORECASE)
_LOCKING = re.compile(r"\bfor\s+(no\s+key\s+update|update|key\s+share|share)\b", re.IGNORECASE)
_BEFORE_PARENTHESIS = re.compile(r"""([\w$."`]+)\s*\(""")
# The keywords, types and functions that read nothing but their arguments. Any other function may read tables at the
# moment when its row is fetched, and would then see what the loop has written.
_READS_NO_TABLE = """
    select distinct from join lateral on using where and or not in any all exists as when then else values by having
    over filter group union except intersect array row case is like ilike between limit offset interval
    char varchar decimal numeric time timestamp timestamptz
    count sum avg min max array_agg string_agg bool_and bool_or row_number rank dense_rank lag lead
    coalesce nullif greatest least cast extract date_trunc upper lower trim btrim ltrim rtrim length char_length
    substr substring replace left right concat abs ceil ceiling floor round mod power md5 to_json to_jsonb
"""


def _is_select(sql: str) -> bool:
    return (
        re.match(r"[\s(]*(select|with|values)\b", sql, re.IGNORECASE) is not None
        and _NOT_ONLY_READING.search(_LOCKING.sub("", sql.rstrip("; \t\n"))) is None
    )


def _stays_on_server(connection: Any, sql: str, mode: str) -> bool:
    """Say whether a cursor of the database keeps this query's rows as they are now, whatever the loop writes."""
    keeps = (
        connection.vendor in ("postgresql", "oracle")
        and _is_select(sql)
        and _LOCKING.search(sql)
        is None  # PostgreSQL skips a row that the loop changed before its turn
        and set(_READS_NO_TABLE.split()).issuperset(_BEFORE_PARENTHESIS.findall(sql.lower()))
    )
    if mode == "server" and not keeps:
        raise ValueError(
            f'mode="server" cannot keep the rows of this query while the loop writes on {connection.vendor} '
            f'(use mode="auto" or "spool"): {sql}'
        )
    return keeps and (mode == "server" or (mode == "auto" and connection.in_atomic_block))


def _snapshot(connection: Any) -> Any:
    """
    Return the transaction in which to read all rows of one query.

    In autocommit PostgreSQL needs one for its cursor; a pooler then stays with one server connection as well.
    """
    if connection.vendor == "postgresql" and connection.get_autocommit():
        return transaction.atomic(using=connection.alias)
    return nullcontext()


@contextmanager
def _executed(connection: Any, sql: str, params: Any) -> Iterator[Any]:
    """Run the query on a cursor that leaves the rows on the server until they are fetched; close it at the end."""
    declares = connection.vendor == "postgresql" and _is_select(sql)
    with connection.chunked_cursor() if declares else _plain_cursor(connection) as cursor:
        if declares:
            sql, params = _bound(connection, sql, params)
        with _planned_for_all_rows(connection) if declares else nullcontext():
            cursor.execute(sql, params)
        yield cursor


def _bound(connection: Any, sql: str, params: Any) -> tuple[str, Any]:
    """
    Write the parameters into the SQL, as the driver does for a plain cursor.

    A named cursor of psycopg 3 under Django 4.2 leaves that to the server, which refuses values whose type it cannot
    tell. `compose_sql` is not documented (since Django 4.2).
    """
    if params is None or connection.settings_dict["OPTIONS"].get("server_side_binding"):
        return sql, params
    return connection.ops.compose_sql(sql, params), None


@contextmanager
def _planned_for_all_rows(connection: Any) -> Iterator[None]:
    """
    Let PostgreSQL plan the cursor like the plain query, so that rows without ORDER BY come in the same order.

    By default it plans a cursor for its first tenth of the rows (cursor_tuple_fraction). The setting is local to the
    transaction, and is put back at once; after an error the rollback does that. Not sent through Django's cursor, so
    that the query log holds only the query.
    """
    with connection.wrap_database_errors, connection.connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('cursor_tuple_fraction'), set_config('cursor_tuple_fraction', '1', true)"
        )
        before = cursor.fetchone()[0]
        yield
        cursor.execute("SELECT set_config('cursor_tuple_fraction', %s, true)", [before])


def _plain_cursor(connection: Any) -> Any:
    """Return a cursor that fetches row by row: on MySQL and MariaDB the SSCursor of the driver that Django loaded."""
    if connection.vendor != "mysql":
        return connection.cursor()
    connection.ensure_connection()
    driver = connection.connection
    try:
        unbuffered = importlib.import_module(f"{connection.Database.__name__}.cursors").SSCursor
    except (ImportError, AttributeError):
        return (
            connection.cursor()
        )  # another driver: its rows pass through memory, all else is the same
    buffered, driver.cursorclass = driver.cursorclass, unbuffered
    try:
        return connection.cursor()
    finally:
        driver.cursorclass = buffered


def _fetch(cursor: Any, chunk_size: int) -> Iterator[Sequence[Any]]:
    """Yield blocks of driver rows, of at most `chunk_size` rows and about _BLOCK_BYTES each."""
    size = min(_FIRST_BLOCK, chunk_size)
    while block := cursor.fetchmany(size):
        size = min(chunk_size, size * 4, max(1, len(block) * _BLOCK_BYTES // _width(block)))
        yield block
        del block  # before the next one is fetched


def _width(block: Sequence[Any]) -> int:
    """Return about how many bytes the values of a block take, judging by a few of its rows."""
    step = len(block) // 20 + 1
    return step * sum(32 + _size(value) for row in block[::step] for value in row) + 1


def _size(value: Any) -> int:
    if isinstance(value, (str, bytes, memoryview)):
        return len(value)
    return sum(map(_size, value)) if isinstance(value, (list, tuple)) else 0


class _Spool:
    """
    Blocks of driver rows in a temporary file: all written, then read once.

    Rows hold what the driver gave, never instances: those of a migration would come back as the current models.
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
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            message = "No space left for the rows of this query: set TMPDIR or pass directory=... to stream()"
            raise OSError(errno.ENOSPC, message) from error

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
    if value.format == "B":
        return memoryview, (value.tobytes(),)
    return memoryview.cast, (
        memoryview(value.tobytes()),
        value.format,
    )  # equal only in the same format


def _reduce_lob(value: Any) -> Any:
    return copy, (
        value.read(),
    )  # copy() gives back the str or bytes, which Django takes in place of a LOB
