"""How a loop is given its rows: through Django's own query code, with a cursor of ours in its place."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from itertools import chain, islice
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connections
from django.db.models import QuerySet, prefetch_related_objects
from django.db.models.manager import BaseManager
from django.db.models.query import RawQuerySet

from migfix.runtime.blocks import _fetch, _Spool
from migfix.runtime.cursors import _executed, _transaction_for_cursor
from migfix.runtime.head import _MODES
from migfix.runtime.selects import _stays_on_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence


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
