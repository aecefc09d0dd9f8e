"""A batch of update() calls that each find one row by its key."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import router
from django.db.models import IntegerField, Manager, QuerySet, UUIDField

from migfix.runtime.batches import _CONSTANTS, _Batch, _size_of
from migfix.runtime.tables import _TEXTS, _is_computed, _is_updated_plainly, _Table

if TYPE_CHECKING:
    from collections.abc import Callable


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
    """The same as `filter(pk=key).update()` does it: no `pre_save`, nor an error of rows that are gone."""

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
