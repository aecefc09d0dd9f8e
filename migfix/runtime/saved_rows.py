"""A batch of rows to be saved: which wait as values, which save themselves, which are few."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import router
from django.db.models import QuerySet

from migfix.runtime.batches import _Batch, _size_of
from migfix.runtime.cursors import _own_transaction
from migfix.runtime.streaming import _after_chunk
from migfix.runtime.tables import _BulkTable, _FinalTable, _Table

if TYPE_CHECKING:
    from collections.abc import Sequence

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
