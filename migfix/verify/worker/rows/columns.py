"""The values of one column, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Model

from migfix.verify.worker.rows.order import target_of
from migfix.verify.worker.rows.references import some_of
from migfix.verify.worker.values.pools import Pool, numbered, pool_of
from migfix.verify.worker.values.setting import Field, Setting

if TYPE_CHECKING:
    from migfix.verify.worker.rows.filling import Filling

Row = dict[str, object]
PARENTS = 1000  # rows of another table that rows refer to
CONTENT_TYPE = "contenttypes.contenttype"


class Exhausted(Exception):
    """A column has no further value, so that the table gets no further row."""


def hashable(value: object) -> object:
    return repr(value) if isinstance(value, (list, dict)) else value


def unique_sets(model: type[Model]) -> list[tuple[str, ...]]:
    """Columns whose values may be in one row only, where all of them are of this table."""
    options = model._meta
    sets = [*options.unique_together]
    sets.append([field.name for field in getattr(options, "pk_fields", ())])  # of Django 5.2
    sets += [
        each.fields
        for each in options.constraints
        if isinstance(each, models.UniqueConstraint) and each.condition is None and each.fields
    ]
    local = {field.name: field.attname for field in options.local_concrete_fields}
    found = [
        tuple(local[name] for name in names)
        for names in sets
        if names and all(name in local for name in names)
    ]
    return found + [(field.attname,) for field in options.local_concrete_fields if field.unique]


class _Column:
    """Draws the values of one column."""

    def draw(self, row: Row) -> object:
        raise NotImplementedError

    def leave(self) -> None:
        """Give up values that may be what the database refuses."""


def column_of(filling: Filling, model: type[Model], field: Field) -> _Column | None:
    """The column of a field, None for one that the database is to fill itself."""
    setting = filling.setting(model._meta.label, field.name)
    if field.is_relation:
        return _reference(filling, model, field, setting)
    if isinstance(field, models.AutoField):
        return _Keys(field, setting, filling.rows)
    pool = pool_of(field, setting, _keys_of_others(filling, model, field, setting))
    if pool is not None:
        return _Drawn(model, field, setting, pool, filling.rows)
    if not field.null and _has_database_default(field):
        return None
    return _Fixed(_fallback(field))


def _has_database_default(field: Field) -> bool:
    return getattr(field, "db_default", models.NOT_PROVIDED) is not models.NOT_PROVIDED


def _fallback(field: Field) -> object:
    """A value for a field of which nothing is known. Defaults that may ask a clock or chance are not called."""
    default = field.default
    if default is models.NOT_PROVIDED or (callable(default) and default not in (dict, list, str)):
        return None if field.null else ""
    return default() if callable(default) else default


def _keys_of_others(
    filling: Filling, model: type[Model], field: Field, setting: Setting
) -> list[object]:
    """Keys of other rows, for the column beside a content type."""
    relations = [each for each in model._meta.local_concrete_fields if each.is_relation]
    if not field.name.endswith(("object_id", "object_pk", "_id")) or not any(
        target_of(each)._meta.label_lower == CONTENT_TYPE for each in relations
    ):
        return []
    single = [each for each in filling.filled if each._meta.pk in each._meta.concrete_fields]
    filled = setting.random.sample(single, min(len(single), 5))
    return [key for each in filled for key in filling.stored(each, "pk", 3)]


class _Fixed(_Column):
    def __init__(self, value: object) -> None:
        self._value = value

    def draw(self, row: Row) -> object:
        return self._value


class _Keys(_Column):
    """Keys that the database would number: with gaps, and not in the order of the rows."""

    def __init__(self, field: Field, setting: Setting, rows: int) -> None:
        _, most = setting.connection.ops.integer_field_range(field.get_internal_type())
        limit = min(3 * rows + 10, most or 2**63 - 1)
        self._waiting = setting.random.sample(range(1, limit), min(2 * rows, limit - 1))
        self._further = count(limit)

    def draw(self, row: Row) -> object:
        return self._waiting.pop() if self._waiting else next(self._further)


class _Drawn(_Column):
    """Values of a pool: each of the source's once, about half of the others near to those, some NULL."""

    def __init__(
        self, model: type[Model], field: Field, setting: Setting, pool: Pool, rows: int
    ) -> None:
        self._field = field
        self._random = setting.random
        self._nulls = _share_of_nulls(field, setting)
        self._used: set[object] = set()
        self._numbers = count(101)
        self._common = self._tied(model, pool.common, rows)
        self._near = [*pool.own, *self._tied(model, pool.near, rows)]
        self._first: list[tuple[object, ...]] = self._schedule(pool.own, rows)

    def _tied(self, model: type[Model], values: list[object], rows: int) -> list[object]:
        """So few of the values that several rows share one, fewer still where rows are ordered by them."""
        if any(self._field.attname in names for names in unique_sets(model)):
            return values
        names = [str(name).lstrip("-") for name in model._meta.ordering]
        size = 3 if self._field.name in names else max(4, rows // 3)
        return self._random.sample(values, min(len(values), size))

    def _schedule(self, own: list[object], rows: int) -> list[tuple[object, ...]]:
        """What the first rows get: `(value,)`, or () for one that is drawn."""
        values: list[object] = [*own, *([None] if self._nulls else [])]
        first = [(value,) for value in self._random.sample(values, min(len(values), rows))]
        schedule = [*first, *[()] * min(2 * len(first), rows - len(first))]
        self._random.shuffle(schedule)
        return schedule

    def leave(self) -> None:
        if not type(self._field).__module__.startswith("django."):
            self._first, self._near, self._common = [], [], [_fallback(self._field)]

    def draw(self, row: Row) -> object:
        scheduled = self._first.pop() if self._first else ()
        value = scheduled[0] if scheduled else self._drawn()
        return self._distinct(value) if self._field.unique and value is not None else value

    def _drawn(self) -> object:
        if self._random.random() < self._nulls:
            return None
        if self._near and (not self._common or self._random.random() < 0.5):
            return self._random.choice(self._near)
        return self._random.choice(self._common)

    def _distinct(self, value: object) -> object:
        while hashable(value) in self._used:
            other = numbered(self._field, value, next(self._numbers))
            if other is None:
                break
            value = other
        self._used.add(hashable(value))
        return value


def _share_of_nulls(field: Field, setting: Setting) -> float:
    if not field.null:
        return 0
    if setting.wild:
        return 0.2
    return 0.1 if setting.random.random() < 0.25 else 0


# --- references ----------------------------------------------------------------------------------


def _reference(
    filling: Filling, model: type[Model], field: Field, setting: Setting
) -> _Column | None:
    target = target_of(field)
    if target not in filling.waiting:
        values = filling.stored(target, field.target_field.attname, max(filling.rows, PARENTS))
        return _References(field, setting, values)
    if field.null:
        filling.late.append((model, field))
        return _Fixed(None)
    return _ToItself(field) if target is model else _References(field, setting, [])


class _References(_Column):
    """Rows of another table: some of them with several rows of this, others with none."""

    def __init__(self, field: Field, setting: Setting, values: list[Any]) -> None:
        self._field = field
        self._random = setting.random
        self._values = self._random.sample(values, some_of(len(values)))
        self._nulls = _share_of_nulls(field, setting)
        if not field.db_constraint and not field.unique:
            self._values += [*_dangling(field, values)]

    def draw(self, row: Row) -> object:
        if self._random.random() < self._nulls:
            return None
        if not self._values:
            if self._field.null:
                return None
            raise Exhausted
        if self._field.unique:
            return self._values.pop()
        return self._values[int(len(self._values) * self._random.random() ** 2)]


def _dangling(field: Field, values: list[Any]) -> Iterator[object]:
    """Keys of no row."""
    for number in (30_901, 30_902):  # a small integer, too
        key = numbered(field.target_field, values[0] if values else 0, number)
        if key is not None:
            yield key


class _ToItself(_Column):
    """A row that cannot be without a parent, and is its own."""

    def __init__(self, field: Field) -> None:
        self._name = field.target_field.attname

    def draw(self, row: Row) -> object:
        if self._name not in row:
            raise Exhausted
        return row[self._name]
