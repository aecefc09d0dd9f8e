"""What all batches share: rows wait while a block is open, and are written in one go or one by one."""

from __future__ import annotations

import inspect
import sys
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import InterfaceError, InternalError, OperationalError, transaction

from migfix.runtime.blocks import _size
from migfix.runtime.cursors import _is_lost, _own_transaction, _session
from migfix.runtime.head import _BLOCK_BYTES
from migfix.runtime.streaming import _after_chunk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence, Sized

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
