"""
Rows for the tables of a data migration on which its versions would differ, if they do.

``fill()`` writes them as the ORM would, without the models' ``save()``, signals and clocks. Whatever a
constraint of the database refuses is left out, so that the generator need not understand it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from types import SimpleNamespace
from typing import Any

from django.apps.registry import Apps
from django.core.management.color import no_style
from django.db import DatabaseError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model, QuerySet

from migfix.verify.worker.rows.columns import CONTENT_TYPE, PARENTS, Row
from migfix.verify.worker.rows.drawing import Table
from migfix.verify.worker.rows.order import in_order, tables_of, target_of
from migfix.verify.worker.rows.references import referring_to, referring_to_own
from migfix.verify.worker.values.constants import Asked, Constants
from migfix.verify.worker.values.pools import fitted
from migfix.verify.worker.values.setting import REFUSED, Field, Setting

_CHUNK = 500  # rows of one INSERT
_ROUNDS = 4  # further attempts to get as many rows as asked for
_FEW = 1000  # rows that a further round tries to make up for


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
    filling = Filling(apps, connection, constants, seed, rows, wild)
    tables = in_order(tables_of(models))
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


class Filling:
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
        if model._meta.label_lower == CONTENT_TYPE:
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
        table = Table(self, model)
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
        targets = self.stored(target_of(field), to, PARENTS)
        if field.remote_field.model._meta.concrete_model is model:
            rows = [*self.rows_of(model).order_by("pk").values_list("pk", to)]
            numbers.shuffle(rows)
            chosen = referring_to_own(rows, numbers, self.wild, field.unique)
        else:
            keys = [*self.rows_of(model).order_by("pk").values_list("pk", flat=True)]
            chosen = referring_to(keys, targets, numbers, field.unique)
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
