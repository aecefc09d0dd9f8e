"""
Rows for the tables of a data migration on which its versions would differ, if they do.

``fill()`` writes them as the ORM would, without the models' ``save()``, signals and clocks. Whatever a
constraint of the database refuses is left out, so that the generator need not understand it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count, islice
from types import SimpleNamespace
from typing import Any

from django.apps.registry import Apps
from django.core.management.color import no_style
from django.db import DatabaseError, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model, QuerySet

from migfix.verify.worker.constants import Asked, Constants
from migfix.verify.worker.pools import REFUSED, Field, Pool, Setting, fitted, numbered, pool_of

Row = dict[str, object]

_CHUNK = 500  # rows of one INSERT
_ROUNDS = 4  # further attempts to get as many rows as asked for
_FEW = 1000  # rows that a further round tries to make up for
_DISTINCT = 50  # attempts to draw a row that is unique
_PARENTS = 1000  # rows of another table that rows refer to
_CHILDREN = 0.7  # the share of those that may get rows of their own
_TARGETS = 40  # rows of its own table that others refer to
_CONTENT_TYPE = "contenttypes.contenttype"


def fill(  # noqa: PLR0913 - each is a thing of its own
    apps: Apps,
    connection: BaseDatabaseWrapper,
    models: Iterable[type[Model]],
    constants: Constants,
    *,
    seed: int,
    rows: int,
    wild: bool,
) -> None:
    """
    Put about `rows` rows into each table of `models`, and of their many-to-many fields.

    `apps` holds the models as of one state of the migrations, `connection` is that of its alias in
    `connections`, with empty tables. The same arguments give the same rows, in any process. `wild` lets in
    what makes ordinary code raise or run for ever: limits of integers, longest texts, far dates, rows that
    are their own parent, and more NULLs.
    A table gets fewer rows, or none, where its constraints leave no more. Sequences go on behind the rows.
    """
    if rows <= 0:
        return
    filling = _Filling(apps, connection, constants, seed, rows, wild)
    tables = _in_order(_tables(models))
    with transaction.atomic(using=connection.alias), _checked_at_once(connection):
        for index, table in enumerate(tables):
            filling.waiting = tables[index:]
            filling.fill(table)
        for table, field in filling.late:
            filling.refer(table, field)
        _reset_sequences(connection, filling.filled)


def leave_out(apps: Apps, connection: BaseDatabaseWrapper, keys: Iterable[Sequence[str]]) -> None:
    """Delete rows by the label of their app, the name of their model and their key, with what goes with them."""
    for label, name, key in keys:
        rows = QuerySet(apps.get_model(label, name), using=connection.alias)
        with suppress(*REFUSED), transaction.atomic(using=connection.alias):
            rows.filter(pk=key).delete()


# --- tables --------------------------------------------------------------------------------------


def _tables(models: Iterable[type[Model]]) -> list[type[Model]]:
    """The models with tables of their own, each table once, with those between many-to-many fields."""
    found: dict[str, type[Model]] = {}
    for model in models:
        between = [field.remote_field.through for field in model._meta.local_many_to_many]
        for each in (model, *between):
            if not each._meta.proxy:
                found.setdefault(each._meta.db_table, each)
    # Models of a state come in an order that depends on hashes.
    return sorted(found.values(), key=lambda model: model._meta.label_lower)


def _in_order(tables: Sequence[type[Model]]) -> list[type[Model]]:
    """Parents before children; where relations run in a circle, one that may be NULL is no matter."""
    ordered: list[type[Model]] = []
    waiting = [*tables]
    while waiting:
        ready = (
            _first(waiting, _parents)
            or _first(waiting, partial(_parents, needed=True))
            or waiting[0]
        )
        waiting.remove(ready)
        ordered.append(ready)
    return ordered


def _first(
    waiting: Sequence[type[Model]], parents: Callable[[type[Model]], list[type[Model]]]
) -> type[Model] | None:
    return next(
        (each for each in waiting if not any(parent in waiting for parent in parents(each))), None
    )


def _parents(model: type[Model], needed: bool = False) -> list[type[Model]]:
    targets = [
        _target(field)
        for field in model._meta.local_concrete_fields
        if field.is_relation and not (needed and field.null)
    ]
    return [target for target in targets if target is not model]


def _target(field: Field) -> Any:
    """The model whose table a foreign key refers to."""
    return field.remote_field.model._meta.concrete_model


@contextmanager
def _checked_at_once(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Let PostgreSQL refuse the row that breaks a deferrable constraint, not all of them at the end."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    yield
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def _reset_sequences(connection: BaseDatabaseWrapper, tables: Sequence[type[Model]]) -> None:
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), tables):
            cursor.execute(statement)


# --- filling -------------------------------------------------------------------------------------


class _Filling:
    """What is the same for all tables, and the rows that are there already."""

    def __init__(
        self,
        apps: Apps,
        connection: BaseDatabaseWrapper,
        constants: Constants,
        seed: int,
        rows: int,
        wild: bool,
    ) -> None:
        self.apps = apps
        self.connection = connection
        self.rows = rows
        self.wild = wild
        self.filled: list[type[Model]] = []
        self.waiting: list[type[Model]] = []
        self.late: list[tuple[type[Model], Field]] = []
        self._constants = constants
        self._seed = seed

    def setting(self, *names: str) -> Setting:
        """A setting whose random numbers do not depend on what was drawn for others."""
        numbers = random.Random(":".join([str(self._seed), *names]))
        return Setting(self.connection, self._constants, numbers, self.wild)

    def rows_of(self, model: type[Model]) -> QuerySet[Any]:
        return QuerySet(model, using=self.connection.alias)

    def stored(self, model: type[Model], name: str, most: int) -> list[Any]:
        """Values of a column that other tables may refer to, [] where there is no such table."""
        rows = self.rows_of(model).exclude(**{name: None}).order_by(name)
        try:
            with transaction.atomic(using=self.connection.alias):
                return [*rows.values_list(name, flat=True)[:most]]
        except REFUSED:
            return []

    def asked(self, model: type[Model]) -> list[tuple[Row, bool]]:
        """The rows that the source asks this table for, and whether each is to be the only one of its kind."""
        setting = self.setting(model._meta.label, "asked")
        rows = [
            (row, each.one and each.model != "" and not self.wild)
            for each in self._constants.asked
            if each.model in ("", model._meta.model_name)
            and (row := _asked_row(model, each, setting)) is not None
        ]
        setting.random.shuffle(rows)
        return rows

    # --- one table

    def fill(self, model: type[Model]) -> None:
        if not self._is_there(model):
            return
        if model._meta.label_lower == _CONTENT_TYPE:
            self._insert_all(model, _content_types(self.apps, model, self.asked(model)))
        else:
            self._fill_with_drawn(model)
        self.filled.append(model)

    def _is_there(self, model: type[Model]) -> bool:
        """Whether a model has a table: one that is swapped, or not managed, may have none."""
        try:
            with transaction.atomic(using=self.connection.alias):
                self.rows_of(model).exists()
        except DatabaseError:
            return False
        return True

    def _fill_with_drawn(self, model: type[Model]) -> None:
        table = _Table(self, model)
        missing = self.rows
        for _ in range(_ROUNDS):
            written = self._insert_all(model, table.draw(missing))
            missing = min(missing - written, _FEW)
            if missing <= 0:
                return
            if not written:
                table.leave_custom_fields()

    def _insert_all(self, model: type[Model], rows: Iterator[Row]) -> int:
        written = 0
        while chunk := [SimpleNamespace(**row) for row in islice(rows, _CHUNK)]:
            names = vars(chunk[0])
            fields = [each for each in model._meta.local_concrete_fields if each.attname in names]
            size = max(1, self.connection.ops.bulk_batch_size(fields, chunk))
            for start in range(0, len(chunk), size):
                written += self._insert(model, fields, chunk[start : start + size])
        return written

    def _insert(self, model: type[Model], fields: Sequence[Field], rows: list[Any]) -> int:
        """Insert the rows that the database takes; return how many these are."""
        try:
            with transaction.atomic(using=self.connection.alias):
                # What save() calls: unlike bulk_create() it takes tables with parents, and no clock is asked.
                self.rows_of(model)._insert(
                    rows, fields=fields, using=self.connection.alias, raw=True
                )
        except REFUSED:
            if len(rows) == 1:
                return 0
            middle = len(rows) // 2
            return self._insert(model, fields, rows[:middle]) + self._insert(
                model, fields, rows[middle:]
            )
        return len(rows)

    # --- references that had to wait

    def refer(self, model: type[Model], field: Field) -> None:
        """Set a foreign key whose target was not there when its rows were made."""
        numbers = self.setting(model._meta.label, field.name, "late").random
        to = field.target_field.attname
        targets = self.stored(_target(field), to, _PARENTS)
        if field.remote_field.model._meta.concrete_model is model:
            rows = [*self.rows_of(model).order_by("pk").values_list("pk", to)]
            numbers.shuffle(rows)
            chosen = _referring_to_own(rows, numbers, self.wild, field.unique)
        else:
            keys = [*self.rows_of(model).order_by("pk").values_list("pk", flat=True)]
            chosen = _referring_to(keys, targets, numbers, field.unique)
        self._update(model, field, chosen)

    def _update(
        self, model: type[Model], field: Field, chosen: Iterable[tuple[object, object]]
    ) -> None:
        keys_by_target: dict[object, list[object]] = {}
        for key, target in chosen:
            keys_by_target.setdefault(target, []).append(key)
        for target, keys in keys_by_target.items():
            for start in range(0, len(keys), _CHUNK):
                rows = self.rows_of(model).filter(pk__in=keys[start : start + _CHUNK])
                try:
                    with transaction.atomic(using=self.connection.alias):
                        rows.update(**{field.attname: target})
                except DatabaseError:
                    continue  # a constraint that does not want it


def _referring_to_own(
    rows: Sequence[tuple[Any, Any]], numbers: random.Random, wild: bool, unique: bool
) -> Iterator[tuple[Any, Any]]:
    """Pairs of a key and what its row refers to: trees, and where it is wild a row itself and a circle."""
    for index, (key, own) in enumerate(rows):
        if wild and index == 0:
            yield key, own
        elif wild and index in (1, 2) and len(rows) > 2:
            yield key, rows[3 - index][1]
        elif unique and wild <= index < _TARGETS and not (wild and index == 3):
            yield from [(key, rows[index - 1][1])] if index else []
        elif not unique and index and numbers.random() < _CHILDREN:
            yield key, rows[numbers.randrange(min(index, _TARGETS))][1]


def _referring_to(
    keys: Sequence[Any], targets: list[Any], numbers: random.Random, unique: bool
) -> Iterator[tuple[Any, Any]]:
    targets = numbers.sample(targets, _some(len(targets)))
    for key in keys:
        if not targets:
            return
        if numbers.random() < _CHILDREN:
            target = numbers.choice(targets)
            if unique:
                targets.remove(target)
            yield key, target


def _some(number: int) -> int:
    return min(number, int(number * _CHILDREN) + 1)


def _asked_row(model: type[Model], asked: Asked, setting: Setting) -> Row | None:
    """The values by column, None for what the table cannot hold."""
    fields = {field.name: field for field in model._meta.local_concrete_fields}
    row: Row = {}
    for name, value in asked.values.items():
        field = model._meta.pk if name == "pk" else fields.get(name)
        if field is None or field.is_relation:
            return None
        known = fitted(field, setting, value)
        if known is None:
            return None
        row[field.attname] = known
    return row


def _content_types(
    apps: Apps, model: type[Model], asked: Iterable[tuple[Row, bool]]
) -> Iterator[Row]:
    """The rows that Django itself would have made, and those of other apps that the source asks for."""
    found = {(each._meta.app_label, each._meta.model_name) for each in apps.get_models()}
    found |= {
        (row["app_label"], row["model"]) for row, _ in asked if {"app_label", "model"} <= row.keys()
    }
    labels = sorted(found)
    names = {field.attname for field in model._meta.local_concrete_fields}
    for number, (app, name) in enumerate(labels, start=1):
        row = {"id": 2 * number, "app_label": app, "model": name, "name": name}
        yield {key: value for key, value in row.items() if key in names}


# --- rows of one table ---------------------------------------------------------------------------


class _Exhausted(Exception):
    """A column has no further value, so that the table gets no further row."""


class _Table:
    """Draws rows of one model, without those of its parents' tables."""

    def __init__(self, filling: _Filling, model: type[Model]) -> None:
        self._filling = filling
        self._columns = {}
        asked = filling.asked(model)
        self._asked = [row for row, _ in asked]
        self._alone = [row for row, one in asked if one]
        self._unique = _unique_sets(model)
        self._seen: set[tuple[object, ...]] = set()
        for field in _key_first(model):
            if (column := _column(filling, model, field)) is not None:
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
            except _Exhausted:
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
                yield (names, *map(_hashable, values))


def _hashable(value: object) -> object:
    return repr(value) if isinstance(value, (list, dict)) else value


def _key_first(model: type[Model]) -> list[Field]:
    fields = model._meta.local_concrete_fields
    written = [field for field in fields if not getattr(field, "generated", False)]
    return sorted(written, key=lambda field: not field.primary_key)


def _unique_sets(model: type[Model]) -> list[tuple[str, ...]]:
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


# --- columns -------------------------------------------------------------------------------------


class _Column:
    """Draws the values of one column."""

    def draw(self, row: Row) -> object:
        raise NotImplementedError

    def leave(self) -> None:
        """Give up values that may be what the database refuses."""


def _column(filling: _Filling, model: type[Model], field: Field) -> _Column | None:
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
    filling: _Filling, model: type[Model], field: Field, setting: Setting
) -> list[object]:
    """Keys of other rows, for the column beside a content type."""
    relations = [each for each in model._meta.local_concrete_fields if each.is_relation]
    if not field.name.endswith(("object_id", "object_pk", "_id")) or not any(
        _target(each)._meta.label_lower == _CONTENT_TYPE for each in relations
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
        if any(self._field.attname in names for names in _unique_sets(model)):
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
        while _hashable(value) in self._used:
            other = numbered(self._field, value, next(self._numbers))
            if other is None:
                break
            value = other
        self._used.add(_hashable(value))
        return value


def _share_of_nulls(field: Field, setting: Setting) -> float:
    if not field.null:
        return 0
    if setting.wild:
        return 0.2
    return 0.1 if setting.random.random() < 0.25 else 0


# --- references ----------------------------------------------------------------------------------


def _reference(
    filling: _Filling, model: type[Model], field: Field, setting: Setting
) -> _Column | None:
    target = _target(field)
    if target not in filling.waiting:
        values = filling.stored(target, field.target_field.attname, max(filling.rows, _PARENTS))
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
        self._values = self._random.sample(values, _some(len(values)))
        self._nulls = _share_of_nulls(field, setting)
        if not field.db_constraint and not field.unique:
            self._values += [*_dangling(field, values)]

    def draw(self, row: Row) -> object:
        if self._random.random() < self._nulls:
            return None
        if not self._values:
            if self._field.null:
                return None
            raise _Exhausted
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
            raise _Exhausted
        return row[self._name]
