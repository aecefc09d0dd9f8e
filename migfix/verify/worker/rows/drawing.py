"""The rows of one table, drawn so that no two break a rule of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from django.db.models import Model

from migfix.verify.worker.rows.columns import Exhausted, Row, column_of, hashable, unique_sets
from migfix.verify.worker.values.setting import Field

if TYPE_CHECKING:
    from migfix.verify.worker.rows.filling import Filling

_DISTINCT = 50  # attempts to draw a row that is unique


class Table:
    """Draws rows of one model, without those of its parents' tables."""

    def __init__(self, filling: Filling, model: type[Model]) -> None:
        self._filling = filling
        self._columns = {}
        asked = filling.asked(model)
        self._asked = [row for row, _ in asked]
        self._alone = [row for row, one in asked if one]
        self._unique = unique_sets(model)
        self._seen: set[tuple[object, ...]] = set()
        for field in _key_first(model):
            if (column := column_of(filling, model, field)) is not None:
                self._columns[field.attname] = column

    def leave_custom_fields(self) -> None:
        """Draw no more values for fields whose classes are not Django's: the database took none."""
        for column in self._columns.values():
            column.leave()

    def draw(self, number: int) -> Iterator[Row]:
        for _ in range(number):
            row = self._distinct_row(self._asked.pop()) if self._asked else None
            row = row or self._distinct_row({})
            if row is None:
                return
            yield row

    def _distinct_row(self, given: Row) -> Row | None:
        for _ in range(_DISTINCT):
            row: Row = {}
            try:
                for name, column in self._columns.items():
                    drawn = column.draw(row)
                    row[name] = given.get(name, drawn)
            except Exhausted:
                return None
            keys = [*self._keys(row)]
            only = any(each.items() <= row.items() for each in self._alone if each is not given)
            if self._seen.isdisjoint(keys) and not only:
                self._seen.update(keys)
                return row
        return None

    def _keys(self, row: Row) -> Iterator[tuple[object, ...]]:
        for names in self._unique:
            values = [row.get(name) for name in names]
            if None not in values:
                yield (names, *map(hashable, values))


def _key_first(model: type[Model]) -> list[Field]:
    fields = model._meta.local_concrete_fields
    written = [field for field in fields if not getattr(field, "generated", False)]
    return sorted(written, key=lambda field: not field.primary_key)
