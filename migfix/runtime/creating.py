"""A batch of new rows: which wait for one INSERT, and which are inserted at once."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from operator import itemgetter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from django.db import connections, router, transaction
from django.db.models import Manager, Model, QuerySet
from django.db.models.signals import post_save, pre_save

from migfix.runtime.batches import _Batch, _size_of, _write
from migfix.runtime.cursors import _session
from migfix.runtime.head import _BLOCK_BYTES
from migfix.runtime.keys import _alias_of
from migfix.runtime.new_rows import _Columns

if TYPE_CHECKING:
    from collections.abc import Iterator


def create_in_batches(
    source: Any, *, batch_size: int = 1000, ignore_conflicts: bool = False
) -> _CreateBatch:
    """
    Give a batch whose methods stand for those that insert one row, many in one go.

    `source` is a model, a manager or a queryset. `create(**values)` stands for
    `source.create(**values)`, `add(row)` for `row.save()` of a new row, and `append(row)` for that of
    a list which goes to `source.bulk_create()`, with `ignore_conflicts` if that is given. They return
    nothing: the row has no key yet.

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
    return _CreateBatch(source, batch_size, ignore_conflicts)


_New = tuple[list[Any], SimpleNamespace]  # the fields to write, and their values


class _CreateBatch(_Batch):
    """New rows of one model that wait to be inserted, see `create_in_batches`."""

    def __init__(self, source: Any, batch_size: int, ignore_conflicts: bool) -> None:
        super().__init__(batch_size)
        self._options = {"ignore_conflicts": True} if ignore_conflicts else {}
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
            self._source.bulk_create(self._kept, **self._options)

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
                self._source.bulk_create(rows, **self._options)
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
